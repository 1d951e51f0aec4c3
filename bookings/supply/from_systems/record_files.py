"""Workers and types of orders out of a file: reading its rows, saying what they come to, and writing them.

A row is a state to be reached: what it does not name stays, and a list that it names is whole. Types of orders that
workers name are made. Slots name workers and types by their codes, so that no code ever changes and none is taken away.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

from bookings.models import ID_LENGTH, Ability, OrderType, Worker
from bookings.supply import csv_files, first_sight, formulas, turns
from bookings.supply.from_systems.slot_rows import YES_OR_NO, RowError, Unreadable
from bookings.supply.from_systems.upserts import Report, Wrote, say_nothing
from bookings.supply.from_systems.waiting_rows import RefusedRow

logger = logging.getLogger("bookings")

Record = type[Worker] | type[OrderType]

# The columns of a file, of which the first is the code.
COLUMNS: dict[Record, list[str]] = {
    Worker: ["worker", "name", "active", "order_types"],
    OrderType: ["order_type", "name", "active"],
}


class Row(NamedTuple):
    """A record as it is wanted. `values` are its fields; None are types of orders that are not named."""

    number: int
    code: str
    values: Mapping[str, Any]
    order_types: frozenset[str] | None = None


@dataclass
class Target:
    """What a row comes to: the fields with their new values, and the types of orders to be added and taken away."""

    row: Row
    is_new: bool
    changed: Mapping[str, Any]
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    # Codes that are the same but for case or blanks around.
    alike: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Literal["created", "changed", "kept"]:
        if self.is_new:
            return "created"
        return "changed" if self.changed or self.added or self.gone else "kept"


# --- Reading -----------------------------------------------------------------------------------------------


def read_file(record: Record, text: str) -> Iterator[Row | Unreadable]:
    """Numbered by their lines. Raises CsvError where the file is not to be understood as a whole."""
    columns = COLUMNS[record]
    if not text.strip():
        raise csv_files.CsvError((1, f"The file is empty. It begins with {','.join(columns)}."))
    first: dict[str, int] = {}
    for line, written in csv_files.read_rows(text, columns, columns[:1]):
        cells = {name: formulas.meant(cell) for name, cell in written.items()}
        code = cells[columns[0]]
        try:
            row = _read_cells(line, code, cells)
        except RowError as error:
            yield Unreadable(line, code, str(error))
            continue
        if first.setdefault(code, line) == line:
            yield row
        else:
            yield Unreadable(line, code, f"line {first[code]} has {code}, too")


def file_of(record: Record) -> Iterator[list[str]]:
    """The head, then each record as `read_file` reads it."""
    yield COLUMNS[record]
    types = _abilities(Ability.objects.order_by("order_type_id")) if record is Worker else None
    for row in record.objects.order_by("code"):
        cells = [row.code, row.name, "yes" if row.is_active else "no"]
        yield cells if types is None else [*cells, csv_files.joined(types.get(row.code, []))]


def _read_cells(line: int, code: str, cells: Mapping[str, str]) -> Row:
    if cells.get(""):
        raise RowError("there are more cells than columns")
    if not code:
        raise RowError("it lacks a code")
    types = cells.get("order_types")
    if types is not None and not types.isprintable():
        raise RowError("order_types holds a character that cannot be printed")
    named = None if types is None else frozenset(csv_files.parts(types))
    for name, text in (("code", code), ("name", cells.get("name", "")), *(("order_types", one) for one in named or ())):
        if len(text) > ID_LENGTH or not text.isprintable():
            raise RowError(f"{name} is longer than {ID_LENGTH} characters or holds one that cannot be printed")
    active = cells.get("active", "").lower()
    if active not in YES_OR_NO:
        raise RowError(f"active is {active!r}, neither yes nor no")
    values: dict[str, Any] = {"name": cells["name"]} if cells.get("name") else {}
    if YES_OR_NO[active] is not None:
        values["is_active"] = YES_OR_NO[active]
    return Row(line, code, values, named)


# --- Deciding ----------------------------------------------------------------------------------------------


def plan(record: Record, rows: Iterable[Row | Unreadable]) -> tuple[list[Target], list[RefusedRow]]:
    """What `upsert` would do now. Locks nothing."""
    some = list(rows)
    targets = _targets(record, [row for row in some if isinstance(row, Row)])
    _find_alike(record, targets)
    return targets, [RefusedRow(*row) for row in some if isinstance(row, Unreadable)]


def new_types(targets: Iterable[Target]) -> list[str]:
    """The types of orders that workers name for the first time."""
    named = {code for target in targets for code in target.added}
    return sorted(named.difference(OrderType.objects.filter(code__in=named).values_list("code", flat=True)))


def _targets(record: Record, rows: Sequence[Row]) -> list[Target]:
    codes = [row.code for row in rows]
    there = {known.code: known for some in _batches(codes) for known in record.objects.filter(code__in=some)}
    can = _abilities(ability for some in _batches(codes) for ability in Ability.objects.filter(worker_id__in=some))
    return [_target(row, there.get(row.code), can.get(row.code, [])) for row in rows]


def _find_alike(record: Record, targets: Sequence[Target]) -> None:
    folded: dict[str, list[str]] = defaultdict(list)
    for code in {*record.objects.values_list("code", flat=True), *(target.row.code for target in targets)}:
        folded[code.strip().casefold()].append(code)
    for target in targets:
        target.alike = sorted(code for code in folded[target.row.code.casefold()] if code != target.row.code)


def _target(row: Row, known: Worker | OrderType | None, can: Sequence[str]) -> Target:
    changed = {name: value for name, value in row.values.items() if known is None or getattr(known, name) != value}
    wanted = can if row.order_types is None else row.order_types
    return Target(
        row,
        known is None,
        changed,
        sorted(set(wanted).difference(can)),
        sorted(set(can).difference(wanted)),
    )


def _abilities(abilities: Iterable[Ability]) -> dict[str, list[str]]:
    """The types of orders, by the worker."""
    found: dict[str, list[str]] = defaultdict(list)
    for ability in abilities:
        found[ability.worker_id].append(ability.order_type_id)
    return found


def _batches(codes: Iterable[str]) -> Iterator[list[str]]:
    return turns.in_batches(codes, first_sight.AT_ONCE)


# --- Writing -----------------------------------------------------------------------------------------------


def upsert(record: Record, rows: Iterable[Row | Unreadable], *, by: str, wrote: Wrote = say_nothing) -> Report:
    """Bring the records to what the rows say; not inside of a transaction.

    `wrote` gets the codes that a transaction writes, within it.
    Raises OperationalError where the database did not give its locks: what was written stays; send the rows again.
    """
    targets, refused = plan(record, rows)
    differing = [target for target in targets if target.outcome != "kept"]
    pace = turns.Pace()
    for batch in pace.batches(differing, _weight):
        pace.write(partial(_write_batch, record, [target.row for target in batch], wrote), sum(map(_weight, batch)))
    if differing:
        logger.info("%s were written by %r: %s", record._meta.verbose_name_plural, by, len(differing))
    outcomes = [target.outcome for target in targets]
    return Report(
        created=outcomes.count("created"),
        changed=outcomes.count("changed"),
        kept=outcomes.count("kept"),
        refused_count=len(refused),
        refused=refused,
        is_written=True,
    )


def _weight(target: Target) -> int:
    return 1 + len(target.added) + len(target.gone)


def _write_batch(record: Record, rows: Sequence[Row], wrote: Wrote) -> None:
    """What is there by now counts, not what was there when the page was drawn."""
    first_sight.note(
        workers=[row.code for row in rows] if record is Worker else [],
        order_types=[row.code for row in rows] if record is OrderType else _types_of(rows),
    )
    for target in _targets(record, rows):
        if target.changed:
            record.objects.filter(code=target.row.code).update(**target.changed)
        if target.gone:
            Ability.objects.filter(worker_id=target.row.code, order_type__code__in=target.gone).delete()
        new = [Ability(worker_id=target.row.code, order_type_id=code) for code in target.added]
        Ability.objects.bulk_create(new, ignore_conflicts=True)
    wrote([row.code for row in rows])


def _types_of(rows: Iterable[Row]) -> set[str]:
    return {code for row in rows for code in row.order_types or ()}
