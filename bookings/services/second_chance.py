"""Bookings that were refused for want of a place, and would have one now: dispatch rings, and books for them.

What fits is decided by the rules of a booking, and the booking is made by services.book, with all its guards.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from pydantic import ValidationError

from bookings import documents, offers, wire
from bookings.models import AppointmentSlot, Refusal, ServiceArea, WorkOrder
from bookings.offers.choices import document_of
from bookings.refusals import Code, Refused
from bookings.services import booking
from bookings.services.rows import Booked

# As many of the latest are looked at: it bounds what the board costs on a day of many refusals.
LATEST = 300

Place = tuple[int | None, datetime | None, datetime | None]  # key of the area, start and end


@dataclass(frozen=True)
class SecondChance:
    """`slot` is a place in the very time that was asked for."""

    refusal: Refusal
    slot: AppointmentSlot
    customer: str
    phone: str


def waiting(areas: Sequence[ServiceArea], now: datetime, most: int) -> list[SecondChance]:
    """The latest of each order that has no booking since, the next visit first. Three statements, whatever there is."""
    refusals = _open_ones(areas, now)
    types = {one: f"suits_{number}" for number, one in enumerate(sorted({row.order_type for row in refusals}))}
    asked_in = {refusal.area_id for refusal in refusals}
    free = _free_slots([area for area in areas if area.pk in asked_in], refusals, types, now)
    found = []
    for refusal in refusals:
        slots = free[refusal.area_id, refusal.visit_start, refusal.visit_end]
        suiting = (slot for slot in slots if getattr(slot, types[refusal.order_type]))
        if slot := next(suiting, None):
            found.append((refusal, slot))
    shown = sorted(found, key=lambda pair: (pair[1].start, -pair[0].pk))[:most]
    bodies = dict(Refusal.objects.filter(pk__in=[refusal.pk for refusal, _ in shown]).values_list("pk", "body"))
    return [
        SecondChance(refusal, slot, *_customer_of(bodies[refusal.pk]))
        for refusal, slot in shown
        if refusal.pk in bodies
    ]


def book(*, refusal: Refusal, by: str, areas: set[int] | None) -> Booked:
    """Book what was refused, as it was asked for. Raises Refused where that is not possible (any more).

    Also where the order was booked since: what its technician chose later counts.
    """
    try:
        body = documents.read_body(refusal.body.encode())
        job = wire.BookJob.model_validate(document_of(body))
    except ValidationError:
        raise Refused("invalid_request", "What was asked for cannot be read any more. Book it anew.") from None
    return booking.book(
        order=refusal.original_order,
        job=job,
        body=body.text,
        fingerprint=body.fingerprint,
        caller=by,
        areas=areas,
        is_first=True,
    )


def _open_ones(areas: Sequence[ServiceArea], now: datetime) -> list[Refusal]:
    booked = WorkOrder.objects.active().real().filter(original_order=OuterRef("original_order"))
    rows = Refusal.objects.filter(
        # In COALESCE, so that it is looked up for each refusal: PostgreSQL would join the two, and read all bookings
        # for each as long as it has no statistics of the tables.
        ~Coalesce(Exists(booked), False),
        area__in=[area.pk for area in areas],
        at__gte=now - timedelta(days=settings.BOOKJOB_HORIZON_DAYS),
        error=Code.SLOT_UNAVAILABLE,
        visit_start__gt=now,
    )
    latest: dict[str, Refusal] = {}
    for refusal in rows.exclude(body="").defer("body").order_by("-pk")[:LATEST]:
        latest.setdefault(refusal.original_order, refusal)
    return list(latest.values())


def _free_slots(
    areas: Sequence[ServiceArea], refusals: Iterable[Refusal], types: Mapping[str, str], now: datetime
) -> dict[Place, list[AppointmentSlot]]:
    by_key = {area.pk: area for area in areas}
    asked = {refusal.visit_start for refusal in refusals if refusal.visit_start}
    slots = AppointmentSlot.objects.filter(area__in=by_key, start__in=asked)
    free: dict[Place, list[AppointmentSlot]] = defaultdict(list)
    suiting = offers.with_suits(slots, {name: one for one, name in types.items()})
    for slot in offers.with_refusals(suiting, now, areas):
        if not slot.refusal:
            slot.area = by_key[slot.area_id]
            free[slot.area_id, slot.start, slot.end].append(slot)
    return free


def _customer_of(body: str) -> tuple[str, str]:
    """Name and phone of who waits for the visit; empty where the body cannot be read any more."""
    try:
        job = wire.BookJob.model_validate(document_of(documents.read_body(body.encode())))
    except (ValidationError, Refused):
        return "", ""
    return job.account.name or job.account.account_num or job.location.name, job.location.phone_num
