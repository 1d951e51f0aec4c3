"""Times in which an area takes no bookings: closing, opening again, and what they do to slots and bookings.

A blackout hides slots and deletes nothing. It also hides the slots that are made later (`covering`), so that a closed
Christmas stays closed when somebody fills December. Bookings in it stay where they are and ask to be reviewed again.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import connection
from django.db.models import QuerySet

from bookings import clock, services
from bookings.history import record_each
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder
from bookings.services import BookingError
from bookings.supply import turns


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
    """Hide the slots of an area, or of one worker there, that share some time with a period.

    The bookings in it are named, also those of slots that were hidden before: who closes has to care for them. The
    blackout comes first and hides what is made from then on; the slots follow in short transactions. What was
    interrupted is ended by closing the same time again.
    """
    closed_at = clock.now()
    new = Blackout(area=area, worker=worker, start=start, end=end, reason=reason, closed_at=closed_at, closed_by=by)

    def begin() -> Blackout | None:
        # A second click, or two people with the same thought.
        same = area.blackouts.in_force().filter(worker=worker, start=start, end=end).order_by("pk").first()
        if same is None:
            new.save(force_insert=True)
        return same

    same = turns.write(begin)
    blackout = same or new
    slots = touched_by(blackout).filter(blackout__isnull=True) if same else touched_by(blackout)
    hidden = 0
    for batch in turns.in_batches(list(slots.order_by("start", "pk").values_list("pk", flat=True))):
        hidden += turns.write(partial(_hide, blackout, batch, by))
    return Closed(blackout, hidden, by_time(bookings_in(blackout)), is_new=same is None)


def would_close(blackout: Blackout) -> int:
    """How many slots a blackout that is not written yet would hide."""
    return touched_by(blackout).filter(blackout__isnull=True).count()


def open_slots(*, area: ServiceArea, start: datetime, end: datetime, by: str, worker: str = "") -> int:
    """End all blackouts of an area, or of one worker there, within a period; says how many slots that opened.

    A blackout that reaches beyond the period stays in force there, as a new one.
    """
    opened = 0
    for blackout in _within(area, start, end, worker):
        turns.write(partial(_keep_rests, blackout, start, end))
        # Another person may have lifted it meanwhile.
        with suppress(BookingError):
            opened += lift(blackout=blackout, by=by)
    return opened


def would_open(*, area: ServiceArea, start: datetime, end: datetime, worker: str = "") -> int:
    """How many slots open_slots would open."""
    ending = list(_within(area, start, end, worker))
    others = [other for other in area.blackouts.in_force() if other not in ending]
    others += [rest for blackout in ending for rest in _rests(blackout, start, end)]
    hidden = AppointmentSlot.objects.filter(blackout__in=ending).only("worker", "start", "end")
    return sum(covering(others, slot.worker, slot.start, slot.end) is None for slot in hidden.iterator(2_000))


def lift(*, blackout: Blackout, by: str) -> int:
    """End one blackout and open the slots that no other one hides; says how many.

    In short transactions, and it ends with the last of them. Raises BookingError if another person was faster.
    """
    opened, is_over = 0, False
    while not is_over:
        number, is_over = turns.write(partial(_open, blackout, by))
        opened += number
    return opened


def touched_by(blackout: Blackout) -> QuerySet[AppointmentSlot]:
    slots = blackout.area.slots.within(blackout.start, blackout.end)
    return slots.filter(worker=blackout.worker) if blackout.worker else slots


def bookings_in(blackout: Blackout) -> QuerySet[WorkOrder]:
    """The bookings that stand in its time, whatever hides their slots."""
    return WorkOrder.objects.active().filter(slot__in=touched_by(blackout))


def by_time(bookings: QuerySet[WorkOrder]) -> list[WorkOrder]:
    return list(bookings.select_related("slot", "area").order_by("visit_start", "pk"))


def covering(blackouts: Iterable[Blackout], worker: str, start: datetime, end: datetime) -> Blackout | None:
    """The one of some blackouts of an area that hides a slot of it."""
    for blackout in blackouts:
        if blackout.worker in ("", worker) and blackout.start < end and blackout.end > start:
            return blackout
    return None


# --- One step, inside its transaction --------------------------------------------------------------------------


def _hide(blackout: Blackout, pks: list[int], by: str) -> int:
    if not Blackout.objects.in_force().filter(pk=blackout.pk).exists():
        return 0  # lifted meanwhile
    now, event, reason = clock.now(), HistoryEntry.Event.CLOSED, blackout.reason
    slots, hit = AppointmentSlot.objects.filter(pk__in=pks), WorkOrder.objects.active().filter(slot__in=pks)
    # Bookings first and the slots after them, as who books, moves or cancels does, so that none waits in a circle.
    services.ask_for_review(hit, now)
    # Locked in the order of their keys before the bookings are counted: who books at this moment is seen, or finds
    # the slot closed.
    locked = slots.filter(blackout__isnull=True).order_by("pk").select_for_update()
    hidden = list(locked.values_list("pk", flat=True))
    AppointmentSlot.objects.filter(pk__in=hidden).update(blackout=blackout)
    # Those that came between the two.
    services.ask_for_review(hit.exclude(changed_at=now), now)
    record_each(hidden, event, at=now, by=by, reason=reason, blackout=blackout.pk)
    record_each(list(hit), event, at=now, by=by, reason=reason, blackout=blackout.pk)
    return len(hidden)


def _open(blackout: Blackout, by: str) -> tuple[int, bool]:
    """Open some of the slots of a blackout, and end it with the last: how many, and whether these were the last."""
    now, most = clock.now(), turns.BATCH[connection.vendor]
    if not Blackout.objects.in_force().filter(pk=blackout.pk).exists():
        current = Blackout.objects.select_related("area").get(pk=blackout.pk)
        raise BookingError("already_lifted", f"{current} was lifted already, by {current.opened_by}.")
    others = list(blackout.area.blackouts.in_force().exclude(pk=blackout.pk))
    now_under: dict[Blackout | None, list[int]] = defaultdict(list)
    slots = list(blackout.slots.order_by("pk").select_for_update()[:most])
    for slot in slots:
        now_under[covering(others, slot.worker, slot.start, slot.end)].append(slot.pk)
    for other, pks in now_under.items():
        AppointmentSlot.objects.filter(pk__in=pks).update(blackout=other)
    opened = now_under[None]
    record_each(opened, HistoryEntry.Event.OPENED, at=now, by=by, reason=blackout.reason, blackout=blackout.pk)
    is_over = len(slots) < most
    if is_over:
        Blackout.objects.filter(pk=blackout.pk).update(opened_at=now, opened_by=by)
    return len(opened), is_over


def _keep_rests(blackout: Blackout, start: datetime, end: datetime) -> None:
    """Blackouts for what one that ends keeps closed before and after a period; they are there after a killed run."""
    in_force = blackout.area.blackouts.in_force()
    if not in_force.filter(pk=blackout.pk).exists():
        return
    for rest in _rests(blackout, start, end):
        if not in_force.filter(worker=rest.worker, start=rest.start, end=rest.end).exists():
            rest.save(force_insert=True)


def _rests(blackout: Blackout, start: datetime, end: datetime) -> list[Blackout]:
    given = {"area": blackout.area, "worker": blackout.worker, "reason": blackout.reason}
    given |= {"closed_at": blackout.closed_at, "closed_by": blackout.closed_by}
    periods = ((blackout.start, start), (end, blackout.end))
    return [Blackout(start=first, end=last, **given) for first, last in periods if first < last]


def _within(area: ServiceArea, start: datetime, end: datetime, worker: str) -> QuerySet[Blackout]:
    return area.blackouts.in_force().filter(worker=worker, start__lt=end, end__gt=start).order_by("pk")
