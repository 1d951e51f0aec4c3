"""What was refused is kept for staff: callers ring them about it. It changes no booking."""

import logging
from typing import Any, NamedTuple

from django.db import DatabaseError

from bookings import clock, offers
from bookings.db import sql
from bookings.models import AppointmentSlot, Refusal
from bookings.offers import choices
from bookings.refusals import Code, Refused
from bookings.services.rows import BookingRequest
from bookings.telemetry import origin

logger = logging.getLogger("bookings")

NOTHING: sql.Statement = "SELECT 1", []


class Unavailable(Refused):
    """The slot cannot be taken. Its `alternatives` are read later, as `offers.alternatives` has it."""

    def __init__(self, *said: str, instead_of: AppointmentSlot, **params: Any) -> None:
        super().__init__(*said, **params)
        self.slot = instead_of

    def offer(self, found: sql.Result) -> None:
        self.params["alternatives"] = offers.offered(self.slot.area, offers.read_periods(found.rows))


class Row(NamedTuple):
    """The columns of a refusal, and those that the database works out as it writes them."""

    columns: dict[str, Any]
    worked_out: dict[str, sql.Statement]


def keep(refusal: Refused, request: BookingRequest) -> None:
    """One statement, as a rule, which also finds what can be booked instead.

    Where it cannot be written, the refusal is answered all the same.
    """
    if refusal.error == Code.UNAVAILABLE:
        return
    full = refusal if isinstance(refusal, Unavailable) else None
    instead = offers.alternatives(full.slot, request.job.order_type, clock.now()) if full else NOTHING
    found: sql.Result | None
    try:
        row = _row(refusal, request)
        found = sql.write_and_read((Refusal, [row.columns]), instead, row.worked_out) if row else sql.run(*instead)
    except DatabaseError:
        logger.exception("A refusal could not be kept for dispatch")
        found = sql.run(*instead) if full else None
    if full and found:
        full.offer(found)


def _row(refusal: Refused, request: BookingRequest) -> Row | None:
    """None in a practice area: nothing is kept of it."""
    named = [request.choice] if request.choice else choices.read(request.job)
    area = request.area
    if not request.is_area_read:
        area = offers.find_area(request.job, area_id=choices.area_id_of(named))
    if area and area.is_practice:
        return None
    now = clock.now()
    columns = {
        "at": now,
        "error": refusal.error,
        "message": refusal.message,
        "original_order": request.order,
        "area_id": area and area.pk,
        "caller": request.caller,
        "request_id": origin.current.get().request_id,
        "body": request.body,
        "visit_start": named[0].start if named else None,
        "visit_end": named[0].end if named else None,
        "order_type": request.job.order_type,
    }
    if not area or not named:
        return Row(columns, {})
    period = named[0].start, named[0].end
    return Row(columns, {"verdicts": offers.verdicts(area, period, request.job.order_type, now)})
