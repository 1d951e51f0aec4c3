"""Slots out of plans: what is missing is made, and what a plan has no longer is hidden.

The promises and what keeps them:
a booking is never moved          a template hides slots without bookings; a schedule all that its rules have no
                                  longer, whose bookings stay and ask to be reviewed again
a worker is at one place          who writes slots is alone with it (`turns.only_writer`), and looks again first
bookings go on meanwhile          a run is many short transactions, and looks and compares before each of them
nothing is missing in between     old and new slots of one worker, or pool, change places in one transaction
a run can be killed and repeated  what is written already is found and kept
others' slots stay                a plan hides and resizes only what a plan made, a schedule also what it takes over
places that people set stay       a schedule resizes only what still has the places that a plan wrote last
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet

from bookings.clock import moment_of
from bookings.models import AppointmentSlot, ServiceArea
from bookings.supply import workers
from bookings.supply.from_plans import seeding_steps
from bookings.supply.from_plans.hours import Period
from bookings.supply.from_plans.plans import Plan, Template, fold
from bookings.supply.from_plans.seeding_steps import Gone, Outcome, Piece
from bookings.supply.new_slots import Wanted
from bookings.supply.turns import Pace

ONE_DAY = timedelta(days=1)


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
    that are kept get the places of the plan, where their bookings leave it that; of a schedule, those alone whose
    places a person has not changed. Locks nothing where nothing is to do.
    """
    outcome, changes = seeding_steps.compare(piece, now, resize, [slot.pk for slot in piece if isinstance(slot, Gone)])
    pace = pace or Pace()
    if dry_run or not changes:
        pace.took(len(piece), 0)
        return outcome

    def step() -> Outcome:
        check()
        return seeding_steps.write(piece, now, by, resize)

    return pace.write(step, len(piece))


def missing_from(template: Template, now: datetime) -> Iterator[Gone]:
    """The slots that a template has no longer: to come, made by its like, and without bookings unless by a schedule."""
    for slot, area in unwanted(template, now, partial(seeding_steps.withdrawable, source=template.source)):
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
            yield area, plans, template.window.first, template.window.until
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
