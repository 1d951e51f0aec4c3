"""What staff change of a slot, each in one transaction with its line in the slot's history."""

from datetime import datetime

from django.db import transaction

from bookings import clock, history, services
from bookings.clock import utc_offset
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea, WorkOrder
from bookings.sentences import say
from bookings.services import BookingError
from bookings.supply import blackouts, turns


def add(
    *,
    area: ServiceArea,
    start: datetime,
    end: datetime,
    capacity: int,
    by: str,
    worker: str = "",
    order_type: str = "",
) -> AppointmentSlot:
    """Make one slot. Raises ValidationError where there is such a slot already or the times are no period.

    Raises BookingError if the worker is busy then, in whatever area.
    """
    slot = AppointmentSlot(
        area=area,
        start=start,
        end=end,
        capacity=capacity,
        worker=worker.strip(),
        order_type=order_type.strip(),
        utc_offset=utc_offset(start, area.zone),
        source=AppointmentSlot.Source.HAND,
    )
    with transaction.atomic():
        turns.only_writer()
        slot.full_clean()
        others = AppointmentSlot.objects.keeping_busy(slot.worker, start, end)
        if busy := others.select_related("area").order_by("start", "pk").first():
            message = "{worker} is busy {when} in {area}. Choose another time."
            raise BookingError("worker_busy", say(message, worker=slot.worker, when=busy, area=busy.area.code))
        slot.blackout = blackouts.covering(area.blackouts.in_force(), slot.worker, start, end)
        slot.save(force_insert=True)
        history.record(slot, HistoryEntry.Event.ADDED, at=clock.now(), by=by, after={"capacity": capacity})
    return slot


def close(*, slot: AppointmentSlot, by: str, reason: str) -> int:
    """Offer the slot no longer. Its bookings stay, and ask to be reviewed again; returns how many these are.

    Raises BookingError if it is closed already.
    """
    now, event = clock.now(), HistoryEntry.Event.CLOSED
    hit = WorkOrder.objects.active().filter(slot=slot)
    with transaction.atomic():
        # Bookings first and the slot after them, as bookings, moves and cancellations do: none waits in a circle.
        services.ask_for_review(hit, now)
        if not AppointmentSlot.objects.filter(pk=slot.pk, is_open=True).update(is_open=False, closed_reason=reason):
            current = AppointmentSlot.objects.select_related("area").get(pk=slot.pk)
            why = current.closed_reason
            sentence = "{slot} is closed already: {why}" if why else "{slot} is closed already."
            raise BookingError("already_closed", say(sentence, slot=current, why=why))
        # What was moved here between the two is asked about as well.
        services.ask_for_review(hit, now)
        bookings = list(hit)
        history.record_each(bookings, event, at=now, by=by, reason=reason)
        history.record(slot, event, at=now, by=by, reason=reason, bookings=len(bookings))
    return len(bookings)


def reopen(*, slot: AppointmentSlot, by: str, reason: str = "") -> None:
    """Offer the slot again. Raises BookingError if it is open already, or if it is not staff who hide it."""
    with transaction.atomic():
        if not AppointmentSlot.objects.filter(pk=slot.pk, is_open=False).update(is_open=True, closed_reason=""):
            current = AppointmentSlot.objects.select_related("area", "blackout").get(pk=slot.pk)
            if current.blackout:
                raise BookingError(
                    "hidden_by_blackout",
                    say("{slot} is closed by a blackout: {why}.", slot=current, why=current.blackout.reason),
                    blackout=current.blackout_id,
                )
            if current.is_withdrawn:
                raise BookingError("withdrawn", say("{slot} is closed: its plan has it no longer.", slot=current))
            raise BookingError("already_open", say("{slot} is open already.", slot=current))
        before = {"closed_reason": slot.closed_reason}
        history.record(slot, HistoryEntry.Event.OPENED, at=clock.now(), by=by, reason=reason, before=before)


def resize(
    *, slot: AppointmentSlot, capacity: int, by: str, reason: str = "", seen_capacity: int | None = None
) -> None:
    """Give the slot more or fewer places, never fewer than are booked. Raises BookingError.

    `seen_capacity` is how many the person saw, where that is not what `slot` has.
    """
    seen = slot.capacity if seen_capacity is None else seen_capacity
    with transaction.atomic():
        # The conditional UPDATE is what a booking of this very moment cannot get past.
        enough = AppointmentSlot.objects.filter(pk=slot.pk, booked__lte=capacity, capacity=seen)
        if not enough.exclude(capacity=capacity).update(capacity=capacity):
            current = AppointmentSlot.objects.select_related("area").get(pk=slot.pk)
            if current.capacity == capacity:
                raise BookingError(
                    "same_capacity", say("{slot} has {capacity} places already.", slot=current, capacity=capacity)
                )
            if current.booked > capacity:
                raise BookingError(
                    "below_booked",
                    say(
                        "{slot} has {booked} bookings. Move or cancel some before it gets {capacity} places.",
                        slot=current,
                        booked=current.booked,
                        capacity=capacity,
                    ),
                )
            raise BookingError(
                "changed_meanwhile",
                say(
                    "{slot} was given {capacity} places meanwhile. Look at it again.",
                    slot=current,
                    capacity=current.capacity,
                ),
            )
        before, after = {"capacity": seen}, {"capacity": capacity}
        history.record(
            slot, HistoryEntry.Event.RESIZED, at=clock.now(), by=by, reason=reason, before=before, after=after
        )
