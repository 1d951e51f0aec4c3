"""A booking that the feed has not numbered yet stands in `work_order_to_number` alone, no longer in two indexes.

Beside a live service: the table is locked for a moment. SQLite keeps the old index beside the new one, which a booking
does not write: to alter the column Django makes the table anew.
"""

from django.db import migrations, models

from bookings.db.migrating import locked
from bookings.db.online import AlterFieldOnPostgreSQL


class Migration(migrations.Migration):
    dependencies = [("bookings", "0021_drop_the_index_of_original_orders")]

    operations = [
        migrations.RunPython(locked("bookings_workorder"), migrations.RunPython.noop),
        AlterFieldOnPostgreSQL("workorder", "change_num", models.BigIntegerField(blank=True, null=True)),
    ]
