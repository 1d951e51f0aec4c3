"""Slots out of opening hours: pure functions of the clock, without the database.

Hours are the area's wall clock. A slot is tried at every step of `length` on that clock; one whose start does not
exist because the clocks go forward is left out, one whose start exists twice is made once, and lengths are elapsed
minutes, so a slot across a change of the clocks ends at another hour than usual.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bookings import clock

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAY_MINUTES = 24 * 60
# The years in which anything is planned, and the most visits of one slot: of forms, commands and files alike.
FIRST_YEAR, LAST_YEAR = 2000, 2199
MAX_CAPACITY = 10_000
# A slot without places looks open and takes no booking: closing says so.
LEAST_CAPACITY = 1

Period = tuple[datetime, datetime]


class Hours(NamedTuple):
    """Opening hours in minutes from midnight; `until` is after `start` and may lie on the next day."""

    start: int
    until: int


def read_hours(text: str) -> list[Hours]:
    """`08:00-12:00,13:00-17:00` -> two Hours; `22:00-02:00` goes over midnight. Raises ValueError."""
    windows = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*", part)
        if not match:
            raise ValueError(f"{part.strip()!r} is not like 08:00-12:00.")
        start, until = (int(match[1]) * 60 + int(match[2])), (int(match[3]) * 60 + int(match[4]))
        if start >= DAY_MINUTES or until > DAY_MINUTES or int(match[2]) > 59 or int(match[4]) > 59:
            raise ValueError(f"{part.strip()!r} holds a time that no clock shows.")
        if start == until:
            raise ValueError(f"{part.strip()!r} is no time at all.")
        windows.append(Hours(start, until if until > start else until + DAY_MINUTES))
    windows.sort()
    for earlier, later in zip(windows, [*windows[1:], Hours(windows[0].start + DAY_MINUTES, 0)], strict=True):
        if later.start < earlier.until:
            raise ValueError(f"{text!r}: the hours overlap.")
    return windows


def check_year(given: date) -> None:
    """Raises ValueError for a day, or a time, outside of the years in which anything is planned."""
    if not FIRST_YEAR <= given.year <= LAST_YEAR:
        raise ValueError(f"{given} is not in the years {FIRST_YEAR} to {LAST_YEAR}.")


def read_weekdays(text: str) -> set[int]:
    """`mon-fri`, `sat`, `mon,wed-fri`, `fri-mon` -> numbers of weekdays, Monday 0. Raises ValueError."""
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if first not in WEEKDAYS or last not in WEEKDAYS:
            raise ValueError(f"{part.strip()!r} is not like mon or mon-fri.")
        begin, span = WEEKDAYS.index(first), (WEEKDAYS.index(last) - WEEKDAYS.index(first)) % 7
        days.update((begin + step) % 7 for step in range(span + 1))
    return days


def slots_of_day(day: date, hours: list[Hours], length: int, zone: ZoneInfo, gap: int = 0) -> Iterator[Period]:
    """The slots, (start, end) in UTC, of `length` elapsed minutes that begin on `day` in `zone`.

    `gap` minutes are kept free between two slots of the same window, and elapse for real as well.
    """
    previous_end = datetime.min.replace(tzinfo=UTC)
    for window in hours:
        closing = clock.moment_of(day, window.until, zone)
        free_from = previous_end
        for minute in range(window.start, window.until, length + gap):
            start = clock.instant_of(day, minute, zone)
            if start is None:
                continue
            end = start + timedelta(minutes=length)
            # Around a change of the clocks a slot may reach beyond the hours or into the next step.
            if end <= closing and start >= free_from:
                yield start, end
                previous_end = end
                free_from = end + timedelta(minutes=gap)


class Diary:
    """When a worker is busy. Periods may overlap each other, as they do where two people wrote them."""

    def __init__(self, periods: Iterable[Period]) -> None:
        self.starts: list[datetime] = []
        self.longest: list[Period] = []  # of the periods up to here, the one that ends last
        for period in sorted(periods):
            self.starts.append(period[0])
            last = self.longest[-1] if self.longest else period
            self.longest.append(max(last, period, key=lambda known: known[1]))

    def clash(self, start: datetime, end: datetime) -> Period | None:
        """A period that shares some time with this one; touching is no clash."""
        index = bisect_left(self.starts, end)
        if index and self.longest[index - 1][1] > start:
            return self.longest[index - 1]
        return None
