"""Practice areas: what was booked there for trying things out is removed, as if it had never been.

The database lets the history of such bookings go (its triggers), and sees to it that an area stays what it was made
as: no booking that was ever real is removed here.
"""

from django.db import transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from bookings.models import (
    AppointmentSlot,
    HistoryEntry,
    PartOrder,
    RequiredPart,
    SearchDocument,
    SearchTerm,
    ServiceArea,
    WorkOrder,
)
from bookings.services.housekeeping import BATCH


def remove_bookings(*, only: ServiceArea | None = None, most: int = 0) -> int:
    """Remove some of the bookings of practice areas, or of `only` one; says how many, 0 when none is left.

    One short transaction. The numbers of what is removed are not given again.
    """
    with transaction.atomic():
        here = Q(area__is_practice=True, **({"area": only} if only else {}))
        locked = WorkOrder.objects.filter(here).order_by("pk").select_for_update(of=("self",))
        found = list(locked.values_list("pk", "slot_id")[: most or BATCH])
        keys = [pk for pk, _ in found]
        HistoryEntry.objects.filter(work_order__in=keys).delete()
        for model in (RequiredPart, PartOrder, SearchTerm, SearchDocument):
            model.objects.filter(work_order__in=keys).delete()
        WorkOrder.objects.filter(pk__in=keys).delete()
        _recount({slot for _, slot in found})
    return len(found)


def remove_slots(area: ServiceArea) -> None:
    """All slots of a practice area with their history, once nothing is booked there."""
    slots = area.slots.filter(area__is_practice=True)
    with transaction.atomic():
        HistoryEntry.objects.filter(slot__in=slots).delete()
        slots.delete()


def _recount(slots: set[int]) -> None:
    # First the locks, then the count: a statement that waits for a row counts what it saw before the wait.
    list(AppointmentSlot.objects.filter(pk__in=slots).order_by("pk").select_for_update().values_list("pk"))
    active = WorkOrder.objects.active().filter(slot=OuterRef("pk")).order_by().values("slot")
    number = Subquery(active.annotate(number=Count("*")).values("number"))
    AppointmentSlot.objects.filter(pk__in=slots).update(booked=Coalesce(number, 0))
