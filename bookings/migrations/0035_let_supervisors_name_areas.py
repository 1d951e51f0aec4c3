"""Who may read or change the postcodes of areas may do so with their other codes. Safe to repeat."""

from importlib import import_module

from django.db import migrations

roles = import_module("bookings.migrations.0013_make_the_roles")


def grant(apps, schema_editor):
    for action in ("view", "add", "change", "delete"):
        postcodes = roles._permission(apps, "postcodeprefix", f"{action}_postcodeprefix")
        codes = roles._permission(apps, "areacode", f"{action}_areacode")
        for group in apps.get_model("auth", "Group").objects.filter(permissions=postcodes):
            group.permissions.add(codes)
        for user in apps.get_model("auth", "User").objects.filter(user_permissions=postcodes):
            user.user_permissions.add(codes)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0034_validate_slots_and_zones")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
