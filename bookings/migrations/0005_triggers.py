"""What the database itself guards and does, whatever writes: bookings/db/triggers.py names each trigger.

SQLite drops a table's triggers when Django makes the table anew, as adding most columns does. A migration that does so
calls `guarding(table)` of this module afterwards.
"""

from django.db import migrations

from bookings.db.migrating import statements
from bookings.migrations import _before

# The history is what a dispute is settled with: an entry is never changed or deleted. Let through are the removal of
# personal data where the work order is purged or the slot is over (reason and bodies alone), and deletions in practice
# areas and of slots that are over and that were never booked.
HISTORY_POSTGRESQL = """
CREATE FUNCTION bookings_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    /* One IF in another: where an entry is deleted, there is no NEW to look at. */
    IF TG_OP = 'UPDATE' THEN
        IF NEW.reason = '' AND NEW.details =
                OLD.details #- '{before,body}' #- '{after,body}' #- '{before,closed_reason}' #- '{after,closed_reason}'
            AND to_jsonb(NEW) - 'reason' - 'details' = to_jsonb(OLD) - 'reason' - 'details'
            AND (EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.id = OLD.work_order_id AND w.purged_at IS NOT NULL)
                OR (OLD.work_order_id IS NULL AND EXISTS
                    (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= now())))
        THEN
            RETURN NEW;
        END IF;
    ELSIF EXISTS (SELECT 1 FROM bookings_servicearea a WHERE a.is_practice AND (
            a.id = (SELECT w.area_id FROM bookings_workorder w WHERE w.id = OLD.work_order_id)
            OR a.id = (SELECT s.area_id FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id))) THEN
        RETURN OLD;
    ELSIF OLD.work_order_id IS NULL
        AND EXISTS (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= now())
        AND NOT EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.slot_id = OLD.slot_id)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a history entry is never changed or deleted' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER history_entry_is_append_only BEFORE UPDATE OR DELETE ON bookings_historyentry
    FOR EACH ROW EXECUTE FUNCTION bookings_history_is_append_only();
"""
HISTORY_SQLITE = """
CREATE TRIGGER history_entry_is_not_changed BEFORE UPDATE ON bookings_historyentry
    WHEN NOT (
        NEW.reason = '' AND NEW.details = json_remove(
            OLD.details, '$.before.body', '$.after.body', '$.before.closed_reason', '$.after.closed_reason')
        AND NEW.id = OLD.id AND NEW.work_order_id IS OLD.work_order_id AND NEW.slot_id IS OLD.slot_id
        AND NEW.event = OLD.event AND NEW.at = OLD.at AND NEW.by = OLD.by AND NEW.via = OLD.via
        AND NEW.request_id = OLD.request_id
        AND (EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.id = OLD.work_order_id AND w.purged_at IS NOT NULL)
            OR (OLD.work_order_id IS NULL AND EXISTS
                (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= datetime('now'))))
    )
    BEGIN SELECT RAISE(ABORT, 'a history entry is never changed or deleted'); END
--
CREATE TRIGGER history_entry_is_not_deleted BEFORE DELETE ON bookings_historyentry
    WHEN NOT (
        EXISTS (SELECT 1 FROM bookings_servicearea a WHERE a.is_practice AND (
            a.id = (SELECT w.area_id FROM bookings_workorder w WHERE w.id = OLD.work_order_id)
            OR a.id = (SELECT s.area_id FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id)))
        OR OLD.work_order_id IS NULL
        AND EXISTS (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= datetime('now'))
        AND NOT EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.slot_id = OLD.slot_id)
    )
    BEGIN SELECT RAISE(ABORT, 'a history entry is never changed or deleted'); END
"""

# A slot stays what was promised. UPDATE OF: a booking, which sets none of these columns, does not even ask. Its place
# in the feed is taken from it with each change; before the feed is read for the first time there is none to take.
SLOTS_POSTGRESQL = """
CREATE FUNCTION bookings_slot_stays_in_place() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION bookings_slot_has_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_num := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER slot_has_changed BEFORE UPDATE ON bookings_appointmentslot
    FOR EACH ROW WHEN (OLD.change_num IS NOT NULL AND NEW.change_num = OLD.change_num)
    EXECUTE FUNCTION bookings_slot_has_changed();
"""
SLOTS_SQLITE = """
CREATE TRIGGER slot_stays_in_place
    BEFORE UPDATE OF id, area_id, start, "end", order_type, worker ON bookings_appointmentslot
    WHEN (NEW.id, NEW.area_id, NEW.start, NEW."end", NEW.order_type, NEW.worker)
        IS NOT (OLD.id, OLD.area_id, OLD.start, OLD."end", OLD.order_type, OLD.worker)
    BEGIN SELECT RAISE(ABORT, 'a slot never changes area, start, end, order type or worker'); END
--
CREATE TRIGGER slot_has_changed AFTER UPDATE ON bookings_appointmentslot
    WHEN OLD.change_num IS NOT NULL AND NEW.change_num = OLD.change_num
    BEGIN UPDATE bookings_appointmentslot SET change_num = NULL WHERE id = NEW.id; END
"""

# An area keeps its own code in the table of codes, beside its aliases; an alias that becomes its own code is taken up.
# What writes by SQL and leaves the folded code out gets the database's own folding, the same for letters from A to Z.
# An area stays a practice area, or stays none.
FOLDED = """CASE WHEN substr(NEW.folding, 1, length(NEW.code) + 1) = NEW.code || {line}
    THEN substr(NEW.folding, length(NEW.code) + 2) ELSE lower(trim(NEW.code)) END"""
AREAS_POSTGRESQL = """
CREATE FUNCTION bookings_area_keeps_its_code() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    folded_code text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM bookings_areacode WHERE area_id = OLD.id;
        RETURN OLD;
    END IF;
    folded_code := FOLDED;
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM bookings_areacode WHERE area_id = NEW.id AND (NOT is_alias OR folded = folded_code);
    END IF;
    INSERT INTO bookings_areacode (area_id, code, folded, is_alias) VALUES (NEW.id, NEW.code, folded_code, false);
    RETURN NEW;
END $$;
CREATE TRIGGER area_adds_its_code AFTER INSERT ON bookings_servicearea
    FOR EACH ROW EXECUTE FUNCTION bookings_area_keeps_its_code();
CREATE TRIGGER area_changes_its_code AFTER UPDATE OF code ON bookings_servicearea
    FOR EACH ROW WHEN (NEW.code <> OLD.code) EXECUTE FUNCTION bookings_area_keeps_its_code();
CREATE TRIGGER area_removes_its_codes BEFORE DELETE ON bookings_servicearea
    FOR EACH ROW EXECUTE FUNCTION bookings_area_keeps_its_code();
CREATE FUNCTION bookings_area_code_is_folded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.folded := lower(trim(NEW.code));
    RETURN NEW;
END $$;
CREATE TRIGGER area_code_is_folded BEFORE INSERT ON bookings_areacode
    FOR EACH ROW WHEN (NEW.folded IS NULL) EXECUTE FUNCTION bookings_area_code_is_folded();
CREATE FUNCTION bookings_area_stays_practice_or_not() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an area stays a practice area, or stays none'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER area_stays_practice_or_not BEFORE UPDATE OF is_practice ON bookings_servicearea
    FOR EACH ROW WHEN (NEW.is_practice <> OLD.is_practice) EXECUTE FUNCTION bookings_area_stays_practice_or_not();
""".replace("FOLDED", FOLDED.format(line="chr(10)"))
AREAS_SQLITE = """
CREATE TRIGGER area_adds_its_code AFTER INSERT ON bookings_servicearea
    BEGIN
        INSERT INTO bookings_areacode (area_id, code, folded, is_alias) VALUES (NEW.id, NEW.code, FOLDED, 0);
    END
--
CREATE TRIGGER area_changes_its_code AFTER UPDATE OF code ON bookings_servicearea WHEN NEW.code <> OLD.code
    BEGIN
        DELETE FROM bookings_areacode WHERE area_id = NEW.id AND (NOT is_alias OR folded = FOLDED);
        INSERT INTO bookings_areacode (area_id, code, folded, is_alias) VALUES (NEW.id, NEW.code, FOLDED, 0);
    END
--
CREATE TRIGGER area_removes_its_codes BEFORE DELETE ON bookings_servicearea
    BEGIN DELETE FROM bookings_areacode WHERE area_id = OLD.id; END
--
CREATE TRIGGER area_stays_practice_or_not BEFORE UPDATE OF is_practice ON bookings_servicearea
    WHEN NEW.is_practice <> OLD.is_practice
    BEGIN SELECT RAISE(ABORT, 'an area stays a practice area, or stays none'); END
""".replace("FOLDED", FOLDED.format(line="char(10)"))
CODES_SQLITE = """
CREATE TRIGGER area_code_is_folded AFTER INSERT ON bookings_areacode WHEN NEW.folded IS NULL
    BEGIN UPDATE bookings_areacode SET folded = lower(trim(code)) WHERE id = NEW.id; END
"""

BY_TABLE = {
    "bookings_historyentry": HISTORY_SQLITE,
    "bookings_appointmentslot": SLOTS_SQLITE,
    "bookings_servicearea": AREAS_SQLITE,
    "bookings_areacode": CODES_SQLITE,
}
# With each function go the triggers that call it.
POSTGRESQL_BACK = """
DROP FUNCTION bookings_history_is_append_only, bookings_slot_stays_in_place, bookings_slot_has_changed,
    bookings_area_keeps_its_code, bookings_area_code_is_folded, bookings_area_stays_practice_or_not CASCADE
"""


def _dropping(sqlite):
    names = [text.split()[2] for text in sqlite.split("--")]
    return "--".join(f"DROP TRIGGER IF EXISTS {name}" for name in names)


def guarding(table):
    """A step for RunPython: the triggers of a table that a later migration made anew, which only SQLite does."""
    return statements("SELECT 1", f"{_dropping(BY_TABLE[table])}--{BY_TABLE[table]}")


SQLITE = "--".join(BY_TABLE.values())
guard = statements(HISTORY_POSTGRESQL + SLOTS_POSTGRESQL + AREAS_POSTGRESQL, SQLITE)
unguard = statements(POSTGRESQL_BACK, _dropping(SQLITE))


class Migration(migrations.Migration):
    replaces = _before.TRIGGERS
    dependencies = [("bookings", "0004_tables_of_delivery")]

    operations = [migrations.RunPython(guard, unguard)]
