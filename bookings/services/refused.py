"""What was refused is kept for staff: callers ring them about it. It changes no booking."""

import logging

from django.db import DatabaseError

from bookings import clock, offers
from bookings.db import sql
from bookings.models import Refusal
from bookings.offers import choices
from bookings.refusals import Code, Refused
from bookings.services.rows import BookingRequest
from bookings.telemetry import origin

logger = logging.getLogger("bookings")


def keep(refusal: Refused, request: BookingRequest) -> None:
    """One statement, as a rule. Where it cannot be written, the refusal is answered all the same."""
    if refusal.error == Code.UNAVAILABLE:
        return
    named = [request.choice] if request.choice else choices.read(request.job)
    try:
        area = request.area
        if not request.is_area_read:
            area = offers.find_area(request.job, area_id=choices.area_id_of(named))
        row = {
            "at": clock.now(),
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
        sql.write((Refusal, [row]))
    except DatabaseError:
        logger.exception("A refusal could not be kept for dispatch")
