"""Schedules: the slots of an area, made out of its rules always so many days ahead.

A schedule is read, compared and written by the planner of templates (plans.py, seeding.py). What holds:

* the slots are those of the rules: what is missing is made, what the rules have no longer is withdrawn; its bookings
  stay, ask to be reviewed again, and are named. Places that a person set stay. A shorter horizon closes nothing.
* extending twice, on several machines at once, or again after a kill, comes to the same as once
* a run that works by rules which were changed meanwhile writes nothing more
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from bookings import clock
from bookings.models import AppointmentSlot, Schedule, ScheduleVersion, WorkOrder
from bookings.models.schedules import ScheduleRules
from bookings.refusals import Code, Refused
from bookings.sentences import counted, say
from bookings.supply import turns
from bookings.supply.closing import blackouts
from bookings.supply.from_plans import plan_files, plans, seeding, seeding_steps, seeding_texts
from bookings.supply.from_plans.plan_values import Fault
from bookings.supply.from_plans.plans import Template, Window

SCHEDULE = AppointmentSlot.Source.SCHEDULE
# What a template says of its areas, and of how far their schedules reach; a schedule is of one area.
LEFT_OUT = dict.fromkeys(["area", "name", "time_zone", "aliases"], "a schedule is of its area.")
LEFT_OUT["days_ahead"] = "it is said beside the rules."
# Rules are checked so far ahead when they are saved: two plans may meet only later.
CHECKED_DAYS = 400
# Of an area up to its horizon. To look at them all takes a request of the desk a second or two.
MAX_SLOTS = 50_000
# Lines of a kind, and bookings; more of them are counted.
SHOWN, SHOWN_BOOKINGS = 10, 200
TRIES = 3


class OutdatedError(Exception):
    """The schedule was changed, or switched off, since it was read."""


@dataclass
class Report:
    """What extending a schedule came to, or would. `bookings` stand in slots that the rules have no longer."""

    schedule: Schedule
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: dict[str, list[str]] = field(default_factory=dict)  # the first of each kind
    told_counts: Counter[str] = field(default_factory=Counter)
    bookings: list[WorkOrder] = field(default_factory=list)  # the first of them
    booking_count: int = 0
    others: int = 0
    remarks: list[str] = field(default_factory=list)  # what is no fault, but may not be meant
    # Slots that could be booked: of the days ahead, and those of them that are closed.
    free: int = 0
    hidden: int = 0
    seen: Collection[int] | None = None  # the keys of the only areas that its reader may see

    def add(self, outcome: seeding_steps.Outcome) -> None:
        self.counts.update(outcome.counts)
        for kind, line in seeding_texts.left_out(outcome, self.seen):
            self.told_counts[kind] += 1
            if self.told_counts[kind] <= SHOWN:
                self.told.setdefault(kind, []).append(line)

    def add_bookings(self, slots: Iterable[int]) -> None:
        for some in turns.in_batches(slots, 500):
            found = WorkOrder.objects.active().filter(slot__in=some)
            self.booking_count += found.count()
            if len(self.bookings) < SHOWN_BOOKINGS:
                self.bookings += blackouts.by_time(found)
        del self.bookings[SHOWN_BOOKINGS:]

    def sums(self) -> str:
        if self.schedule.is_active:
            return seeding_texts.summary(self.schedule.area.code, self.counts, is_pruned=True)
        return f"{self.schedule.area.code}: the schedule is not active. No slot is made or closed."

    def lines(self) -> list[str]:
        """The same for a command and for the page that asks before it saves."""
        code = self.schedule.area.code
        if self.faults:
            return [f"{code}: {fault}" for fault in self.faults]
        said = [f"{code}: {remark}" for remark in self.remarks[:SHOWN]]
        said += [f"{counted(len(self.remarks) - SHOWN, 'more remark')}."] if len(self.remarks) > SHOWN else []
        for kind, lines in self.told.items():
            more = self.told_counts[kind] - len(lines)
            said += [*lines, f"{more} more {kind}."] if more else lines
        said.append(self.sums())
        if self.others:
            stay = counted(self.others, "slot that was made otherwise stays", "slots that were made otherwise stay")
            said.append(f"{code}: {stay}, though the schedule has no such hours.")
        if self.bookings:
            misfits = counted(self.booking_count, "booking no longer fits", "bookings no longer fit")
            it = "it" if self.booking_count == 1 else "them"
            said.append(f"{code}: {misfits} the schedule. Move or cancel {it}:")
            said += map(_booking_text, self.bookings)
            more = self.booking_count - len(self.bookings)
            said += [f"{counted(more, 'more booking')}."] if more else []
        return said


def _booking_text(work_order: WorkOrder) -> str:
    slot = work_order.slot
    about = ", ".join(filter(None, (slot.worker, work_order.account_name or work_order.location_name)))
    return f"{work_order.order_num}  {work_order.area.period_text(slot.start, slot.end)}  {about}".rstrip()


# --- Reading ---------------------------------------------------------------------------------------------


def faults(schedule: Schedule, called: Callable[[str], str] = str) -> list[Fault]:
    """What is wrong with the rules, now and for a year ahead. `called` is what its writer calls a key."""
    window = _window(schedule)
    checked = max(window.until, window.first + timedelta(days=CHECKED_DAYS))
    found = _read(schedule, window._replace(checked=checked), called)
    return found if isinstance(found, list) else []


def unreadable(schedule: Schedule) -> list[Fault]:
    """What is wrong with the text alone, of a schedule that is not followed now."""
    found = plan_files.read_entries(schedule.rules, is_toml=True)
    return [fault for fault in found if isinstance(fault, Fault)]


def _read(schedule: Schedule, window: Window, called: Callable[[str], str] = str) -> Template | list[Fault]:
    found = plan_files.read_entries(schedule.rules, is_toml=True)
    if isinstance(found[0], Fault):
        return found
    area = schedule.area
    entries: list[plans.Entry] = []
    for values, line_of in found:
        if left_out := [key for key in LEFT_OUT if key in values]:
            return [Fault(key, f"{key} is left out: {LEFT_OUT[key]}", line_of(key)) for key in left_out]
        entries.append(({"area": [area.code], **values}, line_of))
    return plans.read_plans(entries, {area.code: area}, called, window=window)


def _window(schedule: Schedule) -> Window:
    today = clock.local(clock.now(), schedule.area.zone).date()
    until = today + timedelta(days=schedule.days_ahead)
    return Window(today, until, checked=until, most=MAX_SLOTS)


def _to_last_slot(schedule: Schedule, window: Window) -> Window:
    """What was made further ahead than today's horizon, by a longer one or by a clock that is ahead, is looked at."""
    made = AppointmentSlot.objects.filter(area=schedule.area, source=SCHEDULE, is_withdrawn=False)
    last = made.order_by("-start").values_list("start", flat=True).first()
    until = max(window.until, clock.local(last, schedule.area.zone).date() if last else window.until)
    return Window(window.first, until, checked=until, most=2 * MAX_SLOTS)


# --- Extending -------------------------------------------------------------------------------------------


def extend(schedule: Schedule, *, by: str, dry_run: bool = False, seen: Collection[int] | None = None) -> Report:
    """Bring the slots of an area to what its schedule says. A dry run locks nothing, and takes what is not saved yet.

    `seen`: the keys of the only areas that the reader of the report may see.

    Not inside of a transaction. Raises OutdatedError where the schedule was changed meanwhile.
    """
    report, now, window = Report(schedule, seen=seen), clock.now(), _window(schedule)
    if not schedule.is_active:
        return report
    template = _read(schedule, window)
    reaching = _read(schedule, _to_last_slot(schedule, window))
    if isinstance(template, list) or isinstance(reaching, list):
        report.faults = template if isinstance(template, list) else reaching  # type: ignore[assignment]
        return report
    report.remarks = [*map(str, template.remarks), *seeding_texts.spellings(template)]
    gone = list(seeding.missing_from(reaching, now))
    report.hidden = sum(slot.is_free for slot in gone)
    report.free = seeding.free_slots(reaching, now)[schedule.area.code] if gone else 0
    pace = turns.Pace()
    for piece in seeding.pieces(template, gone, pace):
        outcome = seeding.write_piece(
            piece, now, by=by, resize=True, dry_run=dry_run, pace=pace, check=partial(_check, schedule)
        )
        report.add(outcome)
    report.add_bookings(slot.pk for slot, _ in seeding.unwanted(reaching, now, _booked))
    report.others = sum(1 for _ in seeding.unwanted(reaching, now, _made_otherwise))
    if not dry_run:
        Schedule.objects.filter(pk=schedule.pk, version=schedule.version).update(extended_at=clock.now())
    return report


def extend_latest(schedule: Schedule, *, by: str, dry_run: bool = False, seen: Collection[int] | None = None) -> Report:
    """As `extend`, by the rules as they are after a change that comes between."""
    for _ in range(TRIES - 1):
        try:
            return extend(schedule, by=by, dry_run=dry_run, seen=seen)
        except OutdatedError:
            schedule = Schedule.objects.select_related("area").get(pk=schedule.pk)
    return extend(schedule, by=by, dry_run=dry_run, seen=seen)


def _check(schedule: Schedule) -> None:
    """In the transaction that writes: `save` waits for its end, or this sees what was saved."""
    if not Schedule.objects.filter(pk=schedule.pk, version=schedule.version, is_active=True).exists():
        raise OutdatedError


def _booked(slots: QuerySet[AppointmentSlot]) -> QuerySet[AppointmentSlot]:
    return slots.filter(source=SCHEDULE, booked__gt=0)


def _made_otherwise(slots: QuerySet[AppointmentSlot]) -> QuerySet[AppointmentSlot]:
    return slots.filter(is_withdrawn=False).exclude(source=SCHEDULE)


# --- Saving ----------------------------------------------------------------------------------------------


def save(schedule: Schedule, *, by: str) -> bool:
    """Write a schedule as its next version; `schedule.version` is the one that was seen. Its slots follow in `extend`.

    False where the same person has just saved the same: a second click. Raises Refused where another person saved it
    meanwhile, or made one for the same area.
    """
    columns = _columns(schedule)
    is_new = schedule._state.adding
    version = 1 if is_new else schedule.version + 1

    def step() -> int:
        # May be tried again, and so changes nothing of `schedule`.
        if is_new:
            with transaction.atomic():
                key = Schedule.objects.create(area_id=schedule.area.pk, version=version, **columns).pk
        else:
            key = schedule.pk
            if not Schedule.objects.filter(pk=key, version=schedule.version).update(version=version, **columns):
                raise IntegrityError
        ScheduleVersion.objects.create(schedule_id=key, version=version, at=clock.now(), by=by, **columns)
        return key

    try:
        key = turns.write(step)
    except IntegrityError:
        if last := saved_already(schedule, by=by):
            schedule.pk, schedule.version, schedule._state.adding = last.schedule_id, last.version, False
            return False
        raise Refused(
            Code.CHANGED_MEANWHILE,
            say("The schedule of {area} was saved meanwhile. Look at it again.", area=schedule.area.name),
        ) from None
    schedule.pk, schedule.version, schedule._state.adding = key, version, False
    return True


def saved_already(schedule: Schedule, *, by: str) -> ScheduleVersion | None:
    """The last version of the area's schedule, if the same person saved it and it says the same."""
    last = ScheduleVersion.objects.filter(schedule__area=schedule.area).order_by("-version").first()
    return last if last and last.by == by and _columns(last) == _columns(schedule) else None


def _columns(row: ScheduleRules) -> dict[str, Any]:
    return {"rules": row.rules, "days_ahead": row.days_ahead, "is_active": row.is_active}
