"""What staff change of many slots at once, found by area, time, worker, order type, weekday and hour.

As slots.py does of one slot: closing and opening change staff's own reason alone, so a slot that is opened may stay
hidden by a blackout or its plan; bookings stay, and ask to be reviewed again where their slot is closed. In short
transactions; what was interrupted is simply done again. A time that hides later slots as well is a blackout.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal, NamedTuple

from bookings import clock
from bookings.models import AppointmentSlot, ServiceArea
from bookings.supply import hours, slots, turns
from bookings.supply.hours import DAY_MINUTES, Hours
from bookings.supply.upserts import NAMED

Action = Literal["close", "open", "resize"]


class Change(NamedTuple):
    """What is done to the slots. `reason` is staff's and needed to close; `capacity` is needed to resize."""

    action: Action
    reason: str = ""
    capacity: int | None = None


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


def change_by_filter(
    where: SlotFilter,
    change: Change,
    *,
    by: str,
    dry_run: bool = False,
    named: int | None = NAMED,
    progress: Callable[[int], object] = lambda slots: None,
) -> Changed:
    """Close, open or resize the slots to come that a filter finds; not inside of a transaction.

    A slot with more bookings than it would have places is refused and named. Raises ValueError for a change that says
    too little, and OperationalError where the database did not give its locks: what was written stays.
    """
    _check(change)
    report = Changed(is_written=not dry_run)
    found = find(where)
    to_change = [slot for slot in found if _differs(slot, change)]
    report.kept = len(found) - len(to_change)
    refused = [slot for slot in to_change if dry_run and _is_too_full(slot, change)]
    if dry_run:
        report.changed = len(to_change) - len(refused)
        report.bookings = sum(slot.booked for slot in to_change) if change.action == "close" else 0
    else:
        pace = turns.Pace()
        # With a slot that is closed, its bookings are written, too.
        for batch in pace.batches(to_change, lambda slot: 1 + (slot.booked if change.action == "close" else 0)):
            changed, bookings, full = pace.write(partial(_write, [slot.pk for slot in batch], change, by), len(batch))
            report.changed += changed
            report.kept += len(batch) - changed - len(full)
            report.bookings += bookings
            refused += full
            progress(len(batch))
    report.refused_count = len(refused)
    message = f"more bookings stand in it than the {change.capacity} places that it would have"
    report.refused = [RefusedSlot(slot.pk, slot.external_id, message) for slot in refused[:named]]
    return report


def find(where: SlotFilter) -> list[AppointmentSlot]:
    """The slots to come, in the order in which all lock them; with what `change_by_filter` looks at alone."""
    there = where.area.slots.filter(start__gte=where.start, start__lt=where.end, end__gt=clock.now())
    for column, names in (("worker", where.workers), ("order_type", where.order_types)):
        there = there.filter(**{f"{column}__in": list(names)}) if names else there
    columns = ("area", "start", "booked", "capacity", "is_open", "external_id")
    weekdays, zone = set(where.weekdays), where.area.zone
    return [
        slot
        for slot in there.order_by("pk").only(*columns)
        if _is_in(clock.local(slot.start, zone), weekdays, where.hours)
    ]


def _is_in(begins: datetime, weekdays: set[int], windows: Sequence[Hours]) -> bool:
    """Hours over midnight belong to the day on which they begin."""
    minute, weekday = begins.hour * 60 + begins.minute, begins.weekday()
    if not windows:
        return not weekdays or weekday in weekdays
    return any(
        window.start <= minute + late * DAY_MINUTES < window.until
        and (not weekdays or (weekday - late) % 7 in weekdays)
        for window in windows
        for late in (0, 1)
    )


def _check(change: Change) -> None:
    if change.action == "close" and not change.reason.strip():
        raise ValueError("Closing needs a reason.")
    if change.action == "resize" and not (change.capacity and 1 <= change.capacity <= hours.MAX_CAPACITY):
        raise ValueError(f"The places are a whole number from 1 to {hours.MAX_CAPACITY}.")


def _differs(slot: AppointmentSlot, change: Change) -> bool:
    return slot.capacity != change.capacity if change.action == "resize" else slot.is_open == (change.action == "close")


def _is_too_full(slot: AppointmentSlot, change: Change) -> bool:
    return change.capacity is not None and slot.booked > change.capacity


def _write(pks: list[int], change: Change, by: str) -> tuple[int, int, list[AppointmentSlot]]:
    """How many slots were changed, how many bookings stand in those that were closed, and which have too many."""
    if change.action == "close":
        return (*slots.close_each(pks, by=by, reason=change.reason), [])
    if change.action == "open":
        return slots.reopen_each(pks, by=by, reason=change.reason), 0, []
    locked = list(AppointmentSlot.objects.filter(pk__in=pks).order_by("pk").select_for_update())
    full = [slot for slot in locked if _is_too_full(slot, change)]
    fitting = [slot for slot in locked if _differs(slot, change) and slot not in full]
    slots.resize_each(fitting, capacity=change.capacity or 0, by=by, reason=change.reason)
    return len(fitting), 0, full
