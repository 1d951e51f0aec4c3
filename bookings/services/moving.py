"""Where a booking may be moved to, by a system that names a period or an offer. changes.move does it."""

from bookings import clock, offers, sentences, wire
from bookings.db import sql
from bookings.db.codes import fold
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
from bookings.offers import choices
from bookings.refusals import Refused
from bookings.services import booking, changes


def slot_for(work_order: WorkOrder, wanted: wire.MoveWorkOrder, areas: set[int] | None) -> AppointmentSlot:
    """The slot that is meant, free as it seems. `areas` are the keys of those that the caller may see, None for all.

    Raises Refused where there is none, or none that can be taken.
    """
    choice = choices.choice_of(wanted)
    if choice is None:
        message = "There is no offer with this ID. Ask for the alternatives."
        raise Refused("invalid_request", message, data_path="/ID")
    booking.check_agrees(choice)
    area, start, end, now = _area(work_order, wanted, choice, areas), choice.start, choice.end, clock.now()
    slots = AppointmentSlot.objects.filter(
        offers.suitable([work_order.order_type]), area=area, start=start, end=end
    ).select_related("area")
    if wanted.worker:
        slots = slots.filter(worker=wanted.worker)
    found = list(offers.with_refusal(slots, now, area))
    if not found:
        raise _no_such_slot(area, choice)
    # In the period where it is it stays, unless another worker is named: changes.move says so.
    if own := next((slot for slot in found if slot.pk == work_order.slot_id), None):
        return own
    if free := [slot for slot in found if not slot.refusal]:
        return offers.preferred(free, wanted.worker or work_order.worker)
    refusal = booking.unavailable(found, choice.path)
    refusal.offer(sql.run(*offers.alternatives(refusal.slot, work_order.order_type, now)))
    raise refusal


def alternatives(work_order: WorkOrder) -> offers.SearchResult:
    """The periods of its area that it can be moved to right now, the first of them. Raises Refused if cancelled."""
    changes.check_is_booked(work_order)
    slot = work_order.slot
    found = offers.open_for(slot.area, work_order.order_type, clock.now())
    periods = [period for period in found if period != (slot.start, slot.end)]
    message = "" if periods else sentences.say(sentences.NOTHING_TO_MOVE_TO, area=slot.area.name)
    return offers.SearchResult(slot.area, periods, message)


def _area(
    work_order: WorkOrder, wanted: wire.MoveWorkOrder, choice: choices.Choice, areas: set[int] | None
) -> ServiceArea:
    """Of an offer its own, as in a booking. Raises Refused."""
    seen, code = ServiceArea.objects.in_areas(areas), wanted.service_area_id
    if choice.area_id:
        area = seen.filter(pk=choice.area_id).first()
        message, path = "There is no such appointment any more. Ask for the alternatives.", choice.path
    else:
        area = seen.filter(codes__folded=fold(code)).first() if code else work_order.slot.area
        message, path = sentences.say(sentences.NO_AREA_OF_THAT_CODE, code=code), "/ServiceAreaID"
    if area is None:
        raise Refused("slot_not_found", message, data_path=path)
    return area


def _no_such_slot(area: ServiceArea, choice: choices.Choice) -> Refused:
    period = area.period_text(choice.start, choice.end)
    return Refused(
        "slot_not_found",
        sentences.say(sentences.NO_SLOT_TO_MOVE_TO, period=period),
        data_path=choice.path,
        area=area.code,
    )
