"""Who may read or change the postcodes of areas may do so with their other codes. Safe to repeat."""

from django.db import migrations

from bookings.db.migrating import granting

grant = granting(
    *(
        (("postcodeprefix", f"{action}_postcodeprefix"), ("areacode", f"{action}_areacode"))
        for action in ("view", "add", "change", "delete")
    )
)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0034_validate_slots_and_zones")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
