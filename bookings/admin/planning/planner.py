"""The planner: workers as rows, a day or the days of a week as columns. What it shows stands in its address.

A booking that was selected (`move`) makes links of the windows that it can go to. Each opens the page of the action
*Move*, which checks and does it: nothing is changed here.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings.admin import addresses, days, lists, saved_views
from bookings.admin.orders import paper
from bookings.admin.planning import planner_closing, planner_grid, planner_rows, planner_windows
from bookings.models import ServiceArea, WorkOrder

# Rows on one page, and where each has the windows of a week; whatever is asked for, a page costs no more than these.
MOST_ROWS, WEEK_ROWS = 100, 50
STATES = [
    ("", "any"),
    ("free", "free places"),
    ("booked", "fully booked"),
    ("closed", "closed"),
    ("late", "parts late"),
]
ZOOMS = [("names", "customers"), ("numbers", "numbers only")]
# Where there are few, all of them are shown until some are chosen.
FEW_AREAS = 3


def urls() -> list[URLPattern]:
    """For the ModelAdmin of slots."""
    return [path("planner/", admin.site.admin_view(planner_view), name="bookings_appointmentslot_planner")]


@dataclass(frozen=True)
class Question:
    """What is asked, as it stands in the address."""

    areas: list[ServiceArea]
    codes: list[str]
    day: date
    is_week: bool
    zoom: str
    worker: str
    state: str
    first_row: int
    move: str

    @property
    def days(self) -> list[date]:
        if not self.is_week:
            return [self.day]
        monday = self.day - timedelta(days=self.day.weekday())
        return [monday + timedelta(days=number) for number in range(7)]

    @property
    def most_rows(self) -> int:
        return WEEK_ROWS if self.is_week else MOST_ROWS

    def address(self, **other: Any) -> str:
        """The same question with something changed."""
        asked = {
            "area": self.codes,
            "day": self.day,
            "span": "week" if self.is_week else "",
            "zoom": self.zoom,
            "worker": self.worker,
            "state": self.state,
            "row": self.first_row or "",
            "move": self.move,
        }
        return addresses.with_query(reverse("admin:bookings_appointmentslot_planner"), asked | other)


def planner_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perms(["bookings.view_appointmentslot", "bookings.view_workorder"]):
        raise PermissionDenied
    visible = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
    asked = _read(request.GET, visible)
    order = _to_move(request, asked)
    page = planner_rows.page(
        asked.areas, asked.days, worker=asked.worker, state=asked.state, first=asked.first_row, most=asked.most_rows
    )
    grid = planner_grid.read(asked.areas, asked.days, order, page, has_names=asked.zoom == "names")
    may_move = request.user.has_perm("bookings.move_workorder")
    planner_windows.Pen(
        has_names=asked.zoom == "names",
        order=order,
        move_address=_move_address(asked, order) if order else "",
        pick_address=asked.address(move="") if may_move else "",
    ).draw(grid)
    context = {
        **admin.site.each_context(request),
        "title": "Planner",
        **saved_views.on_page(request, "planner"),
        "asked": asked,
        "grid": grid,
        "areas": [(area, area in asked.areas) for area in visible],
        "no_areas": "" if visible else lists.no_areas_text(request.user),
        "states": STATES,
        "zooms": ZOOMS,
        "order": order,
        "stop": asked.address(move=""),
        "may_move": may_move,
        "may_clear": planner_closing.may_clear(request),
        "drop_address": reverse("admin:bookings_workorder_act", args=["move"]),
        "here": asked.address(move=""),
        "rows": (page.number, asked.first_row + 1, page.last),
        "earlier": asked.address(day=asked.day - timedelta(days=7 if asked.is_week else 1), row=""),
        "later": asked.address(day=asked.day + timedelta(days=7 if asked.is_week else 1), row=""),
        "today": asked.address(day="", row=""),
        "paper": paper.address(day=asked.day, area=[area.code for area in asked.areas]),
        "rows_before": asked.address(row=max(0, asked.first_row - asked.most_rows) or "") if asked.first_row else "",
        "rows_behind": asked.address(row=page.last) if page.last < page.number else "",
    }
    return TemplateResponse(request, "admin/bookings/planner.html", context)


def _read(given: QueryDict, visible: list[ServiceArea]) -> Question:
    """What makes no sense is not asked."""
    codes = given.getlist("area")
    chosen = [area for area in visible if area.code in codes]
    areas = chosen or (visible if len(visible) <= FEW_AREAS else visible[:1])
    is_week = given.get("span") == "week"
    zoom, state, row = given.get("zoom", ""), given.get("state", ""), given.get("row", "")
    return Question(
        areas=areas,
        codes=[area.code for area in chosen],
        day=days.read_day(given.get("day")) or days.today(areas[0].zone if areas else ZoneInfo("UTC")),
        is_week=is_week,
        zoom=zoom if zoom in dict(ZOOMS) else "numbers" if is_week else "names",
        worker=given.get("worker", "").strip()[:100],
        state=state if state in dict(STATES) else "",
        first_row=int(row) if addresses.is_key(row) and len(row) < 6 else 0,
        move=given.get("move", "") if addresses.is_key(given.get("move", "")) else "",
    )


def _to_move(request: HttpRequest, asked: Question) -> WorkOrder | None:
    if not asked.move or not request.user.has_perm("bookings.move_workorder"):
        return None
    orders = WorkOrder.objects.visible_to(request.user).active().defer("body").select_related("area", "slot")
    return orders.filter(pk=asked.move).first()


def _move_address(asked: Question, order: WorkOrder) -> str:
    """The page of the action, but for the slot that is chosen."""
    query = {"chosen": f"{order.pk}:{order.version}", "back": asked.address(move="")}
    return addresses.with_query(reverse("admin:bookings_workorder_act", args=["move"]), query)
