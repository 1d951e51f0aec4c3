"""Times in which an area, or a worker, takes no bookings: closing, opening again, and what that does to bookings.

A blackout hides slots and deletes nothing. It also hides the slots that are made later (`covering`), so that a closed
Christmas stays closed when December is filled. Bookings in it stay where they are and ask to be reviewed again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from django.db.models import Q, QuerySet

from bookings import clock, services
from bookings.history import About, record_each
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder, WorkOrderQuerySet
from bookings.sentences import say
from bookings.services import BookingError
from bookings.supply import turns

SAID_ELSEWHERE = "its external id is in use for an area that you may not change"


@dataclass(frozen=True)
class Closed:
    """What closing came to: the blackout, how many slots it hid, and the bookings that stand in it, by their time.

    `is_new` is false where this very time was closed already: then nothing was changed.
    """

    blackout: Blackout
    slots: int
    is_new: bool = True

    @cached_property
    def bookings(self) -> list[WorkOrder]:
        return by_time(bookings_in(self.blackout))


def close_slots(
    *,
    area: ServiceArea | None,
    start: datetime,
    end: datetime,
    reason: str,
    by: str,
    worker: str = "",
    external_id: str = "",
    areas: Collection[int] | None = None,
) -> Closed:
    """Hide the slots of an area, or of one worker there, that share some time with a period.

    Without an area it is an absence of the worker, with the `start` and `end` that `Blackout.absence` has.

    The bookings in it are named, also those of slots that were hidden before: who closes has to care for them. The
    blackout comes first and hides what is made from then on; the slots follow in short transactions. What was
    interrupted is ended by closing the same time again. With an `external_id` it takes the place of what the same one
    said before: that ends after the new one has begun, so that no slot of both is open in between. `areas` are the keys
    of the only ones that may be changed; raises BookingError where the id is in use for another one.
    """
    new = Blackout(area=area, worker=worker, start=start, end=end, reason=reason, external_id=external_id)
    new.closed_at, new.closed_by = clock.now(), by

    def begin() -> Blackout | None:
        if is_said_elsewhere(new, areas):
            raise BookingError("forbidden", SAID_ELSEWHERE)
        same = in_force_as(new)
        if same is None:
            new.save(force_insert=True)
        elif external_id:
            Blackout.objects.filter(pk=same.pk).exclude(reason=reason).update(reason=reason)
        return same

    same = turns.write(begin)
    blackout = same or new
    slots = touched_by(blackout).filter(blackout__isnull=True) if same else touched_by(blackout)
    hidden, pace = 0, turns.Pace()
    # The full ones first: what is booked there meanwhile has to be cared for with them.
    to_hide = list(slots.order_by("-booked", "pk").values_list("pk", "booked"))
    # With a slot its bookings are written, too: those of a crowded one are the work of many transactions.
    crowded = {pk for pk, booked in to_hide if booked > pace.rows}
    told = _tell_crowds(crowded, blackout, pace, by, is_new=same is None) if crowded else set()
    for batch in pace.batches(to_hide, lambda slot: 1 if slot[0] in crowded else 1 + slot[1]):
        hidden += pace.write(partial(_hide, blackout, [pk for pk, _ in batch], told, by), len(batch))
    for before in said(blackout, areas).filter(pk__lt=blackout.pk).order_by("pk"):
        # Another call may have opened it meanwhile.
        with suppress(BookingError):
            reopen(blackout=before, by=by)
    return Closed(blackout, hidden, is_new=same is None)


def said(blackout: Blackout, areas: Collection[int] | None = None) -> QuerySet[Blackout]:
    """What another system has in force under this external id, in all or some areas. Of several the last one counts."""
    named = Blackout.objects.in_force().filter(external_id=blackout.external_id, area__isnull=blackout.is_absence)
    return named.exclude(external_id="") if areas is None else named.exclude(external_id="").filter(area__in=areas)


def is_said_elsewhere(blackout: Blackout, areas: Collection[int] | None) -> bool:
    """Whether its external id is in use beyond the areas that its author may change."""
    return areas is not None and said(blackout).exclude(area__in=areas).exists()


def in_force_as(new: Blackout) -> Blackout | None:
    """The blackout in force that says the same: a second click, two people with the same thought, a repeat."""
    if new.external_id:
        last = said(new).order_by("pk").last()
        return last if last and extent(last) == extent(new) else None
    same = Blackout.objects.in_force().filter(area=new.area, worker=new.worker, start=new.start, end=new.end)
    return same.order_by("pk").first()


def extent(blackout: Blackout) -> tuple[object, ...]:
    """Where, for which worker, and when."""
    return blackout.area_id, blackout.worker, blackout.start, blackout.end


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
        # Another person may have opened it meanwhile.
        with suppress(BookingError):
            opened += reopen(blackout=blackout, by=by)
    return opened


def would_open(*, area: ServiceArea, start: datetime, end: datetime, worker: str = "") -> int:
    """How many slots open_slots would open."""
    ending = list(_within(area, start, end, worker))
    in_force = Blackout.objects.in_force().filter(Q(area=area) | Q(area=None))
    others = [other for other in in_force if other not in ending]
    others += [rest for blackout in ending for rest in _rests(blackout, start, end)]
    hidden = AppointmentSlot.objects.filter(blackout__in=ending).only("worker", "start", "end")
    return sum(covering(others, area, slot.worker, slot.start, slot.end) is None for slot in hidden.iterator(2_000))


def reopen(*, blackout: Blackout, by: str) -> int:
    """End one blackout and open the slots that no other one hides; says how many.

    In short transactions, and it ends with the last of them. Raises BookingError if another person was faster.
    """
    pace, opened, is_over = turns.Pace(), 0, False
    while not is_over:
        # Another blackout that ended meanwhile may have left its slots to this one: looked for until none is left.
        hidden = list(blackout.slots.order_by("pk").values_list("pk", flat=True))
        for pks in pace.batches(hidden):
            opened += pace.write(partial(_open, blackout, pks, by), len(pks))
        is_over = turns.write(partial(_end, blackout, by))
    return opened


def touched_by(blackout: Blackout) -> QuerySet[AppointmentSlot]:
    if blackout.area:
        slots = blackout.area.slots.within(blackout.start, blackout.end)
        return slots.filter(worker=blackout.worker) if blackout.worker else slots
    # No clock is further from UTC than a day.
    theirs = AppointmentSlot.objects.filter(worker=blackout.worker)
    theirs = theirs.within(blackout.start - timedelta(days=1), blackout.end + timedelta(days=1))
    in_time = Q(pk__in=[])
    for area in ServiceArea.objects.filter(pk__in=theirs.order_by().values("area")):
        start, end = blackout.bounds_in(area)
        in_time |= Q(area=area, start__lt=end, end__gt=start)
    return theirs.filter(in_time)


def bookings_in(blackout: Blackout) -> WorkOrderQuerySet:
    """The bookings that stand in its time, whatever hides their slots."""
    return WorkOrder.objects.active().filter(slot__in=touched_by(blackout))


def by_time(bookings: QuerySet[WorkOrder]) -> list[WorkOrder]:
    return list(bookings.select_related("slot", "area").defer("body").order_by("visit_start", "pk"))


def covering(
    blackouts: Iterable[Blackout], area: ServiceArea, worker: str, start: datetime, end: datetime
) -> Blackout | None:
    """The first of some blackouts that hides a slot of an area."""
    for blackout in blackouts:
        if blackout.area_id in (None, area.pk) and blackout.worker in ("", worker):
            begins, ends = blackout.bounds_in(area)
            if begins < end and ends > start:
                return blackout
    return None


# --- One step, inside its transaction --------------------------------------------------------------------------


def _tell_crowds(slots: set[int], blackout: Blackout, pace: turns.Pace, by: str, *, is_new: bool) -> set[int]:
    """Let the many bookings of some slots ask for review before these are hidden; their keys."""
    bookings = WorkOrder.objects.active().filter(slot__in=slots).order_by("pk").values_list("pk", flat=True)
    told: set[int] = set()
    if not is_new:
        # By a run that was killed.
        closed = {"event": HistoryEntry.Event.CLOSED, "details__blackout": blackout.pk}
        lines = HistoryEntry.objects.filter(work_order__slot__in=slots, **closed)
        told.update(lines.values_list("work_order", flat=True))
    for pks in pace.batches([pk for pk in bookings if pk not in told]):
        pace.write(partial(_tell, blackout, pks, by), len(pks))
        told.update(pks)
    return told


def _tell(blackout: Blackout, pks: list[int], by: str) -> None:
    now = clock.now()
    services.ask_for_review(WorkOrder.objects.active().filter(pk__in=pks), now)
    _record_closed(blackout, [WorkOrder(pk=pk) for pk in pks], now, by)


def _hide(blackout: Blackout, pks: list[int], told: set[int], by: str) -> int:
    """Hide slots; `told` are bookings that were asked to be reviewed already."""
    if not Blackout.objects.in_force().filter(pk=blackout.pk).exists():
        return 0  # opened meanwhile
    now = clock.now()
    # Bookings first and the slots after them, as who books, moves or cancels does, so that none waits in a circle.
    asked = _ask_for_review(pks, told, now)
    # Locked in the order of their keys before the bookings are looked for again: who books at this moment is seen, or
    # finds the slot closed.
    slots = AppointmentSlot.objects.filter(pk__in=pks, blackout__isnull=True).order_by("pk").select_for_update()
    hidden = list(slots.values_list("pk", flat=True))
    AppointmentSlot.objects.filter(pk__in=hidden).update(blackout=blackout)
    asked += _ask_for_review(pks, told.union(asked), now)
    _record_closed(blackout, hidden, now, by)
    _record_closed(blackout, [WorkOrder(pk=pk) for pk in asked], now, by)
    return len(hidden)


def _ask_for_review(slots: list[int], told: set[int], now: datetime) -> list[int]:
    """Let the bookings of slots ask for review, but for those that were told and do so still; their keys."""
    bookings = WorkOrder.objects.active().filter(slot__in=slots).values_list("pk", "reviewed_at")
    asked = [pk for pk, reviewed_at in bookings if reviewed_at or pk not in told]
    if asked:
        services.ask_for_review(WorkOrder.objects.active().filter(pk__in=asked), now)
    return asked


def _record_closed(blackout: Blackout, about: Iterable[About], now: datetime, by: str) -> None:
    record_each(about, HistoryEntry.Event.CLOSED, at=now, by=by, reason=blackout.reason, blackout=blackout.pk)


def _open(blackout: Blackout, pks: list[int], by: str) -> int:
    """Open some of the slots of a blackout, or leave them to another one that hides them as well; how many are open."""
    _check_in_force(blackout)
    now_under: dict[Blackout | None, list[int]] = defaultdict(list)
    hidden = blackout.slots.filter(pk__in=pks).order_by("pk").select_related("area")
    slots = list(hidden.select_for_update(of=("self",)))
    others = list(Blackout.objects.hiding(slots).exclude(pk=blackout.pk))
    for slot in slots:
        now_under[covering(others, slot.area, slot.worker, slot.start, slot.end)].append(slot.pk)
    for other, theirs in now_under.items():
        AppointmentSlot.objects.filter(pk__in=theirs).update(blackout=other)
    opened = now_under[None]
    now = clock.now()
    record_each(opened, HistoryEntry.Event.OPENED, at=now, by=by, reason=blackout.reason, blackout=blackout.pk)
    return len(opened)


def _end(blackout: Blackout, by: str) -> bool:
    """End a blackout that hides no slot any more; says whether that is so."""
    _check_in_force(blackout)
    is_over = not blackout.slots.exists()
    if is_over:
        Blackout.objects.filter(pk=blackout.pk).update(opened_at=clock.now(), opened_by=by)
    return is_over


def _check_in_force(blackout: Blackout) -> None:
    if not Blackout.objects.in_force().filter(pk=blackout.pk).exists():
        current = Blackout.objects.select_related("area").get(pk=blackout.pk)
        message = say("{blackout} was opened already, by {who}.", blackout=current, who=current.opened_by)
        raise BookingError("already_open", message)


def _keep_rests(blackout: Blackout, start: datetime, end: datetime) -> None:
    """Blackouts for what one that ends keeps closed before and after a period; they are there after a killed run."""
    in_force = Blackout.objects.in_force().filter(area=blackout.area)
    if not in_force.filter(pk=blackout.pk).exists():
        return
    for rest in _rests(blackout, start, end):
        if not in_force.filter(worker=rest.worker, start=rest.start, end=rest.end).exists():
            rest.save(force_insert=True)


def _rests(blackout: Blackout, start: datetime, end: datetime) -> list[Blackout]:
    given: dict[str, Any] = {"area": blackout.area, "worker": blackout.worker, "reason": blackout.reason}
    given |= {"closed_at": blackout.closed_at, "closed_by": blackout.closed_by}
    periods = ((blackout.start, start), (end, blackout.end))
    return [Blackout(start=first, end=last, **given) for first, last in periods if first < last]


def _within(area: ServiceArea, start: datetime, end: datetime, worker: str) -> QuerySet[Blackout]:
    return area.blackouts.in_force().filter(worker=worker, start__lt=end, end__gt=start).order_by("pk")
