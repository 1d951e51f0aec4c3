"""New slots and their history, written in one go, in a transaction of the only writer (`turns.write`)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from bookings import clock, history
from bookings.clock import utc_offset
from bookings.models import AppointmentSlot, Blackout, ServiceArea
from bookings.supply import first_sight
from bookings.supply.closing.blackouts import covering


class Wanted(NamedTuple):
    """A slot that should be there."""

    area: ServiceArea
    start: datetime
    end: datetime
    order_type: str
    worker: str
    capacity: int
    source: str = AppointmentSlot.Source.PLAN
    external_id: str = ""
    is_withdrawn: bool = False
    is_open: bool = True
    closed_reason: str = ""

    @property
    def area_id(self) -> int:
        return self.area.pk

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.area.pk, self.start, self.end, self.order_type, self.worker)


COLUMNS = [
    "area_id",
    "start",
    "end",
    "order_type",
    "worker",
    "capacity",
    "booked",
    "is_open",
    "blackout_id",
    "utc_offset",
    "source",
    "external_id",
    "is_withdrawn",
    "closed_reason",
]


# The names in SQL come from this file, the values are parameters.
TABLE = AppointmentSlot._meta.db_table
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)


def insert(new: Sequence[Wanted], by: str) -> None:
    """Write new slots and their history in one go. What was written past the lock at this moment stays as it is."""
    first_sight.note(workers={slot.worker for slot in new}, order_types={slot.order_type for slot in new})
    rows = list(_rows(new))  # all read before a COPY begins: it holds the connection
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _copy(cursor, rows, by)
        else:
            _insert_each(cursor, rows, by)


def _rows(new: Sequence[Wanted]) -> Iterator[tuple[Any, ...]]:
    """The values of the columns; a blackout that is in force hides what is made in its time."""
    in_force: dict[tuple[int | None, str], list[Blackout]] = defaultdict(list)
    for blackout in Blackout.objects.hiding(new):
        in_force[blackout.area_id, blackout.worker if blackout.is_absence else ""].append(blackout)
    for slot in new:
        may_hide = in_force[slot.area_id, ""] + in_force[None, slot.worker]
        hiding = covering(may_hide, slot.area, slot.worker, slot.start, slot.end)
        yield (
            slot.area.pk,
            slot.start,
            slot.end,
            slot.order_type,
            slot.worker,
            slot.capacity,
            0,
            slot.is_open,
            hiding.pk if hiding else None,
            utc_offset(slot.start, slot.area.zone),
            slot.source,
            slot.external_id,
            slot.is_withdrawn,
            slot.closed_reason,
        )


def _copy(cursor: Any, rows: Iterable[tuple[Any, ...]], by: str) -> None:
    cursor.execute(f"CREATE TEMPORARY TABLE new_slot AS SELECT {NAMES} FROM {TABLE} WITH NO DATA")  # noqa: S608
    with cursor.copy(f"COPY new_slot ({NAMES}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    text, values = history.slots_added("added", at=clock.now(), by=by)
    cursor.execute(
        f"WITH added AS (INSERT INTO {TABLE} ({NAMES}) SELECT * FROM new_slot"  # noqa: S608
        f" ON CONFLICT DO NOTHING RETURNING id, capacity) {text}",
        values,
    )
    cursor.execute("DROP TABLE new_slot")


def _insert_each(cursor: Any, rows: Iterable[tuple[Any, ...]], by: str) -> None:
    cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {TABLE}")  # noqa: S608
    (last,) = cursor.fetchone()
    cursor.executemany(
        f"INSERT INTO {TABLE} ({NAMES}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT DO NOTHING",  # noqa: S608
        [_for_sqlite(row) for row in rows],
    )
    text, values = history.slots_added(TABLE, at=clock.now(), by=by)
    cursor.execute(f"{text} WHERE id > %s", [*values, last])


def _for_sqlite(values: Iterable[Any]) -> list[Any]:
    return [connection.ops.adapt_datetimefield_value(cell) if isinstance(cell, datetime) else cell for cell in values]
