"""/metrics: what happened, in numbers for Prometheus. No customer, order number or token is in it.

What is counted is counted in memory and costs no statement; gunicorn's workers add up through files in the folder that
gunicorn.conf.py names. What stands in the database is read when somebody asks. docs/operations.md says what each
number is good for.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import cache

import prometheus_client
from django.conf import settings
from django.db import Error, connection
from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bookings import offers
from bookings.models import AppointmentSlot, ServiceArea

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

COUNTED = CollectorRegistry()
REQUESTS = Counter("bookjob_requests", "Requests by route and by the outcome that is in the log.",
                   ["route", "outcome"], registry=COUNTED)  # fmt: skip
SECONDS = Histogram("bookjob_request_seconds", "Time until the answer, by route and class of status.",
                    ["route", "status"], registry=COUNTED,
                    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))  # fmt: skip
REFUSALS = Counter("bookjob_refusals", "Bookings refused because the slot could not be taken, by reason.",
                   ["reason"], registry=COUNTED)  # fmt: skip
OFFERS = Counter("bookjob_offers", "Appointments offered by searches.", registry=COUNTED)
LOST_RACES = Counter("bookjob_lost_races", "Rounds of a booking that somebody else won.", registry=COUNTED)
DATABASE_ERRORS = Counter("bookjob_database_errors", "Requests that the database failed, by the driver's word.",
                          ["kind"], registry=COUNTED)  # fmt: skip


def add(counter: Counter, *labels: str, amount: int = 1) -> None:
    """Counts, if anybody reads it. That costs nobody an answer: a full disk may refuse the file behind a number."""
    if settings.BOOKJOB_METRICS_TOKEN:
        with suppress(OSError):
            (counter.labels(*labels) if labels else counter).inc(amount)


def count(response: HttpResponse, route: str, outcome: str, seconds: float) -> None:
    """Count one request; `route` and `outcome` are words of the code, never of a caller."""
    if not settings.BOOKJOB_METRICS_TOKEN:
        return
    with suppress(OSError):
        count_one, observe = _series(route, outcome, f"{response.status_code // 100}xx")
        count_one()
        observe(seconds)
    if reason := getattr(response, "reason_refused", ""):
        add(REFUSALS, reason)


@cache  # of routes, outcomes and classes there are few, and looking them up costs more than counting
def _series(route: str, outcome: str, status: str) -> tuple[Callable[[], None], Callable[[float], None]]:
    return REQUESTS.labels(route, outcome).inc, SECONDS.labels(route, status).observe


def page(request: HttpRequest) -> HttpResponse:
    """The numbers, for whoever has BOOKJOB_METRICS_TOKEN."""
    given = request.headers.get("Authorization", "").encode()
    if not secrets.compare_digest(given, f"Bearer {settings.BOOKJOB_METRICS_TOKEN}".encode()):
        return HttpResponse("", status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(COUNTED)
    registry.register(_InTheDatabase())
    return HttpResponse(prometheus_client.generate_latest(registry), content_type=prometheus_client.CONTENT_TYPE_LATEST)


class _InTheDatabase(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        up = GaugeMetricFamily("bookjob_database_up", "1 if the database answered this scrape.")
        try:
            found = [_free_places(), *_lock_waits()]
        except Error:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield from [up, *found]


def _free_places() -> GaugeMetricFamily:
    free = GaugeMetricFamily(
        "bookjob_free_places", "Free places of open slots between notice and horizon.", labels=["area"]
    )
    now = timezone.now()
    slots = AppointmentSlot.objects.filter(
        offers.SHOWN,
        area=OuterRef("pk"),
        start__gt=now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES),
        start__lte=now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS),
    )
    places = slots.order_by().values("area").annotate(places=Sum(F("capacity") - F("booked"))).values("places")
    for code, count in ServiceArea.objects.values_list("code", Coalesce(Subquery(places), 0)):
        free.add_metric([code], count)
    return free


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
