"""Slots out of plans: what is missing is made, and what a plan has no longer is hidden.

The promises and what keeps them:
a booking is never touched        what changes a slot names in its condition that it has no bookings
a worker is at one place          who writes slots is alone with it (`turns.only_writer`), and looks again first
bookings go on meanwhile          a run is many short transactions, and looks and compares before each of them
nothing is missing in between     old and new slots of one worker, or pool, change places in one transaction
a run can be killed and repeated  what is written already is found and kept
others' slots stay                a plan hides and resizes only what a plan made, a schedule also what it takes over
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet

from bookings import clock
from bookings.clock import moment_of
from bookings.history import record_each
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea
from bookings.supply import new_slots, workers
from bookings.supply.hours import Diary, Period
from bookings.supply.new_slots import Wanted
from bookings.supply.plans import Plan, Template, fold
from bookings.supply.turns import Pace

ONE_DAY = timedelta(days=1)
PLAN = AppointmentSlot.Source.PLAN


class Gone(NamedTuple):
    """A slot that a plan made and has no longer. `is_free`: it can be booked, until it is hidden."""

    start: datetime
    end: datetime
    area: ServiceArea
    worker: str
    pk: int
    is_free: bool
    source: str = PLAN


# What is written in one transaction.
Piece = list[Wanted | Gone]


class There(NamedTuple):
    """A slot that is there under the key of a wanted one."""

    pk: int
    is_withdrawn: bool
    capacity: int
    booked: int
    source: str
    is_imported: bool  # and so its planning system's to take back


class Clash(NamedTuple):
    """A wanted slot that was not written, and the period at which its worker is busy; None: it was taken back."""

    wanted: Wanted
    busy: Period | None


class Unlike(NamedTuple):
    """A slot that was kept with other places than its plan says."""

    wanted: Wanted
    there: There


@dataclass
class Outcome:
    """What became of a piece. Counted by (code of the area, created | reopened | kept | skipped | past | closed …)."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    clashes: list[Clash] = field(default_factory=list)
    unlike: list[Unlike] = field(default_factory=list)


# --- Plans -------------------------------------------------------------------------------------------------


def pieces(template: Template, gone: Iterable[Gone] = (), pace: Pace | None = None) -> Iterator[Piece]:
    """All that a template wants and has no longer, in pieces that are written one by one, always in the same order.

    A piece ends where neither an old slot nor a new one of the same worker is under way. So none of the new ones
    meets an old one of a later piece, and what is killed between two pieces has whole days of either plan.
    """
    pace = pace or Pace()
    shares = _shares(template)
    old: dict[tuple[str, str], list[Gone]] = defaultdict(list)
    for slot in gone:
        old[_who(slot.worker, slot.area)].append(slot)
    piece: Piece = []
    for who in dict.fromkeys((*shares, *old)):
        streams: list[Iterable[Wanted | Gone]] = [
            _wanted(shares.get(who, []), who[0], template.source),
            sorted(old[who], key=lambda slot: slot.start),
        ]
        both = heapq.merge(*streams, key=_start)
        for unit in _units(both, is_pool=not who[0]):
            if piece and len(piece) + len(unit) > pace.rows:
                yield piece
                piece = []
            piece += unit
    if piece:
        yield piece


def count_wanted(template: Template) -> int:
    return sum(
        len(plan.order_types) * len(plan.workers) * sum(1 for _ in plan.periods(template.areas[code].zone))
        for plan in template.plans
        for code in plan.areas
    )


def write_piece(
    piece: Piece,
    now: datetime,
    *,
    by: str,
    resize: bool = False,
    dry_run: bool = False,
    pace: Pace | None = None,
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Write what is missing and hide what is gone, in one transaction; keep what is there, and leave out the rest.

    What a worker has no time for is left out, and what is over by `now`. The wanted slots must not contradict each
    other (plans.read_plans sees to that). A slot that was withdrawn and is wanted again is opened. `resize`: slots
    that are kept get the places of the plan, where their bookings leave it that. Locks nothing where nothing is to do.
    """
    outcome, changes = _compare(piece, now, resize, [slot.pk for slot in piece if isinstance(slot, Gone)])
    pace = pace or Pace()
    if dry_run or not changes:
        pace.took(len(piece), 0)
        return outcome

    def step() -> Outcome:
        check()
        return _write(piece, now, by, resize)

    return pace.write(step, len(piece))


def missing_from(template: Template, now: datetime) -> Iterator[Gone]:
    """The slots that a template has no longer: to come, not booked, and made by its like."""
    for slot, area in unwanted(template, now, partial(_withdrawable, source=template.source)):
        yield Gone(slot.start, slot.end, area, slot.worker, slot.pk, slot.free > 0, template.source)


def unwanted(
    template: Template, now: datetime, among: Callable[[QuerySet[AppointmentSlot]], QuerySet[AppointmentSlot]]
) -> Iterator[tuple[AppointmentSlot, ServiceArea]]:
    """The slots to come among some that a template does not want.

    A template speaks for its areas from its first to its last day there: what it does not want then, it has no longer.
    """
    for area, plans, first, until in _spans(template):
        while first <= until:
            # A month at a time, so that the wanted slots of an area need not be in memory all at once.
            last = min(first + timedelta(days=30), until)
            begin, end = (moment_of(day, 0, area.zone) for day in (first, last + ONE_DAY))
            wanted = {
                (*period, order_type, worker)
                for plan in plans
                # From the eve: hours over midnight belong to the day on which they begin, also before the first one.
                for period in replace(plan, first=plan.first - ONE_DAY).periods(area.zone, first - ONE_DAY, last)
                if period[0] >= moment_of(plan.first, 0, area.zone)
                for order_type in plan.order_types
                for worker in plan.workers
            }
            slots = among(area.slots.filter(start__gte=max(begin, now), start__lt=end))
            for slot in slots.order_by("start", "pk").iterator(2_000):
                if (slot.start, slot.end, slot.order_type, slot.worker) not in wanted:
                    yield slot, area
            first = last + ONE_DAY


def free_slots(template: Template, now: datetime) -> dict[str, int]:
    """How many slots of its days can be booked in each area of a template, whatever made them."""
    found = {}
    for area, _, first, until in _spans(template):
        begin, end = (moment_of(day, 0, area.zone) for day in (first, until + ONE_DAY))
        slots = area.slots.filter(start__gte=max(begin, now), start__lt=end, booked__lt=F("capacity"))
        found[area.code] = slots.filter(is_open=True, blackout__isnull=True, is_withdrawn=False).count()
    return found


def new_spellings(template: Template) -> list[tuple[str, str]]:
    """Workers who would be made beside one who is there, or in the template, and differs in case or blanks alone."""
    named = list(dict.fromkeys(worker for plan in template.plans for worker in plan.workers if worker))
    new = [worker for worker in named if not AppointmentSlot.objects.filter(worker=worker).exists()]
    if not new:
        return []
    known = workers.names(AppointmentSlot.objects.all())
    like: dict[str, str] = {}
    for worker in chain(known, named):
        like.setdefault(fold(worker), worker)
    return [(worker, like[fold(worker)]) for worker in new if like[fold(worker)] != worker]


def _spans(template: Template) -> Iterator[tuple[ServiceArea, list[Plan], Any, Any]]:
    """Each area that is there, with its plans, their first day and their last one."""
    for area in template.areas.values():
        plans = [plan for plan in template.plans if area.code in plan.areas]
        if area.pk and template.window:
            yield area, plans, *template.window
        elif area.pk:
            yield area, plans, min(plan.first for plan in plans), max(plan.until for plan in plans)


def _who(worker: str, area: ServiceArea) -> tuple[str, str]:
    """A worker, in whatever areas, or the pool of one area."""
    return (worker, "") if worker else ("", area.code)


def _start(slot: Wanted | Gone) -> datetime:
    return slot.start


def _shares(template: Template) -> dict[tuple[str, str], list[tuple[Plan, ServiceArea]]]:
    shares: dict[tuple[str, str], list[tuple[Plan, ServiceArea]]] = defaultdict(list)
    for plan in template.plans:
        for code in plan.areas:
            for worker in plan.workers:
                shares[_who(worker, template.areas[code])].append((plan, template.areas[code]))
    return shares


@lru_cache(maxsize=256)
def _periods(plan: Plan, zone: ZoneInfo, first: Any, last: Any) -> list[Period]:
    """Many workers have the same hours, one after the other."""
    return list(plan.periods(zone, first, last))


def _wanted(shares: list[tuple[Plan, ServiceArea]], worker: str, source: str) -> Iterator[Wanted]:
    """The slots of one worker or pool by their start, with a month of them in memory."""
    late: list[Wanted] = []
    first = min((plan.first for plan, _ in shares), default=None)
    until = max((plan.until for plan, _ in shares), default=None)
    while first and until and first <= until:
        last = first + timedelta(days=30)
        found = late + [
            Wanted(area, start, end, order_type, worker, plan.capacity, source)
            for plan, area in shares
            for start, end in _periods(plan, area.zone, first, last)
            for order_type in plan.order_types
        ]
        found.sort(key=_start)
        first = last + ONE_DAY
        # The late hours of the last day may begin after the early ones of the next.
        bound = min(moment_of(first, 0, area.zone) for _, area in shares) if first <= until else END
        yield from (slot for slot in found if slot.start < bound)
        late = [slot for slot in found if slot.start >= bound]


END = datetime.max.replace(tzinfo=UTC)


def _units(slots: Iterable[Wanted | Gone], *, is_pool: bool) -> Iterator[Piece]:
    """What overlaps each other stays together; of a pool, whose slots may do so for ever, for a day."""
    unit: Piece = []
    reach = END
    for slot in slots:
        if unit and (slot.start >= reach or (is_pool and slot.start >= unit[0].start + ONE_DAY)):
            yield unit
            unit = []
        reach = max(reach, slot.end) if unit else slot.end
        unit.append(slot)
    if unit:
        yield unit


def _withdrawable(slots: QuerySet[AppointmentSlot], source: str) -> QuerySet[AppointmentSlot]:
    # One that the previous release imported says of itself that a plan made it.
    return slots.filter(booked=0, is_withdrawn=False, source=source, external_id="")


# --- Inside the transaction of the caller ------------------------------------------------------------------


@dataclass
class Changes:
    new: list[Wanted] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)
    taken_over: list[int] = field(default_factory=list)
    resized: list[Unlike] = field(default_factory=list)
    gone: Sequence[int] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.reopened or self.taken_over or self.resized or self.gone)


def _write(piece: Piece, now: datetime, by: str, resize: bool) -> Outcome:
    # What was booked meanwhile stays.
    source = piece[0].source
    pks = [slot.pk for slot in piece if isinstance(slot, Gone)]
    locked = _withdrawable(AppointmentSlot.objects.filter(pk__in=pks), source).order_by("pk").select_for_update()
    gone = list(locked.values_list("pk", flat=True)) if pks else []
    outcome, changes = _compare(piece, now, resize, gone)
    at = clock.now()
    if gone:
        AppointmentSlot.objects.filter(pk__in=gone).update(is_withdrawn=True)
        record_each(gone, HistoryEntry.Event.CLOSED, at=at, by=by, reason="The plan has it no longer.")
    if changes.new:
        new_slots.insert(changes.new, by)
    if changes.reopened:
        AppointmentSlot.objects.filter(pk__in=changes.reopened).update(is_withdrawn=False, source=source)
        record_each(changes.reopened, HistoryEntry.Event.OPENED, at=at, by=by, reason="The plan has it again.")
    AppointmentSlot.objects.filter(pk__in=changes.taken_over).update(source=source)
    _resize(changes.resized, at, by)
    return outcome


def _compare(piece: Piece, now: datetime, resize: bool, gone: Sequence[int]) -> tuple[Outcome, Changes]:
    """What a piece comes to, and what is to be written, with the slots `gone` taken for withdrawn."""
    outcome, changes = Outcome(), Changes(gone=gone)
    wanted = [slot for slot in piece if isinstance(slot, Wanted)]
    there, diaries = _what_is_there(wanted, set(gone)) if wanted else ({}, {})
    counts = outcome.counts
    for slot in wanted:
        found = there.get(slot.key)
        busy = None
        if found and not found.is_withdrawn:
            what = "kept"
        elif slot.end <= now:
            what = "past"
        else:
            busy = diaries[slot.worker].clash(slot.start, slot.end) if slot.worker in diaries else None
            what = "skipped" if busy or (found and found.is_imported) else "reopened" if found else "created"
        counts[slot.area.code, what] += 1
        if what == "skipped":
            outcome.clashes.append(Clash(slot, busy))
        elif what == "created":
            changes.new.append(slot)
        elif found and what in ("kept", "reopened"):
            if what == "reopened":
                changes.reopened.append(found.pk)
            elif found.source == PLAN != slot.source and not found.is_imported:
                # A schedule takes over what a template made, so that it can change it later.
                changes.taken_over.append(found.pk)
            if found.capacity != slot.capacity:
                may = resize and found.source in (PLAN, slot.source) and found.booked <= slot.capacity
                (changes.resized if may else outcome.unlike).append(Unlike(slot, found))
                counts[slot.area.code, "resized"] += may
    hidden = set(gone)
    for old in piece:
        if isinstance(old, Gone) and old.pk in hidden:
            counts[old.area.code, "closed"] += 1
    return outcome, changes


def _resize(resized: Sequence[Unlike], at: datetime, by: str) -> None:
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for wanted, there in resized:
        alike[there.capacity, wanted.capacity].append(there.pk)
    for (before, after), pks in alike.items():
        # The condition is what a booking of this very moment cannot get past.
        enough = AppointmentSlot.objects.filter(pk__in=pks, capacity=before, booked__lte=after).order_by("pk")
        found = list(enough.select_for_update().values_list("pk", flat=True))
        AppointmentSlot.objects.filter(pk__in=found).update(capacity=after)
        places: dict[str, Any] = {"before": {"capacity": before}, "after": {"capacity": after}}
        record_each(found, HistoryEntry.Event.RESIZED, at=at, by=by, reason="The plan says so.", **places)


def _what_is_there(wanted: Sequence[Wanted], gone: set[int]) -> tuple[dict[tuple[Any, ...], There], dict[str, Diary]]:
    """By the key of a slot: what is there. By worker: when they are busy."""
    begin, end = min(slot.start for slot in wanted), max(slot.end for slot in wanted)
    within = AppointmentSlot.objects.within(begin, end)
    # Two queries, since each has an index of its own.
    mine = within.filter(worker__in={slot.worker for slot in wanted if slot.worker})
    pools = within.filter(worker="", area__in={slot.area.pk for slot in wanted if slot.area.pk and not slot.worker})
    columns = (
        "pk", "is_withdrawn", "capacity", "booked", "source", "external_id",
        "area_id", "start", "end", "order_type", "worker",
    )  # fmt: skip
    there: dict[tuple[Any, ...], There] = {}
    periods: dict[str, list[Period]] = defaultdict(list)
    for pk, is_withdrawn, capacity, booked, source, external_id, *key in chain(
        mine.values_list(*columns), pools.values_list(*columns)
    ):
        found = There(pk, is_withdrawn or pk in gone, capacity, booked, source, bool(external_id))
        there[tuple(key)] = found
        _, start, end, _, worker = key
        # As AppointmentSlotQuerySet.keeping_busy has it.
        if worker and (booked or not found.is_withdrawn):
            periods[worker].append((start, end))
    return there, {worker: Diary(busy) for worker, busy in periods.items()}
