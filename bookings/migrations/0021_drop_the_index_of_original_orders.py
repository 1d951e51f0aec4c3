"""Original orders are found by `work_order_one_after_another`, which begins with them."""

from django.db import migrations

from bookings.db.online import RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0020_drop_the_narrow_index_of_bookings_before")]

    operations = [RemoveIndexOnline("workorder", "work_order_by_original_order")]
