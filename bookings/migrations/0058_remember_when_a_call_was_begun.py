"""When a call was begun whose end is not known. The column is empty, and the release before does not read it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0057_add_practice_areas"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="called_at",
            field=models.DateTimeField(blank=True, help_text="When such a call was begun.", null=True),
        ),
    ]
