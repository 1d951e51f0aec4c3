"""The clock: what time it is, and how an area's wall clock shows it. The one place that asks what time it is.

Times as texts are read in one form (contract, section 5, "An instant"). What has another form is refused, never read as
something else: `datetime.fromisoformat` alone takes `20261128012000Z` for noon and `2026-12-04+13:00` for 13:00.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from time import monotonic
from zoneinfo import ZoneInfo, available_timezones

import tzdata
from django.utils import timezone

# What lies outside is no date: .NET writes 0001-01-01 where it has none.
FIRST_YEAR, LAST_YEAR = 1900, 2999

# As people read them, in English whatever the machine speaks.
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MONTHS = ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# The release of the IANA time zones that every process reads (bookjob_site/__init__.py).
TIME_ZONES_VERSION: str = tzdata.IANA_VERSION
# In IANA's list, but no place has their clock: the machine's own, and "not set yet".
NO_PLACE = {"localtime", "posixrules", "Factory"}

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?",
    re.ASCII,
)


def now() -> datetime:
    """This moment, in UTC. Call it as `clock.now()`: a test that stops the clock replaces it here, for all."""
    return timezone.now()


def ticks() -> float:
    """Seconds that are never set back, the same for all processes of a machine. A test stops these here too."""
    return monotonic()


# --- Texts of callers -------------------------------------------------------------------------------------


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


# --- Time zones and their moments -------------------------------------------------------------------------


@cache
def time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_PLACE)


def time_zone_problem(name: str) -> str:
    """Why this is no time zone of a place, or an empty text: the one check of forms, commands and files."""
    return "" if name in time_zones() else f"{name!r} is not an IANA time zone. Europe/London and America/New_York are."


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
    return instant_of(day, clock.hour * 60 + clock.minute, zone)


def utc_offset(instant: datetime, zone: ZoneInfo) -> int:
    """How many minutes the clock of `zone` is ahead of UTC at this moment."""
    offset = instant.astimezone(zone).utcoffset()
    return round(offset.total_seconds() / 60) if offset else 0


def _wall(day: date, minute: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minute)


def instant_of(day: date, minute: int, zone: ZoneInfo) -> datetime | None:
    """The first moment at which the clock shows this time, in UTC; None if it never does."""
    wall = _wall(day, minute)
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == wall else None


# --- Texts for people --------------------------------------------------------------------------------------


@lru_cache(maxsize=2048)  # a list of a day has the same few periods in all its rows
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
