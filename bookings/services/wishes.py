"""What the customers of bookings wished for, as the stored bodies have it: their own times, and the whole search.

What named a slot of the booking is no wish: the ID of an offer, and each period in which it stood once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from pydantic import ValidationError

from bookings import clock, documents, offers, wire
from bookings.models import HistoryEntry, Refusal, WorkOrder
from bookings.offers.choices import document_of
from bookings.refusals import Refused
from bookings.services.public_form import read_job

EVENTS = (HistoryEntry.Event.BOOKED, HistoryEntry.Event.MOVED)
ANY_TIME = offers.CustomerTimes([], [])
Period = tuple[datetime, datetime]


def customer_times(bookings: Iterable[int]) -> dict[int, offers.CustomerTimes]:
    """By the key of the booking. Two statements, however many bookings there are."""
    keys = list(bookings)
    stood = _periods(keys)
    found = {}
    rows = WorkOrder.objects.filter(pk__in=keys).select_related("slot").order_by()
    for work_order in rows.only("body", "slot__start", "slot__end"):
        # The history of an earlier release does not name it.
        stood[work_order.pk].add((work_order.slot.start, work_order.slot.end))
        job = read_job(work_order)
        found[work_order.pk] = offers.customer_times(_own_times(job, stood[work_order.pk]) if job else [])
    return found


def search_of_booking(work_order: WorkOrder) -> wire.Search | None:
    """What a technician would search with for this booking; None where its body cannot be read any more."""
    job = read_job(work_order)
    stood = _periods([work_order.pk])[work_order.pk] | {(work_order.slot.start, work_order.slot.end)}
    return job and _search(job, stood)


def search_of_refusal(refusal: Refusal) -> wire.Search | None:
    """The same for a booking that was refused. What it asked for is no wish either."""
    try:
        job = wire.BookJob.model_validate(document_of(documents.read_body(refusal.body.encode())))
    except (ValidationError, Refused):
        return None
    asked = [(refusal.visit_start, refusal.visit_end)] if refusal.visit_start and refusal.visit_end else []
    return _search(job, asked)


def _search(job: wire.BookJob, stood: Collection[Period]) -> wire.Search:
    return job.model_copy(update={"time_constraints": _own_times(job, stood)})


def _own_times(job: wire.BookJob, stood: Collection[Period]) -> list[wire.ChosenTime]:
    return [
        element
        for element in job.time_constraints
        if element.period and not offers.read_id(element.id) and (element.period.start, element.period.end) not in stood
    ]


def _periods(keys: list[int]) -> dict[int, set[Period]]:
    lines = HistoryEntry.objects.filter(work_order__in=keys, event__in=EVENTS).order_by()
    found: dict[int, set[Period]] = defaultdict(set)
    for key, details in lines.values_list("work_order", "details"):
        for place in (details.get("before"), details.get("after")):
            if place:
                found[key].add((clock.read_instant(place["start"]), clock.read_instant(place["end"])))
    return found
