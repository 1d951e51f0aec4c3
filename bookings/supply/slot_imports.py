"""Rows of slots are one state to be reached: looking at what is there, and writing it while bookings go on.

`Plan` decides by the slots that it is given: first outside of locks, then again for the rows of each short transaction
where these slots are not as they were. upserts.py brings all rows of a call here.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from bookings import clock, services
from bookings.clock import utc_offset
from bookings.history import entry, record_each, write_lines
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.supply import new_slots, turns
from bookings.supply.import_plans import (
    FIELDS,
    IMPORT,
    WRITTEN,
    Author,
    Outcome,
    Plan,
    Slot,
    Target,
    There,
    by_worker_and_time,
    target_of,
)
from bookings.supply.slot_rows import LONGEST, Row

# Rows whose slots are looked for in one query.
READ_AT_ONCE = 1_000

# --- Looking -------------------------------------------------------------------------------------------------


class Ready(NamedTuple):
    """Rows that are written in one transaction, and what they come to as long as these slots are what is there."""

    rows: Sequence[Row]
    slots: dict[int, Slot]
    plan: Plan


def plan(rows: Sequence[Row], author: Author) -> Ready:
    """By what is there now; locks nothing."""
    slots = _by_key(_slots_for(rows))
    return Ready(rows, slots, Plan(rows, There(slots.values(), author)))


def is_as_wanted(row: Row, mine: Slot) -> bool:
    """Whether nothing is to be done for a row, whose external id a slot has."""
    return mine.place == row.place and (target := target_of(row, mine, mine)) is not None and target.outcome == "kept"


def by_external_id(ids: Collection[str]) -> dict[str, Slot]:
    # The condition is the one of the index.
    named = AppointmentSlot.objects.exclude(external_id="").filter(external_id__in=ids)
    return {slot.external_id: slot for slot in read(named)}


def read(slots: QuerySet[AppointmentSlot]) -> Iterator[Slot]:
    return map(Slot._make, slots.order_by().values_list(*FIELDS))


def _by_key(slots: Iterable[Slot]) -> dict[int, Slot]:
    return {slot.pk: slot for slot in slots}


def _slots_for(rows: Iterable[Row]) -> Iterator[Slot]:
    """The slots with their external ids, at their places, and in the time of their workers; some of them twice."""
    for some in turns.in_batches(sorted(rows, key=by_worker_and_time), READ_AT_ONCE):
        begin, end = min(row.start for row in some), max(row.end for row in some)
        within = AppointmentSlot.objects.within(begin, end).filter(start__gt=begin - LONGEST)
        # Each has an index of its own.
        workers, pools = {row.worker for row in some} - {""}, {row.area.pk for row in some if not row.worker}
        elsewhere = {row.external_id for row in some}
        for slots in (
            within.filter(worker__in=workers) if workers else None,
            within.filter(area__in=pools, worker="") if pools else None,
        ):
            for slot in read(slots) if slots is not None else []:
                elsewhere.discard(slot.external_id)
                yield slot
        yield from by_external_id(elsewhere).values()


# --- Writing, inside of a short transaction of the only writer ------------------------------------------------


def write(ready: Ready, author: Author) -> list[tuple[Row, Outcome, str]]:
    """Bring the slots of some rows to what they want: what became of each row, and why it was refused.

    What was booked or written since the rows were checked is seen: what it makes impossible is refused.
    """
    rows, _, plan = ready
    slots = _by_key(_slots_for(rows))
    if connection.features.has_select_for_update:
        slots |= _locked(plan.there if slots == ready.slots else There(slots.values(), author), rows)
    if slots != ready.slots:
        plan = Plan(rows, There(slots.values(), author))
    targets = plan.to_write()
    now, by = clock.now(), author.by
    _leave(plan, targets, now, by)
    _update([target for target in targets if target.at], now, by)
    if new := [_wanted(target) for target in targets if not target.at and target.outcome != "withdrawn"]:
        new_slots.insert(new, by)
    return [(row, *_outcome(row, plan)) for row in rows]


def _outcome(row: Row, plan: Plan) -> tuple[Outcome, str]:
    if row.number in plan.refused:
        return "refused", plan.refused[row.number]
    accepted = plan.accepted.get(row.external_id)
    return accepted.outcome if accepted else "kept", ""


def _locked(there: There, rows: Iterable[Row]) -> dict[int, Slot]:
    """The slots that the rows may write, as they are now that they are locked: nothing is booked there any more.

    Bookings first and the slots after them, as bookings, moves and cancellations do: none waits in a circle.
    """
    found = [there.by_id.get(row.external_id) for row in rows] + [there.by_place.get(row.place) for row in rows]
    keys = {slot.pk for slot in found if slot}
    booked = [slot.pk for slot in found if slot and slot.booked]
    list(WorkOrder.objects.active().filter(slot__in=booked).order_by("pk").select_for_update().values_list("pk"))
    locked = AppointmentSlot.objects.filter(pk__in=keys).order_by("pk").select_for_update().values_list(*FIELDS)
    return _by_key(map(Slot._make, locked))


def _leave(plan: Plan, targets: Iterable[Target], now: datetime, by: str) -> None:
    """Free the external ids that wander, withdraw the slots that no other row takes up, and care for bookings."""
    leaving = [(target.mine, target.outcome) for target in targets if target.mine and target.is_leaving]
    goes_on = [slot.pk for slot, _ in leaving if slot.pk in plan.claimed]
    left = [(slot, outcome) for slot, outcome in leaving if slot.pk not in plan.claimed]
    AppointmentSlot.objects.filter(pk__in=goes_on).update(external_id="")
    AppointmentSlot.objects.filter(pk__in=[slot.pk for slot, _ in left]).update(external_id="", is_withdrawn=True)
    hidden = [
        target.at
        for target in targets
        if target.at and (target.is_withdrawn > target.at.is_withdrawn or target.is_open < target.at.is_open)
    ]
    moved = [slot for slot, outcome in left if outcome != "withdrawn"]
    gone = [slot for slot, outcome in left if outcome == "withdrawn"]
    _close(moved, now, by, "The plan has it at another place or time.", record_slots=True)
    _close(gone, now, by, "The plan has it no longer.", record_slots=True)
    # Their own lines come with what else changes of them.
    _close(hidden, now, by, "The plan closed it.", record_slots=False)


def _close(slots: Sequence[Slot], now: datetime, by: str, reason: str, *, record_slots: bool) -> None:
    """Let the bookings of slots that are being hidden ask for review, and write the lines about both."""
    booked = [slot.pk for slot in slots if slot.booked]
    bookings = list(WorkOrder.objects.active().filter(slot__in=booked).only("pk")) if booked else []
    if bookings:
        services.ask_for_review(WorkOrder.objects.active().filter(slot__in=booked), now)
        record_each(bookings, HistoryEntry.Event.CLOSED, at=now, by=by, reason=reason)
    if record_slots:
        record_each([slot.pk for slot in slots], HistoryEntry.Event.CLOSED, at=now, by=by, reason=reason)


def _update(targets: Sequence[Target], now: datetime, by: str) -> None:
    if not targets:
        return
    table, names = AppointmentSlot._meta.db_table, list(WRITTEN)
    rows = [
        [
            *(getattr(target, name) for name in names),
            utc_offset(target.row.start, target.row.area.zone),
            target.at.pk if target.at else None,
        ]
        for target in targets
    ]
    # The names come from this file, the values as parameters. What was promised already is not promised anew.
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            settings = ", ".join(f"{name} = new.{name}" for name in names)
            types = ", ".join(f"%s::{type}[]" for type in [*WRITTEN.values(), "smallint", "bigint"])
            cursor.execute(
                f"UPDATE {table} slot SET {settings}, utc_offset = COALESCE(slot.utc_offset, new.utc_offset)"  # noqa: S608
                f" FROM unnest({types}) AS new ({', '.join(names)}, utc_offset, id) WHERE slot.id = new.id",
                [list(column) for column in zip(*rows, strict=True)],
            )
        else:
            settings = ", ".join(f"{name} = %s" for name in names)
            cursor.executemany(
                f"UPDATE {table} SET {settings}, utc_offset = COALESCE(utc_offset, %s) WHERE id = %s",  # noqa: S608
                rows,
            )
    lines = []
    for target in targets:
        before, after = target.changes()
        key = target.at.pk if target.at else None
        lines.append(entry(key, HistoryEntry.Event.CHANGED, at=now, by=by, before=before, after=after))
    write_lines(lines)


def _wanted(target: Target) -> new_slots.Wanted:
    row = target.row
    return new_slots.Wanted(
        row.area,
        row.start,
        row.end,
        row.order_type,
        row.worker,
        target.capacity,
        IMPORT,
        external_id=row.external_id,
        is_withdrawn=target.is_withdrawn,
        is_open=target.is_open,
        closed_reason=target.closed_reason,
    )
