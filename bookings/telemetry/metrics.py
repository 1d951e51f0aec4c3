"""/metrics: what happened, in numbers for Prometheus. No customer, order number or token is in it.

What is counted is counted in memory that gunicorn's workers share (shared.py) and costs no statement and no file. A
fault in counting never costs an answer: it is a line in the log. What stands in the database is read when somebody
asks. docs/operations.md says what each number is good for.
"""

import bisect
import json
import logging
import secrets
import struct
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
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bookings import clock, offers
from bookings.db import replica
from bookings.models import AppointmentSlot, ServiceArea
from bookings.refusals import Code
from bookings.telemetry.shared import SharedMemory

logger = logging.getLogger("bookings")


# A key, and what is added to which of its numbers.
Row = tuple[tuple[str, ...], dict[int, float]]


class Table:
    """Rows of numbers under a key, shared by all processes that are forked after it was made.

    A row is added at its first use and stays for good: keys are made of words of the code, so that there are few.
    """

    KEY, NUMBERS = 240, 14  # bytes of a key; numbers in a row
    ROW, ROWS = KEY + NUMBERS * 8, 8192
    USED = struct.Struct("=Q")

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.shared = SharedMemory(self.USED.size + rows * self.ROW)
        self.places: dict[tuple[str, ...], int] = {}  # as far as this process knows them

    def add(self, *rows: Row) -> None:
        """Add to some numbers of each row. Raises ValueError where there is no room."""
        memory = self.shared.memory
        with self.shared:
            for key, amounts in rows:
                place = self.places.get(key) or self._place_of(key)
                for number, amount in amounts.items():
                    at = place + self.KEY + number * 8
                    DOUBLE.pack_into(memory, at, DOUBLE.unpack_from(memory, at)[0] + amount)

    def read(self) -> dict[tuple[str, ...], tuple[float, ...]]:
        """All rows, those of other processes too."""
        with self.shared:
            self._look_at_new_rows()
            return {key: NUMBERS.unpack_from(self.shared.memory, at + self.KEY) for key, at in self.places.items()}

    def _place_of(self, key: tuple[str, ...]) -> int:
        self._look_at_new_rows()
        if key in self.places:
            return self.places[key]
        text = json.dumps(key).encode()
        if len(text) > self.KEY or len(self.places) == self.rows:
            raise ValueError(f"There is no room to count {key}.")
        at = self._at(len(self.places))
        self.shared.memory[at : at + len(text)] = text
        # Last: of a process that is killed before, nothing is seen.
        self.USED.pack_into(self.shared.memory, 0, len(self.places) + 1)
        self.places[key] = at
        return at

    def _look_at_new_rows(self) -> None:
        memory = self.shared.memory
        for row in range(len(self.places), self.USED.unpack_from(memory, 0)[0]):
            at = self._at(row)
            self.places[tuple(json.loads(memory[at : at + self.KEY].rstrip(b"\0")))] = at

    def _at(self, row: int) -> int:
        return self.USED.size + row * self.ROW


DOUBLE, NUMBERS = struct.Struct("=d"), struct.Struct(f"={Table.NUMBERS}d")
table = Table()


class Counter:
    def __init__(self, name: str, documentation: str, labels: Iterable[str] = ()) -> None:
        self.name, self.documentation, self.labels = name, documentation, list(labels)
        COUNTED.append(self)

    def family(self, rows: Iterable[tuple[tuple[str, ...], tuple[float, ...]]]) -> Metric:
        family = CounterMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, numbers in rows:
            family.add_metric(labels, numbers[0])
        return family


class Histogram(Counter):
    """Its row is the sum, then how many came into each bucket."""

    # All of a row but the sum and the last bucket, which has no end.
    BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

    def family(self, rows: Iterable[tuple[tuple[str, ...], tuple[float, ...]]]) -> Metric:
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, (total, *counts) in rows:
            upto = [sum(counts[: end + 1]) for end in range(len(counts))]
            bounds = [*map(str, self.BOUNDS), "+Inf"]
            family.add_metric(labels, list(zip(bounds, upto, strict=True)), total)
        return family


COUNTED: list[Counter] = []
REQUESTS = Counter("bookjob_requests", "Requests by route and by the outcome that is in the log.", ["route", "outcome"])
SECONDS = Histogram("bookjob_request_seconds", "Time until the answer, by route and class of status.",
                    ["route", "status"])  # fmt: skip
REFUSALS = Counter("bookjob_refusals", "Bookings refused because the slot could not be taken, by reason.", ["reason"])
OFFERS = Counter("bookjob_offers", "Appointments offered by searches.")
LOST_RACES = Counter("bookjob_lost_races", "Rounds of a booking that somebody else won.")
DATABASE_ERRORS = Counter("bookjob_database_errors", "Requests that the database failed, by the driver's word.",
                          ["kind"])  # fmt: skip
# What an alert waits for exists from the start, as 0: the first of a kind is an increase, too.
OUTCOMES = ["ok", "error", "unavailable", "server_error"]
OUTCOMES_OF_THE_API = ["repeat", "nothing_free", *(code.value for code in Code)]
REASONS = ["full", "closed", "notice", "cutoff", "horizon", "past", "margin"]
KINDS = ["OperationalError", "LockNotAvailable", "QueryCanceled", "DeadlockDetected"]


def add(counter: Counter, *labels: str, amount: int = 1) -> None:
    """Counts, if anybody reads it. That costs no answer, whatever goes wrong."""
    if settings.BOOKJOB_METRICS_TOKEN:
        _add(((counter.name, *labels), {0: amount}))


def count(response: HttpResponse, route: str, outcome: str, seconds: float) -> None:
    """Count one request; `route` and `outcome` are words of the code, never of a caller."""
    if not settings.BOOKJOB_METRICS_TOKEN:
        return
    bucket = 1 + bisect.bisect_left(Histogram.BOUNDS, seconds)
    _add(
        ((REQUESTS.name, route, outcome), {0: 1}),
        ((SECONDS.name, route, f"{response.status_code // 100}xx"), {0: seconds, bucket: 1}),
    )
    if reason := getattr(response, "reason_refused", ""):
        add(REFUSALS, reason)


def _add(*rows: Row) -> None:
    try:
        table.add(*rows)
    except Exception:  # an answer is worth more than its count
        logger.warning("Something could not be counted", exc_info=True)


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


def page(request: HttpRequest) -> HttpResponse:
    """The numbers, for whoever has BOOKJOB_METRICS_TOKEN."""
    given = request.headers.get("Authorization", "").encode()
    if not secrets.compare_digest(given, f"Bearer {settings.BOOKJOB_METRICS_TOKEN}".encode()):
        return HttpResponse("", status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry()
    registry.register(_Counted())
    registry.register(_InTheDatabase())
    return HttpResponse(prometheus_client.generate_latest(registry), content_type=prometheus_client.CONTENT_TYPE_LATEST)


class _Counted(Collector):
    def collect(self) -> Iterable[Metric]:
        rows = table.read()
        for counter in COUNTED:
            yield counter.family((key[1:], numbers) for key, numbers in rows.items() if key[0] == counter.name)


class _InTheDatabase(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        up = GaugeMetricFamily("bookjob_database_up", "1 if the database answered this scrape.")
        try:
            found = [*_slots(), *_lock_waits(), *_replica()]
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
    now = clock.now()
    shown = AppointmentSlot.objects.filter(offers.SHOWN, area=OuterRef("pk")).order_by()
    bookable = shown.filter(
        start__gt=now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES),
        start__lte=now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS),
    )
    places = bookable.values("area").annotate(places=Sum(F("capacity") - F("booked"))).values("places")
    latest = shown.order_by("-start").values("start")[:1]
    for code, count, start in ServiceArea.objects.values_list("code", Coalesce(Subquery(places), 0), Subquery(latest)):
        free.add_metric([code], count)
        if start:
            last.add_metric([code], start.timestamp())
    return [free, last]


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
