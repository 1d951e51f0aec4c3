"""Less to write for each part: on PostgreSQL its primary key is its work order with its position; `id` has no index.

And no foreign keys to the work order from parts, part orders and words: the statement of a booking writes all of them
with its number, and PostgreSQL looked the work order up for each row. Who removes work orders removes these before.

Beside a live service: the tables are locked for a moment, all at once.
SQLite keeps all of it: its primary key is the row itself, and to drop a foreign key Django makes the table anew.
"""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import locked, statements
from bookings.db.online import AlterFieldOnPostgreSQL

LOCK = locked("bookings_workorder", "bookings_partorder", "bookings_requiredpart", "bookings_searchdocument")
NAME = "required_part_position_once_per_order"
BY_PLACE = f"""
ALTER TABLE bookings_requiredpart DROP CONSTRAINT bookings_requiredpart_pkey, DROP CONSTRAINT {NAME},
    ADD CONSTRAINT {NAME} PRIMARY KEY USING INDEX required_part_place
"""
BY_ID = f"""
ALTER TABLE bookings_requiredpart DROP CONSTRAINT {NAME}, ADD CONSTRAINT bookings_requiredpart_pkey PRIMARY KEY (id),
    ADD CONSTRAINT {NAME} UNIQUE (work_order_id, position);
CREATE UNIQUE INDEX required_part_place ON bookings_requiredpart (work_order_id, position)
"""


class Migration(migrations.Migration):
    dependencies = [("bookings", "0017_index_parts_by_their_places")]

    operations = [
        migrations.RunPython(LOCK, LOCK),
        migrations.RunPython(statements(BY_PLACE, "SELECT 1"), statements(BY_ID, "SELECT 1")),
        AlterFieldOnPostgreSQL(
            "partorder",
            "work_order",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="part_orders",
                to="bookings.workorder",
            ),
        ),
        AlterFieldOnPostgreSQL(
            "requiredpart",
            "work_order",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="required_parts",
                to="bookings.workorder",
            ),
        ),
        AlterFieldOnPostgreSQL(
            "searchdocument",
            "work_order",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                related_name="search_document",
                serialize=False,
                to="bookings.workorder",
            ),
        ),
    ]
