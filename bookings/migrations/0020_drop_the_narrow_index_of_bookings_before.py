"""`work_order_one_after_another` does what this one did, for all rows."""

from django.db import migrations

from bookings.db.online import RemoveUniqueIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0019_index_orders_by_what_was_booked_before")]

    operations = [RemoveUniqueIndexOnline("workorder", "work_order_one_booked_after_another")]
