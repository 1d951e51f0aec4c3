"""Where bookings that cannot stay could go, many at once: a plan that a person looks at. Nothing here writes.

The slots are those that keep all rules at this moment, so what is proposed is what a move would be let into. The same
time with another person comes first; else the next window that fits the order type, the parts and the customer's
times: of the same day before later ones, of the same area before others, and the nearest of these. No two proposals
want the same place. A booking may still be faster: changes.move decides.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bookings import offers
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
from bookings.services import wishes

NOTHING_FREE = "No place is free from then on."
ALL_GIVEN = "The places that would fit go to other bookings here."
AFTER_PARTS = "No place is free after the parts, which are expected by {when}."
NOT_IN_TIMES = "No free place fits the customer's own times."

Kind = tuple[int, str]  # key of the area, order type of the booking


@dataclass(frozen=True)
class Proposal:
    """`why_not` says why there is no slot for it."""

    work_order: WorkOrder
    slot: AppointmentSlot | None
    why_not: str = ""

    @property
    def is_same_time(self) -> bool:
        return self.slot is not None and _period(self.slot) == _period(self.work_order.slot)

    @property
    def days_later(self) -> int:
        return (_day(self.slot) - _day(self.work_order.slot)).days if self.slot else 0


def propose(bookings: Sequence[WorkOrder], also_in: Iterable[ServiceArea], now: datetime) -> list[Proposal]:
    """One for each booking, in their order. Places are looked for in each one's own area and `also_in` these.

    The bookings come with their slots and areas. The statements do not grow with the bookings.
    """
    also_in = list(also_in)
    areas = {booking.slot.area_id: booking.slot.area for booking in bookings} | {area.pk: area for area in also_in}
    times = wishes.customer_times(booking.pk for booking in bookings)
    needs = [_Need(booking, times[booking.pk], also_in, now) for booking in bookings]
    types = sorted({booking.order_type for booking in bookings})
    free = _FreePlaces(_free_slots(areas, types, min((need.since for need in needs), default=now), now), types)
    found: dict[int, AppointmentSlot] = {}
    # Those who can keep their time do, before a place of it is given to one who has to change it anyway.
    for is_same_time in (True, False):
        for need in sorted(needs, key=lambda need: (need.slot.start, need.booking.pk)):
            if need.booking.pk not in found and (slot := need.best(free, only_same_time=is_same_time)):
                free.take(slot)
                found[need.booking.pk] = slot
    return [
        Proposal(need.booking, slot) if (slot := found.get(need.booking.pk)) else _without(need, free) for need in needs
    ]


class _Need:
    """What one booking needs of a slot."""

    def __init__(
        self, booking: WorkOrder, times: offers.CustomerTimes, also_in: Iterable[ServiceArea], now: datetime
    ) -> None:
        self.booking, self.slot, self.times = booking, booking.slot, times
        # Never before the time that the customer was told, nor before the parts are there.
        self.since = max(self.slot.start, now)
        self.first = max(self.since, booking.parts_due_at or self.since)
        own = self.slot.area
        # Nothing is moved between practice areas and others.
        others = [area.pk for area in also_in if area != own and area.is_practice == own.is_practice]
        self.areas = [own.pk, *others]

    @property
    def kinds(self) -> list[Kind]:
        return [(area, self.booking.order_type) for area in self.areas]

    def best(self, free: "_FreePlaces", *, only_same_time: bool) -> AppointmentSlot | None:
        if only_same_time and self.first > self.slot.start:
            return None
        choices: list[AppointmentSlot] = []
        for kind in self.kinds:
            fitting = free.fitting(kind, self.first, self.times)
            choices += self._nearest(fitting, only_same_time=only_same_time)
        return min(choices, key=self._rank, default=None)

    def _nearest(self, slots: Iterator[AppointmentSlot], *, only_same_time: bool) -> Iterator[AppointmentSlot]:
        """The first ones of those that fit, all that begin at the same moment."""
        first: datetime | None = None
        for slot in slots:
            if slot.start > (self.slot.start if only_same_time else first or slot.start):
                return
            if slot.pk != self.slot.pk and (not only_same_time or _period(slot) == _period(self.slot)):
                first = slot.start
                yield slot

    def _rank(self, slot: AppointmentSlot) -> tuple[object, ...]:
        return (
            _day(slot) != _day(self.slot),
            slot.area_id != self.slot.area_id,
            slot.start,
            slot.end - slot.start != self.slot.end - self.slot.start,
            # What only this order type can have, before what any could.
            slot.order_type == "",
            slot.worker != self.slot.worker,
            slot.worker != self.booking.worker,
            slot.booked - slot.capacity,
            slot.pk,
        )


class _FreePlaces:
    """Slots with room by what they suit, in the order of their time; a place is given away once."""

    def __init__(self, slots: Iterable[AppointmentSlot], types: Sequence[str]) -> None:
        self.slots: dict[Kind, list[AppointmentSlot]] = defaultdict(list)
        self.room: dict[int, int] = {}
        self.given: dict[Kind, list[AppointmentSlot]] = defaultdict(list)
        self.types = types
        for slot in slots:
            # Where a safety margin holds the last places back, these are none.
            self.room[slot.pk] = -(-slot.capacity * slot.area.safety_percent // 100) - slot.booked
            for kind in self._kinds_of(slot):
                self.slots[kind].append(slot)

    def fitting(self, kind: Kind, start: datetime, times: offers.CustomerTimes) -> Iterator[AppointmentSlot]:
        """Those that fit a customer's times. Slots of whole weeks that do not are passed over, not looked at."""
        slots, at = self.slots[kind], self._first(kind, start)
        while at < len(slots):
            slot = slots[at]
            if times.fit(slot.start, slot.end):
                yield slot
            elif (later := times.may_begin(slot.start)) is None:
                return
            else:
                at = max(at, self._first(kind, later) - 1)
            at += 1

    def has(self, kind: Kind, start: datetime) -> bool:
        """Whether any begins then or later."""
        return self._first(kind, start) < len(self.slots[kind])

    def _first(self, kind: Kind, start: datetime) -> int:
        return bisect_left(self.slots[kind], start, key=lambda slot: slot.start)

    def take(self, slot: AppointmentSlot) -> None:
        self.room[slot.pk] -= 1
        for kind in () if self.room[slot.pk] else self._kinds_of(slot):
            slots = self.slots[kind]
            at = bisect_left(slots, (slot.start, slot.pk), key=lambda other: (other.start, other.pk))
            self.given[kind].append(slots.pop(at))

    def _kinds_of(self, slot: AppointmentSlot) -> list[Kind]:
        return [(slot.area_id, one) for number, one in enumerate(self.types) if getattr(slot, f"suits_{number}")]


def _free_slots(
    areas: dict[int, ServiceArea], types: Sequence[str], since: datetime, now: datetime
) -> list[AppointmentSlot]:
    """Of all the areas by one statement, each with its own rules, and with what it suits of some order types."""
    if not areas:
        return []
    keeping = [offers.all_of([("area_id = %s", [area.pk]), offers.takeable(now, area)]) for area in areas.values()]
    free = AppointmentSlot.objects.filter(offers.as_filter(offers.any_of(keeping)), area__in=areas, start__gte=since)
    slots = offers.with_suits(free, {f"suits_{number}": one for number, one in enumerate(types)})
    columns = ("area_id", "start", "end", "order_type", "worker", "capacity", "booked")
    found = list(slots.only(*columns).order_by("start", "pk"))
    for slot in found:
        slot.area = areas[slot.area_id]
    return found


def _without(need: _Need, free: _FreePlaces) -> Proposal:
    """No slot, and the first of its needs that none keeps."""
    kinds = need.kinds
    given = [slot for kind in kinds for slot in free.given[kind] if slot.start >= need.first]
    if any(need.times.fit(slot.start, slot.end) for slot in given):
        why = ALL_GIVEN
    elif any(free.has(kind, need.first) for kind in kinds):
        why = NOT_IN_TIMES
    elif any(free.has(kind, need.since) for kind in kinds):
        why = AFTER_PARTS.format(when=need.slot.area.instant_text(need.first))
    else:
        why = NOTHING_FREE
    return Proposal(need.booking, None, why)


def _period(slot: AppointmentSlot) -> tuple[datetime, datetime]:
    return slot.start, slot.end


def _day(slot: AppointmentSlot) -> date:
    return slot.start.astimezone(slot.area.zone).date()
