"""A day to print: for each worker the bookings of the day, in order of time, from a new page on.

What it shows stands in its address. It is whole or not at all: a page that ended early would be taken for the day.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings import clock
from bookings.admin import addresses, days, lists
from bookings.admin.orders import details
from bookings.models import HistoryEntry, ServiceArea, WorkOrder, WorkOrderQuerySet
from bookings.services import public_form

MOST = lists.ROWS_OF_ALL
# Bodies are read a few at a time: each may be long, and only its notes are kept.
BODIES = 50
POOL = "pool"
# What staff wrote for those who do the visit.
WRITTEN = [HistoryEntry.Event.NOTED, HistoryEntry.Event.REVIEWED]


@dataclass
class Visit:
    order: WorkOrder
    parts: list[dict[str, Any]]
    written: list[HistoryEntry]
    facts: details.Facts


@dataclass
class Block:
    """What one worker does on the day, or what is to be done by the pool of one area."""

    name: str
    visits: list[Visit] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """What is asked, as it stands in the address. No areas or workers: all."""

    areas: list[ServiceArea]
    codes: list[str]
    workers: set[str]
    day: date

    def address(self, day: date) -> str:
        return address(day=day, area=self.codes, worker=sorted(self.workers))


def urls() -> list[URLPattern]:
    """For the ModelAdmin of work orders."""
    return [path("day/", admin.site.admin_view(day_view), name="bookings_workorder_day")]


def address(**query: Any) -> str:
    return addresses.with_query(reverse("admin:bookings_workorder_day"), query)


def day_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("bookings.view_workorder"):
        raise PermissionDenied
    visible = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
    asked = _read(request.GET, visible)
    orders = _orders(asked)
    workers = sorted(set(orders.order_by().values_list("slot__worker", flat=True).distinct()), key=_by_name)
    if asked.workers:
        orders = orders.filter(slot__worker__in=[worker for worker in workers if (worker or POOL) in asked.workers])
    blocks = _blocks(orders)
    context = {
        **admin.site.each_context(request),
        "title": "Day to print",
        "asked": asked,
        "areas": [(area, area.code in asked.codes) for area in visible],
        "workers": [(name, name in asked.workers) for name in _names(workers, asked)],
        "no_areas": "" if visible else lists.no_areas_text(request.user),
        "blocks": blocks or [],
        "number": sum(len(block.visits) for block in blocks or []),
        "too_many": f"{MOST:,}" if blocks is None else "",
        "day_text": clock.day_text(asked.day),
        "earlier": asked.address(asked.day - timedelta(days=1)),
        "later": asked.address(asked.day + timedelta(days=1)),
    }
    return TemplateResponse(request, "admin/bookings/paper.html", context)


def _read(given: QueryDict, visible: list[ServiceArea]) -> Question:
    """What makes no sense is not asked."""
    codes = given.getlist("area")
    chosen = [area for area in visible if area.code in codes]
    areas = chosen or visible
    return Question(
        areas=areas,
        codes=[area.code for area in chosen],
        workers={name for name in given.getlist("worker") if name},
        day=days.read_day(given.get("day")) or days.today(areas[0].zone if areas else ZoneInfo("UTC")),
    )


def _orders(asked: Question) -> WorkOrderQuerySet:
    on_day = days.on_days(asked.areas, "visit_start", lambda zone: (asked.day, asked.day))
    return WorkOrder.objects.active().filter(on_day)


def _blocks(orders: WorkOrderQuerySet) -> list[Block] | None:
    """By the workers' names, pools last; None where there are more bookings than one page holds."""
    written = HistoryEntry.objects.filter(event__in=WRITTEN).exclude(reason="")
    rows = orders.select_related("area", "slot__area").defer("body").order_by("visit_start", "slot__end", "pk")
    found = list(
        rows.prefetch_related("required_parts", Prefetch("history", queryset=written, to_attr="written"))[: MOST + 1]
    )
    if len(found) > MOST:
        return None
    facts = _facts(orders)
    blocks: dict[tuple[str, str, int], Block] = {}
    for order in found:
        worker, area = order.slot.worker, order.area
        key, name = ((worker, "", 0), worker) if worker else (("", area.name, area.pk), f"{POOL} of {area.name}")
        visit = Visit(order, details.parts(order), order.written, facts.get(order.pk, []))  # type: ignore[attr-defined]
        blocks.setdefault(key, Block(name)).visits.append(visit)
    return [blocks[key] for key in sorted(blocks, key=lambda key: (*_by_name(key[0]), *key[1:]))]


def _names(workers: Iterable[str], asked: Question) -> list[str]:
    """What can be ticked: those that have a booking on the day, and those that are ticked."""
    return sorted({*(worker or POOL for worker in workers), *asked.workers}, key=_by_name)


def _by_name(worker: str) -> tuple[bool, str, str]:
    return worker == "", worker.casefold(), worker


def _facts(orders: WorkOrderQuerySet) -> dict[int, details.Facts]:
    """What only the bodies hold, by the key of the work order."""
    bodies = orders.only("body", "location_num", "location_name").order_by().iterator(BODIES)
    return {order.pk: details.visit_facts(order, public_form.read_job(order)) for order in bodies}
