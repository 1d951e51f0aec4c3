"""A drill: bookings go on over HTTP while an operator causes faults, and each acknowledged order is looked up after it.

Looked up are orders, not numbers: a number that was given twice hides a loss. For the command `drill`.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django import db

from bookings import clock
from bookings.db.faults import is_away
from bookings.models import ServiceArea, WorkOrder
from conformance.client import Answer, Implementation

T = TypeVar("T")

# Seconds that one call may take. One that hangs, in a frozen server, keeps no other from being tried.
TIMEOUT = 5.0
AT_ONCE = 16
# A pause that is shorter is none; nor is one of less than three bookings.
PAUSE = 1.0
# So many times, a second apart, the database is asked for after the drill: its fault may not be over.
PATIENCE = 120


class Drill:
    """What was booked, and what callers heard."""

    def __init__(self, service: Implementation, area: ServiceArea, rate: int, say: Callable[[str], Any]) -> None:
        self.service, self.area, self.rate, self.say = service, area, rate, say
        self.name = f"DRILL-{secrets.token_hex(3)}"
        self.periods = list(area.slots.order_by("start").values_list("start", "end"))
        # The number that each order got, and how often what else was answered.
        self.acknowledged: dict[str, str] = {}
        self.failed: Counter[str] = Counter()
        self.pauses: list[float] = []
        self._noting = threading.Lock()
        self._booked_at = clock.ticks()

    def book(self, number: int) -> Answer:
        order = f"{self.name}-{number}"
        start, end = self.periods[number % len(self.periods)]
        answer = self.service.book(
            order,
            {
                "Account": {"AccountNum": self.name, "Name": "Drill"},
                "Location": {"LocationNum": self.name, "ServiceAreaID": self.area.code},
                "TimeConstraints": [{"Period": {"Start": start.isoformat(), "End": end.isoformat()}}],
            },
        )
        with self._noting:
            if answer.status == 200:
                self.acknowledged[order] = _number_in(answer)
                self._end_pause()
            else:
                self.failed[str(answer)] += 1
        return answer

    def _end_pause(self) -> None:
        now = clock.ticks()
        seconds, self._booked_at = now - self._booked_at, now
        if seconds > max(PAUSE, 3 / self.rate):
            self.pauses.append(seconds)
            self.say(f"{seconds:.1f} s passed without a booking.")

    def run(self, seconds: int, stop: threading.Event) -> float:
        """Book until the time is over or `stop` is set; how many seconds that took."""
        began = self._booked_at = clock.ticks()
        free = threading.Semaphore(AT_ONCE)

        def call(number: int) -> None:
            try:
                self.book(number)
            finally:
                free.release()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in range(1, self.rate * seconds + 1):
                if stop.wait(max(0.0, began + number / self.rate - clock.ticks())):
                    break
                if free.acquire(blocking=False):  # where all calls hang, no further one would say more
                    pool.submit(call, number)
        with self._noting:
            self._end_pause()
        return clock.ticks() - began

    def lost(self) -> list[str]:
        """A line for each acknowledged order without its row."""
        return list(_differences(self.acknowledged, when_reached(self.rows)))

    def rows(self) -> dict[str, str]:
        return dict(WorkOrder.objects.filter(area=self.area).values_list("original_order", "order_num"))


def _number_in(answer: Answer) -> str:
    try:
        return str(answer.document["OrderNum"])
    except (ValueError, LookupError, TypeError):
        return "an answer without a number"


def _differences(acknowledged: dict[str, str], rows: dict[str, str]) -> Iterator[str]:
    for order, number in acknowledged.items():
        if order not in rows:
            yield f"{order} was acknowledged as {number} and has no row."
        elif rows[order] != number:
            yield f"{order} was acknowledged as {number}, and its row is {rows[order]}."


def when_reached(read: Callable[[], T]) -> T:
    """What it reads, once the database answers. Raises the last error where it does not in time."""
    for left in reversed(range(PATIENCE)):
        try:
            return read()
        except db.Error as fault:
            if not left or not is_away(fault):
                raise
            db.connection.close()  # the drill may have ended the server at its other end
            time.sleep(1)
    raise AssertionError  # the last try returns or raises
