"""What each number of the page of numbers says, as a table: the chart and the file show the same rows.

Read by one statement each from the sums of whole weeks (services/weekly_sums.py), and by another from those of the days
before and after them (services/daily_sums.py), where there are any. PostgreSQL would run one statement for both in
parallel, and starting the other processes takes longer than reading.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Any, NamedTuple

from django.db.models import F, QuerySet, Sum, Value

from bookings import clock
from bookings.models import DailySum, ServiceArea, WeeklySum
from bookings.models.sums import Kind, Level
from bookings.services.daily_sums import NONE_FREE
from bookings.services.weekly_sums import monday_of

DAY = timedelta(days=1)
# What a number may be parted by: the heading, and the column of the sums.
GROUPS = {
    "week": ("Week from", "week"),
    "area": ("Area", "area"),
    "type": ("Order type", "order_type"),
    "worker": ("Worker", "key"),
    "reason": ("Reason", "key"),
    "person": ("Person", "key"),
}


class Line(NamedTuple):
    """A row: its cells, and what its bar shows. `mark` is a second value, such as that of 90 of 100."""

    cells: list[str]
    label: str
    value: float
    text: str
    mark: float = 0


@dataclass(frozen=True)
class Table:
    heads: list[str]
    lines: list[Line]
    is_course: bool  # over time
    is_empty: bool
    most: float  # what a bar can show


@dataclass(frozen=True)
class Number:
    """One of the numbers. `unit` is for one that is spread: by its key, the text of a value, and its name."""

    name: str
    title: str
    about: str
    kind: Kind
    groups: tuple[str, ...]
    counted: str
    unit: str = ""

    def kind_by(self, group: str) -> Kind:
        return Kind.PEOPLE if group == "person" else self.kind


NUMBERS = {
    number.name: number
    for number in (
        Number(
            "utilisation",
            "Utilisation",
            "Bookings of the places that could be booked. A closed slot has the places that are booked in it.",
            Kind.PLACES,
            ("week", "area", "worker", "type"),
            "Bookings",
        ),
        Number(
            "free",
            "Days to the first free appointment",
            "Looked at once a day in each area, as a search without wishes finds it.",
            Kind.FREE,
            ("week", "area", "type"),
            "Looks",
            "days",
        ),
        Number(
            "cancellations",
            "Cancellations",
            "By the day on which they were cancelled.",
            Kind.REASONS,
            ("reason", "week", "area", "person", "type"),
            "Cancellations",
        ),
        Number(
            "review",
            "Hours from booking to review",
            "Of bookings that were reviewed, by the day of the booking.",
            Kind.REVIEW,
            ("week", "area", "type"),
            "Reviewed",
            "hours",
        ),
        Number(
            "lead",
            "Lead time: days from booking to visit",
            "Of bookings that are not cancelled, by the day of the booking.",
            Kind.LEAD,
            ("week", "area", "type"),
            "Bookings",
            "days",
        ),
        Number(
            "refusals",
            "Refusals",
            "Bookings that were asked for and refused. The reasons are the error codes of the answers.",
            Kind.REFUSALS,
            ("reason", "week", "area", "type"),
            "Refusals",
        ),
        Number(
            "nothing",
            "Searches that found nothing",
            "By the rule or the wish that left nothing.",
            Kind.NOTHING,
            ("reason", "week", "area", "type"),
            "Searches",
        ),
    )
}


@dataclass(frozen=True)
class Span:
    """What is asked of all numbers: days, areas, an order type; None for all. The sums are those of these areas."""

    first: date
    last: date
    days: QuerySet[DailySum]
    weeks: QuerySet[WeeklySum]
    is_of_all_areas: bool
    areas: Mapping[int, ServiceArea]
    order_type: str | None

    @property
    def mondays(self) -> list[date]:
        monday = monday_of(self.first)
        return [monday + timedelta(days=days) for days in range(0, (self.last - monday).days + 1, 7)]

    def whole_weeks(self) -> QuerySet[WeeklySum]:
        return self.weeks.filter(week__in=[monday for monday in self.mondays if self._is_whole(monday)])

    def other_days(self) -> QuerySet[DailySum]:
        """Those of weeks that are not asked as a whole, at most six before and six behind the others."""
        parts = [monday for monday in self.mondays if not self._is_whole(monday)]
        days = (monday + number * DAY for monday in parts for number in range(7))
        return self.days.filter(day__in=[day for day in days if self.first <= day <= self.last])

    def _is_whole(self, monday: date) -> bool:
        return self.first <= monday and monday + 6 * DAY <= self.last

    def level(self, number: "Number", group: str) -> Level:
        """The one with the fewest rows that tells what is asked. Of what is free there are no sums."""
        if number.kind == Kind.FREE or group == "type" or self.order_type is not None:
            return Level.EACH
        return Level.ALL if self.is_of_all_areas and group != "area" else Level.AREAS


def table_of(number: Number, group: str, span: Span) -> Table:
    """The rows of a number; over weeks in their order, also those of which there is nothing, else the largest first."""
    found = _by_label(number, group, span)
    heads = [GROUPS[group][0], *_heads(number)]
    if group == "week":
        found = {f"{week}": found.get(f"{week}", Counter()) for week in span.mondays}
    line = _spread_line if number.unit else _places_line if number.kind == Kind.PLACES else _counted_line
    total = sum(sum(counts.values()) for counts in found.values())
    lines = [line(number, label, counts, total) for label, counts in found.items()]
    if group != "week":
        lines.sort(key=lambda line: (-line.value, line.label))
    values = [max(line.value, line.mark) for line in lines]
    most = 100 if number.kind == Kind.PLACES else max((value for value in values if value < math.inf), default=0)
    return Table(heads, lines, group == "week", total == 0, max(most, 1))


def _heads(number: Number) -> list[str]:
    if number.unit:
        return [f"Median, {number.unit}", f"90 of 100 within, {number.unit}", number.counted]
    return ["Bookings", "Places", "Percent"] if number.kind == Kind.PLACES else [number.counted, "Percent"]


def _by_label(number: Number, group: str, span: Span) -> dict[str, Counter[str]]:
    """By the label of a row how often there is which key; of places how many are booked, and how many there are."""
    label_of = _labels(number, group, span)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for value, key, count, places in _rows(number, group, span):
        counts = found[label_of(value)]
        counts[key if number.unit else "number"] += count
        if number.kind == Kind.PLACES:
            counts["places"] += places
    return found


def _rows(number: Number, group: str, span: Span) -> Iterable[Any]:
    """What it is parted by, the key of what is spread, how many there are, and how many places."""
    column, kind = GROUPS[group][1], number.kind_by(group)
    weeks = span.whole_weeks().filter(kind=kind, level=span.level(number, group))
    days = span.other_days().filter(kind=kind).annotate(week=F("day"))
    return chain(_sums(number, column, span, weeks), _sums(number, column, span, days))


def _sums(number: Number, column: str, span: Span, rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    if span.order_type is not None:
        rows = rows.filter(order_type=span.order_type)
    elif number.kind == Kind.FREE and column != "order_type":
        # The first appointment of whatever type has a row of its own.
        rows = rows.filter(order_type="")
    rows = rows.order_by().annotate(spread=F("key") if number.unit else Value(""))
    found: QuerySet[Any, Any] = rows.values_list(column, "spread").annotate(all=Sum("number"), there=Sum("places"))
    return found


def _labels(number: Number, group: str, span: Span) -> Callable[[Any], str]:
    empty = {"worker": "pool", "reason": "in other words", "person": "not known", "area": "no area"}.get(group)
    if group == "type":
        empty = {Kind.PLACES: "any", Kind.FREE: "whichever is first"}.get(number.kind, "none")

    def label(value: Any) -> str:
        if group == "week":
            return str(monday_of(value))
        if group == "area" and value in span.areas:
            return str(span.areas[value])
        return str(value or empty)

    return label


# --- The rows of each sort of number -----------------------------------------------------------------------


def _places_line(number: Number, label: str, counts: Mapping[str, int], total: int) -> Line:
    booked, places = counts.get("number", 0), counts.get("places", 0)
    percent = percent_of(booked, places)
    text = f"{percent}%" if places else "-"
    return Line([label, str(booked), str(places), str(percent) if places else ""], label, percent, text)


def _counted_line(number: Number, label: str, counts: Mapping[str, int], total: int) -> Line:
    count = counts.get("number", 0)
    return Line([label, str(count), str(round(100 * count / total) if total else 0)], label, count, f"{count:,}")


def _spread_line(number: Number, label: str, counts: Mapping[str, int], total: int) -> Line:
    spread = {math.inf if key == NONE_FREE else int(key): count for key, count in counts.items()}
    if not spread:
        return Line([label, "", "", "0"], label, 0, "-")
    shown = [_in_unit(rank(spread, share), number.unit) for share in (50, 90)]
    median, most = (text_of(value) for value in shown)
    return Line([label, median, most, str(sum(spread.values()))], label, shown[0], median, shown[1])


def percent_of(part: int, whole: int) -> int:
    """Never 100 where something is missing."""
    return 100 * part // whole if whole else 0


def rank(spread: Mapping[float, int], percent: int) -> float:
    """The smallest value that so many of 100 do not exceed."""
    needed, seen = math.ceil(sum(spread.values()) * percent / 100), 0
    for value in sorted(spread):
        seen += spread[value]
        if seen >= needed:
            return value
    raise ValueError("nothing was counted")


def _in_unit(value: float, unit: str) -> float:
    return value / 60 if unit == "hours" else value


def text_of(value: float) -> str:
    return "none" if value == math.inf else f"{round(value, 1):g}"


def week_text(label: str) -> str:
    """`30 Nov`, below a column."""
    day = clock.read_day(label)
    return f"{day.day} {clock.MONTHS[day.month]}"


def rows_of(table: Table) -> Iterable[Sequence[str]]:
    yield table.heads
    yield from (line.cells for line in table.lines)
