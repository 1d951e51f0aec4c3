"""Indexes of work orders that each take the place of two, or hold no row twice; 0020 to 0022 drop the others."""

from django.db import migrations, models
from django.db.models import F, Q

from bookings.db.online import AddUniqueIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0018_key_parts_by_their_places")]

    operations = [
        AddUniqueIndexOnline(
            "workorder",
            models.UniqueConstraint(F("original_order"), F("booked_after"), name="work_order_one_after_another"),
        ),
        AddUniqueIndexOnline(
            "workorder",
            models.UniqueConstraint(
                condition=Q(change_num__isnull=False), fields=("change_num",), name="work_order_by_change_num"
            ),
        ),
    ]
