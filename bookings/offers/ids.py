"""The IDs of offers, and offers as ServiceMobility shows them."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings

from bookings import clock, wire
from bookings.models import ServiceArea

ID_PREFIX = "slot-"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def offer_id(area_id: int, start: datetime, end: datetime) -> str:
    """The ID of an offer: it names a period of an area, not one worker's slot, and never changes."""
    return _id_of(area_id, f"{_microseconds(start)}.{_microseconds(end)}")


def _id_of(area_id: int, span: str) -> str:
    named = f"{area_id}.{span}".encode()
    return ID_PREFIX + base64.urlsafe_b64encode(hashlib.sha256(named).digest()[:6] + named).decode().rstrip("=")


def offered(area: ServiceArea, periods: Iterable[tuple[datetime, datetime]]) -> list[dict[str, Any]]:
    """The periods as ServiceMobility shows them: TimeConstraints objects, wire.Offer."""
    area_id, time_zone, kind = area.pk, area.time_zone, settings.BOOKJOB_OFFER_TYPE
    texts = (_texts_of(start, end, time_zone) for start, end in periods)
    return [{"ID": _id_of(area_id, span), "Desc": desc, "Type": kind, "Period": period} for span, desc, period in texts]


# They depend on these values and on nothing else, and are the same in many areas. Whether it is one is asked anew.
@lru_cache(maxsize=2_000)
def _texts_of(start: datetime, end: datetime, time_zone: str) -> tuple[str, str, dict[str, str]]:
    """Of an offer: its period as it stands in the ID, as people read it, and as it is sent."""
    return (
        f"{_microseconds(start)}.{_microseconds(end)}",
        clock.period_text(start, end, time_zone),
        {"Start": wire.vendor_time(start), "End": wire.vendor_time(end)},
    )


def read_id(given_id: str) -> tuple[int, datetime, datetime] | None:
    """Area, start and end of an offer of ours. None for any other ID: ServiceMobility may send its own."""
    if not given_id.startswith(ID_PREFIX):
        return None
    try:
        text = given_id.removeprefix(ID_PREFIX)
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        area_id, *span = map(int, decoded[6:].decode().split("."))
        start, end = (EPOCH + timedelta(microseconds=instant) for instant in span)
        # Any caller can make up an ID, but not one with instants that no page could show.
        are_dates = clock.is_a_date(start) and clock.is_a_date(end)
        is_ours = 0 < area_id < 2**63 and are_dates and offer_id(area_id, start, end) == given_id
    except (ValueError, OverflowError):
        return None
    return (area_id, start, end) if is_ours else None


def _microseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)
