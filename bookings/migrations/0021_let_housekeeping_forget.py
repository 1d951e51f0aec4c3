"""Two things may happen to the history: personal data leaves it, and the entries of a slot go with the slot.

An update is let through where the work order is purged already, and only if it empties the reason and takes the
bodies out of the details; a deletion, where the entry is about a slot that is over and that nobody ever booked.
"""

from importlib import import_module

from django.db import migrations

from bookings.db.migrating import statements

history = import_module("bookings.migrations.0002_make_the_history_append_only")

POSTGRESQL = """
CREATE OR REPLACE FUNCTION bookings_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    /* One IF in another: where an entry is deleted, there is no NEW to look at. */
    IF TG_OP = 'UPDATE' THEN
        IF NEW.reason = '' AND NEW.details = OLD.details #- '{before,body}' #- '{after,body}'
            AND to_jsonb(NEW) - 'reason' - 'details' = to_jsonb(OLD) - 'reason' - 'details'
            AND EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.id = OLD.work_order_id AND w.purged_at IS NOT NULL)
        THEN
            RETURN NEW;
        END IF;
    ELSIF OLD.work_order_id IS NULL
        AND EXISTS (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= now())
        AND NOT EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.slot_id = OLD.slot_id)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a history entry is never changed or deleted' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
POSTGRESQL_BACK = history.POSTGRESQL_BACK + history.POSTGRESQL
SQLITE_LOOSE = """
CREATE TRIGGER history_entry_is_not_changed BEFORE UPDATE ON bookings_historyentry
    WHEN NOT (
        NEW.reason = '' AND NEW.details = json_remove(OLD.details, '$.before.body', '$.after.body')
        AND NEW.id = OLD.id AND NEW.work_order_id IS OLD.work_order_id AND NEW.slot_id IS OLD.slot_id
        AND NEW.event = OLD.event AND NEW.at = OLD.at AND NEW.by = OLD.by AND NEW.via = OLD.via
        AND NEW.request_id = OLD.request_id
        AND EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.id = OLD.work_order_id AND w.purged_at IS NOT NULL)
    )
    BEGIN SELECT RAISE(ABORT, 'a history entry is never changed or deleted'); END
--
CREATE TRIGGER history_entry_is_not_deleted BEFORE DELETE ON bookings_historyentry
    WHEN NOT (
        OLD.work_order_id IS NULL
        AND EXISTS (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= datetime('now'))
        AND NOT EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.slot_id = OLD.slot_id)
    )
    BEGIN SELECT RAISE(ABORT, 'a history entry is never changed or deleted'); END
"""
SQLITE = history.SQLITE_BACK + "--" + SQLITE_LOOSE
SQLITE_BACK = history.SQLITE_BACK + "--" + history.SQLITE


loosen = statements(POSTGRESQL, SQLITE)
tighten = statements(POSTGRESQL_BACK, SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0020_describe_the_supply")]

    operations = [migrations.RunPython(loosen, tighten)]
