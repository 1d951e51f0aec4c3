"""New bodies take a seventh less on the disk and in the log: PostgreSQL's own compression finds more in a text of 4 KB.

They stay apart from the row, also where they have become small enough for it: each change of a work order would write
them again. Of those that are there each is read by what it was written with. Beside a live service: nothing is written
anew.
"""

from django.db import migrations

from bookings.db.migrating import statements

MORE = """
ALTER TABLE bookings_workorder ALTER COLUMN body SET COMPRESSION pglz, SET (toast_tuple_target = 512)
"""


class Migration(migrations.Migration):
    dependencies = [("bookings", "0015_drop_foreign_keys_that_follow")]

    operations = [migrations.RunPython(statements(MORE, "SELECT 1"), migrations.RunPython.noop)]
