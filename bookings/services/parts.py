"""How the parts of a work order become part orders, and how both are written (contract, section 5)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.conf import settings

from bookings import clock, wire
from bookings.db import sql
from bookings.models import PartOrder, RequiredPart, ServiceArea


class PartGroup(NamedTuple):
    """Parts that are ordered together. `number` is the one that they came with, or empty for one of ours."""

    number: str
    ship_to_location: str
    urgency: str


# The columns of each part, with the group that it is ordered in.
Planned = list[tuple[PartGroup | None, dict[str, Any]]]


def plan(parts: Iterable[wire.RequiredPart]) -> Planned:
    """The rule by which parts become part orders, and the only place of it: each part to order with its group.

    Parts that came with a part order number keep it; the others are grouped by where they are sent and how urgently.
    A superseded part is ordered as its replacements. What has no product number cannot be ordered and has no group;
    what is marked `Delete` is not needed any more.
    """
    planned: Planned = []
    for part in parts:
        if part.delete:
            continue
        group = PartGroup(part.part_order_num, "", "")
        if not part.part_order_num:
            group = PartGroup("", part.ship_to_location, part.urgency)
        to_order: list[wire.Part] = [*part.superseded_parts] or [part]
        for ordered in to_order:
            row = {
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
            planned.append((group if ordered.prod_num else None, row))
    return planned


def on_the_clock_of(planned: Planned, area: ServiceArea) -> None:
    """Make each delivery on a day alone a moment: the end of that day in the area, where the booking is made."""
    for _, row in planned:
        if row["estimated_delivery"] and clock.is_day(row["estimated_delivery"]):
            row["estimated_delivery"] = clock.last_moment(row["estimated_delivery"], area.zone)


def columns(planned: Planned) -> dict[str, Any]:
    """What the work order itself holds of its parts."""
    due = [row["estimated_delivery"] for _, row in planned if row["estimated_delivery"]]
    return {"part_count": len(planned), "parts_due_at": max(due, default=None)}


def to_number(planned: Planned, kept: Iterable[PartOrder] = ()) -> list[PartGroup]:
    """The groups for which there is no part order among `kept` yet."""
    known = _by_group(kept)
    return [group for group in dict.fromkeys(group for group, _ in planned if group) if group not in known]


def named(planned: Planned, kept: Iterable[PartOrder] = ()) -> list[str]:
    """The numbers that part orders of this work order have already, or will have because their parts came with them."""
    return [order.part_order_num for order in kept] + [group.number for group, _ in planned if group and group.number]


def write(
    work_order_id: int, planned: Planned, numbers: Iterable[int], *, kept: Iterable[PartOrder] = ()
) -> tuple[list[sql.Insert], list[tuple[str, list[str]]]]:
    """The rows of the parts, and the part orders that are not among `kept`; and Booked.ordered_parts of it.

    `numbers` are one for each of `to_number`. `kept` are the part orders that the work order had before. One that
    nothing is left of stays, so that its number comes back with its parts.
    """
    orders = {group: (order.pk, order.part_order_num) for group, order in _by_group(kept).items()}
    new = []
    for key, group in zip(numbers, to_number(planned, kept), strict=True):
        number = group.number or f"{settings.BOOKJOB_PART_ORDER_PREFIX}{key}"
        orders[group] = key, number
        new.append(
            {
                "id": key,
                "work_order_id": work_order_id,
                "part_order_num": number,
                "is_issued_here": not group.number,
                "ship_to_location": group.ship_to_location,
                "urgency": group.urgency,
            }
        )
    rows = []
    answer: dict[int, tuple[str, list[str]]] = {}
    for position, (wanted, row) in enumerate(planned):
        order = orders[wanted] if wanted else None
        part_order_id = order and order[0]
        rows.append({"work_order_id": work_order_id, "part_order_id": part_order_id, "position": position, **row})
        if order:
            answer.setdefault(order[0], (order[1], []))[1].append(row["prod_num"])
    inserts: list[sql.Insert] = [(model, found) for model, found in ((PartOrder, new), (RequiredPart, rows)) if found]
    return inserts, [answer[key] for key in sorted(answer)]


def _by_group(kept: Iterable[PartOrder]) -> dict[PartGroup, PartOrder]:
    """Which part order takes which parts: those that name its number, and, of ours, those of the same place."""
    found = {}
    for order in kept:
        found[PartGroup(order.part_order_num, "", "")] = order
        if order.is_issued_here:
            found[PartGroup("", order.ship_to_location, order.urgency)] = order
    return found
