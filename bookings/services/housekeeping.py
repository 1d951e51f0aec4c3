"""What is removed when it is old: slots without bookings, refusals, logs, log-in records, personal data.

Each call is one short transaction that finds its own work, `most` rows of it (BATCH), so that the service runs on, and
a run that was interrupted starts again. The numbers of work orders stay taken, and a copy of an old booking still gets
its old answer.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from bookings import clock
from bookings.access import log_in
from bookings.db import sql
from bookings.history import record_each
from bookings.models import (
    AppointmentSlot,
    Blackout,
    Counter,
    Delivery,
    DeliveryEntry,
    EmptySearch,
    HistoryEntry,
    KeptAnswer,
    LogInRecord,
    PartOrder,
    Receiver,
    Refusal,
    RequiredPart,
    SearchTerm,
    WorkOrder,
)
from bookings.services import daily_sums, search_terms

BATCH = 500

# Exactly what the triggers let through (migration 0005).
FORGET = {
    "postgresql": "details #- '{before,body}' #- '{after,body}' #- '{before,closed_reason}' #- '{after,closed_reason}'",
    "sqlite": (
        "json_remove(details, '$.before.body', '$.after.body', '$.before.closed_reason', '$.after.closed_reason')"
    ),
}
# A blackout has to have a reason.
NO_REASON = "removed"
# When personal data was removed last, by the end of which time, and in which epoch of the feed; see doctor.py.
PURGED_UNTIL, PURGED_IN_EPOCH, EPOCH = "purged_until", "purged_in_epoch", "epoch"


def old_slots(before: datetime) -> QuerySet[AppointmentSlot]:
    """Slots that were over by then, and that no work order ever named, cancelled ones included."""
    booked = WorkOrder.objects.filter(slot=OuterRef("pk"))
    return AppointmentSlot.objects.filter(~Exists(booked), end__lte=before, booked=0)


def old_work_orders(before: datetime) -> QuerySet[WorkOrder]:
    return WorkOrder.objects.filter(slot__end__lte=before, purged_at__isnull=True)


def old_refusals(before: datetime) -> QuerySet[Refusal]:
    return Refusal.objects.filter(at__lt=before)


def old_empty_searches(before: datetime) -> QuerySet[EmptySearch]:
    return EmptySearch.objects.filter(day__lt=before.date())


def old_delivery_entries(before: datetime) -> QuerySet[DeliveryEntry]:
    """The log of the receivers. How far each of them is with a work order is no part of it."""
    return DeliveryEntry.objects.filter(at__lt=before)


def old_answers(before: datetime) -> QuerySet[KeptAnswer]:
    """Those to requests with an Idempotency-Key, which hold work orders as they were."""
    return KeptAnswer.objects.filter(begun_at__lt=before)


def old_log_in_records(before: datetime) -> QuerySet[LogInRecord]:
    """Records of users who did not log in since; what log-in still goes by stays, however late `before` is."""
    before = min(before, clock.now() - log_in.KNOWN_FOR)
    return LogInRecord.objects.exclude(failed_at__gte=before).exclude(succeeded_at__gte=before)


def remove_rows(old: QuerySet[Any], *, most: int = 0) -> int:
    """Remove some of these rows, which nothing refers to; says how many, 0 when none is left."""
    found = list(old.order_by("pk").values_list("pk", flat=True)[: most or BATCH])
    # Asked again in the DELETE itself: a user who logs in at this moment keeps the record. It counts as done, too.
    old.filter(pk__in=found).delete()
    return len(found)


def remove_slots(*, before: datetime, most: int = 0) -> int:
    """Remove some of the old slots with their history; says how many, 0 when none is left."""
    with transaction.atomic():
        found = list(old_slots(before).order_by("pk").values_list("pk", flat=True)[: most or BATCH])
        HistoryEntry.objects.filter(slot__in=found).delete()
        AppointmentSlot.objects.filter(pk__in=found).delete()
    return len(found)


def remove_personal_data(*, before: datetime, by: str, reasons: Collection[str], most: int = 0) -> int:
    """Empty some of the old work orders of names, addresses, bodies and remarks; says how many, 0 when none is left.

    What stays: the numbers (order, original order, account, location, parts), times, what happened when, and of the
    texts why they were cancelled the one of `reasons` that staff chose.
    """
    now = clock.now()
    with transaction.atomic():
        locked = old_work_orders(before).order_by("pk").select_for_update(of=("self",))[: most or BATCH]
        found = list(locked)
        keys = [work_order.pk for work_order in found]
        columns = {
            "account_name": "",
            "location_name": "",
            "address": "",
            "postcode": "",
            "phone": "",
            "worker": "",
            "body": "{}",
            "purged_at": now,
        }
        WorkOrder.objects.filter(pk__in=keys).update(
            changed_at=now, change_num=None, version=F("version") + 1, **columns
        )
        _forget_why(found, reasons)
        _forget_in_history("work_order_id", keys)
        PartOrder.objects.filter(work_order__in=keys).update(ship_to_location="", urgency="")
        RequiredPart.objects.filter(work_order__in=keys).update(
            description="", part_status="", ship_to_location="", urgency=""
        )
        SearchTerm.objects.filter(work_order__in=keys).delete()
        _forget_what_receivers_said(keys)
        for work_order in found:
            for name, value in columns.items():
                setattr(work_order, name, value)
        search_terms.rewrite(found)
        record_each(found, HistoryEntry.Event.PURGED, at=now, by=by, reason="")
    return len(found)


def _forget_why(work_orders: list[WorkOrder], reasons: Collection[str]) -> None:
    """What was typed goes. What was chosen says nothing of a customer, and is counted (daily_sums.py)."""
    keys = defaultdict(list)
    for work_order in work_orders:
        kept = daily_sums.known_reason(work_order.cancel_reason, reasons)
        if work_order.cancel_reason != kept:
            keys[kept].append(work_order.pk)
            work_order.cancel_reason = kept
    for kept, changed in keys.items():
        WorkOrder.objects.filter(pk__in=changed).update(cancel_reason=kept)


def remove_bodies_of_refusals(*, before: datetime, most: int = 0) -> int:
    """Of those that could not be removed yet, because they could not be counted."""
    found = list(old_refusals(before).exclude(body="").order_by("pk").values_list("pk", flat=True)[: most or BATCH])
    Refusal.objects.filter(pk__in=found).update(body="")
    return len(found)


def old_blackouts(before: datetime) -> QuerySet[Blackout]:
    return Blackout.objects.filter(end__lte=before).exclude(reason=NO_REASON)


def old_closures(before: datetime) -> QuerySet[AppointmentSlot]:
    """Slots that are over, and still say why they were closed: themselves or in their history."""
    told = HistoryEntry.objects.filter(slot=OuterRef("pk"), work_order=None).exclude(
        reason="", details__before__closed_reason=None, details__after__closed_reason=None
    )
    return AppointmentSlot.objects.filter(~Q(closed_reason="") | Exists(told), end__lte=before)


def remove_reasons_of_blackouts(*, before: datetime, most: int = 0) -> int:
    found = list(old_blackouts(before).order_by("pk").values_list("pk", flat=True)[: most or BATCH])
    Blackout.objects.filter(pk__in=found).update(reason=NO_REASON)
    return len(found)


def remove_reasons_of_slots(*, before: datetime, most: int = 0) -> int:
    with transaction.atomic():
        found = list(old_closures(before).order_by("pk").values_list("pk", flat=True)[: most or BATCH])
        AppointmentSlot.objects.filter(pk__in=found).update(closed_reason="")
        _forget_in_history("slot_id", found)
    return len(found)


def remove_traces(*, vacuum: bool = False) -> bool:
    """What was removed leaves the files, too: the search index, SQLite's free space and its log.

    Pages that were split before keep copies of rows until `vacuum` writes the file anew, for which SQLite stands still.
    False: another process reads in SQLite's log, which so could not be emptied.
    """
    search_terms.forget_removed_words()
    if connection.in_atomic_block:  # neither can be done in a transaction
        return True
    with connection.cursor() as cursor:
        if vacuum:
            cursor.execute("VACUUM")
        if connection.vendor != "sqlite":
            return True
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return not cursor.fetchone()[0]


def overwrite_what_is_removed() -> None:
    """SQLite overwrites with zeros what this connection removes from now on."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def remove_what_receivers_said(before: datetime) -> None:
    """Why a receiver is in trouble since long ago: its answer may quote what it was sent."""
    # What is in trouble has to say why.
    Receiver.objects.filter(trouble_since__lt=before).exclude(trouble="").update(trouble=NO_REASON)


def note_purge(before: datetime) -> None:
    epoch = Counter.objects.filter(name=EPOCH).values_list("value", flat=True).first() or 0
    for name, value in {PURGED_UNTIL: int(before.timestamp()), PURGED_IN_EPOCH: epoch}.items():
        Counter.objects.update_or_create(name=name, defaults={"value": value})


def _forget_what_receivers_said(work_orders: list[int]) -> None:
    """An answer of theirs may quote what they were sent."""
    deliveries = Delivery.objects.filter(work_order__in=work_orders)
    deliveries.update(outcome="")
    # Why one waits for a person cannot be empty while it does.
    deliveries.exclude(needs_person="").update(needs_person=NO_REASON)
    DeliveryEntry.objects.filter(delivery__in=deliveries).update(text="")


def _forget_in_history(column: str, keys: list[int]) -> None:
    if not keys:
        return
    forget = FORGET[connection.vendor]
    places = sql.placeholders(keys)
    alone = " AND work_order_id IS NULL" if column == "slot_id" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE bookings_historyentry SET reason = '', details = {forget} WHERE {column} IN ({places}){alone}",
            keys,
        )
