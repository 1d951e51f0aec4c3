"""The board: what needs attention, how full the days are, what is to come. Every number leads to the list behind it.

What is counted over work orders is counted no further than a list pages (lists.bounded_count); the rest is
summed over slots, of which there are few.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet, Sum
from django.http import HttpRequest

from bookings import clock, offers
from bookings.admin import addresses, days, lists
from bookings.admin.orders import paper, refusals, second_chance, work_order_filters
from bookings.admin.overview import first_day, needs, visits
from bookings.admin.planning import rules
from bookings.admin.supply import capacity_grid
from bookings.admin.systems import delivery
from bookings.models import AppointmentSlot, Refusal, ServiceArea, WorkOrder, WorkOrderQuerySet
from bookings.models.work_orders import PARTS_LATE
from bookings.supply.areas import whose_slots_end

WEEKS = 6
NEXT_TO_REVIEW = 6


@dataclass
class Window:
    """The slots of one area in one period, or of one area on one day."""

    text: str
    link: str
    booked: int = 0
    capacity: int = 0
    closed: int = 0
    slots: int = 0

    @property
    def is_closed(self) -> bool:
        return self.closed == self.slots

    @property
    def is_full(self) -> bool:
        return not self.is_closed and self.booked >= self.capacity

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.booked / self.capacity)) if self.capacity else 0


@dataclass
class AreaRow:
    area: ServiceArea
    windows: list[Window] = field(default_factory=list)


@dataclass
class Week:
    text: str
    booked: int
    free: int
    booked_link: str
    free_link: str
    booked_percent: int = 0
    free_percent: int = 0

    @property
    def booked_text(self) -> str:
        return f"{self.booked:,}"

    @property
    def free_text(self) -> str:
        return f"{self.free:,}"


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK: what templates/admin/index.html draws."""
    if not request.user.has_perm("bookings.view_workorder"):
        return context | {"board": None, "title": "bookjob"}
    areas = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
    codes = [code for code in request.GET.getlist("area") if code]
    shown = [area for area in areas if area.code in codes] or areas
    day = days.read_day(request.GET.get("day")) or days.today(shown[0].zone if shown else ZoneInfo("UTC"))
    is_week = request.GET.get("span") == "week"
    first = day - timedelta(days=day.weekday()) if is_week else day
    last = first + timedelta(days=6) if is_week else day
    orders = WorkOrder.objects.filter(area__in=[area.pk for area in shown])
    chosen = {"area": codes} if codes else {}
    return context | {
        "title": "Board",
        "board": {
            "no_areas": "" if areas else lists.no_areas_text(request.user),
            "areas": [(area, area in shown and bool(codes)) for area in areas],
            "day": day,
            "is_week": is_week,
            "first": first,
            "last": last,
            "earlier": _board_link(first - timedelta(days=7 if is_week else 1), is_week, chosen),
            "later": _board_link(first + timedelta(days=7 if is_week else 1), is_week, chosen),
            "paper": paper.address(day=day, area=codes),
            "zones": sorted({area.time_zone for area in shown}),
            "tiles": _tiles(request, orders, shown, codes),
            "rows": _week(shown, first) if is_week else _day(shown, day),
            "days": [first + timedelta(days=number) for number in range(7)] if is_week else [],
            "next": _next_to_review(orders),
            "weeks": _weeks(shown, chosen),
            **first_day.on_board(request),
            **second_chance.on_board(request, shown),
            **needs.since(request, shown, codes, visits.note_visit(request)),
            "needs": needs.by_area(request, shown),
            "rules_address": rules.address(area=codes[0] if codes else "") if rules.may_ask(request) else "",
        },
    }


def _tiles(
    request: HttpRequest, orders: WorkOrderQuerySet, areas: list[ServiceArea], codes: list[str]
) -> list[dict[str, Any]]:
    """What needs attention, each with the list behind it."""
    refused = Refusal.objects.visible_to(request.user).filter(refusals.refused_today(areas))
    if codes:
        refused = refused.filter(area__in=[area.pk for area in areas])
    count = lists.bounded_count
    found: list[tuple[str, int, str, dict[str, str], bool]] = [
        ("To review", count(orders.needing_attention()), "workorder", {"view": "attention"}, True),
        (
            "New since yesterday",
            count(orders.filter(days.on_days(areas, "created_at", days.last_days(2)))),
            "workorder",
            {"view": "all", "arrived": "yesterday"},
            False,
        ),
        (
            "In a closed slot",
            work_order_filters.count_in_closed_slots(areas),
            "workorder",
            {"view": "closed"},
            True,
        ),
        (
            "Parts after the visit",
            count(orders.filter(PARTS_LATE)),
            "workorder",
            {"view": "all", "parts": "late"},
            True,
        ),
        (
            "Cancelled today",
            count(orders.filter(days.on_days(areas, "cancelled_at", days.last_days(1)))),
            "workorder",
            {"view": "all", "cancelled": "today"},
            False,
        ),
        ("Refused today", count(refused), "refusal", {"refused": "today"}, False),
    ]
    tiles = [
        {
            "title": title,
            "count": lists.count_text(number),
            "link": addresses.list_of(model, **query, area=codes),
            "is_urgent": is_urgent and number > 0,
        }
        for title, number, model, query, is_urgent in found
    ]
    return tiles + _ending(areas) + delivery.tiles(orders, codes)


def _ending(shown: list[ServiceArea]) -> list[dict[str, Any]]:
    """Areas that have no slot in a week from now, where there are any."""
    count = whose_slots_end(ServiceArea.objects.filter(pk__in=[area.pk for area in shown]), clock.now()).count()
    link = addresses.list_of("servicearea", slots="end")
    return [{"title": "Areas whose slots end", "count": str(count), "link": link, "is_urgent": True}] if count else []


def _next_to_review(orders: WorkOrderQuerySet) -> list[WorkOrder]:
    """The next visit to come first; those that are over last, for nothing can be changed about them."""
    rows = orders.needing_attention().select_related("area", "slot").defer("body").order_by("visit_start", "pk")
    now = clock.now()
    coming, over = rows.filter(visit_start__gt=now), rows.filter(visit_start__lte=now)
    return [*coming[:NEXT_TO_REVIEW], *over[:NEXT_TO_REVIEW]][:NEXT_TO_REVIEW]


def _slots(areas: list[ServiceArea], first: date, last: date) -> QuerySet[AppointmentSlot]:
    return AppointmentSlot.objects.filter(days.on_days(areas, "start", lambda zone: (first, last)))


def _day(areas: list[ServiceArea], day: date) -> list[AreaRow]:
    """For each area its windows of the day, in the area's time."""
    rows = {area.pk: AreaRow(area) for area in areas}
    for sums in capacity_grid.sums_by(_slots(areas, day, day), "start", "end", "area_id").order_by("start", "end"):
        row = rows[sums["area_id"]]
        text = "-".join(clock.clock_texts(*(sums[name].astimezone(row.area.zone) for name in ("start", "end"))))
        link = addresses.list_of("workorder", view="all", status="booked", window=sums["slot"])
        row.windows.append(Window(text, link))
        _add(row.windows[-1], sums)
    return list(rows.values())


def _week(areas: list[ServiceArea], first: date) -> list[AreaRow]:
    """For each area its seven days."""
    last = first + timedelta(days=6)
    rows = {
        area.pk: AreaRow(
            area,
            [
                Window(
                    f"{day:%a} {day.day}",
                    addresses.list_of("workorder", view="all", status="booked", day=day, area=area.code),
                )
                for day in (first + timedelta(days=number) for number in range(7))
            ],
        )
        for area in areas
    }
    for sums in capacity_grid.sums_by(_slots(areas, first, last), "start", "area_id"):
        row = rows[sums["area_id"]]
        day = sums["start"].astimezone(row.area.zone).date()
        _add(row.windows[(day - first).days], sums)
    return list(rows.values())


def _add(window: Window, sums: dict[str, Any]) -> None:
    """A closed slot keeps its bookings, but offers no places beyond them."""
    window.slots += sums["slots"]
    window.closed += sums["closed"]
    window.booked += sums["taken"] + sums["waiting"]
    window.capacity += sums["places"] + sums["waiting"]


def _weeks(areas: list[ServiceArea], chosen: dict[str, Any]) -> list[Week]:
    """Bookings and free places of the coming weeks, each from Monday to Sunday of the areas' own calendars."""
    today = days.today(areas[0].zone) if areas else clock.now().date()
    monday = today - timedelta(days=today.weekday())
    booked, free = _by_week(areas, monday)
    weeks = []
    for number in range(WEEKS):
        first = monday + timedelta(days=7 * number)
        week = {"day": first, "until": first + timedelta(days=6), **chosen}
        weeks.append(
            Week(
                f"{first.day} {first:%b}",
                booked[number],
                free[number],
                addresses.list_of("workorder", view="all", status="booked", **week),
                addresses.list_of("appointmentslot", state="free", **week),
            )
        )
    most = max((week.booked + week.free for week in weeks), default=0) or 1
    for shown in weeks:
        shown.booked_percent = round(100 * shown.booked / most)
        shown.free_percent = round(100 * shown.free / most)
    return weeks


def _by_week(areas: list[ServiceArea], monday: date) -> tuple[Counter[int], Counter[int]]:
    """What is booked and what is free in the weeks from a Monday on: a statement for each time zone."""
    booked: Counter[int] = Counter()
    free: Counter[int] = Counter()
    zones: dict[str, list[int]] = defaultdict(list)
    for area in areas:
        zones[area.time_zone].append(area.pk)
    for name, keys in zones.items():
        zone = ZoneInfo(name)
        begin, end = clock.day_bounds(monday, zone)[0], clock.day_bounds(monday + timedelta(days=7 * WEEKS), zone)[0]
        slots = AppointmentSlot.objects.filter(area__in=keys, start__gte=begin, start__lt=end).order_by()
        can_be_taken = offers.SHOWN & Q(start__gt=clock.now())
        for start, taken, left in slots.values_list("start").annotate(
            taken=Sum("booked"), left=Sum(F("capacity") - F("booked"), filter=can_be_taken, default=0)
        ):
            week = (start.astimezone(zone).date() - monday).days // 7
            booked[week] += taken
            free[week] += left
    return booked, free


def _board_link(day: date, is_week: bool, chosen: dict[str, Any]) -> str:
    return addresses.with_query("", {"day": day, "span": "week" if is_week else "day", **chosen})
