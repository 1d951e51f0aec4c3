"""The rows of one call on their way: kept on the disk, so that memory does not grow with them.

Rows are bound to each other by the workers and pools that they touch: a row waits for what another one of the same
worker does, and an external id that goes from one worker to another binds the two. What is not bound together can be
planned and written apart, with the same end whatever the order of the rows.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from bookings.models import ServiceArea
from bookings.supply.from_systems.import_plans import Group
from bookings.supply.from_systems.slot_rows import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Rows that are planned in one go, unless more of them are bound together.
AT_ONCE = 5_000

TABLES = """
CREATE TABLE named (external_id TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
CREATE TABLE waiting (
    groups INTEGER, number INTEGER, external_id TEXT, area INTEGER, start INTEGER, "end" INTEGER, order_type TEXT,
    worker TEXT, capacity INTEGER, is_planned INTEGER, staff_open INTEGER, staff_reason TEXT
);
CREATE TABLE refused (number INTEGER, external_id TEXT, message TEXT);
CREATE TABLE bundle (groups INTEGER PRIMARY KEY, number INTEGER);
"""


class RefusedRow(NamedTuple):
    number: int
    external_id: str
    message: str


class WaitingRows:
    """The rows of a call that change something, those that were refused, and the external ids that it names.

    A database of SQLite's own in a file without a name, which is gone when this is closed.
    """

    def __init__(self) -> None:
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES} BEGIN")
        self.areas: dict[int, ServiceArea] = {}
        self.leaders: dict[Group, Group] = {}
        self.numbers: dict[Group, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.database.close()

    # --- Coming in ---------------------------------------------------------------------------------------------

    def name(self, ids: Iterable[tuple[str, int]]) -> None:
        """That these external ids stand in these rows; 0 where only rows that are refused have it."""
        self.database.executemany("INSERT OR REPLACE INTO named VALUES (?, ?)", ids)

    def named(self, ids: Sequence[str]) -> dict[str, int]:
        """Those of these external ids that the call names, as `name` was told."""
        marks = ", ".join("?" * len(ids))
        return dict(self.database.execute(f"SELECT * FROM named WHERE external_id IN ({marks})", ids))  # noqa: S608

    def refuse(self, rows: Iterable[RefusedRow]) -> None:
        self.database.executemany("INSERT INTO refused VALUES (?, ?, ?)", rows)

    def add(self, rows: Iterable[tuple[Row, Iterable[Group]]]) -> None:
        """Rows with the workers and pools that each of them touches."""
        self.database.executemany(
            "INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self._columns(row, groups) for row, groups in rows),
        )

    def _columns(self, row: Row, groups: Iterable[Group]) -> tuple[object, ...]:
        self.areas.setdefault(row.area.pk, row.area)
        first = None
        for group in groups:
            self.numbers.setdefault(group, len(self.numbers))
            first = first or group
            self.leaders[self._leader(group)] = self._leader(first)
        return (
            self.numbers[first] if first else 0,
            row.number,
            row.external_id,
            row.area.pk,
            (row.start - EPOCH) // MICROSECOND,
            (row.end - EPOCH) // MICROSECOND,
            *row[5:],
        )

    def _leader(self, group: Group) -> Group:
        while (leader := self.leaders.setdefault(group, group)) != group:
            self.leaders[group] = self.leaders[leader]
            group = leader
        return group

    # --- Going out ---------------------------------------------------------------------------------------------

    def bundles(self) -> Iterator[list[Row]]:
        """All rows, those together that are bound to each other, by the workers and pools."""
        self.database.execute("CREATE INDEX IF NOT EXISTS by_groups ON waiting (groups)")
        for number in range(self._share_out()):
            found = self.database.execute(
                "SELECT waiting.* FROM bundle JOIN waiting ON waiting.groups = bundle.groups WHERE bundle.number = ?",
                [number],
            )
            yield [self._row(columns) for _, *columns in found]

    def _share_out(self) -> int:
        """Say which groups go in which bundle; how many bundles there are."""
        sizes = dict(self.database.execute("SELECT groups, COUNT(*) FROM waiting GROUP BY groups"))
        bound: dict[Group, list[Group]] = {}
        for group in self.numbers:
            bound.setdefault(self._leader(group), []).append(group)
        bundles: list[tuple[int, int]] = []
        bundle, rows = 0, 0
        for _, groups in sorted(bound.items()):
            numbers = [self.numbers[group] for group in groups]
            more = sum(sizes.get(number, 0) for number in numbers)
            if rows and rows + more > AT_ONCE:
                bundle, rows = bundle + 1, 0
            rows += more
            bundles += [(number, bundle) for number in numbers]
        self.database.executemany("INSERT OR REPLACE INTO bundle VALUES (?, ?)", bundles)
        return bundle + 1 if bundles else 0

    def _row(self, columns: Sequence[Any]) -> Row:
        number, external_id, area, start, end, order_type, worker, capacity, *truths, reason = columns
        is_planned, staff_open = (None if value is None else bool(value) for value in truths)
        start, end = EPOCH + start * MICROSECOND, EPOCH + end * MICROSECOND
        area = self.areas[area]
        return Row(number, external_id, area, start, end, order_type, worker, capacity, is_planned, staff_open, reason)

    def are_refused(self) -> bool:
        return bool(self.database.execute("SELECT 1 FROM refused LIMIT 1").fetchone())

    def refused(self, most: int | None) -> tuple[int, list[RefusedRow]]:
        """How many rows were refused, and the first of them."""
        ((count,),) = self.database.execute("SELECT COUNT(*) FROM refused")
        found = self.database.execute(
            "SELECT number, external_id, message FROM refused ORDER BY number LIMIT ?", [-1 if most is None else most]
        )
        return count, [RefusedRow(*row) for row in found]
