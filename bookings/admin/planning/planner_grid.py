"""What the planner draws: for each area its workers, for each worker the windows of a day or of a week's days.

Which rows there are is asked of the database (planner_rows.py), and only the windows of one page of them are read, by
three statements, however many areas, workers and bookings there are. Times are those of each area's own clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import models
from django.db.models.functions import RowNumber

from bookings import clock, offers
from bookings.admin import days
from bookings.admin.planning.planner_rows import Page, Totals
from bookings.models import AppointmentSlot, Blackout, ServiceArea, WorkOrder
from bookings.models.work_orders import PARTS_LATE

# A column of the day's grid, in minutes, and what it spans where there are no windows.
STEP = 15
OPENS, CLOSES = 8 * 60, 17 * 60
DAY = 24 * 60
# Of a crowded pool as many are named; the others are behind a link.
NAMED = 8
# Why a booking cannot go to a window, by the word of the rule that it breaks; callers read whole sentences.
WHY = {
    "past": "begun or over",
    "notice": "too soon",
    "cutoff": "day is closed",
    "horizon": "too far ahead",
    "closed": "closed",
    "full": "full",
    "margin": "kept back",
}


@dataclass
class Window:
    slot: AppointmentSlot
    hours: str
    first: int
    last: int
    # The first bookings in it, where these are named, and otherwise how many of all have late parts.
    named: list[WorkOrder] = field(default_factory=list)
    late: int = 0
    # Of the booking that is to be moved: why it cannot go here.
    why_not: str = ""
    is_before_parts: bool = False

    @property
    def more(self) -> int:
        return max(0, self.slot.booked - len(self.named))

    @property
    def why(self) -> str:
        """Why no booking at all can come here."""
        return WHY.get(self.slot.refusal, "")

    @property
    def state(self) -> str:
        if self.slot.is_hidden:
            return "closed"
        return "free" if self.slot.free else "booked"

    @property
    def begins(self) -> str:
        """As short as it can be, so that the windows of a day stand in one line: `08`, `08:30`."""
        return self.hours[:5].removesuffix(":00")


@dataclass
class Bar:
    """A blackout, as long as it lasts on this day."""

    blackout: Blackout
    first: int
    last: int


@dataclass
class Cell:
    day: date
    is_today: bool
    windows: list[Window] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    drawn: str = ""  # its windows as HTML (planner_windows.py)


@dataclass
class Row:
    worker: str
    cells: list[Cell]

    @property
    def name(self) -> str:
        return self.worker or "pool"


@dataclass
class AreaGrid:
    """`bars` are what closes the whole area, day by day; `now` is how much of the day's grid is over, in percent."""

    area: ServiceArea
    rows: list[Row]
    bars: list[Cell]
    totals: Totals
    is_elsewhere: bool
    now: float | None = None

    @property
    def has_bars(self) -> bool:
        return any(cell.bars for cell in self.bars)


@dataclass
class Grid:
    areas: list[AreaGrid]
    days: list[date]
    opens: int
    closes: int

    @property
    def steps(self) -> int:
        return (self.closes - self.opens) // STEP

    @property
    def hours(self) -> list[tuple[str, int]]:
        """Each full hour, with the column in which it begins."""
        hours = range(self.opens, self.closes, 60)
        return [(f"{minute // 60 % 24:02}:00", (minute - self.opens) // STEP + 1) for minute in hours]


def read(
    areas: Sequence[ServiceArea], shown: Sequence[date], order: WorkOrder | None, page: Page, *, has_names: bool
) -> Grid:
    """The rows of a page, in its order; each window with why `order` cannot go there."""
    now = clock.now()
    by_key = {area.pk: area for area in areas}
    slots = _slots(areas, shown, now, order, page)
    booked = [slot.pk for slot in slots if slot.booked]
    named, late = (_named(booked), {}) if has_names else ({}, _late(booked))
    opens, closes = _hours_of(slots, by_key)
    grid = Grid([], list(shown), opens, closes)
    windows: dict[tuple[int, str], list[tuple[date, Window]]] = defaultdict(list)
    for slot in slots:
        begins, ends = _minutes(slot)
        window = Window(slot, slot.hours, *_columns(grid, begins, ends), named.get(slot.pk, []), late.get(slot.pk, 0))
        if order:
            window.why_not = _why_not(slot, order)
            window.is_before_parts = bool(order.parts_due_at and order.parts_due_at > slot.start)
        windows[slot.area_id, slot.worker].append((slot.start.astimezone(slot.area.zone).date(), window))
    for area in areas:
        bars = page.blackouts[area.pk]
        rows = [_row(grid, area, worker, windows[area.pk, worker], bars) for key, worker in page.rows if key == area.pk]
        whole = _cells(grid, area, [bar for bar in bars if not bar.worker])
        totals = page.totals[area.pk]
        is_elsewhere = area.pk in page.elsewhere
        grid.areas.append(AreaGrid(area, rows, whole, totals, is_elsewhere, now=_now_percent(grid, area, now)))
    return grid


def _why_not(slot: AppointmentSlot, order: WorkOrder) -> str:
    """Why a booking cannot go there, or empty: by the rules of a booking."""
    if slot.pk == order.slot_id:
        return "is here now"
    if not getattr(slot, "suits", True):
        is_about_type = slot.order_type not in ("", order.order_type)
        return f"for {slot.order_type} only" if is_about_type else "worker does other types"
    return WHY.get(slot.refusal, "")


def _slots(
    areas: Sequence[ServiceArea], shown: Sequence[date], now: datetime, order: WorkOrder | None, page: Page
) -> list[AppointmentSlot]:
    slots = offers.with_refusals(
        page.slots(days.on_days(areas, "start", lambda zone: (shown[0], shown[-1]))), now, areas
    )
    if order:
        slots = offers.with_suits(slots, {"suits": order.order_type})
    wanted = set(page.rows)
    return [
        slot
        for slot in slots.prefetch_related("blackout").order_by("start", "end", "pk")
        if (slot.area_id, slot.worker) in wanted
    ]


def _named(slots: Iterable[int]) -> dict[int, list[WorkOrder]]:
    """The first bookings of slots, by the key of the slot."""
    found: dict[int, list[WorkOrder]] = defaultdict(list)
    place = models.Window(RowNumber(), partition_by="slot", order_by="pk")
    orders = WorkOrder.objects.active().filter(slot__in=slots).annotate(place=place).filter(place__lte=NAMED)
    columns = ["order_num", "account_name", "account_num", "postcode", "phone", "order_type", "slot_id"]
    for order in orders.order_by("pk").only(*columns, "version", "visit_start", "parts_due_at", "status"):
        found[order.slot_id].append(order)
    return found


def _late(slots: Iterable[int]) -> dict[int, int]:
    """How many bookings with late parts slots have."""
    late = WorkOrder.objects.filter(PARTS_LATE, slot__in=slots)
    return dict(late.order_by().values_list("slot").annotate(models.Count("pk")))


def _hours_of(slots: Iterable[AppointmentSlot], areas: dict[int, ServiceArea]) -> tuple[int, int]:
    """The full hours around all windows."""
    begins, ends = [], []
    for slot in slots:
        slot.area = areas[slot.area_id]
        first, last = _minutes(slot)
        begins.append(first)
        ends.append(last)
    opens, closes = min(begins, default=OPENS), max(ends, default=CLOSES)
    return opens // 60 * 60, -(-closes // 60) * 60


def _minutes(slot: AppointmentSlot) -> tuple[int, int]:
    """Begin and end of a slot as minutes of its day, at least one; the end may lie on the next one."""
    shown = slot.start.astimezone(slot.area.zone)
    begins = shown.hour * 60 + shown.minute
    return begins, begins + max(1, round((slot.end - slot.start).total_seconds() / 60))


def _columns(grid: Grid, begins: int, ends: int) -> tuple[int, int]:
    """The lines of the day's grid between which something lies; at least one column."""
    first = (max(begins, grid.opens) - grid.opens) // STEP + 1
    last = -(-(min(ends, grid.closes) - grid.opens) // STEP) + 1
    return first, max(last, first + 1)


def _row(grid: Grid, area: ServiceArea, worker: str, windows: list[tuple[date, Window]], bars: list[Blackout]) -> Row:
    cells = _cells(grid, area, [bar for bar in bars if worker and bar.worker == worker])
    by_day = {cell.day: cell for cell in cells}
    for day, window in windows:
        by_day[day].windows.append(window)
    return Row(worker, cells)


def _cells(grid: Grid, area: ServiceArea, bars: Iterable[Blackout]) -> list[Cell]:
    today = days.today(area.zone)
    cells = [Cell(day, day == today) for day in grid.days]
    for cell in cells:
        midnight, next_midnight = clock.day_bounds(cell.day, area.zone)
        for bar in bars:
            start, end = bar.bounds_in(area)
            if start < next_midnight and end > midnight:
                begins = _minute_of(start, midnight)
                ends = min(_minute_of(end, midnight), DAY)
                cell.bars.append(Bar(bar, *_columns(grid, begins, ends)))
    return cells


def _minute_of(instant: datetime, midnight: datetime) -> int:
    return max(0, int((instant - midnight).total_seconds() // 60))


def _now_percent(grid: Grid, area: ServiceArea, now: datetime) -> float | None:
    shown = now.astimezone(area.zone)
    minute = shown.hour * 60 + shown.minute
    if len(grid.days) > 1 or shown.date() != grid.days[0] or not grid.opens <= minute <= grid.closes:
        return None
    return round(100 * (minute - grid.opens) / (grid.closes - grid.opens), 2)
