"""Delivery in numbers for Prometheus, read from the rows: each machine tells the same.

Nothing here calls out, and no number names a booking.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Min, Q
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bookings import clock
from bookings.models import Counter, Delivery, DeliveryEntry, Receiver

GAUGES = {
    "bookjob_delivery_waiting": "Bookings whose present state a receiver does not have yet, and that are tried again.",
    "bookjob_delivery_stuck": "Bookings that wait for a person.",
    "bookjob_delivery_oldest_seconds": "For how long the oldest of those that wait has waited.",
    "bookjob_delivery_led": "1 if a process of `deliver` is alive for this receiver.",
    "bookjob_delivery_paused": "1 if a person paused it.",
    "bookjob_delivery_in_trouble": "1 if it takes nothing now, so that all wait and one call at a time is tried.",
}
ATTEMPTS = "bookjob_delivery_attempts"
OUTCOMES = [
    DeliveryEntry.Event.ACCEPTED,
    DeliveryEntry.Event.WAITS,
    DeliveryEntry.Event.NEEDS_PERSON,
    DeliveryEntry.Event.UNREACHABLE,
]


def families() -> Iterable[Metric]:
    """Of each receiver that is on; three statements, however many there are, and one where there is none."""
    receivers = list(Receiver.objects.on())
    gauges = {name: GaugeMetricFamily(name, words, labels=["receiver"]) for name, words in GAUGES.items()}
    found = counted() if receivers else {}
    for receiver in receivers:
        for name, value in _values(receiver, found.get(receiver.pk, {})).items():
            gauges[f"bookjob_delivery_{name}"].add_metric([receiver.name], value)
    return [*gauges.values(), _attempts(receivers)]


def counted() -> dict[int, dict[str, Any]]:
    """By receiver. What needs a person is not what waits."""
    rows = Delivery.objects.open().order_by().values("receiver")
    found = rows.annotate(
        stuck=Count("pk", filter=~Q(needs_person="")),
        waiting=Count("pk", filter=Q(needs_person="")),
        oldest=Min("wanted_at", filter=Q(needs_person="")),
    )
    return {row["receiver"]: dict(row) for row in found}


def _values(receiver: Receiver, counted: dict[str, Any]) -> dict[str, float]:
    now, oldest = clock.now(), counted.get("oldest")
    return {
        "waiting": counted.get("waiting", 0),
        "stuck": counted.get("stuck", 0),
        "oldest_seconds": max(0.0, (now - oldest).total_seconds()) if oldest else 0,
        "led": receiver.lease_until is not None and receiver.lease_until > now,
        "paused": receiver.paused_at is not None,
        "in_trouble": bool(receiver.trouble),
    }


def _attempts(receivers: list[Receiver]) -> Metric:
    family = CounterMetricFamily(ATTEMPTS, "Attempts by outcome.", labels=["receiver", "outcome"])
    names = {
        receiver.counter_name(outcome): (receiver.name, str(outcome)) for receiver in receivers for outcome in OUTCOMES
    }
    found = dict(Counter.objects.filter(name__in=names).values_list("name", "value")) if names else {}
    for name, labels in names.items():
        family.add_metric(labels, found.get(name, 0))
    return family
