"""The bookings in closed slots are read beginning with these slots, whatever closed them."""

from django.db import migrations, models
from django.db.models import Q

from bookings.db.online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0024_fill_weekly_sums")]

    operations = [
        AddIndexOnline(
            "appointmentslot",
            models.Index(
                condition=Q(is_open=False) | Q(blackout__isnull=False) | Q(is_withdrawn=True),
                fields=["start"],
                name="slot_hidden",
            ),
        ),
    ]
