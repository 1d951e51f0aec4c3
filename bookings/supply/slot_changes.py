"""What staff change of many slots at once, found by area, time, worker, order type, weekday and hour.

As slots.py does of one slot: closing and opening change staff's own reason alone, so a slot that is opened may stay
hidden by a blackout or its plan; bookings stay, and ask to be reviewed again where their slot is closed. In short
transactions; what was interrupted is simply done again, but for `add`: a change with a `fingerprint` tells which slots
have it already (`done_to`). A time that hides later slots as well is a blackout.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple

from django.db.models import Q, QuerySet

from bookings import clock
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea
from bookings.sentences import counted
from bookings.supply import slots, turns
from bookings.supply.from_plans import hours
from bookings.supply.from_plans.hours import DAY_MINUTES, Hours
from bookings.supply.from_systems.upserts import NAMED

# Slots that are read in one query, and are in memory at once.
READ_AT_ONCE = 5_000
Action = Literal["close", "open", "resize", "add"]


class Change(NamedTuple):
    """What is done to the slots. `reason` is staff's and needed to close; `capacity` is needed to resize.

    `add` gives each slot `more` places than it has, or fewer where that is below zero. The `fingerprint` of what was
    sent is kept with each slot that it changes.
    """

    action: Action
    reason: str = ""
    capacity: int | None = None
    more: int = 0
    fingerprint: str = ""

    def places(self, slot: AppointmentSlot) -> int:
        """How many the slot would have."""
        return slot.capacity + self.more if self.capacity is None else self.capacity


class SlotFilter(NamedTuple):
    """Slots of an area that begin in a period. Empty is any; an empty name among others is a pool, or any order.

    `weekdays` (Monday is 0) and `hours` are those of their beginning on the area's clock.
    """

    area: ServiceArea
    start: datetime
    end: datetime
    workers: Iterable[str] = ()
    order_types: Iterable[str] = ()
    weekdays: Iterable[int] = ()
    hours: Sequence[Hours] = ()


class RefusedSlot(NamedTuple):
    pk: int
    external_id: str
    message: str


@dataclass
class Changed:
    """What became of the slots; `bookings` stand in those that were closed, and ask for review now."""

    changed: int = 0
    kept: int = 0
    refused_count: int = 0
    refused: list[RefusedSlot] = field(default_factory=list)
    bookings: int = 0
    is_written: bool = False

    def refuse(self, slots: Iterable[tuple[AppointmentSlot, str]], named: int | None) -> None:
        """The first `named` are named, or all."""
        more = [RefusedSlot(slot.pk, slot.external_id, why) for slot, why in slots]
        self.refused_count += len(more)
        self.refused += more if named is None else more[: max(0, named - len(self.refused))]


def change_by_filter(
    where: SlotFilter,
    change: Change,
    *,
    by: str,
    dry_run: bool = False,
    named: int | None = NAMED,
    progress: Callable[[int], object] = lambda slots: None,
) -> Changed:
    """What `change_slots` does, to the slots to come that a filter finds."""
    _check(change)
    return change_slots(find(where), change, by=by, dry_run=dry_run, named=named, progress=progress)


def change_slots(
    found: Iterable[AppointmentSlot],
    change: Change,
    *,
    by: str,
    dry_run: bool = False,
    named: int | None = NAMED,
    progress: Callable[[int], object] = lambda slots: None,
) -> Changed:
    """Close, open or resize slots that were read by `to_come`; not inside of a transaction.

    A slot with more bookings than it would have places is refused and named, and one that is to get `more` places than
    were read, but has others by now. Raises ValueError for a change that says too little, and OperationalError where
    the database did not give its locks: what was written stays.
    """
    _check(change)
    report, pace = Changed(is_written=not dry_run), turns.Pace()
    for some in turns.in_batches(found, READ_AT_ONCE):
        to_change = [slot for slot in some if _differs(slot, change)]
        report.kept += len(some) - len(to_change)
        if dry_run:
            refused = _refused(to_change, change, _places(to_change))
            report.changed += len(to_change) - len(refused)
            report.bookings += sum(slot.booked for slot in to_change) if change.action == "close" else 0
            report.refuse(refused, named)
            continue
        # With a slot that is closed, its bookings are written, too.
        for batch in pace.batches(to_change, lambda slot: 1 + (slot.booked if change.action == "close" else 0)):
            changed, bookings, unfit = pace.write(partial(_write, batch, change, by), len(batch))
            report.changed += changed
            report.kept += len(batch) - changed - len(unfit)
            report.bookings += bookings
            report.refuse(unfit, named)
            progress(len(batch))
    return report


def find(where: SlotFilter) -> Iterator[AppointmentSlot]:
    """The slots to come, by their begin; never all of them in memory."""
    there = to_come(where.area.slots.filter(start__gte=where.start, start__lt=where.end)).order_by("start", "pk")
    for column, names in (("worker", where.workers), ("order_type", where.order_types)):
        there = there.filter(**{f"{column}__in": list(names)}) if names else there
    weekdays, zone, some = set(where.weekdays), where.area.zone, list(there[:READ_AT_ONCE])
    while some:
        yield from (slot for slot in some if is_in(clock.local(slot.start, zone), weekdays, where.hours))
        last = some[-1]
        later = there.filter(Q(start__gt=last.start) | Q(pk__gt=last.pk), start__gte=last.start)
        some = list(later[:READ_AT_ONCE]) if len(some) == READ_AT_ONCE else []


def to_come(slots: QuerySet[AppointmentSlot]) -> QuerySet[AppointmentSlot]:
    """Those that are not over, in the order in which all lock them; with what `change_slots` looks at alone."""
    columns = ("area", "start", "booked", "capacity", "is_open", "external_id")
    return slots.filter(end__gt=clock.now()).order_by("pk").only(*columns)


def is_in(begins: datetime, weekdays: Collection[int], windows: Sequence[Hours]) -> bool:
    """Whether a slot begins on these weekdays, in these hours. Hours over midnight belong to the day of their begin."""
    minute, weekday = begins.hour * 60 + begins.minute, begins.weekday()
    if not windows:
        return not weekdays or weekday in weekdays
    return any(
        window.start <= minute + late * DAY_MINUTES < window.until
        and (not weekdays or (weekday - late) % 7 in weekdays)
        for window in windows
        for late in (0, 1)
    )


def done_to(found: Iterable[AppointmentSlot], fingerprint: str, by: str) -> set[int]:
    """The keys of those slots that a change with this fingerprint has changed."""
    lines = HistoryEntry.objects.filter(slot__in=[slot.pk for slot in found], by=by, details__fingerprint=fingerprint)
    return set(lines.order_by().values_list("slot", flat=True))


def _check(change: Change) -> None:
    if change.action == "close" and not change.reason.strip():
        raise ValueError("Closing needs a reason.")
    least, most = hours.LEAST_CAPACITY, hours.MAX_CAPACITY
    if change.action == "resize" and not least <= (change.capacity or 0) <= most:
        raise ValueError(f"The places are a whole number from {least} to {most}.")
    if change.action == "add" and not 1 <= abs(change.more) <= most:
        raise ValueError(f"The places to add are a whole number up to {most}, and not 0.")


def _differs(slot: AppointmentSlot, change: Change) -> bool:
    if change.action in ("close", "open"):
        return slot.is_open == (change.action == "close")
    return change.places(slot) != slot.capacity


def _refused(
    slots: Iterable[AppointmentSlot], change: Change, seen: Mapping[int, int]
) -> list[tuple[AppointmentSlot, str]]:
    """The slots that cannot have so many places, and why; `seen` are the places that each had when it was read."""
    if change.action in ("close", "open"):
        return []
    return [(slot, why) for slot in slots if (why := _why_not(slot, change, seen[slot.pk]))]


def _why_not(slot: AppointmentSlot, change: Change, seen: int) -> str:
    places = change.places(slot)
    if change.action == "add" and slot.capacity != seen:
        return "it was given other places meanwhile"  # so what is sent twice adds once
    if places < hours.LEAST_CAPACITY:
        return f"it has {slot.capacity:,} and would have no place left; close it instead"
    if slot.booked > places:
        return f"more bookings stand in it than the {counted(places, 'place')} that it would have"
    return f"it would have more than {hours.MAX_CAPACITY:,} places" if places > hours.MAX_CAPACITY else ""


def _write(
    batch: Sequence[AppointmentSlot], change: Change, by: str
) -> tuple[int, int, list[tuple[AppointmentSlot, str]]]:
    """How many slots were changed, how many bookings stand in those that were closed, and which were refused."""
    seen = _places(batch)
    said: dict[str, Any] = {"by": by, "reason": change.reason}
    if change.fingerprint:
        said["fingerprint"] = change.fingerprint
    if change.action == "close":
        return (*slots.close_each(list(seen), **said), [])
    if change.action == "open":
        return slots.reopen_each(list(seen), **said), 0, []
    locked = AppointmentSlot.objects.filter(pk__in=seen).order_by("pk").select_for_update()
    to_change = [slot for slot in locked if _differs(slot, change)]
    refused = _refused(to_change, change, seen)
    unfit = {slot.pk for slot, _ in refused}
    fitting = [slot for slot in to_change if slot.pk not in unfit]
    slots.resize_each(fitting, capacity=change.capacity, more=change.more, **said)
    return len(fitting), 0, refused


def _places(slots: Iterable[AppointmentSlot]) -> dict[int, int]:
    return {slot.pk: slot.capacity for slot in slots}
