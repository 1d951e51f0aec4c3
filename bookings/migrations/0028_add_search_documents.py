"""One document an order to search by, found by the database's full-text engine (lookup.py)."""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db import fields

# The index holds no copy of the words: it reads them in the table, and is told of each change.
FTS5 = [
    """CREATE VIRTUAL TABLE bookings_searchdocument_index
        USING fts5(words, content='bookings_searchdocument', content_rowid='work_order_id',
                   tokenize="ascii tokenchars '#'")""",
    """CREATE TRIGGER search_document_is_indexed AFTER INSERT ON bookings_searchdocument BEGIN
        INSERT INTO bookings_searchdocument_index (rowid, words) VALUES (NEW.work_order_id, NEW.words);
    END""",
    """CREATE TRIGGER search_document_is_removed AFTER DELETE ON bookings_searchdocument BEGIN
        INSERT INTO bookings_searchdocument_index (bookings_searchdocument_index, rowid, words)
            VALUES ('delete', OLD.work_order_id, OLD.words);
    END""",
    """CREATE TRIGGER search_document_is_changed AFTER UPDATE ON bookings_searchdocument BEGIN
        INSERT INTO bookings_searchdocument_index (bookings_searchdocument_index, rowid, words)
            VALUES ('delete', OLD.work_order_id, OLD.words);
        INSERT INTO bookings_searchdocument_index (rowid, words) VALUES (NEW.work_order_id, NEW.words);
    END""",
]
GIN = ["CREATE INDEX bookings_searchdocument_words ON bookings_searchdocument USING gin (words)"]


def index(apps, schema_editor):
    for statement in GIN if schema_editor.connection.vendor == "postgresql" else FTS5:
        schema_editor.execute(statement)


def drop_index(apps, schema_editor):
    # Index and triggers go with the table.
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE bookings_searchdocument_index")


class Migration(migrations.Migration):
    dependencies = [("bookings", "0027_fill_offset_and_source")]

    operations = [
        migrations.CreateModel(
            name="SearchDocument",
            fields=[
                (
                    "work_order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="search_document",
                        serialize=False,
                        to="bookings.workorder",
                    ),
                ),
                ("words", fields.WordsField()),
            ],
        ),
        migrations.RunPython(index, drop_index),
    ]
