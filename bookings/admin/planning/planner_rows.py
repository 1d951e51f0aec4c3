"""Which rows the planner has: the workers and pools of each area, as the database names them, filtered and paged.

Whatever is asked for, no more than a page of them is read with its windows (planner_grid.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, F, Q, QuerySet, Sum

from bookings import clock, offers
from bookings.admin import days
from bookings.models import AppointmentSlot, Blackout, ServiceArea, WorkOrder
from bookings.models.work_orders import PARTS_LATE

# What a plan has no longer, and no booking is in, is nothing that a person plans with.
PLANNED = Q(is_withdrawn=False) | Q(booked__gt=0)
# The slots of which a row must have one, by the word of the filter; `late` is asked of the bookings.
STATES = {
    "free": offers.SHOWN & Q(booked__lt=F("capacity")),
    "booked": offers.SHOWN & Q(booked__gte=F("capacity")),
    "closed": ~offers.SHOWN,
}

Key = tuple[int, str]  # of an area, and the name of a worker: a row


class Totals(NamedTuple):
    """Of all windows of an area, also of those that are on another page."""

    booked: int = 0
    free: int = 0
    closed: int = 0
    late: int = 0


@dataclass(frozen=True)
class Page:
    """`number` is how many rows there are in all, `last` the number of the last one of this page.

    Areas `elsewhere` have their rows on other pages.
    """

    rows: list[Key]
    elsewhere: set[int]
    number: int
    last: int
    totals: dict[int, Totals]
    blackouts: dict[int, list[Blackout]]

    def slots(self, on_days: Q) -> QuerySet[AppointmentSlot]:
        """The slots of the rows of this page; those of a worker of the same name in another of its areas, too."""
        areas, workers = {key for key, _ in self.rows}, {worker for _, worker in self.rows}
        return AppointmentSlot.objects.filter(on_days, PLANNED, area__in=areas, worker__in=workers)


def page(
    areas: Sequence[ServiceArea], shown: Sequence[date], *, worker: str, state: str, first: int, most: int
) -> Page:
    """`most` of the rows that are asked for, from the one numbered `first` on; area by area, by name, pools last."""
    on_days = days.on_days(areas, "start", lambda zone: (shown[0], shown[-1]))
    slots = AppointmentSlot.objects.filter(on_days, PLANNED)
    late = _late(areas, shown)
    there = _keys(slots)
    blackouts = _blackouts(areas, shown, there)
    if state == "late":
        kept = _keys(slots.filter(pk__in=late.values("slot")))
    elif state:
        kept = _keys(slots.filter(STATES[state]))
    else:
        closed = {(key, bar.worker) for key, bars in blackouts.items() for bar in bars if bar.worker}
        kept = there | closed
    word = worker.casefold()
    named = [key for key in kept if word in (key[1] or "pool").casefold()]
    place = {area.pk: number for number, area in enumerate(areas)}
    rows = sorted(named, key=lambda key: (place[key[0]], key[1] == "", key[1].casefold(), key[1]))
    shown_rows = rows[first : first + most]
    elsewhere = {key for key, _ in rows} - {key for key, _ in shown_rows}
    last = min(first + most, len(rows))
    return Page(shown_rows, elsewhere, len(rows), last, _totals(areas, slots, late), blackouts)


def _keys(slots: QuerySet[AppointmentSlot]) -> set[Key]:
    return set(slots.order_by().values_list("area_id", "worker").distinct())


def _late(areas: Sequence[ServiceArea], shown: Sequence[date]) -> QuerySet[WorkOrder]:
    on_days = days.on_days(areas, "visit_start", lambda zone: (shown[0], shown[-1]))
    return WorkOrder.objects.filter(on_days, PARTS_LATE)


def _totals(
    areas: Sequence[ServiceArea], slots: QuerySet[AppointmentSlot], late: QuerySet[WorkOrder]
) -> dict[int, Totals]:
    numbers = (
        slots.order_by()
        .values("area_id")
        .annotate(
            in_use=Sum("booked", default=0),
            left=Sum(F("capacity") - F("booked"), filter=offers.SHOWN, default=0),
            shut=Count("pk", filter=~offers.SHOWN),
        )
    )
    found = {row["area_id"]: (row["in_use"], row["left"], row["shut"]) for row in numbers}
    waiting = dict(late.order_by().values_list("area_id").annotate(Count("pk")))
    return {area.pk: Totals(*found.get(area.pk, (0, 0, 0)), waiting.get(area.pk, 0)) for area in areas}


def _blackouts(areas: Sequence[ServiceArea], shown: Sequence[date], there: Iterable[Key]) -> dict[int, list[Blackout]]:
    """By area; an absence in each area in which its worker is `there`."""
    found: dict[int, list[Blackout]] = defaultdict(list)
    # A day more at each end: which day it is depends on the area.
    begin = datetime.combine(shown[0] - timedelta(days=1), datetime.min.time(), clock.now().tzinfo)
    rows = Blackout.objects.in_force().filter(
        Q(area__in=areas) | Q(area=None), start__lt=begin + timedelta(days=len(shown) + 2), end__gt=begin
    )
    for row in rows.order_by("start", "pk"):
        here = row.area_id
        where = {key for key, worker in there if worker == row.worker} if here is None else {here}
        for key in where:
            found[key].append(row)
    return found
