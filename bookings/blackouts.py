"""Times in which an area takes no bookings: closing, opening again, and what they do to slots and bookings.

A blackout hides slots and deletes nothing. It also hides the slots that are made later (`covering`), so that a closed
Christmas stays closed when somebody fills December. Bookings in it stay where they are and ask to be reviewed again.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from psycopg.errors import DeadlockDetected, LockNotAvailable

from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder
from bookings.origin import record_each
from bookings.services import BookingError

T = TypeVar("T")

# Rows that are written in one go, which takes a tenth of a second at most. On SQLite bookings wait meanwhile.
BATCH = {"sqlite": 500, "postgresql": 2_000}
# How often a step is tried that could not get its locks; each try waits as long as the database's settings say.
TRIES = 3
LONGEST_PAUSE = 0.2  # seconds
# What all who write slots wait for on PostgreSQL; any number that nobody else uses.
WRITER_LOCK = 0x51075


@dataclass(frozen=True)
class Closed:
    """What closing came to: the blackout, how many slots it hid, and the bookings that stand in it, by their time.

    `is_new` is false where this very time was closed already: then nothing was changed.
    """

    blackout: Blackout
    slots: int
    bookings: list[WorkOrder]
    is_new: bool = True


def close_slots(*, area: ServiceArea, start: datetime, end: datetime, reason: str, by: str, worker: str = "") -> Closed:
    """Hide the slots of an area, or of one worker there, that share some time with a period, in one transaction.

    The bookings in it are named, also those of slots that were hidden before: whoever closes has to care for them.
    """
    now, event = timezone.now(), HistoryEntry.Event.CLOSED
    blackout = Blackout(area=area, worker=worker, start=start, end=end, reason=reason, closed_at=now, closed_by=by)
    with transaction.atomic():
        only_writer()
        slots, hit = touched_by(blackout), bookings_in(blackout)
        # A second click, or two people with the same thought.
        same = area.blackouts.in_force().filter(worker=worker, start=start, end=end).order_by("pk").first()
        if same:
            return Closed(same, 0, _by_time(hit), is_new=False)
        blackout.save(force_insert=True)
        # Bookings first and the slots after them, as whoever books, moves or cancels does: nobody waits in a circle.
        ask_for_review(hit, now)
        # Locked in the order of their keys before the bookings are counted: who books at this moment is seen, or
        # finds the slot closed.
        locked = slots.filter(blackout__isnull=True).order_by("pk").select_for_update()
        hidden = list(locked.values_list("pk", flat=True))
        for batch in in_batches(hidden):
            AppointmentSlot.objects.filter(pk__in=batch).update(blackout=blackout)
        ask_for_review(hit, now)
        bookings = _by_time(hit)
        record_each(hidden, event, at=now, by=by, reason=reason, blackout=blackout.pk)
        record_each(bookings, event, at=now, by=by, reason=reason, blackout=blackout.pk)
    return Closed(blackout, len(hidden), bookings)


def open_slots(*, area: ServiceArea, start: datetime, end: datetime, by: str, worker: str = "") -> int:
    """End all blackouts of an area, or of one worker there, within a period; says how many slots that opened.

    A blackout that reaches beyond the period stays in force there, as a new one.
    """
    with transaction.atomic():
        only_writer()
        opened = 0
        for blackout in area.blackouts.in_force().filter(worker=worker, start__lt=end, end__gt=start).order_by("pk"):
            for rest_start, rest_end in ((blackout.start, start), (end, blackout.end)):
                if rest_start < rest_end:
                    rest = Blackout.objects.get(pk=blackout.pk)
                    rest.pk, rest.start, rest.end = None, rest_start, rest_end
                    rest.save(force_insert=True)
            opened += lift(blackout=blackout, by=by)
    return opened


def lift(*, blackout: Blackout, by: str) -> int:
    """End one blackout and open the slots that no other one hides; says how many.

    Raises BookingError if somebody else was faster.
    """
    now = timezone.now()
    with transaction.atomic():
        only_writer()
        if not Blackout.objects.in_force().filter(pk=blackout.pk).update(opened_at=now, opened_by=by):
            current = Blackout.objects.select_related("area").get(pk=blackout.pk)
            raise BookingError("already_lifted", f"{current} was lifted already, by {current.opened_by}.")
        others = list(blackout.area.blackouts.in_force())
        now_under: dict[Blackout | None, list[int]] = defaultdict(list)
        for slot in blackout.slots.order_by("pk").select_for_update():
            now_under[covering(others, slot.worker, slot.start, slot.end)].append(slot.pk)
        for other, slots in now_under.items():
            for batch in in_batches(slots):
                AppointmentSlot.objects.filter(pk__in=batch).update(blackout=other)
        opened = now_under[None]
        record_each(opened, HistoryEntry.Event.OPENED, at=now, by=by, reason=blackout.reason, blackout=blackout.pk)
    return len(opened)


def touched_by(blackout: Blackout) -> QuerySet[AppointmentSlot]:
    slots = blackout.area.slots.within(blackout.start, blackout.end)
    return slots.filter(worker=blackout.worker) if blackout.worker else slots


def bookings_in(blackout: Blackout) -> QuerySet[WorkOrder]:
    """The bookings that stand in its time, whatever hides their slots."""
    return WorkOrder.objects.active().filter(slot__in=touched_by(blackout))


def _by_time(bookings: QuerySet[WorkOrder]) -> list[WorkOrder]:
    return list(bookings.select_related("slot", "area").order_by("visit_start", "pk"))


def covering(blackouts: Iterable[Blackout], worker: str, start: datetime, end: datetime) -> Blackout | None:
    """The one of some blackouts of an area that hides a slot of it."""
    for blackout in blackouts:
        if blackout.worker in ("", worker) and blackout.start < end and blackout.end > start:
            return blackout
    return None


# --- What all share who write slots, inside their transaction ------------------------------------------------


def write(step: Callable[[], T]) -> T:
    """One short step of a long command, in a transaction of its own, as the only writer of slots.

    Tried again where it did not get its locks. Raises OperationalError where it never did.
    """
    for _ in range(TRIES - 1):
        try:
            return _write_once(step)
        except OperationalError as fault:
            # Inside of another transaction nothing can be tried again.
            if connection.in_atomic_block or not _is_about_locks(fault):
                raise
    return _write_once(step)


def _write_once(step: Callable[[], T]) -> T:
    with transaction.atomic():
        only_writer()
        began = time.monotonic()
        done = step()
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        # SQLite's one lock goes to who asks first, and who waits asks now and then: leave them as long as it was held.
        time.sleep(min(time.monotonic() - began, LONGEST_PAUSE))
    return done


def _is_about_locks(fault: OperationalError) -> bool:
    return isinstance(fault.__cause__, LockNotAvailable | DeadlockDetected) or "locked" in str(fault)


def only_writer() -> None:
    """Wait until nobody else makes or hides slots: what was looked at before writing holds until the transaction ends.

    On SQLite the transaction itself is the only writer (transaction_mode IMMEDIATE). Bookings do not wait for this.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITER_LOCK])


def ask_for_review(bookings: QuerySet[WorkOrder], now: datetime) -> None:
    bookings.filter(reviewed_at__isnull=False).update(reviewed_at=None, reviewed_by="", version=F("version") + 1)
    # Also those that nobody has reviewed have a new line in their history, which other systems read.
    bookings.update(changed_at=now, change_num=None)


def in_batches(rows: Iterable[Any], size: int | None = None) -> Iterator[list[Any]]:
    rows = iter(rows)
    while batch := list(islice(rows, size or BATCH[connection.vendor])):
        yield batch
