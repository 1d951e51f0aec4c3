"""In which area was this location visited last?"""

from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0029_fill_search_documents")]

    operations = [
        online.AddIndexOnline("workorder", models.Index(fields=["location_num", "id"], name="work_order_by_location")),
    ]
