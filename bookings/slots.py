"""What staff change of a slot, each in one transaction with its line in the slot's history."""

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from bookings import origin
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea, WorkOrder
from bookings.services import BookingError, record

BATCH = 2_000


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
    """Make one slot. Raises ValidationError where there is such a slot already or the times are no period."""
    slot = AppointmentSlot(
        area=area, start=start, end=end, capacity=capacity, worker=worker.strip(), order_type=order_type.strip()
    )
    slot.full_clean()
    with transaction.atomic():
        slot.save(force_insert=True)
        record(slot, HistoryEntry.Event.ADDED, at=timezone.now(), by=by, after={"capacity": capacity})
    return slot


def add_many(*, new: list[AppointmentSlot], by: str) -> None:
    """Make the slots of one area and worker, in the transaction of the caller.

    One that another run makes at the same moment is no error, and stands once.
    """
    if not new:
        return
    AppointmentSlot.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
    # The database does not say which keys they got: they are the ones without a history.
    made = {(slot.start, slot.end, slot.order_type) for slot in new}
    added = AppointmentSlot.objects.filter(
        area=new[0].area,
        worker=new[0].worker,
        start__range=(min(slot.start for slot in new), max(slot.start for slot in new)),
        history__isnull=True,
    )
    now, came = timezone.now(), origin.current.get()
    HistoryEntry.objects.bulk_create(
        (
            HistoryEntry(
                slot=slot,
                event=HistoryEntry.Event.ADDED,
                at=now,
                by=by,
                via=came.via,
                request_id=came.request_id,
                details={"after": {"capacity": slot.capacity}},
            )
            for slot in added
            if (slot.start, slot.end, slot.order_type) in made
        ),
        batch_size=BATCH,
    )


def close(*, slot: AppointmentSlot, by: str, reason: str) -> int:
    """Offer the slot no longer. Its bookings stay, and ask to be reviewed again; returns how many these are.

    Raises BookingError if it is closed already.
    """
    now, event = timezone.now(), HistoryEntry.Event.CLOSED
    hit = WorkOrder.objects.active().filter(slot=slot)
    with transaction.atomic():
        # Bookings first and the slot after them, as whoever books, moves or cancels does: nobody waits in a circle.
        _ask_for_review(slot, now)
        if not AppointmentSlot.objects.filter(pk=slot.pk, is_open=True).update(is_open=False, closed_reason=reason):
            current = AppointmentSlot.objects.select_related("area").get(pk=slot.pk)
            why = f": {current.closed_reason}" if current.closed_reason else "."
            raise BookingError("already_closed", f"{current} is closed already{why}")
        # Whoever was moved here between the two is asked about as well.
        _ask_for_review(slot, now)
        hit_keys = list(hit.values_list("pk", flat=True))
        came = origin.current.get()
        HistoryEntry.objects.bulk_create(
            HistoryEntry(
                work_order_id=key, event=event, at=now, by=by, reason=reason, via=came.via, request_id=came.request_id
            )
            for key in hit_keys
        )
        record(slot, event, at=now, by=by, reason=reason, bookings=len(hit_keys))
    return len(hit_keys)


def reopen(*, slot: AppointmentSlot, by: str, reason: str = "") -> None:
    """Offer the slot again. Raises BookingError if it is open already."""
    with transaction.atomic():
        if not AppointmentSlot.objects.filter(pk=slot.pk, is_open=False).update(is_open=True, closed_reason=""):
            raise BookingError("already_open", f"{slot} is open already.")
        before = {"closed_reason": slot.closed_reason}
        record(slot, HistoryEntry.Event.OPENED, at=timezone.now(), by=by, reason=reason, before=before)


def resize(*, slot: AppointmentSlot, capacity: int, by: str, reason: str = "") -> None:
    """Give the slot more or fewer places, never fewer than are booked. Raises BookingError."""
    with transaction.atomic():
        # The conditional UPDATE is what a booking of this very moment cannot get past.
        enough = AppointmentSlot.objects.filter(pk=slot.pk, booked__lte=capacity, capacity=slot.capacity)
        if not enough.exclude(capacity=capacity).update(capacity=capacity):
            current = AppointmentSlot.objects.select_related("area").get(pk=slot.pk)
            if current.capacity == capacity:
                raise BookingError("same_capacity", f"{current} has {capacity} places already.")
            if current.booked > capacity:
                raise BookingError(
                    "below_booked",
                    f"{current} has {current.booked} bookings. Move or cancel some before it gets {capacity} places.",
                )
            raise BookingError(
                "changed_meanwhile", f"{current} was given {current.capacity} places meanwhile. Look at it again."
            )
        before, after = {"capacity": slot.capacity}, {"capacity": capacity}
        record(slot, HistoryEntry.Event.RESIZED, at=timezone.now(), by=by, reason=reason, before=before, after=after)


def _ask_for_review(slot: AppointmentSlot, now: datetime) -> None:
    active = WorkOrder.objects.active().filter(slot=slot)
    active.filter(reviewed_at__isnull=False).update(reviewed_at=None, reviewed_by="", version=F("version") + 1)
    # Also those that nobody has reviewed have a new line in their history, which other systems read.
    active.update(changed_at=now, change_num=None)
