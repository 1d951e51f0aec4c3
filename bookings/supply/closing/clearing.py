"""Ill, or snow: several blackouts at once, and the bookings that stand in them and have to go elsewhere.

Closing is blackouts.py, where they could go services/proposals.py, and moving services/changes.py.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from zoneinfo import ZoneInfo

from bookings import clock
from bookings.models import AppointmentSlot, Blackout, ServiceArea, WorkOrder, WorkOrderQuerySet
from bookings.supply.closing import blackouts

# As many bookings are looked at together; those that come later follow when these are moved.
MOST = 500


def waiting_in(closed: Sequence[Blackout], now: datetime) -> WorkOrderQuerySet:
    """The bookings of today and later that stand in blackouts which are in force, by their time."""
    in_force = [blackout for blackout in closed if blackout.opened_at is None]
    if not in_force:
        return WorkOrder.objects.none()
    # A visit that began already may not have been made: its worker is ill.
    zones = {row.area.zone for row in in_force if row.area} or {ZoneInfo("UTC")}
    today = min(clock.day_bounds(now.astimezone(zone).date(), zone)[0] for zone in zones)
    slots = reduce(or_, map(blackouts.touched_by, in_force))
    return WorkOrder.objects.active().filter(slot__in=slots, visit_start__gte=today).order_by("visit_start", "pk")


def areas_of(worker: str, areas: Sequence[ServiceArea]) -> list[ServiceArea]:
    """Those of the areas in which a worker has slots."""
    there = set(
        AppointmentSlot.objects.filter(worker=worker, area__in=[area.pk for area in areas])
        .order_by()
        .values_list("area", flat=True)
        .distinct()
    )
    return [area for area in areas if area.pk in there]
