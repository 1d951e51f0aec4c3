"""What becomes of a booking request, decided from what was read: the slot, the booking to move, or the refusal.

Nothing here writes. Only booking.py and moving.py call this.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from bookings import documents, offers, sentences, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.offers import choices
from bookings.offers.choices import Choice
from bookings.refusals import Refused
from bookings.services.rows import BookingRequest

# For how long a body that was taken is no new wish: its copy was sent before, and the answer was lost.
LATE_COPY = timedelta(minutes=10)


class Unavailable(Refused):
    """The slot cannot be taken. Its `alternatives` are read later, as `offers.alternatives` has it."""

    def __init__(self, *said: str, instead_of: AppointmentSlot, **params: Any) -> None:
        super().__init__(*said, **params)
        self.slot = instead_of

    def offer(self, found: sql.Result) -> None:
        self.params["alternatives"] = offers.offered(self.slot.area, offers.read_periods(found.rows))


def read_choices(job: wire.BookJob) -> list[Choice]:
    """What may name the slot. Raises Refused if nothing does, or if something contradicts itself."""
    found = choices.read(job)
    for choice in found:
        check_agrees(choice)
    if not found:
        what = "names no appointment: it has neither a Period nor the ID of an offer" if job.time_constraints else ""
        message = f"TimeConstraints {what or 'is missing'}."
        faults = [{"dataPath": "/TimeConstraints", "message": message}]
        raise Refused("invalid_request", message, data_path="/TimeConstraints", errors=faults)
    return found


def check_agrees(choice: Choice) -> None:
    """Raises Refused where the ID of an offer and the period beside it name different appointments."""
    if choice.is_contradictory:
        raise Refused(
            "invalid_request",
            "The ID belongs to another appointment than the Period. Search again and choose anew.",
            data_path=choice.path,
        )


def answered_before(request: BookingRequest, earlier: list[WorkOrder]) -> WorkOrder | None:
    """The booking that this very body made, also where its fingerprint was made by an older rule."""
    for work_order in earlier:
        if work_order.fingerprint == request.fingerprint:
            return work_order
    return next((found for found in earlier if documents.fingerprint_of(found.body) == request.fingerprint), None)


def named_slots(request: BookingRequest, found: list[Choice], seen: offers.Candidates) -> list[AppointmentSlot]:
    """The slots in the one period that the body names. Raises Refused if there is none, or several periods."""
    if seen.area is None or (request.places is not None and seen.area.pk not in request.places):
        raise _no_such_area(request, found)
    named = choices.fitting(found, seen.area, seen.slots)
    if not named:
        period = seen.area.period_text(found[0].start, found[0].end)
        raise Refused(
            "slot_not_found",
            sentences.say(sentences.NO_SUCH_PERIOD, period=period),
            data_path=found[0].path,
            area=seen.area.code,
        )
    if len(named) > 1:
        raise Refused(
            "invalid_request",
            sentences.say("{place} names several appointments. Choose one.", place=named[0].place[1:]),
            data_path=named[0].place,
        )
    request.choice = named[0]
    return [slot for slot in seen.slots if (slot.start, slot.end) == (named[0].start, named[0].end)]


def _no_such_area(request: BookingRequest, found: list[Choice]) -> Refused:
    if choices.area_id_of(found):
        message, path = "There is no such appointment any more. Search again and choose another.", found[0].path
    else:
        message = offers.no_area(request.job, request.places)
        path = "/Location/ServiceAreaID" if request.job.location.service_area_id else "/Location"
    return Refused("slot_not_found", message, data_path=path)


def check_is_not_late(request: BookingRequest, earlier: list[WorkOrder], now: datetime) -> None:
    """Raises Refused where this very body was taken a short time ago, and its booking was changed since.

    Its phone has sent it before that change. `earlier` are the order's active bookings, none of them with this body.
    """
    taken = HistoryEntry.objects.filter(
        work_order__original_order=request.order,
        work_order__area__is_practice=request.is_practice,
        at__gt=now - LATE_COPY,
        details__fingerprint=request.fingerprint,
    )
    entry = taken.select_related("work_order__slot__area").order_by("pk").last()
    if entry is None or entry.work_order is None:
        return
    work_order = entry.work_order
    if work_order.status == WorkOrder.Status.BOOKED:
        raise _already_booked(request, work_order)
    if earlier and settings.BOOKJOB_FOLLOWUP_POLICY != "multiple":
        raise _already_booked(request, earlier[0])
    if not request.may_see(work_order):
        raise Refused("cancelled_meanwhile", sentences.CANCELLED_ELSEWHERE)
    raise Refused(
        "cancelled_meanwhile",
        sentences.say(sentences.CANCELLED_MEANWHILE, number=work_order.order_num),
        OrderNum=work_order.order_num,
        **_where(work_order),
    )


def _already_booked(request: BookingRequest, work_order: WorkOrder) -> Refused:
    if not request.may_see(work_order):
        return Refused("already_booked", sentences.ALREADY_BOOKED_ELSEWHERE)
    return Refused(
        "already_booked",
        sentences.say(sentences.ALREADY_BOOKED, number=work_order.order_num, appointment=work_order.slot),
        OrderNum=work_order.order_num,
        **_where(work_order),
    )


def _where(work_order: WorkOrder) -> dict[str, Any]:
    """Where a booking stands, for the parameters of a refusal."""
    slot = work_order.slot
    return {"Status": work_order.status, "Period": offers.offered(slot.area, [(slot.start, slot.end)])[0]["Period"]}


def to_move(request: BookingRequest, earlier: list[WorkOrder], slot: AppointmentSlot) -> WorkOrder | None:
    """What the order's active bookings mean for a new one in the period of `slot`: the one to move, if any.

    Raises Refused where the new booking may not be.
    """
    for work_order in earlier:
        if (work_order.slot.area_id, work_order.slot.start, work_order.slot.end) == (
            slot.area_id,
            slot.start,
            slot.end,
        ):
            raise Refused(
                "conflicting_duplicate",
                sentences.say(sentences.CONFLICTING_DUPLICATE, number=work_order.order_num),
                OrderNum=work_order.order_num,
            )
    policy = "one" if request.is_first else settings.BOOKJOB_FOLLOWUP_POLICY
    if not earlier or policy == "multiple":
        return None
    if policy == "move" and len(earlier) == 1 and request.may_see(earlier[0]):
        return earlier[0]
    raise _already_booked(request, earlier[0])


def best_of(slots: list[AppointmentSlot], request: BookingRequest) -> AppointmentSlot:
    """The slot to try first. Raises Refused with the reason if none can be taken."""
    free = [slot for slot in slots if not slot.refusal]
    if free:
        return offers.preferred(free, request.job.user_name)
    raise unavailable(slots, request.choice.path if request.choice else "")


def unavailable(slots: list[AppointmentSlot], data_path: str) -> Unavailable:
    """Why none of the slots of a period can be taken."""
    # Where one worker's slot is full and another's closed, people would say that it is full.
    refusals = [slot.refusal for slot in slots]
    reason = "full" if "full" in refusals else refusals[0]
    slot = slots[0]
    return Unavailable(
        "slot_unavailable",
        sentences.say(sentences.SLOT_UNAVAILABLE, why=offers.REFUSALS[reason], appointment=slot),
        data_path=data_path,
        reason=reason,
        instead_of=slot,
    )
