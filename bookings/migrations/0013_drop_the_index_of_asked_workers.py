"""Less to write for a booking: the worker that was asked for is found by the words of the search."""

from django.db import migrations

from bookings.db.online import RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0012_add_saved_views")]

    operations = [
        RemoveIndexOnline("workorder", "work_order_by_worker"),
    ]
