"""In which areas was this account visited? Takes the place of the index by account, which the next migration drops."""

from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0030_index_work_orders_by_location")]

    operations = [
        online.AddIndexOnline("workorder", models.Index(fields=["account_num", "area"], name="work_order_by_customer")),
    ]
