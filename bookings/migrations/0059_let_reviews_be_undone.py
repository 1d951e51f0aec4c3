"""One more event of the history. Nothing in the database changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0058_remember_when_a_call_was_begun"),
    ]

    operations = [
        migrations.AlterField(
            model_name="historyentry",
            name="event",
            field=models.CharField(
                choices=[
                    ("booked", "Booked"),
                    ("moved", "Moved"),
                    ("cancelled", "Cancelled"),
                    ("reviewed", "Reviewed"),
                    ("unreviewed", "review undone"),
                    ("noted", "Noted"),
                    ("added", "Added"),
                    ("closed", "Closed"),
                    ("opened", "Opened"),
                    ("resized", "Resized"),
                    ("changed", "Changed"),
                    ("purged", "Purged"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
    ]
