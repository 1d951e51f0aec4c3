"""The one writer of history lines: what happened to a work order or a slot, with where it came from.

A line is written in the transaction of the change that it tells of. Nothing else inserts into the table.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.telemetry import origin

# Of a slot the key will do, where there are many.
About = WorkOrder | AppointmentSlot | int

LINES = 1_000  # in one statement


def record(about: About, event: HistoryEntry.Event, *, at: datetime, by: str, reason: str = "", **details: Any) -> None:
    """Write a line about a work order or a slot; `details` say what was before and after."""
    record_each([about], event, at=at, by=by, reason=reason, **details)


def record_each(
    about: Iterable[About], event: HistoryEntry.Event, *, at: datetime, by: str, reason: str = "", **details: Any
) -> None:
    """The same line about each of many."""
    write_lines(entry(thing, event, at=at, by=by, reason=reason, **details) for thing in about)


def write_lines(lines: Iterable[dict[str, Any]]) -> None:
    """Lines that `entry` made, many in a statement: long commands write as many of them as rows."""
    lines = iter(lines)
    while some := list(islice(lines, LINES)):
        sql.write((HistoryEntry, some))


def entry(
    about: About | None, event: HistoryEntry.Event, *, at: datetime | None, by: str, reason: str = "", **details: Any
) -> dict[str, Any]:
    """The columns of a line. None: the caller writes the key of the work order, or the moment, into it."""
    came = origin.current.get()
    return {
        "work_order_id": about.pk if isinstance(about, WorkOrder) else None,
        "slot_id": about.pk if isinstance(about, AppointmentSlot) else about if isinstance(about, int) else None,
        "event": event,
        "at": at,
        "by": by,
        "via": came.via,
        "request_id": came.request_id,
        "reason": reason,
        "details": details | {"key": came.key} if came.key else details,
    }


def slots_added(source: str, *, at: datetime, by: str) -> sql.Statement:
    """The INSERT of a line for each slot of `source`, which is SQL that has their `id` and `capacity`."""
    came = origin.current.get()
    build = "jsonb_build_object" if sql.on_postgresql() else "json_object"
    key, values = (", 'key', %s", [came.key]) if came.key else ("", [])
    details = f"{build}('after', {build}('capacity', capacity){key})"
    return (
        f'INSERT INTO {HistoryEntry._meta.db_table} (slot_id, event, "at", "by", via, request_id, reason, details)'
        f" SELECT id, %s, %s, %s, %s, %s, '', {details} FROM {source}",
        [HistoryEntry.Event.ADDED, sql.as_parameter(at), by, came.via, came.request_id, *values],
    )
