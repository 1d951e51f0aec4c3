"""Every booking says where and when; filled by the migration before, in a transaction of its own."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bookings", "0011_fill_the_desk")]

    operations = [
        migrations.AlterField(
            model_name="workorder",
            name="area",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="bookings.servicearea",
            ),
        ),
        migrations.AlterField(model_name="workorder", name="visit_start", field=models.DateTimeField()),
    ]
