"""Slots and refusals have a place in a feed, which a trigger takes from a slot with each change of it.

Beside a live service: columns without a default, and one that the database fills. The trigger does nothing before a
feed is read for the first time.
"""

from django.db import migrations, models

from bookings.db.migrating import statements

POSTGRESQL = """
CREATE OR REPLACE FUNCTION bookings_slot_has_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_num := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER slot_has_changed BEFORE UPDATE ON bookings_appointmentslot
    FOR EACH ROW WHEN (OLD.change_num IS NOT NULL AND NEW.change_num = OLD.change_num)
    EXECUTE FUNCTION bookings_slot_has_changed();
"""
POSTGRESQL_BACK = """
DROP TRIGGER slot_has_changed ON bookings_appointmentslot;
DROP FUNCTION bookings_slot_has_changed();
"""
SQLITE = """
DROP TRIGGER IF EXISTS slot_has_changed
--
CREATE TRIGGER slot_has_changed AFTER UPDATE ON bookings_appointmentslot
    WHEN OLD.change_num IS NOT NULL AND NEW.change_num = OLD.change_num
    BEGIN UPDATE bookings_appointmentslot SET change_num = NULL WHERE id = NEW.id; END
"""
SQLITE_BACK = "DROP TRIGGER IF EXISTS slot_has_changed"

guard = statements(POSTGRESQL, SQLITE)
unguard = statements(POSTGRESQL_BACK, SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0052_note_workers_and_order_types")]

    operations = [
        migrations.AddField("appointmentslot", "change_num", models.BigIntegerField(null=True, editable=False)),
        migrations.AddField("refusal", "change_num", models.BigIntegerField(null=True, editable=False)),
        migrations.AddField(
            "refusal",
            "verdicts",
            models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.RunPython(guard, unguard),
    ]
