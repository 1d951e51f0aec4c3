"""After which booking of its order a work order was booked; empty for those of the release before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bookings", "0039_read_impossible_dates_as_none")]

    operations = [
        migrations.AddField(
            model_name="workorder",
            name="booked_after",
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
    ]
