"""Many slots of another planning system, written by their external ids: files and the API come here.

The rows are one state to be reached, whatever their order. All are read and compared with what is there before the
first is written; what differs is planned and written in short transactions, so that bookings go on meanwhile. A row
that would break a booking or clash with another slot is refused and named, and the others are written. What was
interrupted is simply sent again. Memory does not grow with the rows: they wait on the disk (waiting_rows.py).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

from bookings import clock
from bookings.db import sql
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea
from bookings.supply import turns
from bookings.supply.from_systems import slot_imports
from bookings.supply.from_systems.import_plans import IMPORT, Author, Group, Outcome, Plan, Slot, group_of
from bookings.supply.from_systems.slot_rows import Row, Unreadable
from bookings.supply.from_systems.waiting_rows import RefusedRow, WaitingRows

# What is told of the codes that are written.
Wrote = Callable[[Sequence[str]], object]

# Refused rows that are named, unless all are asked for; the others are counted.
NAMED = 1_000


def say_nothing(codes: Sequence[str]) -> None:
    """For those who do not ask which codes are written."""


class Scope(NamedTuple):
    """Where and when a call speaks for all slots of planning systems: those that it does not name are withdrawn."""

    area: ServiceArea
    start: datetime
    end: datetime


@dataclass
class Report:
    """What became of the rows. `withdrawn` slots are those that no row names any more; no other count has them."""

    created: int = 0
    changed: int = 0
    kept: int = 0
    withdrawn: int = 0
    refused_count: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    is_written: bool = False
    # Why nothing was withdrawn, although there was a scope.
    remark: str = ""


def upsert_slots(
    rows: Iterable[Row | Unreadable],
    *,
    by: str,
    strict: bool = False,
    dry_run: bool = False,
    scope: Scope | None = None,
    areas: Collection[int] | None = None,
    named: int | None = NAMED,
    called: str = "row",
    progress: Callable[[int], object] = lambda rows: None,
) -> Report:
    """Bring the slots to what the rows say; not inside of a transaction.

    `strict`: where a row is refused, nothing is written; what a booking makes impossible afterwards is refused alone.
    `areas`: the keys of the only ones that may be changed. `called`: what messages call a row, before its number.
    Raises OperationalError where the database did not give its locks: what was written stays; send the rows again.
    """
    author = Author(by, areas, called)
    with WaitingRows() as waiting:
        counts: Counter[Outcome] = Counter({"kept": _read(rows, waiting, author, progress)})
        remark = _withdraw_the_rest(scope, waiting) if scope else ""
        is_checked_first = dry_run or strict
        is_written = not dry_run
        if is_checked_first:
            checked = _check(waiting, author)
            is_written = not dry_run and not waiting.are_refused()
            counts.update({} if is_written else checked)
        if is_written:
            counts.update(_write(waiting, author, progress))
        refused_count, refused = waiting.refused(named)
    return Report(
        created=counts["created"],
        changed=counts["changed"],
        kept=counts["kept"],
        withdrawn=counts["withdrawn"],
        refused_count=refused_count,
        refused=refused,
        is_written=is_written,
        remark=remark,
    )


# --- Reading -----------------------------------------------------------------------------------------------


def _read(
    rows: Iterable[Row | Unreadable], waiting: WaitingRows, author: Author, progress: Callable[[int], object]
) -> int:
    """Let what is to be changed wait; how many rows need no change."""
    kept = 0
    for some in turns.in_batches(rows, slot_imports.READ_AT_ONCE):
        own = _with_ids_of_their_own(some, waiting, author)
        mine = slot_imports.by_external_id([row.external_id for row in own])
        differing = [row for row in own if not _is_as_wanted(row, mine.get(row.external_id))]
        waiting.add((row, _touched(row, mine.get(row.external_id))) for row in differing)
        kept += len(own) - len(differing)
        progress(len(some) - len(differing))
    return kept


def _with_ids_of_their_own(some: Iterable[Row | Unreadable], waiting: WaitingRows, author: Author) -> list[Row]:
    """The rows that can be read and whose external id no row before them has; the others are refused."""
    some = [_storable(row) if isinstance(row, Unreadable) else row for row in some]
    taken = waiting.named([row.external_id for row in some])
    own: list[Row] = []
    refused: list[RefusedRow] = []
    for row in some:
        if isinstance(row, Unreadable):
            refused.append(RefusedRow(*row))
            taken.setdefault(row.external_id, 0)
        elif first := taken.get(row.external_id):
            message = f"{author.called} {first} has the same external id"
            refused.append(RefusedRow(row.number, row.external_id, message))
        else:
            taken[row.external_id] = row.number
            own.append(row)
    waiting.name(taken.items())
    waiting.refuse(refused)
    return own


def _storable(row: Unreadable) -> Unreadable:
    """No slot has an external id that cannot be printed."""
    external_id = row.external_id if row.external_id.isprintable() else ""
    return Unreadable(row.number, external_id[:ID_LENGTH], row.message.encode(errors="backslashreplace").decode())


def _is_as_wanted(row: Row, mine: Slot | None) -> bool:
    return mine is not None and slot_imports.is_as_wanted(row, mine)


def _touched(row: Row, mine: Slot | None) -> Iterator[Group]:
    """The workers and pools that a row has to do with."""
    yield group_of(row.worker, row.area.pk)
    if mine:
        yield group_of(mine.worker, mine.area)


def _withdraw_the_rest(scope: Scope, waiting: WaitingRows) -> str:
    """Let the slots to come of a scope wait that no row names; or why they stay."""
    if waiting.named([""]):
        return "Rows without an external id were refused. What they name is not known, so nothing was withdrawn."
    begin = max(scope.start, clock.now())
    slots = AppointmentSlot.objects.filter(area=scope.area, start__gte=begin, start__lt=scope.end, source=IMPORT)
    keys = slots.exclude(external_id="").order_by().values_list("pk", flat=True).iterator(slot_imports.READ_AT_ONCE)
    for some_keys in turns.in_batches(keys, slot_imports.READ_AT_ONCE):
        some = list(slot_imports.read(*sql.among("id", some_keys)))
        named = waiting.named([slot.external_id for slot in some])
        waiting.add(
            (_gone(slot, scope.area), [group_of(slot.worker, slot.area)])
            for slot in some
            if slot.external_id not in named
        )
    return ""


def _gone(slot: Slot, area: ServiceArea) -> Row:
    return Row(0, slot.external_id, area, slot.start, slot.end, slot.order_type, slot.worker, None, False)


# --- Checking and writing ----------------------------------------------------------------------------------


def _check(waiting: WaitingRows, author: Author) -> Counter[Outcome]:
    """What all rows come to now. Locks nothing."""
    counts: Counter[Outcome] = Counter()
    for rows in waiting.bundles():
        plan = slot_imports.plan(rows, author).plan
        counts.update(target.outcome for target in plan.accepted.values())
        _refuse(rows, plan, waiting)
    return counts


def _write(waiting: WaitingRows, author: Author, progress: Callable[[int], object]) -> Counter[Outcome]:
    counts: Counter[Outcome] = Counter()
    pace = turns.Pace()
    for rows in waiting.bundles():
        plan = slot_imports.plan(rows, author).plan
        _refuse(rows, plan, waiting)
        counts.update(target.outcome for target in plan.accepted.values() if target.outcome == "kept")
        for batch in plan.transactions(pace):
            outcomes = _write_batch(batch, author, pace)
            counts.update(outcome for _, outcome, _ in outcomes)
            waiting.refuse(RefusedRow(row.number, row.external_id, reason) for row, _, reason in outcomes if reason)
            progress(len(batch))
    return counts


def _write_batch(batch: Sequence[Row], author: Author, pace: turns.Pace) -> list[tuple[Row, Outcome, str]]:
    ready = slot_imports.plan(batch, author)  # before others wait
    try:
        return pace.write(partial(slot_imports.write, ready, author), len(batch))
    except slot_imports.OutdatedError:
        return pace.write(lambda: slot_imports.write(slot_imports.plan(batch, author), author), len(batch))


def _refuse(rows: Iterable[Row], plan: Plan, waiting: WaitingRows) -> None:
    waiting.refuse(
        RefusedRow(row.number, row.external_id, plan.refused[row.number]) for row in rows if row.number in plan.refused
    )
