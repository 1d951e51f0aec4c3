"""Which slots may be offered and which may be taken: one set of rules, for search and booking alike.

`rules` is the set. Search lists the slots that keep all of them, a booking names the first one that is broken, and
the UPDATE that takes a place repeats them, so that they hold at that very moment. The wishes of a request (the
customer's times, the delivery of the parts) shape the offers only.
"""

import base64
import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, Case, Exists, F, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Length
from django.db.models.lookups import LessThan

from bookings import calendars, wire
from bookings.models import AppointmentSlot, PostcodePrefix, ServiceArea, plain_postcode

ID_PREFIX = "slot-"

# What neither staff, nor a blackout, nor a plan that has it no longer hides. AppointmentSlot.is_hidden is the contrary.
SHOWN = Q(is_open=True, blackout__isnull=True, is_withdrawn=False)

# What a technician reads of a slot that breaks a rule.
REFUSALS = {
    "past": "This appointment has begun or is over.",
    "notice": "This appointment begins too soon to be booked.",
    "cutoff": "Bookings for the day of this appointment are closed.",
    "horizon": "This appointment is too far ahead to be booked.",
    "closed": "This appointment is closed for bookings.",
    "full": "This appointment is full.",
    "margin": "The last places of this appointment are kept back.",
}

# What a technician reads when a rule, or a wish, leaves nothing to offer.
EMPTY = {
    "planned": "No appointments are planned in {area} for orders of this kind.",
    "past": "No appointments are planned in {area} from now on.",
    "notice": "The appointments in {area} begin too soon to be booked; no later ones are planned.",
    "cutoff": "Bookings for the next days in {area} are closed; no later appointments are planned.",
    "horizon": "There is no appointment in {area} within the next {days} days; later ones cannot be booked yet.",
    "closed": "All appointments in {area} in the next {days} days are closed for bookings.",
    "full": "All appointments in {area} in the next {days} days are full.",
    "margin": "The last free places in {area} in the next {days} days are kept back.",
    "parts": "No appointment in {area} is free after the delivery of the parts, which is expected on {delivery}.",
    "customer": "No free appointment in {area} fits the customer's own times.",
}


@dataclass(frozen=True)
class Found:
    """The answer to a search: periods in UTC, sorted, each once; `message` says why there are none."""

    area: ServiceArea | None
    periods: list[tuple[datetime, datetime]]
    message: str = ""


def search(job: wire.Search, now: datetime, using: str = DEFAULT_DB_ALIAS) -> Found:
    """The periods that can be booked for a job. Three queries at most, however many slots there are.

    It may read from a replica (`using`); nothing else here does.
    """
    area = find_area(job.location, using)
    if area is None:
        code = job.location.service_area_id
        return Found(
            None, [], f"There is no service area {code}." if code else "No service area takes care of this place."
        )
    slots = AppointmentSlot.objects.using(using).filter(for_order_type(job.order_type), area=area)
    wanted = wishes(job)
    conditions = rules(now, area) | wanted
    periods = open_periods(slots, conditions.values(), settings.BOOKJOB_MAX_OFFERS)
    if periods:
        return Found(area, periods)
    delivery = latest_delivery(job)
    message = EMPTY[_what_left_nothing(area, slots, conditions)].format(
        area=area.name,
        days=settings.BOOKJOB_HORIZON_DAYS,
        delivery=delivery and area.instant_text(delivery),
    )
    return Found(area, [], message)


def open_periods(
    slots: QuerySet[AppointmentSlot], conditions: Iterable[Q], most: int
) -> list[tuple[datetime, datetime]]:
    """The first periods in which at least one of the slots keeps all conditions."""
    return list(slots.filter(*conditions).order_by("start", "end").values_list("start", "end").distinct()[:most])


def alternatives(slot: AppointmentSlot, order_type: str, now: datetime) -> list[tuple[datetime, datetime]]:
    """Up to three periods to book instead: the next ones after the slot, else the next ones from now."""
    slots = AppointmentSlot.objects.filter(for_order_type(order_type), area=slot.area)
    keeping = rules(now, slot.area).values()
    later = [*keeping, Q(start__gte=slot.start)]
    return open_periods(slots, later, 3) or open_periods(slots, keeping, 3)


def wishes(job: wire.Search) -> dict[str, Q]:
    """What the request wants of a slot, by the word that says what left nothing."""
    wanted = {}
    delivery = latest_delivery(job)
    if delivery:
        # A slot is a working period: the first one that begins once the parts are there.
        wanted["parts"] = Q(start__gte=delivery)
    busy = Q()
    free = Q()
    for constraint in job.time_constraints:
        start, end = constraint.period.start, constraint.period.end
        if constraint.type in settings.BOOKJOB_UNAVAILABLE_TYPES:
            busy |= Q(start__lt=end, end__gt=start)
        else:
            free |= Q(start__gte=start, end__lte=end)
    if busy or free:
        wanted["customer"] = ~busy & free if busy else free
    return wanted


def latest_delivery(job: wire.Search) -> datetime | None:
    """When the last of the required parts arrives."""
    return max(
        (part.estimated_delivery for part in job.required_parts if part.estimated_delivery and not part.delete),
        default=None,
    )


def _what_left_nothing(area: ServiceArea, slots: QuerySet[AppointmentSlot], conditions: dict[str, Q]) -> str:
    """The first of the conditions, each taken together with those before it, that no slot keeps."""
    tests = {"planned": Exists(slots)}
    kept = slots
    for word, condition in conditions.items():
        kept = kept.filter(condition)
        tests[word] = Exists(kept)
    answers = ServiceArea.objects.using(slots.db).filter(pk=area.pk).values_list(*tests.values())[0]
    return next(word for word, is_true in zip(tests, answers, strict=True) if not is_true)


def rules(now: datetime, area: ServiceArea) -> dict[str, Q]:
    """What a slot of `area` must fulfil, by the word that names its breach, in the order in which a refusal looks."""
    found = {
        "past": Q(start__gt=now),
        "notice": Q(start__gt=now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES)),
    }
    if area.cutoff_days is not None and area.cutoff_time is not None:
        found["cutoff"] = Q(start__gte=_first_open_day(now, area.zone, area.cutoff_days, area.cutoff_time))
    found |= {
        "horizon": Q(start__lte=now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS)),
        "closed": SHOWN,
        "full": Q(booked__lt=F("capacity")),
    }
    if area.safety_percent < 100:
        # In hundredths of a place, which no rounding touches, and in 64 bits, which no capacity leaves.
        most = Cast("capacity", BigIntegerField()) * area.safety_percent
        found["margin"] = Q(LessThan(Cast("booked", BigIntegerField()) * 100, most))
    return found


def takeable(now: datetime, area: ServiceArea) -> Q:
    """All rules at once."""
    condition = Q()
    for rule in rules(now, area).values():
        condition &= rule
    return condition


def _first_open_day(now: datetime, zone: ZoneInfo, days_before: int, at: time) -> datetime:
    """The beginning, in UTC, of the first day of the area's calendar that the cut-off leaves open at `now`."""
    today = now.astimezone(zone).date()
    minute = at.hour * 60 + at.minute
    latest_closed = today + timedelta(days=days_before)
    # Compared as instants: on the clock, an hour that comes twice would open the day again.
    if now < calendars.moment_of(today, minute, zone):
        latest_closed -= timedelta(days=1)
    return calendars.moment_of(latest_closed + timedelta(days=1), 0, zone)


def for_order_type(order_type: str) -> Q:
    """A slot for another order type does not exist for this one; an order without a type fits the general slots."""
    return Q(order_type__in=["", order_type])


def with_refusal(slots: QuerySet[AppointmentSlot], now: datetime, area: ServiceArea) -> QuerySet[AppointmentSlot]:
    """Each slot of `area` with `refusal`: the first rule that it breaks, or an empty text."""
    broken = [When(~rule, then=Value(word)) for word, rule in rules(now, area).items()]
    return slots.annotate(refusal=Case(*broken, default=Value("")))  # type: ignore[no-redef]


def find_area(location: wire.Location, using: str = DEFAULT_DB_ALIAS) -> ServiceArea | None:
    """The named area; without a name the one with the longest matching postcode prefix; else the default area."""
    areas = ServiceArea.objects.using(using)
    if location.service_area_id:
        return areas.filter(code=location.service_area_id).first()
    postcode = plain_postcode(location.address.zip)[:20]  # no prefix is longer
    if postcode:
        beginnings = [postcode[:length] for length in range(1, len(postcode) + 1)]
        prefixes = PostcodePrefix.objects.using(using).filter(prefix__in=beginnings).select_related("area")
        country = location.address.country.strip().upper()
        if country:
            prefixes = prefixes.filter(country__in=["", country])
        best = prefixes.order_by(-Length("prefix"), "-country").first()
        if best:
            return best.area
    return areas.filter(code=settings.BOOKJOB_DEFAULT_AREA).first()


def offer_id(area_id: int, start: datetime, end: datetime) -> str:
    """The ID of an offer: it names a period of an area, not one worker's slot, and never changes."""
    named = f"{area_id}.{_microseconds(start)}.{_microseconds(end)}".encode()
    return ID_PREFIX + base64.urlsafe_b64encode(hashlib.sha256(named).digest()[:6] + named).decode().rstrip("=")


def offer(area: ServiceArea, start: datetime, end: datetime) -> dict[str, Any]:
    """A period as ServiceMobility shows it: a TimeConstraints object."""
    return wire.Offer(
        ID=offer_id(area.pk, start, end),
        Desc=area.period_text(start, end),
        Type=settings.BOOKJOB_OFFER_TYPE,
        Period={"Start": wire.vendor_time(start), "End": wire.vendor_time(end)},
    ).model_dump()


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
