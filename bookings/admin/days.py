"""Days as the lists ask for them: days of the area's own clock, wherever the viewer sits."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from zoneinfo import ZoneInfo

from django.db.models import Q

from bookings import clock
from bookings.models import ServiceArea
from bookings.supply.from_plans import hours

Days = tuple[date, date]


def read_day(text: str | None) -> date | None:
    """A day such as 2026-12-04 of the years in which slots are planned; the weeks around it exist, too."""
    try:
        day = clock.read_day(text or "")
    except ValueError:
        return None
    return day if hours.FIRST_YEAR <= day.year <= hours.LAST_YEAR else None


def today(zone: ZoneInfo) -> date:
    return clock.now().astimezone(zone).date()


def on_days(areas: Iterable[ServiceArea], field: str, days: Callable[[ZoneInfo], Days]) -> Q:
    """Rows whose instant `field` falls on the days, first and last, of the clock of their own area."""
    zones: dict[str, list[int]] = defaultdict(list)
    for area in areas:
        zones[area.time_zone].append(area.pk)
    if not zones:
        return Q(pk__in=[])
    spans: list[tuple[list[int], datetime, datetime]] = []
    for name, keys in zones.items():
        zone = ZoneInfo(name)
        first, last = days(zone)
        spans.append((keys, clock.day_bounds(first, zone)[0], clock.day_bounds(last, zone)[1]))
    # The span around all of them is what an index can be read by.
    begin, end = min(span[1] for span in spans), max(span[2] for span in spans)
    each = [Q(**{"area_id__in": keys, f"{field}__gte": start, f"{field}__lt": stop}) for keys, start, stop in spans]
    return Q(**{f"{field}__gte": begin, f"{field}__lt": end}) & reduce(or_, each)


def last_days(number: int) -> Callable[[ZoneInfo], Days]:
    """Today and the days before it, `number` in all."""
    return lambda zone: (today(zone) - timedelta(days=number - 1), today(zone))
