"""The word for a receiver that answers, but takes nothing. No table changes: choices are not in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0047_add_keys_of_systems"),
    ]

    operations = [
        migrations.AlterField(
            model_name="deliveryentry",
            name="event",
            field=models.CharField(
                choices=[
                    ("accepted", "accepted"),
                    ("waits", "waits"),
                    ("needs_person", "needs a person"),
                    ("unreachable", "receiver takes nothing"),
                    ("sent_again", "sent again"),
                    ("connected", "connected"),
                    ("changed", "changed"),
                    ("turned_off", "turned off"),
                    ("paused", "paused"),
                    ("resumed", "resumed"),
                    ("answers_again", "answers again"),
                    ("new_epoch", "begins anew"),
                ],
                max_length=20,
            ),
        ),
    ]
