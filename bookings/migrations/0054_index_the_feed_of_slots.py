"""The indexes of the feed of slots, made beside a live service."""

from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False  # indexes are made concurrently

    dependencies = [("bookings", "0053_give_slots_and_refusals_a_place_in_a_feed")]

    operations = [
        online.AddIndexOnline(
            "appointmentslot",
            models.Index(condition=models.Q(("change_num__isnull", True)), fields=["id"], name="slot_to_number"),
        ),
        online.AddIndexOnline(
            "appointmentslot",
            models.Index(
                condition=models.Q(("change_num__isnull", False)), fields=["change_num"], name="slot_by_change"
            ),
        ),
    ]
