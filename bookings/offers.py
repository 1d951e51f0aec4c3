"""Which slots may be offered and which may be taken: one set of rules, for search and booking alike.

`rules` is the set. Search lists the slots that keep all of them, a booking names the first one that is broken, and
the UPDATE that takes a place repeats them, so that they hold at that very moment.
"""

import base64
import hashlib
import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Length

from bookings import wire
from bookings.models import AppointmentSlot, PostcodePrefix, ServiceArea, plain_postcode

ID_PREFIX = "slot-"

REFUSALS = {
    "past": "This appointment has begun or is over.",
    "notice": "This appointment begins too soon to be booked.",
    "horizon": "This appointment is too far ahead to be booked.",
    "closed": "This appointment is closed for bookings.",
    "full": "This appointment is full.",
}


def rules(now: datetime) -> dict[str, Q]:
    """What a slot must fulfil, by the word that names its breach, in the order in which a refusal looks at them."""
    return {
        "past": Q(start__gt=now),
        "notice": Q(start__gt=now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES)),
        "horizon": Q(start__lte=now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS)),
        "closed": Q(is_open=True),
        "full": Q(booked__lt=F("capacity")),
    }


def takeable(now: datetime) -> Q:
    """All rules at once."""
    condition = Q()
    for rule in rules(now).values():
        condition &= rule
    return condition


def for_order_type(order_type: str) -> Q:
    """A slot for another order type does not exist for this one; an order without a type fits the general slots."""
    return Q(order_type__in=["", order_type])


def with_refusal(slots: QuerySet[AppointmentSlot], now: datetime) -> QuerySet[AppointmentSlot]:
    """Each slot with `refusal`: the first rule that it breaks, or an empty text."""
    broken = [When(~rule, then=Value(word)) for word, rule in rules(now).items()]
    return slots.annotate(refusal=Case(*broken, default=Value("")))  # type: ignore[no-redef]


def find_area(location: wire.Location) -> ServiceArea | None:
    """The named area; without a name the one with the longest matching postcode prefix; else the default area."""
    if location.service_area_id:
        return ServiceArea.objects.filter(code=location.service_area_id).first()
    postcode = plain_postcode(location.address.zip)[:20]  # no prefix is longer
    if postcode:
        beginnings = [postcode[:length] for length in range(1, len(postcode) + 1)]
        prefixes = PostcodePrefix.objects.filter(prefix__in=beginnings).select_related("area")
        country = location.address.country.strip().upper()
        if country:
            prefixes = prefixes.filter(country__in=["", country])
        best = prefixes.order_by(-Length("prefix"), "-country").first()
        if best:
            return best.area
    return ServiceArea.objects.filter(code=settings.BOOKJOB_DEFAULT_AREA).first()


def offer_id(area_id: int, start: datetime, end: datetime) -> str:
    """The ID of an offer: it names a period of an area, not one worker's slot, and never changes."""
    named = f"{area_id}.{_microseconds(start)}.{_microseconds(end)}".encode()
    return ID_PREFIX + base64.urlsafe_b64encode(hashlib.sha256(named).digest()[:6] + named).decode().rstrip("=")


def was_issued_here(given_id: str) -> bool:
    """Whether an ID is one of ours; ServiceMobility may send IDs of its own, which mean nothing here."""
    if not given_id.startswith(ID_PREFIX):
        return False
    try:
        text = given_id.removeprefix(ID_PREFIX)
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return False
    return hashlib.sha256(decoded[6:]).digest()[:6] == decoded[:6]


def preferred(slots: Iterable[AppointmentSlot], worker: str) -> AppointmentSlot:
    """The asked-for worker's slot, else the one with the most room.

    Among equals it is drawn by lot: callers who come at the same moment would all run for the first one otherwise.
    """
    return min(
        slots,
        key=lambda slot: (
            not (worker and slot.worker == worker),
            slot.booked - slot.capacity,
            random.random(),
        ),
    )


def _microseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)
