"""How full areas are on each day: for each area, each of its windows, or each order type, places and bookings.

Read by one statement, however many slots there are: the database sums. `key_of` says to which cell a slot belongs, for
the grid and for what is changed in its cells. Days and hours are those of each area's own clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Min, Q, QuerySet, Sum

from bookings import clock, offers
from bookings.admin import addresses, days
from bookings.models import AppointmentSlot, ServiceArea

# What the rows are, with what a slot is told apart by in each.
ROWS = {
    "areas": ("Areas", ("area_id", "start")),
    "windows": ("Windows", ("area_id", "start", "end")),
    "types": ("Order types", ("area_id", "start", "order_type")),
}


class Key(NamedTuple):
    """Names a cell: an area, a day, and the hours of a window, or an order type, as the rows are."""

    area: int
    label: str
    day: date

    @classmethod
    def read(cls, text: str) -> "Key | None":
        """What `str` has written; None for any other text."""
        day, area, label = [*text.split("/", 2), "", ""][:3]
        found = days.read_day(day)
        return cls(int(area), label, found) if found and addresses.is_key(area) else None

    def __str__(self) -> str:
        return f"{self.day}/{self.area}/{self.label}"


@dataclass
class Sums:
    """`booked` stand in open slots, and `waiting` in closed ones, which offer no places."""

    slots: int = 0
    closed: int = 0
    places: int = 0
    booked: int = 0
    waiting: int = 0

    @property
    def free(self) -> int:
        return self.places - self.booked

    @property
    def percent(self) -> int:
        """Never 100 where a place is free."""
        return 100 * self.booked // self.places if self.places else 0

    @property
    def level(self) -> str:
        """For its colour."""
        if not self.slots:
            return "none"
        if self.closed == self.slots:
            return "closed"
        return "full" if not self.free else "high" if self.percent >= 75 else "some" if self.percent >= 40 else "low"

    def add(self, more: "Sums") -> None:
        self.slots += more.slots
        self.closed += more.closed
        self.places += more.places
        self.booked += more.booked
        self.waiting += more.waiting


@dataclass
class Cell:
    key: Key
    sums: Sums = field(default_factory=Sums)
    slot: int = 0  # one of those in it

    @property
    def day_text(self) -> str:
        day = self.key.day
        return f"{clock.DAYS[day.weekday()]} {day.day} {clock.MONTHS[day.month]}"

    @property
    def is_monday(self) -> bool:
        return self.key.day.weekday() == 0


@dataclass
class Row:
    area: ServiceArea
    label: str
    cells: list[Cell]
    sums: Sums
    linked: list[tuple[Cell, str]] = field(default_factory=list)  # each cell with the list behind it


@dataclass
class Grid:
    days: list[date]
    rows: list[Row]
    sums: list[Sums]
    total: Sums


def planned() -> QuerySet[AppointmentSlot]:
    """What a plan has no longer, and no booking is in, is nothing that a person plans with."""
    return AppointmentSlot.objects.filter(Q(is_withdrawn=False) | Q(booked__gt=0))


def key_of(area: ServiceArea, kind: str, start: datetime, end: datetime | None, order_type: str = "") -> Key:
    begins = clock.local(start, area.zone)
    label = ""
    if kind == "windows" and end:
        label = "-".join(clock.clock_texts(begins, clock.local(end, area.zone)))
    elif kind == "types":
        label = order_type
    return Key(area.pk, label, begins.date())


def read(areas: Sequence[ServiceArea], first: date, number: int, kind: str) -> list[Row]:
    """The rows of the areas, in their order; of `number` days."""
    shown = [first + timedelta(days=step) for step in range(number)]
    by_key = {area.pk: area for area in areas}
    found: dict[tuple[int, str], dict[date, Cell]] = defaultdict(dict)
    for sums in _sums(areas, shown, kind):
        key = key_of(by_key[sums["area_id"]], kind, sums["start"], sums.get("end"), sums.get("order_type", ""))
        cell = found[key.area, key.label].setdefault(key.day, Cell(key))
        cell.sums.add(Sums(*(sums[name] for name in ("slots", "closed", "places", "taken", "waiting"))))
        cell.slot = sums["slot"]
    # An area without slots has a row, too: that it is empty is what the grid is looked at for.
    for area in areas:
        if not any(key == area.pk for key, _ in found):
            found[area.pk, ""] = {}
    order = {area.pk: place for place, area in enumerate(areas)}
    names = sorted(found, key=lambda name: (order[name[0]], name[1]))
    return [_row(by_key[key], label, shown, found[key, label]) for key, label in names]


def _sums(areas: Iterable[ServiceArea], shown: Sequence[date], kind: str) -> Iterable[dict[str, Any]]:
    there = planned().filter(days.on_days(areas, "start", lambda zone: (shown[0], shown[-1])))
    return sums_by(there, *ROWS[kind][1])


def sums_by(slots: QuerySet[AppointmentSlot], *columns: str) -> QuerySet[AppointmentSlot, dict[str, Any]]:
    """Slots summed by the database, with the first of each: places and what is taken of open ones, and what waits in
    closed ones."""
    hidden = ~offers.SHOWN
    found: QuerySet[AppointmentSlot, dict[str, Any]] = (
        slots.order_by()
        .values(*columns)
        .annotate(
            slot=Min("pk"),
            slots=Count("pk"),
            closed=Count("pk", filter=hidden),
            places=Sum("capacity", filter=offers.SHOWN, default=0),
            waiting=Sum("booked", filter=hidden, default=0),
            taken=Sum("booked", filter=offers.SHOWN, default=0),
        )
    )
    return found


def _row(area: ServiceArea, label: str, shown: Sequence[date], found: dict[date, Cell]) -> Row:
    cells = [found.get(day) or Cell(Key(area.pk, label, day)) for day in shown]
    return Row(area, label, cells, summed(cell.sums for cell in cells))


def summed(all_sums: Iterable[Sums]) -> Sums:
    total = Sums()
    for sums in all_sums:
        total.add(sums)
    return total


def grid_of(rows: list[Row], first: date, number: int) -> Grid:
    """With the sums of these rows."""
    shown = [first + timedelta(days=step) for step in range(number)]
    by_day = [summed(row.cells[step].sums for row in rows) for step in range(number)]
    return Grid(shown, rows, by_day, summed(by_day))
