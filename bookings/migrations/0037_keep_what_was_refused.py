"""What a refusal was about: the body, the period and the order type that were asked for.

Beside a live service: the columns are empty or have a default in the database, so that the previous release writes on.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bookings", "0036_drop_the_index_by_account")]

    operations = [
        migrations.AddField(
            model_name="refusal",
            name="body",
            field=models.TextField(blank=True, db_default="", default="", help_text="The Book Job Object as it came."),
        ),
        migrations.AddField(
            model_name="refusal",
            name="order_type",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="refusal",
            name="visit_end",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="refusal",
            name="visit_start",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
