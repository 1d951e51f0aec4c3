"""The capacity grid: two to six weeks of days as columns; areas, their windows or order types as rows.

What it shows stands in its address. Its two forms, one for cells and one for a pattern, lead to the page that asks and
changes (capacity_change.py): nothing is changed here.
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

from bookings import clock
from bookings.admin import addresses, days, lists, saved_views
from bookings.admin.supply import capacity_change, capacity_grid
from bookings.admin.supply.capacity_grid import ROWS, Cell, Row
from bookings.models import ServiceArea

WEEKS = range(2, 7)
# All cells of a page can be ticked, and a form has a bounded number of fields (DATA_UPLOAD_MAX_NUMBER_FIELDS).
MOST_CELLS = 900
# With windows or order types as rows, one area is shown until some are chosen, where there are more.
FEW_AREAS = 3


def urls() -> list[URLPattern]:
    """For the ModelAdmin of slots."""
    return [
        path("capacity/", admin.site.admin_view(capacity_view), name="bookings_appointmentslot_capacity"),
        *capacity_change.urls(),
    ]


@dataclass(frozen=True)
class Question:
    """What is asked, as it stands in the address. `areas` are those that the grid, and a pattern, is about."""

    areas: list[ServiceArea]
    codes: list[str]
    day: date
    weeks: int
    kind: str
    first_row: int

    def address(self, **other: Any) -> str:
        """The same question with something changed."""
        asked = {
            "area": self.codes,
            "day": self.day,
            "weeks": self.weeks,
            "rows": self.kind,
            "row": self.first_row or "",
        }
        return addresses.with_query(reverse("admin:bookings_appointmentslot_capacity"), asked | other)

    @property
    def days(self) -> int:
        return 7 * self.weeks

    @property
    def last_day(self) -> date:
        return self.day + timedelta(days=self.days - 1)

    @property
    def most_rows(self) -> int:
        return MOST_CELLS // self.days


def capacity_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("bookings.view_appointmentslot"):
        raise PermissionDenied
    visible = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
    asked = _read(request.GET, visible)
    rows, number = _rows(asked)
    slots = addresses.list_of("appointmentslot")
    for row in rows:
        row.linked = [(cell, addresses.with_query(slots, _list_of(asked, row, cell))) for cell in row.cells]
    last = min(asked.first_row + asked.most_rows, number)
    context = {
        **admin.site.each_context(request),
        "title": "Capacity",
        **saved_views.on_page(request, "capacity"),
        "asked": asked,
        "grid": capacity_grid.grid_of(rows, asked.day, asked.days),
        "areas": [(area, area in asked.areas and bool(asked.codes)) for area in visible],
        "where": _where(asked, visible),
        "no_areas": "" if visible else lists.no_areas_text(request.user),
        "kinds": [(name, title) for name, (title, _) in ROWS.items()],
        "weeks": WEEKS,
        "acts": capacity_change.allowed(request),
        "weekdays": list(enumerate(clock.DAYS)),
        "number": number,
        "last": last,
        "earlier": asked.address(day=asked.day - timedelta(days=asked.days), row=""),
        "later": asked.address(day=asked.day + timedelta(days=asked.days), row=""),
        "today": asked.address(day="", row=""),
        "rows_before": asked.address(row=max(0, asked.first_row - asked.most_rows) or "") if asked.first_row else "",
        "rows_behind": asked.address(row=last) if last < number else "",
    }
    return TemplateResponse(request, "admin/bookings/capacity.html", context)


def _read(given: QueryDict, visible: list[ServiceArea]) -> Question:
    """What makes no sense is not asked."""
    codes, kind = given.getlist("area"), given.get("rows", "")
    chosen = [area for area in visible if area.code in codes]
    kind = kind if kind in ROWS else "areas"
    few = visible if kind == "areas" or len(visible) <= FEW_AREAS else visible[:1]
    weeks, row = given.get("weeks", ""), given.get("row", "")
    areas = chosen or few
    return Question(
        areas=areas,
        codes=[area.code for area in chosen],
        day=days.read_day(given.get("day")) or days.today(areas[0].zone if areas else ZoneInfo("UTC")),
        weeks=int(weeks) if weeks in map(str, WEEKS) else WEEKS[0],
        kind=kind,
        first_row=int(row) if addresses.is_key(row) and len(row) < 6 else 0,
    )


def _where(asked: Question, visible: list[ServiceArea]) -> str:
    is_all = len(asked.areas) == len(visible) > 1
    return "all areas that you see" if is_all else ", ".join(area.name for area in asked.areas)


def _rows(asked: Question) -> tuple[list[Row], int]:
    """Those of the page, and how many there are. Areas are cut to the page before anything is summed."""
    page = slice(asked.first_row, asked.first_row + asked.most_rows)
    if asked.kind == "areas":
        return capacity_grid.read(asked.areas[page], asked.day, asked.days, asked.kind), len(asked.areas)
    rows = capacity_grid.read(asked.areas, asked.day, asked.days, asked.kind)
    return rows[page], len(rows)


def _list_of(asked: Question, row: Row, cell: Cell) -> dict[str, Any]:
    """What the list of the slots in a cell is asked."""
    if asked.kind == "windows":
        return {"window": cell.slot}
    query = {"day": cell.key.day, "until": cell.key.day, "area": row.area.code}
    if asked.kind == "types":
        query["order_type"] = row.label or "any"
    return query
