"""Searches that found nothing, counted by day, area, order type and reason: why did the app show nothing yesterday?

A search only counts in memory. What a process counted is written after the answer to a search is sent, at most every
few seconds; where no search comes, by a thread of the worker that has nothing else to do; and when the worker ends.
What a killed process counted in its last seconds is missing.
"""

import logging
import threading
from collections import Counter
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db import Error, close_old_connections, connection, transaction
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


def is_due() -> bool:
    return bool(_counted) and clock.ticks() - _written_at >= EVERY


def write_if_due() -> None:
    """Never fails: what cannot be written now waits for the next time."""
    if is_due():
        write()


def write_between_requests() -> None:
    """The same, in a thread that Django gives no connection to at the moment."""
    close_old_connections()
    write_if_due()
    close_old_connections()


def write_at_exit() -> None:
    """All, in a thread of its own, for the main one may hold what it had before it was forked; it waits seconds."""

    def last() -> None:
        write()
        connection.close()

    writer = threading.Thread(target=last, daemon=True)
    writer.start()
    writer.join(EVERY)


def write() -> None:
    """All that was counted. Never fails."""
    global _written_at
    with _lock:
        if not _counted:
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
