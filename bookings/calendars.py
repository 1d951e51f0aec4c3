"""Slots out of opening hours: pure functions of the clock, without the database.

Hours are the area's wall clock. A slot is tried at every step of `length` on that clock; one whose start does not
exist because the clocks go forward is left out, one whose start exists twice is made once, and lengths are elapsed
minutes, so a slot across a change of the clocks ends at another hour than usual.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import tzdata

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAY_MINUTES = 24 * 60
# The years in which anything is planned, and the most visits of one slot: of forms, commands and files alike.
FIRST_YEAR, LAST_YEAR = 2000, 2199
MAX_CAPACITY = 10_000
# As people read them, in English whatever the machine speaks.
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MONTHS = ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Period = tuple[datetime, datetime]

# The release of the IANA time zones that every process reads (bookjob_site/__init__.py).
TIME_ZONES_VERSION: str = tzdata.IANA_VERSION
# In IANA's list, but no place has their clock: the machine's own, and "not set yet".
NO_PLACE = {"localtime", "posixrules", "Factory"}


@cache
def time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_PLACE)


def time_zone_problem(name: str) -> str:
    """Why this is no time zone of a place, or an empty text: the one check of forms, commands and files."""
    return "" if name in time_zones() else f"{name!r} is not an IANA time zone. Europe/London and America/New_York are."


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
        closing = moment_of(day, window.until, zone)
        free_from = previous_end
        for minute in range(window.start, window.until, length + gap):
            start = _instant(day, minute, zone)
            if start is None:
                continue
            end = start + timedelta(minutes=length)
            # Around a change of the clocks a slot may reach beyond the hours or into the next step.
            if end <= closing and start >= free_from:
                yield start, end
                previous_end = end
                free_from = end + timedelta(minutes=gap)


def moment_of(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The first moment at which the clock shows this time, in UTC; where it never does, the one that puts it forward.

    `minute` counts from midnight of `day` and may lie on the next day. Hours end at such a moment, and days begin.
    """
    wall = _wall(day, minute)
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # Before the gap the clock ran by the earlier offset: go back until it shows a time again that is not after `wall`.
    while instant.astimezone(zone).replace(tzinfo=None) > wall:
        instant -= timedelta(minutes=1)
    return instant + timedelta(minutes=1)


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The moments, in UTC, at which a day begins and ends on the clock of `zone`."""
    midnight, next_midnight = (
        datetime.combine(start, time(), zone).astimezone(UTC) for start in (day, day + timedelta(days=1))
    )
    return midnight, next_midnight


def instant_at(day: date, clock: time, zone: ZoneInfo) -> datetime | None:
    """The first moment at which the clock of `zone` shows this time, in UTC; None if it never does."""
    return _instant(day, clock.hour * 60 + clock.minute, zone)


def utc_offset(instant: datetime, zone: ZoneInfo) -> int:
    """How many minutes the clock of `zone` is ahead of UTC at this moment."""
    offset = instant.astimezone(zone).utcoffset()
    return round(offset.total_seconds() / 60) if offset else 0


class Diary:
    """When somebody is busy. Periods may overlap each other, as they do where two people wrote them."""

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


def _wall(day: date, minute: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minute)


def _instant(day: date, minute: int, zone: ZoneInfo) -> datetime | None:
    """The first moment at which the clock shows this time, in UTC; None if it never does."""
    wall = _wall(day, minute)
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == wall else None


def period_text(start: datetime, end: datetime, time_zone: str) -> str:
    """A period on the clock of a zone: `Fri 4 Dec 2026, 13:00-15:00 (Europe/London)`."""
    zone = ZoneInfo(time_zone)
    first, last = local(start, zone), local(end, zone)
    last_day = "" if first.date() == last.date() else f"{DAYS[last.weekday()]} {last.day} {MONTHS[last.month]} "
    begins, ends = clock_texts(first, last)
    return f"{day_text(first)}, {begins}-{last_day}{ends} ({time_zone})"


def clock_texts(first: datetime, last: datetime) -> tuple[str, str]:
    """Both ends of a period on one clock: `13:00`, `15:00`.

    With the letters of the zone where the clock is changed within the period, or shows one of the ends twice on that
    day: `01:00 BST`, `01:00 GMT`.
    """
    with_letters = first.utcoffset() != last.utcoffset() or _comes_twice(first) or _comes_twice(last)
    form = "{0:%H:%M} {0:%Z}" if with_letters else "{0:%H:%M}"
    return form.format(first), form.format(last)


def _comes_twice(shown: datetime) -> bool:
    return shown.utcoffset() != shown.replace(fold=not shown.fold).utcoffset()


def day_text(day: date) -> str:
    """`Fri 4 Dec 2026`"""
    return f"{DAYS[day.weekday()]} {day.day} {MONTHS[day.month]} {day.year}"


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    try:
        return instant.astimezone(zone)
    except OverflowError:  # a day before the first of year 1, or after the last of year 9999
        return instant
