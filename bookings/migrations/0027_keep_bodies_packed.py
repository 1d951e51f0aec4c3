"""A table for bodies that the service packs by what all of them have in common.

Beside a live service: a table that the release before does not know. That release reads the texts alone, so nothing is
packed until `index_work_orders` says that it is gone (services/bodies.py); without work orders there is none to read.
"""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import statements

# There is nothing left in it to compress.
AS_IT_IS = "ALTER TABLE bookings_packedbody ALTER COLUMN content SET STORAGE EXTERNAL"


def begin_where_there_are_none(apps, schema_editor):
    if not apps.get_model("bookings", "WorkOrder").objects.exists():
        apps.get_model("bookings", "Counter").objects.update_or_create(name="bodies_are_packed", defaults={"value": 1})


class Migration(migrations.Migration):
    dependencies = [("bookings", "0026_drop_the_index_of_closed_slots")]

    operations = [
        migrations.CreateModel(
            name="PackedBody",
            fields=[
                (
                    "work_order",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="packed_body",
                        serialize=False,
                        to="bookings.workorder",
                    ),
                ),
                ("letters", models.PositiveIntegerField(help_text="Of the text.")),
                ("content", models.BinaryField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(statements(AS_IT_IS, "SELECT 1"), migrations.RunPython.noop),
        migrations.RunPython(begin_where_there_are_none, migrations.RunPython.noop),
    ]
