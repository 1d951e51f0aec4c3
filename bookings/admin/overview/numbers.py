"""The page of numbers, for supervisors: how full, how fast, what was cancelled, refused, or not found.

What it shows stands in its address, and each number is also a file with the same rows. It reads the sums of weeks and
days, never the tables that they come from: it costs the same however many orders there are.
"""

import csv
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse

from bookings import clock
from bookings.admin import addresses, days, lists, saved_views
from bookings.admin.overview import numbers_charts
from bookings.admin.overview.numbers_tables import GROUPS, NUMBERS, Number, Span, Table, rows_of, table_of
from bookings.models import ID_LENGTH, DailySum, ServiceArea, WeeklySum, visible_areas
from bookings.services import daily_sums
from bookings.services.weekly_sums import monday_of
from bookings.supply.formulas import harmless

PERMISSION = "bookings.view_dailysum"
WEEKS, MOST_WEEKS = 12, 54
# Rows of a table on the page; the file has all.
MOST_ROWS = 300
# Codes that are named as not shown, and areas as shown.
MOST_UNKNOWN, MOST_NAMED = 10, 20
# The order type that stands for none.
ANY = "any"


@dataclass(frozen=True)
class Question:
    """What is asked, as it stands in the address; `groups` by the name of a number what it is parted by."""

    codes: list[str]
    # Codes of areas that are not shown: there is none of that name, or the viewer may not see it.
    unknown: list[str]
    first: date
    last: date
    order_type: str
    groups: dict[str, str]
    # What was asked for and is not shown so.
    remarks: list[str]

    def address(self, **other: Any) -> str:
        """The same question with something changed."""
        asked = {
            "area": [*self.codes, *self.unknown],
            "day": self.first,
            "until": self.last,
            "order_type": self.order_type,
        }
        return addresses.with_query(reverse("numbers"), asked | self.groups | other)

    def moved(self, weeks: int) -> str:
        step = timedelta(days=7 * weeks)
        return self.address(day=self.first + step, until=self.last + step)

    @property
    def areas_text(self) -> str:
        return str(len(self.codes)) if self.codes or self.unknown else "all"

    @property
    def weeks(self) -> int:
        return (self.last - monday_of(self.first)).days // 7 + 1


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    seen = visible_areas(request.user)
    visible = list(ServiceArea.objects.in_areas(seen).filter(is_practice=False).order_by("name"))
    asked = _read(request.GET, visible)
    span = _span(asked, visible, seen)
    if wanted := NUMBERS.get(request.GET.get("csv", "")):
        return _file(wanted, table_of(wanted, asked.groups[wanted.name], span))
    context = {
        **admin.site.each_context(request),
        "title": "Numbers",
        **saved_views.on_page(request, "numbers"),
        "asked": asked,
        "areas": [(area, area.code in asked.codes) for area in visible],
        "about": _about(asked, visible),
        "no_areas": "" if visible else lists.no_areas_text(request.user),
        "counted_at": daily_sums.counted_at(),
        "begins": [moment if _reaches(asked, moment) else None for moment in daily_sums.begins()],
        "earlier": asked.moved(-asked.weeks),
        "later": asked.moved(asked.weeks),
        "start": asked.address(day=None, until=None),
        "cards": [_card(number, asked, span) for number in NUMBERS.values()],
    }
    return TemplateResponse(request, "admin/bookings/numbers.html", context)


def _reaches(asked: Question, begin: datetime | None) -> bool:
    """Whether days are asked that began before this moment."""
    return begin is not None and asked.first <= begin.date()


def _read(given: QueryDict, visible: list[ServiceArea]) -> Question:
    """What makes no sense is not asked."""
    codes = [code for code in dict.fromkeys(given.getlist("area")) if code]
    chosen = [area for area in visible if area.code in codes]
    known = [area for area in chosen or visible if not clock.time_zone_problem(area.time_zone)]
    zone = known[0].zone if known else ZoneInfo("UTC")
    last = days.read_day(given.get("until")) or days.today(zone)
    wanted = days.read_day(given.get("day")) or monday_of(last) - timedelta(days=7 * (WEEKS - 1))
    first, remarks = _bounded(wanted, last)
    return Question(
        codes=[area.code for area in chosen],
        unknown=[code[:ID_LENGTH] for code in codes if code not in {area.code for area in chosen}][:MOST_UNKNOWN],
        first=first,
        last=last,
        order_type=given.get("order_type", "").strip()[:ID_LENGTH],
        groups={
            number.name: group if (group := given.get(number.name, "")) in number.groups else number.groups[0]
            for number in NUMBERS.values()
        },
        remarks=remarks,
    )


def _bounded(first: date, last: date) -> tuple[date, list[str]]:
    """The first day that is shown, and why it is another one."""
    if first > last:
        return last, ["Until lies before From: the day of Until alone is shown. Choose other days."]
    earliest = last - timedelta(days=7 * MOST_WEEKS - 7)
    if first < earliest:
        cut = f"At most {MOST_WEEKS} weeks are shown at once: from {clock.day_text(earliest)} on."
        return earliest, [f"{cut} Choose an earlier Until for the weeks before."]
    return first, []


def _about(asked: Question, visible: list[ServiceArea]) -> str:
    """On paper, where the form above is not: whose numbers these are."""
    chosen = [area.name for area in visible if area.code in asked.codes]
    more = f" and {len(chosen) - MOST_NAMED:,} more" if len(chosen) > MOST_NAMED else ""
    where = ", ".join(chosen[:MOST_NAMED]) + more if chosen or asked.unknown else "All areas that you see"
    types = {"": "orders of any type", ANY: "orders without a type"}
    return f"{where or 'No area'}; {types.get(asked.order_type, f'orders of the type {asked.order_type}')}"


def _span(asked: Question, visible: list[ServiceArea], seen: set[int] | None) -> Span:
    is_narrowed = bool(asked.codes or asked.unknown)
    chosen = [area.pk for area in visible if area.code in asked.codes]
    return Span(
        asked.first,
        asked.last,
        DailySum.objects.of_areas(chosen) if is_narrowed else DailySum.objects.in_areas(seen),
        WeeklySum.objects.of_areas(chosen) if is_narrowed else WeeklySum.objects.in_areas(seen),
        is_of_all_areas=seen is None and not is_narrowed,
        areas={area.pk: area for area in visible},
        order_type=None if not asked.order_type else "" if asked.order_type == ANY else asked.order_type,
    )


def _card(number: Number, asked: Question, span: Span) -> dict[str, Any]:
    group = asked.groups[number.name]
    table = table_of(number, group, span)
    return {
        "number": number,
        "group": GROUPS[group][0],
        "ways": [
            (_way(name), asked.address(**{number.name: name}) + f"#{number.name}", name == group)
            for name in number.groups
        ],
        "table": table,
        "rows": table.lines[:MOST_ROWS],
        "left_out": f"{more:,}" if (more := len(table.lines) - MOST_ROWS) > 0 else "",
        "chart": numbers_charts.chart_of(table),
        "file": asked.address(csv=number.name),
    }


def _way(group: str) -> str:
    return {"type": "order type"}.get(group, group)


def _file(number: Number, table: Table) -> HttpResponse:
    answer = HttpResponse(content_type="text/csv; charset=utf-8", headers={"Cache-Control": "no-store"})
    answer["Content-Disposition"] = f'attachment; filename="{number.name}.csv"'
    # Without this mark, Excel reads UTF-8 as something else.
    answer.write("\ufeff")
    csv.writer(answer).writerows([harmless(cell) for cell in row] for row in rows_of(table))
    return answer
