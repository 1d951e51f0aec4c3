"""A slot never changes area, start, end, order type or worker; it knows its offset from UTC and who made it.

A migration that makes the table anew on SQLite, as adding most columns does, has to call `guard` again afterwards.
"""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import migrations, models

from bookings.db.fields import check_time_zone
from bookings.db.migrating import statements

# UPDATE OF: a booking, which sets none of these columns, does not even ask.
POSTGRESQL = """
CREATE OR REPLACE FUNCTION bookings_slot_stays_in_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a slot never changes area, start, end, order type or worker'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER slot_stays_in_place
    BEFORE UPDATE OF id, area_id, start, "end", order_type, worker ON bookings_appointmentslot
    FOR EACH ROW WHEN (
        (NEW.id, NEW.area_id, NEW.start, NEW."end", NEW.order_type, NEW.worker)
        IS DISTINCT FROM (OLD.id, OLD.area_id, OLD.start, OLD."end", OLD.order_type, OLD.worker)
    )
    EXECUTE FUNCTION bookings_slot_stays_in_place();
"""
POSTGRESQL_BACK = """
DROP TRIGGER slot_stays_in_place ON bookings_appointmentslot;
DROP FUNCTION bookings_slot_stays_in_place();
"""
SQLITE = """
DROP TRIGGER IF EXISTS slot_stays_in_place
--
CREATE TRIGGER slot_stays_in_place
    BEFORE UPDATE OF id, area_id, start, "end", order_type, worker ON bookings_appointmentslot
    WHEN (NEW.id, NEW.area_id, NEW.start, NEW."end", NEW.order_type, NEW.worker)
        IS NOT (OLD.id, OLD.area_id, OLD.start, OLD."end", OLD.order_type, OLD.worker)
    BEGIN SELECT RAISE(ABORT, 'a slot never changes area, start, end, order type or worker'); END
"""
SQLITE_BACK = "DROP TRIGGER IF EXISTS slot_stays_in_place"


def _is_no_place(zone):
    try:
        check_time_zone(zone)
    except ValidationError:
        return True
    return False


def refuse_zones_of_no_place(apps, schema_editor):
    """Before anything is written: from here on the zone of each area is read, and has to have the form of a name."""
    areas = apps.get_model("bookings", "ServiceArea").objects.using(schema_editor.connection.alias)
    wrong = [
        f"{code} ({zone})" for code, zone in areas.order_by("pk").values_list("code", "time_zone") if _is_no_place(zone)
    ]
    if wrong:
        raise CommandError(
            f"These areas have a time zone of no place: {', '.join(wrong)}. Give each the zone of its place"
            " (time_zone in bookings_servicearea, such as Europe/London) by SQL, then migrate again. Nothing was"
            " changed."
        )


guard = statements(POSTGRESQL, SQLITE)
unguard = statements(POSTGRESQL_BACK, SQLITE_BACK)


def guard_anew(apps, schema_editor):
    """For a later migration that made the table anew, which only SQLite does."""
    if schema_editor.connection.vendor == "sqlite":
        guard(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0025_fit_the_tables_to_bookings")]

    operations = [
        migrations.RunPython(refuse_zones_of_no_place, migrations.RunPython.noop),
        migrations.AddField(
            model_name="appointmentslot",
            name="utc_offset",
            field=models.SmallIntegerField(
                editable=False,
                help_text="Minutes by which the area's clock was ahead of UTC at the start, when the slot was made: the"
                " start plus this is the clock time that was promised. Empty: the previous release made it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="appointmentslot",
            name="source",
            field=models.CharField(
                choices=[("hand", "Hand"), ("plan", "Plan"), ("import", "Import"), ("schedule", "Schedule")],
                db_default="plan",
                default="plan",
                editable=False,
                help_text="What made this slot and may withdraw it.",
                max_length=8,
            ),
        ),
        migrations.RunPython(guard, unguard),
    ]
