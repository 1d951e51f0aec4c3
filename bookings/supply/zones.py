"""Slots whose promised clock time is not what their zone shows any more, because the zone changed its rule.

What was promised is the clock time: a slot's start plus its `utc_offset`. A new tzdata may put another time on the
clock at that moment. Slots without bookings are moved to the promised time; a booking needs a decision of staff.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Greatest

from bookings import clock, services
from bookings.history import record_each
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea, WorkOrder
from bookings.sentences import say
from bookings.services import BookingError
from bookings.supply import new_slots, turns
from bookings.supply.from_plans import hours

REASON = "The time zone changed its rule."

# What never changes of a slot: area, start, end, order type and worker.
Key = tuple[Any, ...]


class Moved(NamedTuple):
    """A slot to come, and the period at which its zone shows the promised clock time now; None where it never does."""

    slot: AppointmentSlot
    period: tuple[datetime, datetime] | None

    @property
    def promised(self) -> str:
        return f"{_promised(self.slot):%H:%M}"


def moved(now: datetime | None = None) -> Iterator[Moved]:
    """The slots to come that a changed rule has moved, by area and time."""
    there = AppointmentSlot.objects.filter(end__gt=now or clock.now(), utc_offset__isnull=False)
    there = there.filter(Q(is_withdrawn=False) | Q(booked__gt=0))
    areas = {area.pk: area for area in ServiceArea.objects.all() if not clock.time_zone_problem(area.time_zone)}
    starts = there.order_by("area", "start").values_list("area", "start", "utc_offset").distinct()
    for area_id, start, offset in starts.iterator():
        area = areas.get(area_id)
        if area is None or clock.utc_offset(start, area.zone) == offset:
            continue
        for slot in there.filter(area=area, start=start, utc_offset=offset).order_by("pk"):
            slot.area = area
            yield Moved(slot, _period(slot))


def move_free(found: Iterable[Moved], *, by: str) -> int:
    """Withdraw slots without bookings and make others at the promised clock time; says how many.

    In short transactions. The slots of a worker, or of a pool, on one day stay together where they are if a booking is
    in the way of one of them, until staff decided about that booking.
    """
    days: dict[tuple[Any, ...], list[Moved]] = defaultdict(list)
    for each in found:
        slot = each.slot
        if each.period:
            who = (slot.worker,) if slot.worker else ("", slot.area_id, slot.order_type)
            # A slot may move into the place of the next one, which has to be gone by then: the last ones go first
            # where all go forward.
            is_forward = each.period[0] > slot.start
            day = _promised(slot).toordinal()
            days[(*who, is_forward, -day if is_forward else day)].append(each)
    pace = turns.Pace()
    in_order = [days[key] for key in sorted(days)]
    return sum(pace.write(partial(_move_days, some, by), sum(map(len, some))) for some in pace.batches(in_order, len))


def _move_days(days: Sequence[Sequence[Moved]], by: str) -> int:
    all_of_them = [each for day in days for each in day]
    pks = [each.slot.pk for each in all_of_them]
    free = AppointmentSlot.objects.filter(pk__in=pks, booked=0, is_withdrawn=False).order_by("pk")
    locked = set(free.select_for_update().values_list("pk", flat=True))
    there = _around(all_of_them)
    alive: dict[Key, AppointmentSlot | new_slots.Wanted] = {
        key: slot for key, slot in there.items() if slot.booked or not slot.is_withdrawn
    }
    going: dict[int, new_slots.Wanted] = {}
    for day in days:
        leaving = [each for each in day if each.slot.pk in locked]
        of_day = {each.slot.pk: _wanted(each) for each in leaving}
        left = {_key(each.slot) for each in leaving}
        staying = {key: slot for key, slot in alive.items() if key not in left}
        if not _is_in_the_way(staying, list(of_day.values())):
            going |= of_day
            alive = staying | {slot.key: slot for slot in of_day.values()}
    _withdraw(list(going), by)
    _make(list(going.values()), there, by)
    return len(going)


def _around(found: Sequence[Moved]) -> dict[Key, AppointmentSlot]:
    """All slots in the time to which some are to move, of their workers and pools."""
    periods = [each.period for each in found if each.period]
    within = AppointmentSlot.objects.within(min(start for start, _ in periods), max(end for _, end in periods))
    workers = {each.slot.worker for each in found} - {""}
    pools = {each.slot.area_id for each in found if not each.slot.worker}
    slots = within.filter(Q(worker__in=workers) | Q(worker="", area__in=pools)).order_by("pk")
    return {_key(slot): slot for slot in slots}


def _key(slot: AppointmentSlot) -> Key:
    return (slot.area_id, slot.start, slot.end, slot.order_type, slot.worker)


def _is_in_the_way(staying: Mapping[Key, AppointmentSlot | new_slots.Wanted], wanted: list[new_slots.Wanted]) -> bool:
    """Whether slots that stay keep others from coming, which are of one worker or of one pool."""
    worker = wanted[0].worker if wanted else ""
    diary = hours.Diary((slot.start, slot.end) for slot in staying.values() if worker and slot.worker == worker)
    return any(slot.key in staying or diary.clash(slot.start, slot.end) for slot in wanted)


def _make(wanted: list[new_slots.Wanted], there: Mapping[Key, AppointmentSlot], by: str) -> None:
    """Slots at their new times: those that stand there withdrawn are taken up again, the others are new."""
    again = {there[slot.key].pk: slot for slot in wanted if slot.key in there}
    new_slots.insert([slot for slot in wanted if slot.key not in there], by)
    AppointmentSlot.objects.filter(pk__in=again).update(is_withdrawn=False)
    record_each(again, HistoryEntry.Event.OPENED, at=clock.now(), by=by, reason=REASON)
    for pk, slot in again.items():
        _take_over(pk, slot)


def keep_instant(work_order: WorkOrder, *, by: str) -> None:
    """The visit stays at its moment; from now on the time that the clock shows then is what is promised."""
    slot, now = work_order.slot, clock.now()
    before, after = slot.utc_offset, clock.utc_offset(slot.start, work_order.area.zone)
    with transaction.atomic():
        AppointmentSlot.objects.filter(pk=slot.pk).update(utc_offset=after)
        record_each([slot.pk], HistoryEntry.Event.CHANGED, at=now, by=by, reason=REASON, before={"utc_offset": before})


def keep_clock_time(work_orders: Iterable[WorkOrder], *, by: str) -> None:
    """Move bookings to slots at the promised clock time, which are made where there are none. Raises BookingError."""
    with transaction.atomic():
        turns.only_writer()
        left = set()
        for work_order in work_orders:
            slot = work_order.slot
            period = _period(slot)
            if period is None:
                message = say("{number}: there is no such clock time on that day.", number=work_order.order_num)
                raise BookingError("no_such_time", message)
            others = AppointmentSlot.objects.keeping_busy(slot.worker, *period).exclude(pk=slot.pk)
            wanted = _wanted(Moved(slot, period))
            others = others.exclude(start=period[0], end=period[1], area=slot.area).select_related("area")
            if busy := others.first():
                names = {"number": work_order.order_num, "worker": slot.worker, "when": busy, "area": busy.area.code}
                raise BookingError("worker_busy", say("{number}: {worker} is busy {when} in {area}.", **names))
            there = AppointmentSlot.objects.filter(
                area=slot.area, start=period[0], end=period[1], order_type=slot.order_type, worker=slot.worker
            )
            if not there.exists():
                new_slots.insert([wanted._replace(external_id="")], by)
            there.filter(booked=0).update(capacity=Greatest("capacity", slot.capacity))
            there.update(is_withdrawn=False, utc_offset=clock.utc_offset(period[0], slot.area.zone))
            services.move(work_order=work_order, slot=there.select_related("area").get(), by=by, reason=REASON)
            left.add(slot.pk)
        _withdraw(list(AppointmentSlot.objects.filter(pk__in=left, booked=0).values_list("pk", flat=True)), by)
        if stay := AppointmentSlot.objects.filter(pk__in=left, booked__gt=0).exclude(worker="").first():
            orders = ", ".join(stay.work_orders.filter(status="booked").values_list("order_num", flat=True))
            sentence = "{worker} would be at two places. Name {orders} as well."
            raise BookingError("worker_busy", say(sentence, worker=stay.worker, orders=orders))


def _promised(slot: AppointmentSlot) -> datetime:
    """The clock time, without a zone."""
    return slot.start.astimezone(UTC).replace(tzinfo=None) + timedelta(minutes=slot.utc_offset or 0)


def _period(slot: AppointmentSlot) -> tuple[datetime, datetime] | None:
    wall = _promised(slot)
    start = clock.instant_at(wall.date(), wall.time(), slot.area.zone)
    return (start, start + (slot.end - slot.start)) if start else None


def _wanted(each: Moved) -> new_slots.Wanted:
    slot, period = each
    assert period  # noqa: S101  the callers have looked
    return new_slots.Wanted(
        slot.area,
        *period,
        slot.order_type,
        slot.worker,
        slot.capacity,
        source=slot.source,
        external_id=slot.external_id,
        is_open=slot.is_open,
        closed_reason=slot.closed_reason,
    )


def _withdraw(pks: list[int], by: str) -> None:
    """The external id wanders to the new slot."""
    AppointmentSlot.objects.filter(pk__in=pks).update(is_withdrawn=True, external_id="")
    record_each(pks, HistoryEntry.Event.CLOSED, at=clock.now(), by=by, reason=REASON)


def _take_over(pk: int, wanted: new_slots.Wanted) -> None:
    """Where a withdrawn slot was taken up again, it is now what the moved one was."""
    AppointmentSlot.objects.filter(pk=pk).exclude(booked__gt=wanted.capacity).update(
        capacity=wanted.capacity,
        source=wanted.source,
        external_id=wanted.external_id,
        is_open=wanted.is_open,
        closed_reason=wanted.closed_reason,
        utc_offset=clock.utc_offset(wanted.start, wanted.area.zone),
    )
