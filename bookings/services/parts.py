"""How the parts of a work order become part orders, and how both are written (contract, section 5)."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

from django.conf import settings

from bookings import clock, wire
from bookings.db import sql
from bookings.models import PartOrder, RequiredPart, ServiceArea


class PartGroup(NamedTuple):
    """Parts that are ordered together. `number` is the one that they came with, or empty for one of ours."""

    number: str
    ship_to_location: str
    urgency: str


class PartRow(TypedDict):
    """The columns of a part that come from the body."""

    prod_num: str
    replaces: str
    description: str
    quantity: Decimal
    price: Decimal | None
    part_status: str
    ship_to_location: str
    urgency: str
    estimated_delivery: date | None


class PartPlan(NamedTuple):
    """Each part to order with its group; and the groups, each once, in the order in which they come."""

    rows: list[tuple[PartGroup | None, PartRow]]
    groups: list[PartGroup]


# Of each group the key of its part order, and the number that it is shown with.
Orders = dict[PartGroup, tuple[int, str]]


def plan(parts: Iterable[wire.RequiredPart]) -> PartPlan:
    """The rule by which parts become part orders, and the only place of it.

    Parts that came with a part order number keep it; the others are grouped by where they are sent and how urgently.
    A superseded part is ordered as its replacements. What has no product number cannot be ordered and has no group;
    what is marked `Delete` is not needed any more.
    """
    rows = [row for part in parts if not part.delete for row in _rows_of(part)]
    return PartPlan(rows, list(dict.fromkeys(group for group, _ in rows if group)))


def _rows_of(part: wire.RequiredPart) -> Iterator[tuple[PartGroup | None, PartRow]]:
    group = PartGroup(part.part_order_num, "", "")
    if not part.part_order_num:
        group = PartGroup("", part.ship_to_location, part.urgency)
    to_order: list[wire.Part] = [*part.superseded_parts] or [part]
    for ordered in to_order:
        row: PartRow = {
            "prod_num": ordered.prod_num,
            "replaces": "" if ordered is part else part.prod_num,
            "description": ordered.prod_attrs.desc,
            "quantity": ordered.qty,
            "price": part.price if ordered is part else None,
            "part_status": ordered.part_status,
            "ship_to_location": part.ship_to_location,
            "urgency": part.urgency,
            "estimated_delivery": part.estimated_delivery,
        }
        yield (group if ordered.prod_num else None), row


def on_the_clock_of(plan: PartPlan, area: ServiceArea) -> None:
    """Make each delivery on a day alone a moment: the end of that day in the area, where the booking is made."""
    for _, row in plan.rows:
        if row["estimated_delivery"] and clock.is_day(row["estimated_delivery"]):
            row["estimated_delivery"] = clock.last_moment(row["estimated_delivery"], area.zone)


def columns(plan: PartPlan) -> dict[str, Any]:
    """What the work order itself holds of its parts."""
    due = [row["estimated_delivery"] for _, row in plan.rows if row["estimated_delivery"]]
    return {"part_count": len(plan.rows), "parts_due_at": max(due, default=None)}


def to_number(plan: PartPlan, kept: Iterable[PartOrder] = ()) -> list[PartGroup]:
    """The groups for which there is no part order among `kept` yet."""
    known = _by_group(kept)
    return [group for group in plan.groups if group not in known]


def named(plan: PartPlan, kept: Iterable[PartOrder] = ()) -> list[str]:
    """The numbers that part orders of this work order have already, or will have because their parts came with them."""
    return [order.part_order_num for order in kept] + [group.number for group in plan.groups if group.number]


def orders_of(plan: PartPlan, drawn: list[int] | None, kept: Iterable[PartOrder] = ()) -> Orders:
    """The part orders of a plan. `drawn` are the numbers of those that are new, one for each of `to_number`.

    Without numbers each has its place, from 1, and is shown with the prefix alone.
    """
    kept, prefix = list(kept), settings.BOOKJOB_PART_ORDER_PREFIX
    orders = {group: (order.pk, order.part_order_num) for group, order in _by_group(kept).items()}
    for place, group in enumerate(to_number(plan, kept), 1):
        key = drawn[place - 1] if drawn else place
        orders[group] = key, group.number or (f"{prefix}{key}" if drawn else prefix)
    return orders


def inserts(
    work_order_id: int | None, plan: PartPlan, orders: Orders, kept: Iterable[PartOrder] = ()
) -> list[sql.Insert]:
    """The rows of the parts, and of the part orders that are not among `kept`.

    One of `kept` that nothing is left of stays, so that its number comes back with its parts.
    """
    new = [
        {
            "id": orders[group][0],
            "work_order_id": work_order_id,
            "part_order_num": orders[group][1],
            "is_issued_here": not group.number,
            "ship_to_location": group.ship_to_location,
            "urgency": group.urgency,
        }
        for group in to_number(plan, kept)
    ]
    rows = [
        {"work_order_id": work_order_id, "part_order_id": orders[group][0] if group else None, "position": at, **row}
        for at, (group, row) in enumerate(plan.rows)
    ]
    return [(model, found) for model, found in ((PartOrder, new), (RequiredPart, rows)) if found]


def ordered(plan: PartPlan, orders: Orders) -> list[tuple[str, list[str]]]:
    """Booked.ordered_parts: each part order with its product numbers."""
    found: dict[int, tuple[str, list[str]]] = {}
    for group, row in plan.rows:
        if group:
            key, number = orders[group]
            found.setdefault(key, (number, []))[1].append(row["prod_num"])
    return [found[key] for key in sorted(found)]


def _by_group(kept: Iterable[PartOrder]) -> dict[PartGroup, PartOrder]:
    """Which part order takes which parts: those that name its number, and, of ours, those of the same place."""
    found = {}
    for order in kept:
        found[PartGroup(order.part_order_num, "", "")] = order
        if order.is_issued_here:
            found[PartGroup("", order.ship_to_location, order.urgency)] = order
    return found
