"""Indexes that others do the work of, or that nothing asks for: each costs every booking a row and a page."""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0060_index_the_history_of_slots_alone")]

    operations = [
        online.RemoveFieldIndexOnline(
            "historyentry",
            "slot",
            models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="history",
                to="bookings.appointmentslot",
            ),
        ),
        online.RemoveFieldIndexOnline(
            "partorder",
            "work_order",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="part_orders",
                to="bookings.workorder",
            ),
        ),
        online.RemoveFieldIndexOnline(
            "requiredpart",
            "work_order",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="required_parts",
                to="bookings.workorder",
            ),
        ),
    ]
