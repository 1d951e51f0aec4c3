"""The indexes of the feed of refusals, and of the external ids of blackouts, made beside a live service."""

from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False  # indexes are made concurrently

    dependencies = [("bookings", "0054_index_the_feed_of_slots")]

    operations = [
        online.AddIndexOnline(
            "refusal",
            models.Index(condition=models.Q(("change_num__isnull", True)), fields=["id"], name="refusal_to_number"),
        ),
        online.AddIndexOnline(
            "refusal",
            models.Index(
                condition=models.Q(("change_num__isnull", False)), fields=["change_num"], name="refusal_by_change"
            ),
        ),
        online.AddIndexOnline(
            "blackout",
            models.Index(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=["external_id"],
                name="blackout_by_external_id",
            ),
        ),
    ]
