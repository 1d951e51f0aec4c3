"""Opening hours as people write them down: read, checked as a whole, and turned into periods. No query here.

A plan is one row of a CSV template, one `[[slots]]` of a TOML template, or the options of `seed_slots`: the same keys
with the same meaning. docs/slots.md describes them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from bookings import clock
from bookings.models import AppointmentSlot, ServiceArea
from bookings.models.schedules import MAX_DAYS_AHEAD
from bookings.supply.from_plans import plan_values
from bookings.supply.from_plans.hours import DAY_MINUTES, MAX_CAPACITY, Hours, Period, read_weekdays, slots_of_day
from bookings.supply.from_plans.plan_values import LAST_DAY, Fault

MAX_DAYS = 3_660
MAX_WEEKS = 52  # of every_weeks
MAX_STEPS = 500_000  # of hours that are looked at for a first slot
ONE_DAY, YEAR = timedelta(days=1), timedelta(days=366)
# The keys of a plan, which are the columns of a CSV template, and those without which there is none.
KEYS = [
    "area", "name", "time_zone", "aliases", "order_type", "workers", "from", "until", "days", "hours", "weekdays",
    "length", "gap", "capacity", "holidays", "exceptions", "every_weeks", "month_days", "days_ahead",
]  # fmt: skip
NEEDED = ["area", "from", "hours", "length"]


@dataclass(frozen=True, eq=False)
class Plan:
    areas: list[str]
    hours: dict[int, list[Hours]]  # by weekday, Monday 0
    length: int
    first: date
    until: date
    workers: list[str] = field(default_factory=lambda: [""])
    order_types: list[str] = field(default_factory=lambda: [""])
    gap: int = 0
    capacity: int = 1
    exceptions: dict[date, list[Hours]] = field(default_factory=dict)
    days_off: frozenset[date] = frozenset()
    # Every second, third … week counts, from the week of this day on.
    every_weeks: int = 1
    counted_from: date = date.min
    month_days: frozenset[int] = frozenset()  # none: all; LAST_DAY is the last one of a month
    line: int = 0

    def counts(self, day: date) -> bool:
        """Whether the hours of its weekday hold on a day that is no exception."""
        weeks = (day.toordinal() - 1) // 7 - (self.counted_from.toordinal() - 1) // 7
        is_last = (day + ONE_DAY).day == 1
        in_month = not self.month_days or day.day in self.month_days or (is_last and LAST_DAY in self.month_days)
        return day not in self.days_off and weeks % self.every_weeks == 0 and in_month

    @property
    def is_over_midnight(self) -> bool:
        return any(
            window.until > DAY_MINUTES
            for windows in [*self.hours.values(), *self.exceptions.values()]
            for window in windows
        )

    def steps(self, windows: list[Hours]) -> int:
        return sum(-(-(window.until - window.start) // (self.length + self.gap)) for window in windows)

    def most_slots(self) -> int:
        """How many slots it can come to: what is asked before so many are made, or only looked at."""
        days = (self.until - self.first).days + 1
        if days < 1:
            return 0
        weeks = -(-days // 7) // self.every_weeks + 1
        periods = weeks * sum(map(self.steps, self.hours.values()))
        periods += sum(self.steps(hours) for day, hours in self.exceptions.items() if self.first <= day <= self.until)
        return periods * len(self.areas) * len(self.order_types) * len(self.workers)

    def periods(self, zone: ZoneInfo, first: date = date.min, until: date = date.max) -> Iterator[Period]:
        """The periods that begin on the days of the plan from `first` to `until`."""
        day, last = max(self.first, first), min(self.until, until)
        while day <= last:
            hours = self.hours.get(day.weekday(), []) if self.counts(day) else []
            hours = self.exceptions.get(day, hours)
            yield from slots_of_day(day, hours, self.length, zone, self.gap)
            day += ONE_DAY


class Window(NamedTuple):
    """The days on which plans that roll are asked for, and the most slots that they may make then.

    Up to `checked` plans must not contradict each other, as far as that can be seen in little time.
    """

    first: date
    until: date
    checked: date
    most: int


@dataclass(frozen=True)
class Template:
    plans: list[Plan]
    areas: dict[str, ServiceArea]  # all that the plans name, by code; some may have to be made
    aliases: dict[str, list[str]]  # further codes of these areas
    remarks: list[Fault]  # what is no fault, but does nothing
    window: Window | None = None  # of a schedule, all of which lies in it
    source: str = AppointmentSlot.Source.PLAN  # of the slots that it makes


Entry = tuple[dict[str, Any], Callable[[str], int]]  # the values by key, and the line of a key


def read_plans(
    entries: list[Entry],
    known: Mapping[str, ServiceArea],
    called: Callable[[str], str] = str,
    window: Window | None = None,
    most: int | None = None,
    no_area: str = "",
) -> Template | list[Fault]:
    """All plans, or all faults: of each key, then of the areas, then of plans that contradict each other.

    `called` is how a key is written where the plans come from: `--time-zone` on a command line, a label on the desk.
    `no_area` is what to do about an area that is not there, where a plan does not make one. With a `window` they
    are of a schedule: a plan without an end goes on, and all of them are cut to these days.
    """
    faults: list[Fault] = []
    plans: list[Plan] = []
    areas: dict[str, ServiceArea] = {}
    aliases: dict[str, list[str]] = {}
    no_area = no_area or f"To make it, give {called('name')} and {called('time_zone')}."
    readings = [_Reading(values, line_of, called, window, no_area) for values, line_of in entries]
    for reading in readings:
        reading.add_area(known, areas, aliases)
    own = {**known, **areas}
    named = {alias: own[code] for code, others in aliases.items() if code in own for alias in others} | own
    for reading in readings:
        plan = reading.plan(named)
        faults += reading.faults
        if plan:
            plans.append(plan)
    if not faults:
        areas = {code: named[code] for plan in plans for code in plan.areas}
        faults = _without_slots(plans, areas, window)
        checked = plans
        if window:
            checked = _checked(plans, window)
            plans = [_within(plan, window.first, window.until) for plan in plans]
            faults = faults or _too_many(plans, window)
        if most and (number := sum(plan.most_slots() for plan in plans)) > most:
            faults = faults or [Fault("", f"The plans come to {number:,} slots, and {most:,} are the most here.")]
        faults = faults or _contradictions(checked, areas)
    remarks = [remark for reading in readings for remark in reading.remarks]
    source = AppointmentSlot.Source.SCHEDULE if window else AppointmentSlot.Source.PLAN
    return sorted(faults, key=lambda fault: fault.line) or Template(plans, areas, aliases, remarks, window, source)


def _within(plan: Plan, first: date, until: date) -> Plan:
    return replace(plan, first=max(plan.first, first), until=min(plan.until, until))


def _checked(plans: list[Plan], window: Window) -> list[Plan]:
    """The plans up to the day to which they are checked; a nearer one, if they make very many slots."""
    days, least = (window.checked - window.first).days, (window.until - window.first).days
    while True:
        found = [_within(plan, window.first, window.first + timedelta(days=max(days, least))) for plan in plans]
        if days <= least or sum(plan.most_slots() for plan in found) <= 4 * window.most:
            return found
        days //= 2


def _too_many(plans: list[Plan], window: Window) -> list[Fault]:
    number = sum(plan.most_slots() for plan in plans)
    if number <= window.most:
        return []
    what = f"The rules come to {number:,} slots until {window.until}, and {window.most:,} are the most."
    return [Fault("", f"{what} Take fewer days ahead, longer slots, or more places of a slot.")]


class _Reading:
    """One plan while it is read: what is wrong is collected, so that all of it can be told at once."""

    def __init__(
        self,
        values: dict[str, Any],
        line_of: Callable[[str], int],
        called: Callable[[str], str],
        window: Window | None,
        no_area: str,
    ) -> None:
        self.values, self.line_of, self.called, self.window = dict(values), line_of, called, window
        self.no_area = no_area
        self.ahead = 0  # days from today on, of a template
        self.rolls = (window is not None or "days_ahead" in values) and not {"days", "until"} & set(values)
        self.faults: list[Fault] = []
        self.remarks: list[Fault] = []

    def fault(self, key: str, message: str) -> None:
        self.faults.append(Fault(key.partition(".")[0], message, self.line_of(key)))

    def take(self, key: str, read: Callable[[Any], Any], default: Any = None) -> Any:
        """The value as `read` makes it. Without a default it has to be there."""
        value = self.values.pop(key, "")
        if value == "":
            if default is None:
                self.fault(key, f"{self.called(key)} is missing.")
            return default
        try:
            return read(value)
        except plan_values.KeyFaultError as error:
            self.fault(f"{key}.{error.key}", f"{self.called(key)} {error}")
        except ValueError as error:
            self.fault(key, f"{self.called(key)} {error}")
        return default

    def add_area(
        self, known: Mapping[str, ServiceArea], areas: dict[str, ServiceArea], aliases: dict[str, list[str]]
    ) -> None:
        """The area that this plan describes with name, time_zone and aliases, if it does."""
        name, zone = self.take("name", plan_values.read_text, ""), self.take("time_zone", plan_values.read_text, "")
        others: list[str] = self.take("aliases", plan_values.read_names, [])
        if not zone:
            for key in [key for key, given in {"name": name, "aliases": others}.items() if given]:
                self.fault(key, f"{self.called(key)} goes with {self.called('time_zone')}.")
            return
        codes = self.values.get("area")
        code = codes[0] if isinstance(codes, list) and len(codes) == 1 else codes
        code = code.strip() if isinstance(code, str) else ""
        if not code or "," in code:
            self.fault("time_zone", f"{self.called('time_zone')} goes with one area, not with several.")
            return
        there = areas.get(code) or known.get(code)
        aliases.setdefault(there.code if there else code, []).extend(others)
        if there and there.time_zone != zone:
            self.fault("time_zone", f"The area {code} is in {there.time_zone}, not in {zone}.")
        elif problem := clock.time_zone_problem(zone):
            self.fault("time_zone", problem)
        elif not there and (other := _spelled_otherwise(code, {**known, **areas})):
            self.fault("area", f"The area {code} would be a second {other}: write it as it is there.")
        elif not there and name:
            areas[code] = ServiceArea(code=code, name=name, time_zone=zone)

    def plan(self, areas: Mapping[str, ServiceArea]) -> Plan | None:
        codes = self.take("area", plan_values.read_names)
        for code in codes or []:
            if code not in areas and not self.faults:
                other = _spelled_otherwise(code, areas)
                remedy = f"There is {other}." if other else self.no_area
                self.fault("area", f"There is no area {code!r}. {remedy}")
        self.ahead = self.take("days_ahead", plan_values.whole_number(1, MAX_DAYS_AHEAD), 0)
        first, until = self._days({areas[code].zone for code in codes or [] if code in areas})
        by_weekday = self.take("hours", plan_values.hours_by_weekday)
        weekdays = self.take("weekdays", lambda text: read_weekdays(plan_values.read_text(text)), set(range(7)))
        exceptions = self._exceptions(first, until)
        days_off = frozenset[date]()
        if first and until:
            begin, end = (self.window.first, self.window.checked) if self.window else (first, until)
            days_off = self.take(
                "holidays",
                lambda place: plan_values.public_holidays(plan_values.read_text(place), begin.year, end.year),
                days_off,
            )
        values = {
            "workers": self.take("workers", plan_values.read_names, [""]),
            "order_types": self.take("order_type", plan_values.read_names, [""]),
            "length": self.take("length", plan_values.whole_number(1, DAY_MINUTES)),
            "gap": self.take("gap", plan_values.whole_number(0, DAY_MINUTES), 0),
            "capacity": self.take("capacity", plan_values.whole_number(1, MAX_CAPACITY), 1),
            "every_weeks": self.take("every_weeks", plan_values.whole_number(1, MAX_WEEKS), 1),
            "month_days": self.take("month_days", plan_values.read_month_days, frozenset()),
        }
        for key in self.values.keys() - {"holidays"}:
            self.fault(key, f"{key!r} is no key of a plan.")
        if self.faults:
            return None
        return Plan(
            # By an alias or by its own code, an area is one.
            areas=list(dict.fromkeys(areas[code].code for code in codes)),
            first=first,
            until=until,
            hours={day: windows for day, windows in by_weekday.items() if day in weekdays},
            exceptions=exceptions,
            days_off=days_off,
            counted_from=first,
            line=self.line_of(""),
            **values,
        )

    def _days(self, zones: Iterable[ZoneInfo]) -> tuple[Any, Any]:
        """The first and the last day, as far as they can be read. `zones` are those in which it may be today."""
        first: Any = self.take("from", plan_values.read_day)
        until: Any = None
        if self.rolls and self.window:
            # Long enough to see whether it makes a slot at all.
            until = max(self.window.checked, first + YEAR) if first else None
        elif self.rolls:
            now = clock.now()
            today = max((clock.local(now, zone).date() for zone in zones), default=now.date())
            until = max(first, today + timedelta(days=self.ahead)) if first else None
        elif "days" in self.values and "until" not in self.values:
            days = self.take("days", plan_values.whole_number(1, MAX_DAYS))
            until = first + timedelta(days=days - 1) if first and days else None
        else:
            until = self.take("until", plan_values.read_day)
        if "days" in self.values:
            self.fault("days", f"{self.called('days')} goes without {self.called('until')}: give one of the two.")
            del self.values["days"]
        if first and until and until < first:
            self.fault("until", f"{self.called('until')} {until} is before {self.called('from')} {first}.")
            return None, until
        if not self.window and first and until and (number := (until - first).days + 1) > MAX_DAYS:
            days = f"{self.called('from')} {first} {self.called('until')} {until} are {number} days"
            self.fault("until", f"{days}. {MAX_DAYS} at most can be filled at once.")
            return None, until
        return first, until

    def _exceptions(self, first: Any, until: Any) -> Any:
        exceptions, name = self.take("exceptions", plan_values.read_exceptions, {}), self.called("exceptions")
        for day in exceptions:
            if self.rolls or (self.window and first and day < first):
                continue  # of a day that is over, or not made yet
            if first and day < first:
                line = self.line_of(f"exceptions.{day}")
                self.remarks.append(Fault("exceptions", f"{name}: {day} is before the first day.", line))
            elif until and day > until:
                self.fault(f"exceptions.{day}", f"{name}: {day} is not a day of this plan.")
        return exceptions


def _without_slots(plans: list[Plan], areas: Mapping[str, ServiceArea], window: Window | None) -> list[Fault]:
    """Plans that come to nothing, which is never meant: with --prune they would close all that is there.

    Of a schedule, which may go on for ever, as many days are looked at as take little time.
    """
    steps = sum(
        1 + max(map(plan.steps, [*plan.hours.values(), *plan.exceptions.values()]), default=0) for plan in plans
    )
    days = timedelta(days=min(MAX_DAYS, MAX_STEPS // max(steps, 1)) if window else MAX_DAYS)
    what = "The plan makes no slot: its hours are too short for its length, or all of its days are left out."
    return [
        Fault("", what, plan.line)
        for plan in plans
        if not any(next(plan.periods(areas[code].zone, until=plan.first + days), None) for code in plan.areas)
    ]


def _contradictions(plans: list[Plan], areas: Mapping[str, ServiceArea]) -> list[Fault]:
    """A worker at two places at once, or the same slot of a pool twice."""
    together: dict[tuple[str, ...], list[tuple[Plan, str]]] = defaultdict(list)  # plans and areas
    for plan in plans:
        for code in plan.areas:
            for order_type in plan.order_types:
                for worker in plan.workers:
                    together[(worker,) if worker else ("", code, order_type)].append((plan, code))
    # Workers with the same plans are looked at once.
    unlike: dict[tuple[tuple[int, str], ...], tuple[tuple[str, ...], list[tuple[Plan, str]]]] = {}
    for who, group in together.items():
        unlike.setdefault(tuple((id(plan), code) for plan, code in group), (who, group))
    faults: dict[tuple[int, int], Fault] = {}
    for who, group in unlike.values():
        if len(group) == 1 and not group[0][0].is_over_midnight:
            continue  # the hours of a day do not overlap each other
        periods = sorted(
            (*period, number) for number, (plan, code) in enumerate(group) for period in plan.periods(areas[code].zone)
        )
        if not periods:
            continue
        reaching = periods[0]
        for period in periods[1:]:
            clash = period[0] < reaching[1] if who[0] else period[:2] == reaching[:2]
            if clash:
                (earlier, _), (later, code) = group[reaching[2]], group[period[2]]
                lines = sorted((earlier.line, later.line))
                local = period[0].astimezone(areas[code].zone)
                when = f"on {local:%a} {local.day} {local:%b %Y at %H:%M}"
                what = f"{who[0]} would be at two places" if who[0] else f"{who[1]} would have the same slot twice"
                other = lines[0] if lines[0] != lines[1] else 0
                faults.setdefault((lines[0], lines[1]), Fault("hours", f"{what} {when}.", lines[1], other))
            reaching = max(reaching, period, key=lambda known: known[1]) if who[0] else period
    return list(faults.values())


def fold(name: str) -> str:
    """Two names that are the same when folded are one person or place, spelled twice."""
    return " ".join(name.casefold().split())


def _spelled_otherwise(code: str, areas: Mapping[str, ServiceArea]) -> str | None:
    return next((other for other in areas if other != code and fold(other) == fold(code)), None)
