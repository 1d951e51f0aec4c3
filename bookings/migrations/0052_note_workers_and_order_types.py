"""A record for each worker and each type of orders that is there, and who may see and change them.

Beside a live service: it only reads what others write. What the release before adds until the restart is noted by the
nightly purge.
"""

from django.db import migrations

from bookings.db.migrating import granting

FILL = """INSERT INTO bookings_{table} (code) SELECT DISTINCT {column} FROM {source} WHERE {column} <> ''
    ON CONFLICT DO NOTHING"""


def note(apps, schema_editor):
    for table, column, source in (
        ("worker", "worker", "bookings_appointmentslot"),
        ("ordertype", "order_type", "bookings_appointmentslot"),
        ("ordertype", "order_type", "bookings_workorder"),
    ):
        schema_editor.execute(FILL.format(table=table, column=column, source=source))


class Migration(migrations.Migration):
    dependencies = [("bookings", "0051_add_workers_and_absences")]

    operations = [
        migrations.RunPython(note, migrations.RunPython.noop),
        migrations.RunPython(
            granting(
                (("appointmentslot", "view_appointmentslot"), ("worker", "view_worker")),
                (("appointmentslot", "view_appointmentslot"), ("ordertype", "view_ordertype")),
                *(
                    (("appointmentslot", "close_appointmentslot"), (model, f"{action}_{model}"))
                    for model, action in (
                        ("worker", "add"),
                        ("worker", "change"),
                        ("ordertype", "add"),
                        ("ordertype", "change"),
                        ("ability", "view"),
                        ("ability", "add"),
                        ("ability", "change"),
                        ("ability", "delete"),
                    )
                ),
            ),
            migrations.RunPython.noop,
        ),
    ]
