"""Two foreign keys that follow from others: of a booking's area, which is its slot's; of a part's part order, which
the same statement writes.

PostgreSQL locks a row, and writes that down, for each row that it looks up. Beside a live service: all tables are
locked at once, for a moment.

SQLite keeps the one of the area: to drop it Django makes the table anew, which then gives numbers again that were
removed since.
"""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import locked
from bookings.db.online import AlterFieldOnPostgreSQL


class Migration(migrations.Migration):
    dependencies = [("bookings", "0014_drop_the_index_of_ordered_parts")]

    operations = [
        migrations.RunPython(
            locked("bookings_servicearea", "bookings_workorder", "bookings_partorder", "bookings_requiredpart"),
            migrations.RunPython.noop,
        ),
        AlterFieldOnPostgreSQL(
            "workorder",
            "area",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="bookings.servicearea",
            ),
        ),
        migrations.AlterField(
            "requiredpart",
            "part_order",
            models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="required_parts",
                to="bookings.partorder",
            ),
        ),
    ]
