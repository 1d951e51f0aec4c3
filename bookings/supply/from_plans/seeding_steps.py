"""One step of seeding.py: what a piece of plans comes to beside what is there, and the writing of it.

A step looks, compares and writes in one transaction of the only writer (`turns.write`).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from django.db.models import QuerySet

from bookings import clock, history, services
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea, WorkOrder
from bookings.supply import new_slots
from bookings.supply.from_plans.hours import Diary, Period
from bookings.supply.new_slots import Wanted

PLAN, SCHEDULE = AppointmentSlot.Source.PLAN, AppointmentSlot.Source.SCHEDULE
SAYS_SO = "The plan says so."


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
    """A wanted slot that was not written, and when and in which area its worker is busy; None: it was taken back."""

    wanted: Wanted
    busy: Period | None
    area: int | None


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


def withdrawable(slots: QuerySet[AppointmentSlot], source: str) -> QuerySet[AppointmentSlot]:
    # One that the previous release imported says of itself that a plan made it.
    slots = slots.filter(is_withdrawn=False, source=source, external_id="")
    # A schedule speaks for its area: a day that its rules close takes no further bookings.
    return slots if source == SCHEDULE else slots.filter(booked=0)


@dataclass
class Changes:
    new: list[Wanted] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)
    taken_over: list[int] = field(default_factory=list)
    resized: list[Unlike] = field(default_factory=list)
    gone: Sequence[int] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.reopened or self.taken_over or self.resized or self.gone)


def write(piece: Piece, now: datetime, by: str, resize: bool) -> Outcome:
    source, at = piece[0].source, clock.now()
    pks = [slot.pk for slot in piece if isinstance(slot, Gone)]
    gone = _withdraw(AppointmentSlot.objects.filter(pk__in=pks), source, at, by) if pks else []
    outcome, changes = compare(piece, now, resize, gone)
    if changes.new:
        new_slots.insert(changes.new, by)
    if changes.reopened:
        AppointmentSlot.objects.filter(pk__in=changes.reopened).update(is_withdrawn=False, source=source)
        history.record_each(changes.reopened, HistoryEntry.Event.OPENED, at=at, by=by, reason="The plan has it again.")
    AppointmentSlot.objects.filter(pk__in=changes.taken_over).update(source=source)
    _resize(changes.resized, at, by)
    return outcome


def _withdraw(slots: QuerySet[AppointmentSlot], source: str, at: datetime, by: str) -> list[int]:
    """Of a template what was booked meanwhile stays; of a schedule the bookings stay, and ask to be reviewed again."""
    event, reason = HistoryEntry.Event.CLOSED, "The plan has it no longer."
    if source == SCHEDULE:
        # Bookings first and the slots after them, as slots.close_each has it.
        hidden = list(withdrawable(slots, source).values_list("pk", flat=True))
        services.ask_for_review(WorkOrder.objects.active().filter(slot__in=hidden), at)
    locked = withdrawable(slots, source).order_by("pk").select_for_update()
    gone = list(locked.values_list("pk", flat=True))
    AppointmentSlot.objects.filter(pk__in=gone).update(is_withdrawn=True)
    history.record_each(gone, event, at=at, by=by, reason=reason)
    if source == SCHEDULE:
        bookings = WorkOrder.objects.active().filter(slot__in=gone)
        services.ask_for_review(bookings, at)
        history.record_each(bookings.only("pk"), event, at=at, by=by, reason=reason)
    return gone


def compare(piece: Piece, now: datetime, resize: bool, gone: Sequence[int]) -> tuple[Outcome, Changes]:
    """What a piece comes to, and what is to be written, with the slots `gone` taken for withdrawn."""
    outcome, changes = Outcome(), Changes(gone=gone)
    wanted = [slot for slot in piece if isinstance(slot, Wanted)]
    there, diaries, areas = _what_is_there(wanted, set(gone)) if wanted else ({}, {}, {})
    counts = outcome.counts
    for slot in wanted:
        found = there.get(slot.key)
        busy = None
        if found and not found.is_withdrawn:
            what = "kept"
        elif slot.end <= now:
            what = "past"
        else:
            # One that has bookings keeps its worker busy itself.
            may_clash = slot.worker in diaries and not (found and found.booked)
            busy = diaries[slot.worker].clash(slot.start, slot.end) if may_clash else None
            what = "skipped" if busy or (found and found.is_imported) else "reopened" if found else "created"
        counts[slot.area.code, what] += 1
        if what == "skipped":
            outcome.clashes.append(Clash(slot, busy, areas[slot.worker, busy] if busy else None))
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
    if piece and piece[0].source == SCHEDULE:
        _keep_what_people_set(outcome, changes)
    for unlike in changes.resized:
        counts[unlike.wanted.area.code, "resized"] += 1
    hidden = set(gone)
    for old in piece:
        if isinstance(old, Gone) and old.pk in hidden:
            counts[old.area.code, "closed"] += 1
    return outcome, changes


def _keep_what_people_set(outcome: Outcome, changes: Changes) -> None:
    """A schedule comes back every night: it resizes only what has the places that a plan wrote last."""
    planned = _planned_places([unlike.there.pk for unlike in changes.resized]) if changes.resized else {}
    resized, changes.resized = changes.resized, []
    for unlike in resized:
        there = unlike.there
        is_planned = planned.get(there.pk, there.capacity) == there.capacity
        (changes.resized if is_planned else outcome.unlike).append(unlike)


def _planned_places(pks: Sequence[int]) -> dict[int, int]:
    """The places that a plan wrote last, by slot; as far as the history goes back."""
    events = HistoryEntry.Event.ADDED, HistoryEntry.Event.RESIZED
    lines = HistoryEntry.objects.filter(slot__in=pks, event__in=events).order_by("pk")
    found: dict[int, int] = {}
    for slot, event, reason, details in lines.values_list("slot_id", "event", "reason", "details"):
        if event == HistoryEntry.Event.ADDED or reason == SAYS_SO:
            found[slot] = details["after"]["capacity"]
        else:
            found.setdefault(slot, details["before"]["capacity"])
    return found


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
        history.record_each(found, HistoryEntry.Event.RESIZED, at=at, by=by, reason=SAYS_SO, **places)


def _what_is_there(
    wanted: Sequence[Wanted], gone: set[int]
) -> tuple[dict[tuple[Any, ...], There], dict[str, Diary], dict[tuple[str, Period], int]]:
    """By the key of a slot: what is there. By worker: when they are busy; and by both, in which area."""
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
    areas: dict[tuple[str, Period], int] = {}
    for pk, is_withdrawn, capacity, booked, source, external_id, *key in chain(
        mine.values_list(*columns), pools.values_list(*columns)
    ):
        found = There(pk, is_withdrawn or pk in gone, capacity, booked, source, bool(external_id))
        there[tuple(key)] = found
        area, start, end, _, worker = key
        # As AppointmentSlotQuerySet.keeping_busy has it.
        if worker and (booked or not found.is_withdrawn):
            periods[worker].append((start, end))
            areas[worker, (start, end)] = area
    return there, {worker: Diary(busy) for worker, busy in periods.items()}, areas
