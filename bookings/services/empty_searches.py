"""Searches that found nothing, counted by day, area, order type and reason: why did the app show nothing yesterday?

A search only counts in memory. What a process counted is written after an answer is sent, at most every few seconds;
what it counted in its last seconds may be missing.
"""

import logging
import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import Error, transaction
from django.db.models import F

from bookings import clock, offers
from bookings.models import ID_LENGTH, EmptySearch, ServiceArea

logger = logging.getLogger("bookings")

EVERY = 5.0  # seconds between two writings of a process
# So many different ones are kept in memory; more of them in these seconds are no longer told apart by their type.
MOST = 1_000


class Kind(NamedTuple):
    day: date
    area_id: int | None
    order_type: str
    reason: str


_lock = threading.Lock()
_counted: Counter[Kind] = Counter()
_written_at = 0.0


def count(found: offers.SearchResult, order_type: str, now: datetime) -> None:
    """Of a search that found nothing."""
    area = found.area
    day = now.astimezone(area.zone if area else UTC).date()
    kind = Kind(day, area.pk if area else None, order_type[:ID_LENGTH], found.reason)
    with _lock:
        if kind not in _counted and len(_counted) >= MOST:
            kind = kind._replace(order_type="")
        _counted[kind] += 1


def write_if_due() -> None:
    """Never fails: what cannot be written now waits for the next time."""
    global _written_at
    with _lock:
        if not _counted or clock.ticks() - _written_at < EVERY:
            return
        _written_at = clock.ticks()
        counted = dict(_counted)
        _counted.clear()
    try:
        with transaction.atomic():
            # An area may have been removed meanwhile.
            there = set(ServiceArea.objects.in_bulk({kind.area_id for kind in counted if kind.area_id})) | {None}
            for kind, number in sorted(counted.items(), key=str):
                if kind.area_id in there:
                    _write(kind, number)
    except Error:
        logger.warning("Empty searches could not be counted; they are written later.", exc_info=True)
        with _lock:
            _counted.update(counted)


def _write(kind: Kind, number: int) -> None:
    row = EmptySearch.objects.filter(**kind._asdict()).order_by("pk").values_list("pk", flat=True).first()
    if row is None:
        EmptySearch.objects.create(**kind._asdict(), number=number)
    else:
        EmptySearch.objects.filter(pk=row).update(number=F("number") + number)
