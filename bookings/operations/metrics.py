"""/metrics: what happened, in numbers for Prometheus; and what stands in the database, read when the page is asked for.

docs/operations.md says what each number is good for. What is counted, and how, is telemetry/metrics.py.
"""

import secrets
from collections.abc import Iterable, Iterator
from datetime import timedelta

import prometheus_client
from django.conf import settings
from django.db import Error, connection
from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bookings import clock, offers
from bookings.db import replica
from bookings.models import AppointmentSlot, ServiceArea
from bookings.operations import delivery
from bookings.telemetry import metrics
from bookings.telemetry.metrics import (
    DATABASE_ERRORS,
    KINDS,
    LOST_RACES,
    OFFERS,
    OUTCOMES,
    OUTCOMES_OF_THE_API,
    REASONS,
    REFUSALS,
    REQUESTS,
    add,
)


def begin() -> None:
    """Make the counters that alerts wait for, before the workers are forked."""
    if not settings.BOOKJOB_METRICS_TOKEN:
        return
    for route in ["", *_routes(get_resolver())]:
        for outcome in {*OUTCOMES, *(OUTCOMES_OF_THE_API if route.startswith("api/") else [])}:
            add(REQUESTS, route, outcome, amount=0)
    add(REQUESTS, "admin/login/", "invalid_logon", amount=0)
    for reason in REASONS:
        add(REFUSALS, reason, amount=0)
    for kind in KINDS:
        add(DATABASE_ERRORS, kind, amount=0)
    for counter in (OFFERS, LOST_RACES):
        add(counter, amount=0)


def _routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """Each route as `request.resolver_match` names it."""
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from _routes(pattern, route)


def is_allowed(request: HttpRequest) -> bool:
    """Whether the caller has BOOKJOB_METRICS_TOKEN."""
    given = request.headers.get("Authorization", "").encode()
    return secrets.compare_digest(given, f"Bearer {settings.BOOKJOB_METRICS_TOKEN}".encode())


def page() -> HttpResponse:
    """The numbers."""
    registry = CollectorRegistry()
    registry.register(_Counted())
    registry.register(_InTheDatabase())
    return HttpResponse(prometheus_client.generate_latest(registry), content_type=prometheus_client.CONTENT_TYPE_LATEST)


class _Counted(Collector):
    def collect(self) -> Iterable[Metric]:
        rows = metrics.table.read()
        for counter in metrics.COUNTED:
            yield counter.family((key[1:], numbers) for key, numbers in rows.items() if key[0] == counter.name)


class _InTheDatabase(Collector):
    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("bookjob_database_up", "1 if the database answered this scrape.")
        try:
            found = [*_slots(), *_lock_waits(), *_replica(), *delivery.families()]
        except Error:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield from [up, *found]


def _slots() -> Iterable[GaugeMetricFamily]:
    free = GaugeMetricFamily(
        "bookjob_free_places", "Free places of open slots between notice and horizon.", labels=["area"]
    )
    last = GaugeMetricFamily(
        "bookjob_last_slot_timestamp_seconds", "When the last open slot of an area starts.", labels=["area"]
    )
    extended = GaugeMetricFamily(
        "bookjob_schedule_extended_timestamp_seconds", "When a schedule had all of its slots last.", labels=["area"]
    )
    now = clock.now()
    shown = AppointmentSlot.objects.filter(offers.SHOWN, area=OuterRef("pk")).order_by()
    bookable = shown.filter(
        start__gt=now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES),
        start__lte=now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS),
    )
    places = bookable.values("area").annotate(places=Sum(F("capacity") - F("booked"))).values("places")
    latest = shown.order_by("-start").values("start")[:1]
    areas = ServiceArea.objects.filter(is_practice=False)
    columns = ("code", Coalesce(Subquery(places), 0), Subquery(latest), "schedule__is_active", "schedule__extended_at")
    for code, count, start, has_schedule, extended_at in areas.values_list(*columns):
        free.add_metric([code], count)
        if start:
            last.add_metric([code], start.timestamp())
        if has_schedule:
            extended.add_metric([code], extended_at.timestamp() if extended_at else 0)
    return [free, last, extended]


def _replica() -> Iterable[GaugeMetricFamily]:
    if replica.ALIAS in settings.DATABASES:
        yield GaugeMetricFamily(
            "bookjob_replica_follows", "1 if searches read from the replica.", value=int(replica.follows())
        )


def _lock_waits() -> Iterable[GaugeMetricFamily]:
    """Who waits for a lock at this moment. (SQLite does not say; its waits show in the seconds of the requests.)"""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*), COALESCE(MAX(EXTRACT(EPOCH FROM clock_timestamp() - query_start)), 0)"
            " FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        waiting, longest = cursor.fetchone()
    yield GaugeMetricFamily("bookjob_lock_waiters", "Statements that wait for a lock right now.", value=waiting)
    yield GaugeMetricFamily("bookjob_lock_wait_seconds", "How long the longest of them has taken.", value=longest)
