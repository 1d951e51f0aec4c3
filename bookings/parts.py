"""How the parts of a work order become part orders, and how both are written (contract, section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from bookings import numbers, wire
from bookings.models import PartOrder, RequiredPart, WorkOrder


@dataclass(frozen=True)
class PartGroup:
    """Parts that are ordered together. `number` is the one that they came with, or empty for one of ours."""

    number: str
    ship_to_location: str
    urgency: str


Planned = list[tuple[PartGroup | None, RequiredPart]]


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
            row = RequiredPart(
                prod_num=ordered.prod_num,
                replaces="" if ordered is part else part.prod_num,
                description=ordered.prod_attrs.desc,
                quantity=ordered.qty,
                price=part.price if ordered is part else None,
                part_status=ordered.part_status,
                ship_to_location=part.ship_to_location,
                urgency=part.urgency,
                estimated_delivery=part.estimated_delivery,
            )
            planned.append((group if ordered.prod_num else None, row))
    return planned


def columns(planned: Planned) -> dict[str, Any]:
    """What the work order itself holds of its parts."""
    due = [part.estimated_delivery for _, part in planned if part.estimated_delivery]
    return {"part_count": len(planned), "parts_due_at": max(due, default=None)}


def write(
    work_order: WorkOrder, planned: Planned, *, kept: Iterable[PartOrder] = (), attempt: int = 0
) -> list[tuple[str, list[str]]]:
    """Write the parts, and the part orders that are not among `kept`; the answer is what Booked.ordered_parts is.

    `kept` are the part orders that the work order had before. One that nothing is left of stays, so that its number
    comes back with its parts.
    """
    kept = list(kept)
    numbered = {part_order.part_order_num: part_order for part_order in kept}
    grouped = {
        (part_order.ship_to_location, part_order.urgency): part_order
        for part_order in kept
        if part_order.is_issued_here
    }
    orders: dict[PartGroup, PartOrder] = {}
    new: list[PartGroup] = []
    for group in dict.fromkeys(group for group, _ in planned if group):
        place = (group.ship_to_location, group.urgency)
        found = numbered.get(group.number) if group.number else grouped.get(place)
        if found:
            orders[group] = found
        else:
            new.append(group)
    for number, added in zip(numbers.next_numbers(PartOrder, len(new), attempt), new, strict=True):
        orders[added] = PartOrder(
            pk=number,
            work_order=work_order,
            part_order_num=added.number or f"{settings.BOOKJOB_PART_ORDER_PREFIX}{number}",
            is_issued_here=not added.number,
            ship_to_location=added.ship_to_location,
            urgency=added.urgency,
        )
    PartOrder.objects.bulk_create(orders[group] for group in new)
    for position, (key, part) in enumerate(planned):
        part.work_order = work_order
        part.position = position
        part.part_order = orders[key] if key else None
    RequiredPart.objects.bulk_create(part for _, part in planned)
    used = {part_order.pk: part_order for part_order in orders.values()}
    return [
        (used[key].part_order_num, [part.prod_num for _, part in planned if part.part_order_id == key])
        for key in sorted(used)
    ]
