"""Rows of slots are one state to be reached: looking at what is there, and writing it while bookings go on.

`Plan` decides by the slots that it is given: first outside of locks, then again for the rows of each short transaction
where these slots are not as they were. upserts.py brings all rows of a call here.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from bookings import clock, services
from bookings.clock import utc_offset
from bookings.db import sql
from bookings.history import entry, record_each, write_lines
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.supply import new_slots, turns
from bookings.supply.from_systems.import_plans import (
    COLUMNS,
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
from bookings.supply.from_systems.slot_rows import LONGEST, Row

# Rows whose slots are looked for in one query.
READ_AT_ONCE = 1_000
# Of what a Slot holds. The names in SQL come from this file, the values are parameters.
TABLE = AppointmentSlot._meta.db_table
SELECT = "SELECT {} FROM {}".format(", ".join(f'"{name}"' for name in COLUMNS), TABLE)  # noqa: S608

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


def by_external_id(ids: Iterable[str]) -> dict[str, Slot]:
    text, values = sql.among("external_id", ids)
    # The condition is the one of the index.
    return {slot.external_id: slot for slot in read(f"{text} AND NOT external_id = ''", values)}


def read(condition: str, values: Sequence[Any]) -> Iterator[Slot]:
    """By plain SQL: Django takes most of the time of an import to build its conditions, and to read instants."""
    rows = sql.run(f"{SELECT} WHERE {condition}", values, plan_anew=True).rows
    return map(Slot._make, rows) if sql.on_postgresql() else map(_from_sqlite, rows)


def _from_sqlite(row: Sequence[Any]) -> Slot:
    slot = Slot._make(row)
    return slot._replace(start=sql.as_instant(slot.start), end=sql.as_instant(slot.end))


def _by_key(slots: Iterable[Slot]) -> dict[int, Slot]:
    return {slot.pk: slot for slot in slots}


def _slots_for(rows: Iterable[Row]) -> Iterator[Slot]:
    """The slots with their external ids, at their places, and in the time of their workers; some of them twice."""
    for some in turns.in_batches(sorted(rows, key=by_worker_and_time), READ_AT_ONCE):
        elsewhere = {row.external_id for row in some}
        for slot in _in_their_time(some):
            elsewhere.discard(slot.external_id)
            yield slot
        yield from by_external_id(elsewhere).values()


def _in_their_time(rows: Collection[Row]) -> Iterator[Slot]:
    begin, end = min(row.start for row in rows), max(row.end for row in rows)
    within = [sql.as_parameter(instant) for instant in (begin - LONGEST, end, begin)]
    workers, pools = {row.worker for row in rows} - {""}, {row.area.pk for row in rows if not row.worker}
    # Each has an index of its own.
    for column, names, of_pools in (("worker", workers, ""), ("area_id", pools, " AND worker = ''")):
        if names:
            text, values = sql.among(column, names)
            yield from read(f'{text}{of_pools} AND start > %s AND start < %s AND "end" > %s', [*values, *within])


# --- Writing, inside of a short transaction of the only writer ------------------------------------------------


class OutdatedError(Exception):
    """Another writer made slots that are not locked. Locked after the others, they could make callers wait in a circle.

    The transaction has to be left; what is planned in the next one, by the only writer, is not outdated.
    """


def write(ready: Ready, author: Author) -> list[tuple[Row, Outcome, str]]:
    """Bring the slots of some rows to what they want: what became of each row, and why it was refused.

    What was booked or written since the rows were checked is seen: what it makes impossible is refused. Raises
    OutdatedError.
    """
    rows, plan = ready.rows, _by_locked_slots(ready, author)
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


def _by_locked_slots(ready: Ready, author: Author) -> Plan:
    """What the rows come to by the slots as they are now, those locked that may be written: none is booked any more."""
    rows, seen, plan = ready
    locked = _to_lock(plan.there, rows)
    _lock(locked)
    slots = _by_key(_slots_for(rows))
    if slots == seen:
        return plan
    plan = Plan(rows, There(slots.values(), author))
    if not _to_lock(plan.there, rows) <= locked:
        raise OutdatedError
    return plan


def _to_lock(there: There, rows: Iterable[Row]) -> set[int]:
    if not connection.features.has_select_for_update:
        return set()
    found = [there.by_id.get(row.external_id) for row in rows] + [there.by_place.get(row.place) for row in rows]
    return {slot.pk for slot in found if slot}


def _lock(keys: Collection[int]) -> None:
    """Bookings first and the slots after them, as bookings, moves and cancellations do: none waits in a circle."""
    bookings = WorkOrder.objects.active().filter(slot__in=keys)
    list(bookings.order_by("pk").select_for_update().values_list("pk"))
    if keys:
        text, values = sql.among("id", keys)
        sql.run(f"SELECT 1 FROM {TABLE} WHERE {text} ORDER BY id FOR UPDATE", values, plan_anew=True)  # noqa: S608


def _leave(plan: Plan, targets: Iterable[Target], now: datetime, by: str) -> None:
    """Free the external ids that wander, withdraw the slots that no other row takes up, and care for bookings."""
    leaving = [(target.mine, target.outcome) for target in targets if target.mine and target.is_leaving]
    goes_on = [slot.pk for slot, _ in leaving if slot.pk in plan.claimed]
    left = [(slot, outcome) for slot, outcome in leaving if slot.pk not in plan.claimed]
    _change(goes_on, "external_id = ''")
    _change([slot.pk for slot, _ in left], "external_id = '', is_withdrawn = TRUE")
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


def _change(keys: Collection[int], settings: str) -> None:
    if keys:
        text, values = sql.among("id", keys)
        sql.run(f"UPDATE {TABLE} SET {settings} WHERE {text}", values, plan_anew=True)  # noqa: S608


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
