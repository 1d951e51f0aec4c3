"""What the board says of the time since a viewer was last here, and of each area that has something to do."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest

from bookings import clock, offers
from bookings.admin import addresses, lists
from bookings.admin.orders import refusals
from bookings.models import AppointmentSlot, Refusal, ServiceArea, WorkOrder
from bookings.models.work_orders import PARTS_LATE

Number = tuple[str, str, str]  # how many, of what, and the list behind it


def since(request: HttpRequest, areas: list[ServiceArea], codes: list[str], left: datetime | None) -> dict[str, Any]:
    """What came since the viewer was last here."""
    if left is None or not areas:
        return {}
    orders = WorkOrder.objects.filter(area__in=[area.pk for area in areas])
    found: list[tuple[QuerySet[Any], str, str, dict[str, str]]] = [
        (orders.filter(created_at__gt=left), "new", "workorder", {"view": "all", "arrived": "since"}),
        (orders.filter(cancelled_at__gt=left), "cancelled", "workorder", {"view": "all", "cancelled": "since"}),
    ]
    if request.user.has_perm("bookings.view_refusal"):
        refused = Refusal.objects.visible_to(request.user).filter(at__gt=left)
        if codes:
            refused = refused.filter(area__in=[area.pk for area in areas])
        found.append((refused, "refused", "refusal", {"refused": "since"}))
    return {"since": areas[0].instant_text(left), "came": list(_numbers(found, codes))}


def _numbers(found: list[tuple[QuerySet[Any], str, str, dict[str, str]]], codes: list[str]) -> Any:
    for rows, word, model, query in found:
        if number := lists.bounded_count(rows):
            yield lists.count_text(number), word, addresses.list_of(model, **query, area=codes)


@dataclass(frozen=True)
class Need:
    """An area with what there is to do in it."""

    area: ServiceArea
    total: int
    numbers: list[Number]


def by_area(request: HttpRequest, areas: list[ServiceArea]) -> list[Need]:
    """The areas that have something to do, those with the most first. A statement for each kind of work."""
    if len(areas) < 2:
        return []  # the tiles above say the same
    orders = WorkOrder.objects.filter(area__in=[area.pk for area in areas])
    closed = AppointmentSlot.objects.filter(~offers.SHOWN, area__in=areas, start__gt=clock.now(), booked__gt=0)
    kinds: list[tuple[Counter[int], str, str, dict[str, str]]] = [
        (_sums(closed), "in closed slots", "workorder", {"view": "closed"}),
        (_counts(orders.filter(PARTS_LATE)), "parts late", "workorder", {"view": "all", "parts": "late"}),
        (_counts(orders.needing_attention()), "to review", "workorder", {"view": "attention"}),
    ]
    if request.user.has_perm("bookings.view_refusal"):
        refused = Refusal.objects.visible_to(request.user).filter(refusals.refused_today(areas), area__isnull=False)
        kinds.append((_counts(refused), "refused", "refusal", {"refused": "today"}))
    needs = [
        Need(
            area,
            sum(counted[area.pk] for counted, *_ in kinds),
            [
                (lists.count_text(counted[area.pk]), word, addresses.list_of(model, **query, area=area.code))
                for counted, word, model, query in kinds
                if counted[area.pk]
            ],
        )
        for area in areas
    ]
    return sorted((need for need in needs if need.total), key=lambda need: (-need.total, need.area.name))


def _counts(rows: QuerySet[Any]) -> Counter[int]:
    """By area; no more rows are read than a list pages through."""
    return Counter(rows.order_by().values_list("area_id", flat=True)[: lists.COUNTED])


def _sums(slots: QuerySet[AppointmentSlot]) -> Counter[int]:
    return Counter(dict(slots.order_by().values_list("area_id").annotate(Sum("booked"))))
