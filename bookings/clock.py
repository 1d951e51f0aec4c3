"""Dates and times as texts: the one form that everything reads them in, and the years that make sense.

Contract, section 5, "An instant". What has another form is refused, never read as something else:
`datetime.fromisoformat` alone takes `20261128012000Z` for noon and `2026-12-04+13:00` for 13:00.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

# What lies outside is no date: .NET writes 0001-01-01 where it has none.
FIRST_YEAR, LAST_YEAR = 1900, 2999

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?",
    re.ASCII,
)


def read_time(text: str) -> datetime:
    """`2026-12-04T13:00`: with an offset or Z that moment, without one as a clock shows it, without a zone.

    `T`, `t` or a blank between date and time; seconds are optional, with any number of digits behind the point, of
    which microseconds count. Raises ValueError for any other form, and for a day that no calendar has.
    """
    text = text.strip()
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a time such as 2026-12-04T13:00Z")
    return datetime.fromisoformat(text.upper())


def read_instant(text: str) -> datetime:
    """The moment in UTC that `read_time` reads; without an offset it is UTC."""
    found = read_time(text)
    try:
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError:
        return found  # beyond the first or the last day of the calendar, which is no date anyway


def read_day(text: str) -> date:
    """`2026-12-04`. Raises ValueError for any other form, and for a day that no calendar has."""
    if not _DAY.fullmatch(text.strip()):
        raise ValueError(f"{text[:40]!r} is not a day such as 2026-12-04")
    return date.fromisoformat(text.strip())


def is_a_date(day: date) -> bool:
    """Whether a day, or a moment, lies in the years that make sense; what does not is read as no date."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def is_day(found: date) -> bool:
    """Whether it is a day alone, and no moment."""
    return not isinstance(found, datetime)


def last_moment(found: date, zone: tzinfo) -> datetime:
    """The moment itself; of a day alone its last millisecond on the clock of `zone`."""
    if isinstance(found, datetime):
        return found
    midnight = datetime.combine(found + timedelta(days=1), time(), zone)
    return midnight.astimezone(UTC) - timedelta(milliseconds=1)
