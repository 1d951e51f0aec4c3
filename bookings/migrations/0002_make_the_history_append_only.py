"""The history is what a dispute is settled with: the database refuses to change or delete an entry."""

from django.db import migrations

from bookings.db.migrating import statements

POSTGRESQL = """
CREATE FUNCTION bookings_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a history entry is never changed or deleted' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER history_entry_is_append_only BEFORE UPDATE OR DELETE ON bookings_historyentry
    FOR EACH ROW EXECUTE FUNCTION bookings_history_is_append_only();
"""
POSTGRESQL_BACK = """
DROP TRIGGER history_entry_is_append_only ON bookings_historyentry;
DROP FUNCTION bookings_history_is_append_only();
"""
SQLITE = """
CREATE TRIGGER history_entry_is_not_changed BEFORE UPDATE ON bookings_historyentry
    BEGIN SELECT RAISE(ABORT, 'a history entry is never changed or deleted'); END
--
CREATE TRIGGER history_entry_is_not_deleted BEFORE DELETE ON bookings_historyentry
    BEGIN SELECT RAISE(ABORT, 'a history entry is never changed or deleted'); END
"""
SQLITE_BACK = """
DROP TRIGGER history_entry_is_not_changed
--
DROP TRIGGER history_entry_is_not_deleted
"""


guard = statements(POSTGRESQL, SQLITE)
unguard = statements(POSTGRESQL_BACK, SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0001_create_the_tables")]

    operations = [migrations.RunPython(guard, unguard)]
