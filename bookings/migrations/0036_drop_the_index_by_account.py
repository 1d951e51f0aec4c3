"""Another index has taken its place (0031)."""

from django.db import migrations

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0035_let_supervisors_name_areas")]

    operations = [online.RemoveIndexOnline("workorder", "work_order_by_account")]
