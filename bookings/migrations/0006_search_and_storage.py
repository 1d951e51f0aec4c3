"""What each database has of its own: the full-text engine, and how PostgreSQL stores slots and bodies."""

from django.db import migrations

from bookings.db.migrating import statements
from bookings.migrations import _before

GIN = "CREATE INDEX bookings_searchdocument_words ON bookings_searchdocument USING gin (words)"
# The index holds no copy of the words: it reads them in the table, and is told of each change.
FTS5 = """
CREATE VIRTUAL TABLE bookings_searchdocument_index
    USING fts5(words, content='bookings_searchdocument', content_rowid='work_order_id',
               tokenize="ascii tokenchars '#'")
--
CREATE TRIGGER search_document_is_indexed AFTER INSERT ON bookings_searchdocument BEGIN
    INSERT INTO bookings_searchdocument_index (rowid, words) VALUES (NEW.work_order_id, NEW.words);
END
--
CREATE TRIGGER search_document_is_removed AFTER DELETE ON bookings_searchdocument BEGIN
    INSERT INTO bookings_searchdocument_index (bookings_searchdocument_index, rowid, words)
        VALUES ('delete', OLD.work_order_id, OLD.words);
END
--
CREATE TRIGGER search_document_is_changed AFTER UPDATE ON bookings_searchdocument BEGIN
    INSERT INTO bookings_searchdocument_index (bookings_searchdocument_index, rowid, words)
        VALUES ('delete', OLD.work_order_id, OLD.words);
    INSERT INTO bookings_searchdocument_index (rowid, words) VALUES (NEW.work_order_id, NEW.words);
END
"""
HAS_LZ4 = "SELECT COUNT(*) FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"

index = statements(GIN, FTS5)
# On SQLite the triggers go with their table.
drop_index = statements("DROP INDEX bookings_searchdocument_words", "DROP TABLE bookings_searchdocument_index")


def fit(apps, schema_editor):
    """Each booking writes its slot's row anew: with room left in its page no index is touched for that (HOT)."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("ALTER TABLE bookings_appointmentslot SET (fillfactor = 85)")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(HAS_LZ4)
        (has_lz4,) = cursor.fetchone()
    if has_lz4:
        schema_editor.execute("ALTER TABLE bookings_workorder ALTER COLUMN body SET COMPRESSION lz4")


def drop_beginnings(apps, schema_editor):
    """PostgreSQL's second index of order numbers, for LIKE: numbers are found by words (SearchDocument)."""
    if schema_editor.connection.vendor != "postgresql":
        return
    model = apps.get_model("bookings", "WorkOrder")
    for name in schema_editor._constraint_names(model, ["order_num"], index=True, unique=False):
        schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


class Migration(migrations.Migration):
    replaces = _before.SEARCH_AND_STORAGE
    dependencies = [("bookings", "0005_triggers")]

    operations = [
        migrations.RunPython(index, drop_index),
        migrations.RunPython(fit, migrations.RunPython.noop),
        migrations.RunPython(drop_beginnings, migrations.RunPython.noop),
    ]
