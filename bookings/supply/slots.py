"""What staff change of a slot, each in one transaction with its line in the history. Of many: slot_changes.py."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from bookings import clock, history, services
from bookings.clock import utc_offset
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder
from bookings.sentences import counted, say
from bookings.services import BookingError
from bookings.supply import first_sight, turns, workers
from bookings.supply.closing import blackouts


def add(
    *,
    area: ServiceArea,
    start: datetime,
    end: datetime,
    capacity: int,
    by: str,
    worker: str = "",
    order_type: str = "",
    seen: Collection[int] | None = None,
) -> AppointmentSlot:
    """Make one slot. Raises ValidationError where there is such a slot already or the times are no period.

    Raises BookingError if the worker is busy then, in whatever area; it says where of the areas in `seen` alone.
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
            when = "{when} in {area}" if seen is None or busy.area_id in seen else workers.ELSEWHERE
            message = f"{{worker}} is busy {when}. Choose another time."
            raise BookingError("worker_busy", say(message, worker=slot.worker, when=busy, area=busy.area.code))
        slot.blackout = blackouts.covering(Blackout.objects.hiding([slot]), area, slot.worker, start, end)
        slot.save(force_insert=True)
        first_sight.note(workers=[slot.worker], order_types=[slot.order_type])
        history.record(slot, HistoryEntry.Event.ADDED, at=clock.now(), by=by, after={"capacity": capacity})
    return slot


def close(*, slot: AppointmentSlot, by: str, reason: str) -> int:
    """Offer the slot no longer. Its bookings stay, and ask to be reviewed again; returns how many these are.

    Raises BookingError if it is closed already.
    """
    with transaction.atomic():
        closed, bookings = close_each([slot.pk], by=by, reason=reason)
        if not closed:
            current = AppointmentSlot.objects.select_related("area").get(pk=slot.pk)
            why = current.closed_reason
            sentence = "{slot} is closed already: {why}" if why else "{slot} is closed already."
            raise BookingError("already_closed", say(sentence, slot=current, why=why))
    return bookings


def close_each(pks: Collection[int], *, by: str, reason: str, **details: Any) -> tuple[int, int]:
    """Close those of some slots that are open, in the caller's transaction; how many, and the bookings in them.

    `details` are for the lines of the slots.
    """
    now, event = clock.now(), HistoryEntry.Event.CLOSED
    # Bookings first and the slots after them, as bookings, moves and cancellations do: none waits in a circle.
    services.ask_for_review(WorkOrder.objects.active().filter(slot__in=pks, slot__is_open=True), now)
    slots = AppointmentSlot.objects.filter(pk__in=pks, is_open=True).order_by("pk").select_for_update()
    closed = list(slots.values_list("pk", flat=True))
    AppointmentSlot.objects.filter(pk__in=closed).update(is_open=False, closed_reason=reason)
    # What was booked, or moved here, between the two is asked about as well.
    hit = WorkOrder.objects.active().filter(slot__in=closed)
    services.ask_for_review(hit, now)
    bookings = list(hit.only("slot_id"))
    history.record_each(bookings, event, at=now, by=by, reason=reason)
    numbers = Counter(work_order.slot_id for work_order in bookings)
    history.write_lines(
        history.entry(pk, event, at=now, by=by, reason=reason, bookings=numbers[pk], **details) for pk in closed
    )
    return len(closed), len(bookings)


def reopen(*, slot: AppointmentSlot, by: str, reason: str = "") -> None:
    """Offer the slot again. Raises BookingError if it is open already, or if it is not staff who hide it."""
    with transaction.atomic():
        if not reopen_each([slot.pk], by=by, reason=reason):
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


def reopen_each(pks: Collection[int], *, by: str, reason: str = "", **details: Any) -> int:
    """Open those of some slots that staff closed, in the caller's transaction; how many."""
    slots = AppointmentSlot.objects.filter(pk__in=pks, is_open=False).order_by("pk").select_for_update()
    closed = list(slots.values_list("pk", "closed_reason"))
    AppointmentSlot.objects.filter(pk__in=[pk for pk, _ in closed]).update(is_open=True, closed_reason="")
    now, event = clock.now(), HistoryEntry.Event.OPENED
    history.write_lines(
        history.entry(pk, event, at=now, by=by, reason=reason, before={"closed_reason": why}, **details)
        for pk, why in closed
    )
    return len(closed)


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
                    "same_capacity",
                    say("{slot} has {places} already.", slot=current, places=counted(capacity, "place")),
                )
            if current.booked > capacity:
                raise BookingError(
                    "below_booked",
                    say(
                        "{slot} has {bookings}. Move or cancel some before it gets {places}.",
                        slot=current,
                        bookings=counted(current.booked, "booking"),
                        places=counted(capacity, "place"),
                    ),
                )
            raise BookingError(
                "changed_meanwhile",
                say(
                    "{slot} was given {places} meanwhile. Look at it again.",
                    slot=current,
                    places=counted(current.capacity, "place"),
                ),
            )
        before, after = {"capacity": seen}, {"capacity": capacity}
        history.record(
            slot, HistoryEntry.Event.RESIZED, at=clock.now(), by=by, reason=reason, before=before, after=after
        )


def resize_each(
    slots: Collection[AppointmentSlot],
    *,
    capacity: int | None = None,
    more: int = 0,
    by: str,
    reason: str = "",
    **details: Any,
) -> None:
    """Give slots that the caller has locked, and that have no more bookings, so many places; or `more` than before."""
    places = F("capacity") + more if capacity is None else capacity
    AppointmentSlot.objects.filter(pk__in=[slot.pk for slot in slots]).update(capacity=places)
    now, event = clock.now(), HistoryEntry.Event.RESIZED
    history.write_lines(
        history.entry(
            slot,
            event,
            at=now,
            by=by,
            reason=reason,
            before={"capacity": slot.capacity},
            after={"capacity": slot.capacity + more if capacity is None else capacity},
            **details,
        )
        for slot in slots
    )
