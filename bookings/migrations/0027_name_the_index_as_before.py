"""The index of 0019 by the name of the one before it, by which the release before knows a copy that was faster.

Beside a live service: a name is changed without a lock that a booking waits for. SQLite says the columns, and knows no
other name for an index: it is made anew.
"""

from django.db import migrations, models
from django.db.models import F

from bookings.db.migrating import statements

NEW, BEFORE = "work_order_one_after_another", "work_order_one_booked_after_another"


SQLITE = 'CREATE UNIQUE INDEX "{}" ON "bookings_workorder" ("original_order", "booked_after") -- DROP INDEX "{}"'


def rename(name, other):
    return statements(f"ALTER INDEX {name} RENAME TO {other}", SQLITE.format(other, name))


class Migration(migrations.Migration):
    dependencies = [("bookings", "0026_drop_the_index_of_closed_slots")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(rename(NEW, BEFORE), rename(BEFORE, NEW))],
            [
                migrations.RemoveConstraint("workorder", NEW),
                migrations.AddConstraint(
                    "workorder", models.UniqueConstraint(F("original_order"), F("booked_after"), name=BEFORE)
                ),
            ],
        ),
    ]
