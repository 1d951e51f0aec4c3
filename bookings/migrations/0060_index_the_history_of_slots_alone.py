"""The history of a slot; the next migration drops the index that has the lines of bookings, too."""

from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0059_let_reviews_be_undone")]

    operations = [
        online.AddIndexOnline(
            "historyentry",
            models.Index(
                condition=models.Q(("slot__isnull", False)),
                fields=["slot"],
                name="history_of_a_slot",
            ),
        ),
    ]
