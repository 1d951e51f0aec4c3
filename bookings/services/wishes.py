"""What the customers of bookings wished for: their own times, as the stored bodies have them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from bookings import clock, offers
from bookings.models import HistoryEntry, WorkOrder
from bookings.services.public_form import read_job

EVENTS = (HistoryEntry.Event.BOOKED, HistoryEntry.Event.MOVED)
ANY_TIME = offers.CustomerTimes([], [])


def customer_times(bookings: Iterable[int]) -> dict[int, offers.CustomerTimes]:
    """By the key of the booking. Two statements, however many bookings there are.

    What named a slot of the booking is no wish: the ID of an offer, and each period in which it stood once.
    """
    keys = list(bookings)
    stood = _periods(keys)
    found = {}
    rows = WorkOrder.objects.filter(pk__in=keys).select_related("slot").order_by()
    for work_order in rows.only("body", "slot__start", "slot__end"):
        # The history of an earlier release does not name it.
        stood[work_order.pk].add((work_order.slot.start, work_order.slot.end))
        job = read_job(work_order)
        wishes = [
            element
            for element in (job.time_constraints if job else [])
            if element.period
            and not offers.read_id(element.id)
            and (element.period.start, element.period.end) not in stood[work_order.pk]
        ]
        found[work_order.pk] = offers.customer_times(wishes)
    return found


def _periods(keys: list[int]) -> dict[int, set[tuple[datetime, datetime]]]:
    lines = HistoryEntry.objects.filter(work_order__in=keys, event__in=EVENTS).order_by()
    found: dict[int, set[tuple[datetime, datetime]]] = defaultdict(set)
    for key, details in lines.values_list("work_order", "details"):
        for place in (details.get("before"), details.get("after")):
            if place:
                found[key].add((clock.read_instant(place["start"]), clock.read_instant(place["end"])))
    return found
