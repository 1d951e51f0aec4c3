"""Where a booking may be moved to, by a system that names a period or an offer. changes.move does it."""

from datetime import datetime

from bookings import clock, offers, sentences, wire
from bookings.db import sql
from bookings.db.codes import fold
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
from bookings.refusals import Refused
from bookings.services import decisions


def slot_for(work_order: WorkOrder, wanted: wire.MoveWorkOrder, areas: set[int] | None) -> AppointmentSlot:
    """The slot that is meant, free as it seems. `areas` are the keys of those that the caller may see, None for all.

    Raises Refused where there is none, or none that can be taken.
    """
    area, start, end = _place(work_order, wanted, areas)
    now = clock.now()
    slots = AppointmentSlot.objects.filter(
        offers.suitable([work_order.order_type]), area=area, start=start, end=end
    ).select_related("area")
    if wanted.worker:
        slots = slots.filter(worker=wanted.worker)
    found = list(offers.with_refusal(slots, now, area))
    if not found:
        raise _no_such_slot(area, start, end)
    # In the period where it is it stays, unless another worker is named: changes.move says so.
    if own := next((slot for slot in found if slot.pk == work_order.slot_id), None):
        return own
    if free := [slot for slot in found if not slot.refusal]:
        return offers.preferred(free, wanted.worker or work_order.worker)
    refusal = decisions.unavailable(found, "/ID" if wanted.id else "/Period")
    refusal.offer(sql.run(*offers.alternatives(refusal.slot, work_order.order_type, now)))
    raise refusal


def alternatives(work_order: WorkOrder) -> offers.SearchResult:
    """The periods of its area that it can be moved to right now, the first of them."""
    slot = work_order.slot
    found = offers.open_for(slot.area, work_order.order_type, clock.now())
    periods = [period for period in found if period != (slot.start, slot.end)]
    message = "" if periods else sentences.say(sentences.NOTHING_TO_MOVE_TO, area=slot.area.name)
    return offers.SearchResult(slot.area, periods, message)


def _place(
    work_order: WorkOrder, wanted: wire.MoveWorkOrder, areas: set[int] | None
) -> tuple[ServiceArea, datetime, datetime]:
    named = offers.read_id(wanted.id)
    seen = ServiceArea.objects.in_areas(areas)
    if named:
        key, start, end = named
        area = seen.filter(pk=key).first()
    else:
        if wanted.period is None:
            raise Refused(
                "slot_not_found", "There is no offer with this ID. Ask for the alternatives.", data_path="/ID"
            )
        start, end = wanted.period.start, wanted.period.end
        code = wanted.service_area_id
        area = seen.filter(codes__folded=fold(code)).first() if code else work_order.slot.area
    if area is None:
        message = f"There is no service area {wanted.service_area_id}." if not named else "There is no such area."
        raise Refused("slot_not_found", message, data_path="/ID" if named else "/ServiceAreaID")
    return area, start, end


def _no_such_slot(area: ServiceArea, start: datetime, end: datetime) -> Refused:
    period = area.period_text(start, end)
    return Refused(
        "slot_not_found",
        sentences.say(sentences.NO_SLOT_TO_MOVE_TO, period=period),
        data_path="/Period",
        area=area.code,
    )
