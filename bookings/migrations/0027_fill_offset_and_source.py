"""Slots that are there already get their offset from UTC by their area's zone, and what made them.

One with an external id came by an import. One whose history says that it was added in the admin was made by hand. All
others came out of a plan, which is what the column says of itself. In short transactions: bookings go on meanwhile.
"""

from collections import defaultdict
from datetime import UTC
from zoneinfo import ZoneInfo

from django.db import migrations, transaction

BATCH = 2_000


def fill(apps, schema_editor):
    slots = apps.get_model("bookings", "AppointmentSlot").objects.using(schema_editor.connection.alias)
    areas = apps.get_model("bookings", "ServiceArea").objects.using(schema_editor.connection.alias)
    entries = apps.get_model("bookings", "HistoryEntry").objects.using(schema_editor.connection.alias)
    zones = {pk: ZoneInfo(name) for pk, name in areas.values_list("pk", "time_zone")}
    last = 0
    while rows := list(slots.filter(pk__gt=last).order_by("pk").values_list("pk", "area_id", "start")[:BATCH]):
        first, last = rows[0][0], rows[-1][0]
        offsets = defaultdict(list)
        for pk, area, start in rows:
            offset = start.astimezone(UTC).astimezone(zones[area]).utcoffset()
            offsets[round(offset.total_seconds() / 60)].append(pk)
        these = slots.filter(pk__range=(first, last))
        by_hand = entries.filter(slot__in=these, event="added", via="admin").values_list("slot", flat=True)
        with transaction.atomic(using=schema_editor.connection.alias):
            # Locked in the order of their keys, as all do who write many.
            list(these.order_by("pk").select_for_update().values_list("pk"))
            for offset, pks in offsets.items():
                slots.filter(pk__in=pks).update(utc_offset=offset)
            slots.filter(pk__in=list(by_hand)).update(source="hand")
            these.exclude(external_id="").update(source="import")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0026_keep_slots_in_place")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
