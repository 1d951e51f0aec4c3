"""Reasons leave the history of slots that are over, too, with the reasons of closures in the details.

As migration 0021 has it; only these entries and these paths are new.
"""

from importlib import import_module

from django.db import migrations

from bookings.db.migrating import statements

history = import_module("bookings.migrations.0002_make_the_history_append_only")
before = import_module("bookings.migrations.0021_let_housekeeping_forget")

PURGED = "EXISTS (SELECT 1 FROM bookings_workorder w WHERE w.id = OLD.work_order_id AND w.purged_at IS NOT NULL)"
OVER = """(OLD.work_order_id IS NULL AND EXISTS
            (SELECT 1 FROM bookings_appointmentslot s WHERE s.id = OLD.slot_id AND s."end" <= {now}))"""


def with_slots(text, now):
    return text.replace(PURGED, f"({PURGED} OR {OVER.format(now=now)})")


POSTGRESQL = with_slots(before.POSTGRESQL, "now()").replace(
    "OLD.details #- '{before,body}' #- '{after,body}'",
    "OLD.details #- '{before,body}' #- '{after,body}' #- '{before,closed_reason}' #- '{after,closed_reason}'",
)
SQLITE_LOOSE = with_slots(before.SQLITE_LOOSE, "datetime('now')").replace(
    "'$.before.body', '$.after.body'",
    "'$.before.body', '$.after.body', '$.before.closed_reason', '$.after.closed_reason'",
)
SQLITE = history.SQLITE_BACK + "--" + SQLITE_LOOSE
SQLITE_BACK = before.SQLITE


loosen = statements(POSTGRESQL, SQLITE)
tighten = statements(before.POSTGRESQL, SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0037_keep_what_was_refused")]

    operations = [migrations.RunPython(loosen, tighten)]
