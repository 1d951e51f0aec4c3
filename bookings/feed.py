"""The feed of work orders for the customer's own systems: every change once, none lost, while bookings go on.

A time of change is no place to go on from: a transaction that began earlier may be committed later, and a reader who
has passed that moment never sees it. So places in the feed are given when it is read, to what is committed by then:
each change empties `change_num`, and reading numbers what has none. A work order stands in the feed once, at its
latest change; one that changes while somebody reads moves to the end. Places are kept by every database, across
restarts, restores and failovers.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Case, F, Prefetch, Q, QuerySet, Value, When

from bookings.models import Counter, PartOrder, RequiredPart, WorkOrder

PAGE = 100
MOST = 500
# How many changes a reader numbers at the most; the rest is for the next page.
BATCH = 500


@dataclass(frozen=True)
class Page:
    """`last` is the place to go on from; `more` says whether something is known to be there."""

    work_orders: list[WorkOrder]
    last: int
    more: bool


def read(
    work_orders: QuerySet[WorkOrder], *, after: int, size: int, modified_since: datetime | None, status: str
) -> Page:
    """The next `size` of the work orders in the feed after the place `after`."""
    left = number_changes()
    wanted = Q(change_num__gt=after)
    if modified_since:
        wanted &= Q(changed_at__gte=modified_since)
    if status:
        wanted &= Q(status=status)
    found = list(with_everything(work_orders).filter(wanted).order_by("change_num")[: size + 1])
    page = found[:size]
    last = page[-1].change_num if page else None
    return Page(page, last or after, left or len(found) > size)


def with_everything(work_orders: QuerySet[WorkOrder]) -> QuerySet[WorkOrder]:
    """With slot, area, parts and history, in as many statements for a hundred as for one."""
    ordered = Prefetch("part_orders", PartOrder.objects.order_by("pk"))
    parts = Prefetch("required_parts", RequiredPart.objects.order_by("position").select_related("part_order"))
    return work_orders.select_related("slot__area").prefetch_related(ordered, parts, "history")


def number_changes() -> bool:
    """Give a place to what has changed since the feed was read last; True if there was too much for once."""
    new = WorkOrder.objects.filter(change_num__isnull=True).order_by("pk")
    if not new.exists():
        return False
    with transaction.atomic():
        # Its row is held until the commit: readers number one after the other, and a place once passed stays passed.
        Counter.objects.get_or_create(name="change")
        Counter.objects.filter(name="change").update(value=F("value") + BATCH)
        place = Counter.objects.get(name="change").value - BATCH
        # What somebody is changing right now is skipped: it is numbered once that is committed.
        keys = list(new.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:BATCH])
        numbered = [When(pk=key, then=Value(place + step)) for step, key in enumerate(keys, start=1)]
        if keys:
            WorkOrder.objects.filter(pk__in=keys).update(change_num=Case(*numbered))
    return len(keys) == BATCH
