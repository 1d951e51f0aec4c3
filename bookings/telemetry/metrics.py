"""What is counted, in memory that gunicorn's workers share (shared.py), and what an answer says of itself for that.

It costs no statement and no file. No customer, order number or token is in it. A fault in counting never costs an
answer: it is a line in the log. The page that shows it is operations/metrics.py.
"""

import bisect
import json
import logging
import struct
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from bookings import clock
from bookings.refusals import Code
from bookings.telemetry.shared import SharedMemory

logger = logging.getLogger("bookings")


# A key, and what is added to which of its numbers.
Row = tuple[tuple[str, ...], dict[int, float]]


class Table:
    """Rows of numbers under a key, shared by all processes that are forked after it was made.

    A row is added at its first use and stays for good: keys are made of words of the code, so that there are few.
    """

    KEY, NUMBERS = 240, 16  # bytes of a key; numbers in a row
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


BEGAN_AT = clock.now()
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

    # All of a row but the sum and the last bucket, which has no end. 1.5 and 4 are those of services/proof.py.
    BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 4.0, 5.0, 10.0, 30.0)

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
LOST_RACES = Counter("bookjob_lost_races", "Rounds of a booking that another caller won.")
DATABASE_ERRORS = Counter("bookjob_database_errors", "Requests that the database failed, by the driver's word.",
                          ["kind"])  # fmt: skip
# What an alert waits for exists from the start, as 0: the first of a kind is an increase, too.
OUTCOMES = ["ok", "error", "unavailable", "server_error"]
OUTCOMES_OF_THE_API = ["repeat", "nothing_free", *(code.value for code in Code)]
REASONS = ["full", "closed", "notice", "cutoff", "horizon", "past", "margin"]
KINDS = ["OperationalError", "LockNotAvailable", "QueryCanceled", "DeadlockDetected"]


class Answer(HttpResponse):
    """It says more than its status, for the counters and the log.

    `outcome` is a word of the code: an error code, `repeat`, `nothing_free`. `refusal` is why a slot was refused.
    One about a practice area is counted nowhere. `after` is called once the answer is sent, and may not fail.
    """

    def __init__(
        self,
        *arguments: Any,
        outcome: str,
        refusal: str = "",
        is_practice: bool = False,
        after: Callable[[], object] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.outcome, self.refusal, self.is_practice, self.after = outcome, refusal, is_practice, after

    def close(self) -> None:
        # Before Django gives the connection to the database back.
        try:
            if self.after:
                self.after()
        finally:
            super().close()


def add(counter: Counter, *labels: str, amount: int = 1) -> None:
    """Counts, if anybody reads it. That costs no answer, whatever goes wrong."""
    if settings.BOOKJOB_METRICS_TOKEN:
        _add(((counter.name, *labels), {0: amount}))


def count(response: HttpResponse, route: str, outcome: str, seconds: float) -> None:
    """Count one request; `route` and `outcome` are words of the code, never of a caller."""
    if not settings.BOOKJOB_METRICS_TOKEN or (isinstance(response, Answer) and response.is_practice):
        return
    bucket = 1 + bisect.bisect_left(Histogram.BOUNDS, seconds)
    _add(
        ((REQUESTS.name, route, outcome), {0: 1}),
        ((SECONDS.name, route, f"{response.status_code // 100}xx"), {0: seconds, bucket: 1}),
    )
    if isinstance(response, Answer) and response.refusal:
        add(REFUSALS, response.refusal)


def _add(*rows: Row) -> None:
    try:
        table.add(*rows)
    except Exception:  # an answer is worth more than its count
        logger.warning("Something could not be counted", exc_info=True)
