"""Practice areas, whose bookings are removed nightly with their history; an area stays what it was made as.

Beside a live service: areas are few, and the release before leaves the column to the database.
"""

from importlib import import_module

from django.db import migrations, models

from bookings.db.migrating import statements

codes = import_module("bookings.migrations.0044_compare_areas_by_folded_codes")
history = import_module("bookings.migrations.0002_make_the_history_append_only")
before = import_module("bookings.migrations.0038_let_housekeeping_forget_reasons")

IN_PRACTICE = """EXISTS (SELECT 1 FROM bookings_servicearea a WHERE a.is_practice AND (
            a.id = (SELECT w.area_id FROM bookings_workorder w WHERE w.id = OLD.work_order_id)
            OR a.id = (SELECT s.area_id FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id)))"""

POSTGRESQL = before.POSTGRESQL.replace(
    "ELSIF OLD.work_order_id IS NULL",
    f"ELSIF {IN_PRACTICE} THEN\n        RETURN OLD;\n    ELSIF OLD.work_order_id IS NULL",
)
SQLITE_LOOSE = before.SQLITE_LOOSE.replace(
    "BEFORE DELETE ON bookings_historyentry\n    WHEN NOT (",
    f"BEFORE DELETE ON bookings_historyentry\n    WHEN NOT (\n        {IN_PRACTICE} OR ",
)
assert POSTGRESQL != before.POSTGRESQL  # noqa: S101
assert SQLITE_LOOSE != before.SQLITE_LOOSE  # noqa: S101

STAYS_POSTGRESQL = """
CREATE OR REPLACE FUNCTION bookings_area_stays_practice_or_not() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an area stays a practice area, or stays none'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER area_stays_practice_or_not BEFORE UPDATE OF is_practice ON bookings_servicearea
    FOR EACH ROW WHEN (NEW.is_practice <> OLD.is_practice) EXECUTE FUNCTION bookings_area_stays_practice_or_not();
"""
STAYS_POSTGRESQL_BACK = """
DROP TRIGGER area_stays_practice_or_not ON bookings_servicearea;
DROP FUNCTION bookings_area_stays_practice_or_not();
"""
STAYS_SQLITE = """
CREATE TRIGGER area_stays_practice_or_not BEFORE UPDATE OF is_practice ON bookings_servicearea
    WHEN NEW.is_practice <> OLD.is_practice
    BEGIN SELECT RAISE(ABORT, 'an area stays a practice area, or stays none'); END
"""
STAYS_SQLITE_BACK = "DROP TRIGGER IF EXISTS area_stays_practice_or_not"


def guard_codes(apps, schema_editor):
    """SQLite has made the table of areas anew, without its triggers."""
    if schema_editor.connection.vendor == "sqlite":
        codes.guard(apps, schema_editor)


loosen = statements(POSTGRESQL, f"{history.SQLITE_BACK}--{SQLITE_LOOSE}")
tighten = statements(before.POSTGRESQL, before.SQLITE)
stay = statements(STAYS_POSTGRESQL, STAYS_SQLITE)
unstay = statements(STAYS_POSTGRESQL_BACK, STAYS_SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0056_add_calendars_and_empty_searches")]

    operations = [
        # Backwards it is the last step.
        migrations.RunPython(migrations.RunPython.noop, guard_codes),
        migrations.AddField(
            "servicearea",
            "is_practice",
            models.BooleanField(
                db_default=False,
                default=False,
                help_text="For trying things out: its bookings are sent to no receiver, counted nowhere, and removed"
                " nightly. An area stays what it was made as.",
                verbose_name="practice",
            ),
        ),
        migrations.RunPython(guard_codes, migrations.RunPython.noop),
        migrations.RunPython(loosen, tighten),
        migrations.RunPython(stay, unstay),
    ]
