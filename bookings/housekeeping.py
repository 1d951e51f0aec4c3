"""What is removed when it is old: slots that nobody booked, refusals, log-in records, personal data of work orders.

Each call is one short transaction that finds its own work, so that the service runs on, and whoever was interrupted
starts again. The numbers of work orders stay taken, and a copy of an old booking still gets its old answer.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from bookings import log_in, lookup
from bookings.models import AppointmentSlot, HistoryEntry, LogInRecord, Refusal, SearchTerm, WorkOrder
from bookings.origin import record_each

BATCH = 500

# Exactly what the triggers of migration 0021 let through.
FORGET = {
    "postgresql": "details #- '{before,body}' #- '{after,body}'",
    "sqlite": "json_remove(details, '$.before.body', '$.after.body')",
}


def old_slots(before: datetime) -> QuerySet[AppointmentSlot]:
    """Slots that were over by then, and that no work order ever named, cancelled ones included."""
    booked = WorkOrder.objects.filter(slot=OuterRef("pk"))
    return AppointmentSlot.objects.filter(~Exists(booked), end__lte=before, booked=0)


def old_work_orders(before: datetime) -> QuerySet[WorkOrder]:
    return WorkOrder.objects.filter(slot__end__lte=before, purged_at__isnull=True)


def old_refusals(before: datetime) -> QuerySet[Refusal]:
    return Refusal.objects.filter(at__lt=before)


def old_log_in_records(before: datetime) -> QuerySet[LogInRecord]:
    """Records of whom nobody has heard since; what log-in still goes by stays, however late `before` is."""
    before = min(before, timezone.now() - log_in.KNOWN_FOR)
    return LogInRecord.objects.exclude(failed_at__gte=before).exclude(succeeded_at__gte=before)


def remove_rows(old: QuerySet[Any]) -> int:
    """Remove some of these rows, which nothing refers to; says how many, 0 when none is left."""
    found = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
    # Asked again in the DELETE itself: whoever logs in at this moment keeps the record. It counts as done all the same.
    old.filter(pk__in=found).delete()
    return len(found)


def remove_slots(*, before: datetime) -> int:
    """Remove some of the old slots with their history; says how many, 0 when none is left."""
    with transaction.atomic():
        found = list(old_slots(before).order_by("pk").values_list("pk", flat=True)[:BATCH])
        HistoryEntry.objects.filter(slot__in=found).delete()
        AppointmentSlot.objects.filter(pk__in=found).delete()
    return len(found)


def remove_personal_data(*, before: datetime, by: str) -> int:
    """Empty some of the old work orders of names, addresses, bodies and remarks; says how many, 0 when none is left.

    What stays: the numbers (order, original order, account, location, parts), times, and what happened when.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = old_work_orders(before).order_by("pk").select_for_update(of=("self",))[:BATCH]
        found = list(locked)
        keys = [work_order.pk for work_order in found]
        columns = {
            "account_name": "",
            "location_name": "",
            "address": "",
            "postcode": "",
            "phone": "",
            "cancel_reason": "",
            "body": "{}",
            "purged_at": now,
        }
        WorkOrder.objects.filter(pk__in=keys).update(
            changed_at=now, change_num=None, version=F("version") + 1, **columns
        )
        _forget_in_history(keys)
        SearchTerm.objects.filter(work_order__in=keys).delete()
        for work_order in found:
            for name, value in columns.items():
                setattr(work_order, name, value)
        lookup.rewrite(found)
        record_each(found, HistoryEntry.Event.PURGED, at=now, by=by, reason="")
    return len(found)


def _forget_in_history(keys: list[int]) -> None:
    if not keys:
        return
    forget = FORGET[connection.vendor]
    places = ", ".join(["%s"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE bookings_historyentry SET reason = '', details = {forget} WHERE work_order_id IN ({places})",  # noqa: S608
            keys,
        )
