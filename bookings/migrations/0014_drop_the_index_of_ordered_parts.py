"""The parts of a part order are among those of its work order, which have an index."""

from django.db import migrations, models
from django.db.models import PROTECT

from bookings.db.online import RemoveFieldIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0013_drop_the_index_of_asked_workers")]

    operations = [
        RemoveFieldIndexOnline(
            "requiredpart",
            "part_order",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=PROTECT,
                related_name="required_parts",
                to="bookings.partorder",
            ),
        ),
    ]
