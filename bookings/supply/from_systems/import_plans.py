"""What the rows of a file come to, decided without writing: slots made, changed and left, and rows that are refused.

The order of the rows does not matter, only the end is checked: a day can move by an hour, and two workers can change
places. A row whose slot stands at another place or time takes another slot up, or makes one, under the same external
id, and the slot that it leaves is withdrawn. What breaks a promise is refused, and nothing of its row is written: a
worker is at one place at a time, bookings count; the same slot is there once; no slot has fewer places than bookings.
An external id that is not named any more (`Row.number` is 0) gives up its slot: to another row, or it is withdrawn.
"""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from bookings.models import AppointmentSlot, ServiceArea
from bookings.sentences import counted
from bookings.supply import workers
from bookings.supply.from_systems.slot_rows import LONGEST, Row
from bookings.supply.turns import Pace

IMPORT = AppointmentSlot.Source.IMPORT
# Of how many workers and pools the rows of one transaction are, over how long: so many of their slots have to be
# looked at.
GROUPS, SPAN = 20, timedelta(days=31)

# A worker, or the pool of an area.
Group = tuple[str, int]
Outcome = Literal["created", "changed", "kept", "refused", "withdrawn"]


class Slot(NamedTuple):
    """A slot as it stands in the database."""

    pk: int
    external_id: str
    area: int
    start: datetime
    end: datetime
    order_type: str
    worker: str
    capacity: int
    booked: int
    is_open: bool
    closed_reason: str
    is_withdrawn: bool
    source: str

    @property
    def place(self) -> tuple[Any, ...]:
        return self[2:7]

    @property
    def keeps_busy(self) -> bool:
        """As AppointmentSlotQuerySet.keeping_busy has it."""
        return self.booked > 0 or not self.is_withdrawn


# What a file changes of a slot, and its type in PostgreSQL.
WRITTEN = {
    "external_id": "text",
    "capacity": "int",
    "is_open": "bool",
    "closed_reason": "text",
    "is_withdrawn": "bool",
    "source": "text",
}
# Those of a Slot in the database.
COLUMNS = ["id", *("area_id" if name == "area" else name for name in Slot._fields[1:])]


@dataclass(eq=False, slots=True)
class Target:
    """What a row wants: `mine` has its external id today, `at` stands at its place. The rest is how `at` is to be."""

    row: Row
    mine: Slot | None
    at: Slot | None
    external_id: str
    capacity: int
    is_open: bool
    closed_reason: str
    is_withdrawn: bool
    source: str = IMPORT
    outcome: Outcome = "kept"

    def __post_init__(self) -> None:
        if self.row.number == 0:
            self.outcome = "withdrawn"
        elif self.at is None:
            self.outcome = "changed" if self.mine else "created"
        elif any(getattr(self.at, name) != getattr(self, name) for name in WRITTEN):
            self.outcome = "changed"

    @property
    def is_leaving(self) -> bool:
        """Whether the external id wanders away from a slot."""
        return self.mine is not None and self.mine is not self.at

    @property
    def takes_time(self) -> bool:
        """Whether its worker gets something to do that was not there before."""
        return bool(self.row.worker) and not self.is_withdrawn and not (self.at and self.at.keeps_busy)

    def changes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The columns of `at` that are to change, before and after."""
        names = [name for name in WRITTEN if getattr(self.at, name) != getattr(self, name)]
        return {name: getattr(self.at, name) for name in names}, {name: getattr(self, name) for name in names}


class Timeline:
    """Things of one worker by their time, to be asked what shares some time with a period."""

    def __init__(self, things: Iterable[Any]) -> None:
        self.things = sorted(things, key=lambda thing: thing.start)
        self.starts = [thing.start for thing in self.things]
        self.longest = max((thing.end - thing.start for thing in self.things), default=LONGEST)

    def overlapping(self, start: datetime, end: datetime) -> list[Any]:
        first, last = bisect_left(self.starts, start - self.longest), bisect_left(self.starts, end)
        return [thing for thing in self.things[first:last] if thing.end > start]


NO_TIME = Timeline([])


class Author(NamedTuple):
    """Who sends rows: as the history names them, the keys of the only areas that they may see and change (None: all),
    and what a row is called where they see its number.
    """

    by: str
    areas: Collection[int] | None = None
    called: str = "row"

    def may_change(self, area: int) -> bool:
        return self.areas is None or area in self.areas


class There:
    """The slots that matter to some rows."""

    def __init__(self, slots: Iterable[Slot], author: Author) -> None:
        self.author = author
        self.slots = {slot.pk: slot for slot in slots}
        self.by_id = {slot.external_id: slot for slot in self.slots.values() if slot.external_id}
        self.by_place = {slot.place: slot for slot in self.slots.values()}
        self.areas: dict[int, ServiceArea] = {}  # those that had to be named
        of_worker: dict[str, list[Slot]] = defaultdict(list)
        for slot in self.slots.values():
            of_worker[slot.worker].append(slot)
        self.of_worker = {worker: Timeline(slots) for worker, slots in of_worker.items() if worker}

    def period(self, slot: Slot) -> str:
        if not self.author.may_change(slot.area):
            return workers.ELSEWHERE
        if slot.area not in self.areas:
            self.areas[slot.area] = ServiceArea.objects.get(pk=slot.area)
        area = self.areas[slot.area]
        return f"{area.period_text(slot.start, slot.end)} in {area.code}"


# --- Deciding --------------------------------------------------------------------------


class Plan:
    """What rows come to: `accepted` by their external id, and by its number why a row is refused.

    No two rows have the same external id.
    """

    def __init__(self, rows: Iterable[Row], there: There) -> None:
        self.there, self.called = there, there.author.called
        self.refused: dict[int, str] = {}
        found = ((row, there.by_id.get(row.external_id), there.by_place.get(row.place)) for row in rows)
        targets = [target for row, mine, at in found if (target := target_of(row, mine, at))]
        # What stays comes first; where two rows are against each other, their order in the file decides nothing.
        targets.sort(key=lambda target: (target.mine is not target.at, target.row.start, target.row.external_id))
        self.rank = {target.external_id: rank for rank, target in enumerate(targets)}
        self.accepted = {target.external_id: target for target in targets}
        self.claimed: dict[int, Target] = {}
        arriving: dict[str, list[Row]] = defaultdict(list)
        places: dict[tuple[Any, ...], Row] = {}
        for target in targets:
            if target.outcome == "withdrawn":
                continue
            first = places.setdefault(target.row.place, target.row)
            if first is not target.row:
                del self.accepted[target.external_id]
                self.refused[target.row.number] = f"{self.called} {first.number} is the same slot"
                continue
            if target.at:
                self.claimed[target.at.pk] = target
            if target.takes_time:
                arriving[target.row.worker].append(target.row)
        self.arriving = {worker: Timeline(rows) for worker, rows in arriving.items()}
        self._refuse(deque(target for target in targets if target.outcome != "kept"))

    def to_write(self) -> list[Target]:
        return [target for target in self.accepted.values() if target.outcome != "kept"]

    def _refuse(self, to_check: deque[Target]) -> None:
        """Refuse what cannot be; each such row leaves its slots as they are, which may stand in the way of others."""
        while to_check:
            target = to_check.popleft()
            row = target.row
            reason = self._objection(target) if self.accepted.get(row.external_id) is target else ""
            if not reason:
                continue
            self.refused[row.number] = reason
            del self.accepted[row.external_id]
            if target.at:
                del self.claimed[target.at.pk]
            for slot in filter(None, (target.mine, target.at)):
                if slot.pk in self.claimed:
                    to_check.append(self.claimed[slot.pk])
                for other in self.arriving.get(slot.worker, NO_TIME).overlapping(slot.start, slot.end):
                    if other.external_id in self.accepted:
                        to_check.append(self.accepted[other.external_id])

    def _objection(self, target: Target) -> str:
        row, at = target.row, target.at
        if not all(map(self.there.author.may_change, (row.area.id, target.mine.area if target.mine else row.area.id))):
            return "its external id is in use for an area that you may not change"
        if at and at.external_id not in ("", row.external_id):
            owner = self.accepted.get(at.external_id)
            if owner is None or not owner.is_leaving:
                return f"the same slot is there already as {at.external_id}"
        if at and at.booked > target.capacity:
            stand = counted(at.booked, "booking stands", "bookings stand")
            return f"{stand} in this slot, and it would have {counted(target.capacity, 'place')}"
        if not target.takes_time:
            return ""
        for slot in self.there.of_worker.get(row.worker, NO_TIME).overlapping(row.start, row.end):
            if slot is not at and self._keeps_busy(slot):
                return f"{row.worker} is busy {self.there.period(slot)}"
        for other in self.arriving[row.worker].overlapping(row.start, row.end):
            is_earlier = self.rank[other.external_id] < self.rank[row.external_id]
            if is_earlier and other.external_id in self.accepted:
                return f"{row.worker} would be at two places: see {self.called} {other.number}"
        return ""

    def _keeps_busy(self, slot: Slot) -> bool:
        """Whether the slot keeps its worker busy once all accepted rows are written."""
        if slot.booked:
            return True
        if slot.pk in self.claimed:
            return not self.claimed[slot.pk].is_withdrawn
        owner = self.accepted.get(slot.external_id)
        return not slot.is_withdrawn and not (owner and owner.is_leaving)

    def transactions(self, pace: Pace) -> Iterator[list[Row]]:
        """The rows to write, in short transactions: those that need each other stand in the same one."""
        batch: list[Row] = []
        groups: set[Group] = set()
        begin = end = datetime.max
        for rows in self._bound_together():
            more = groups | {group_of(row.worker, row.area.id) for row in rows}
            first, last = min(row.start for row in rows), max(row.start for row in rows)
            begin, end = (min(begin, first), max(end, last)) if batch else (first, last)
            is_far = len(more) > 1 and (len(more) > GROUPS or end - begin > SPAN)
            if batch and (len(batch) + len(rows) > pace.rows or is_far):
                yield batch
                batch, groups, begin, end = [], set(), first, last
            batch.extend(rows)
            groups |= {group_of(row.worker, row.area.id) for row in rows}
        if batch:
            yield batch

    def _bound_together(self) -> list[list[Row]]:
        """Rows where one takes the place or the time that another one leaves, by worker, pool and time."""
        leader: dict[str, str] = {target.external_id: target.external_id for target in self.to_write()}

        def leader_of(one: str) -> str:
            while leader[one] != one:
                leader[one] = leader[leader[one]]
                one = leader[one]
            return one

        for target in self.to_write():
            row = target.row
            met = [target.at] if target.at else []
            if target.takes_time:
                met += self.there.of_worker.get(row.worker, NO_TIME).overlapping(row.start, row.end)
            for slot in met:
                for other in (self.claimed.get(slot.pk), self.accepted.get(slot.external_id)):
                    if other and other.external_id in leader:
                        leader[leader_of(other.external_id)] = leader_of(row.external_id)
        bound: dict[str, list[Row]] = defaultdict(list)
        for external_id in leader:
            bound[leader_of(external_id)].append(self.accepted[external_id].row)
        for rows in bound.values():
            rows.sort(key=by_worker_and_time)
        return sorted(bound.values(), key=lambda rows: by_worker_and_time(rows[0]))


def target_of(row: Row, mine: Slot | None, at: Slot | None) -> Target | None:
    """What the row does not say is as it is: of the plan for the id, of all else for the slot."""
    if row.number == 0:
        # What stands elsewhere by now was named by another call.
        return Target(row, mine, None, row.external_id, 0, True, "", True) if mine and mine is at else None
    as_it_is = at or mine
    is_open, reason = (at.is_open, at.closed_reason) if at else (True, "")
    if row.staff_open is not None:
        is_open = row.staff_open
        reason = reason if row.staff_reason is None else row.staff_reason
    return Target(
        row=row,
        mine=mine,
        at=at,
        external_id=row.external_id,
        capacity=row.capacity or (as_it_is.capacity if as_it_is else 1),
        is_open=is_open,
        closed_reason="" if is_open else reason,
        is_withdrawn=(mine.is_withdrawn if mine else False) if row.is_planned is None else not row.is_planned,
    )


def group_of(worker: str, area: int) -> Group:
    return (worker, 0) if worker else ("", area)


def by_worker_and_time(row: Row) -> tuple[Any, ...]:
    return (*group_of(row.worker, row.area.id), row.start, row.external_id)
