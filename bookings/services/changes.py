"""What changes a booking that stands, each in one transaction, with its line in the history.

Staff cancel it, move it, review it, write a note. Another body of its order may move it, too (`rebook`).
"""

from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from psycopg.errors import DeadlockDetected

from bookings import clock, history, offers
from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, PartOrder, SearchDocument, WorkOrder
from bookings.refusals import Refused
from bookings.sentences import say
from bookings.services import parts, rows, search_terms
from bookings.services.rows import Booked, BookingRequest

# What a move breaks where its order has another active booking in the very period.
ANOTHER_THERE = ("work_order_one_active_per_order_and_slot", "work_order_one_active_per_claim")


class LostRace(Exception):
    """The place was taken, or the booking changed, between our reading and our writing."""


def cancel(*, work_order: WorkOrder, by: str, reason: str, seen_version: int | None = None) -> None:
    """Give the slot's place back and close the booking. Raises Refused if another person was faster.

    `seen_version` is the version that the person saw, where that is not the one of `work_order`; so in all that follow.
    """
    now = clock.now()
    with transaction.atomic():
        change(
            work_order,
            Q(status=WorkOrder.Status.BOOKED),
            now,
            seen_version,
            status=WorkOrder.Status.CANCELLED,
            cancelled_at=now,
            cancelled_by=by,
            cancel_reason=reason,
        )
        history.record(work_order, HistoryEntry.Event.CANCELLED, at=now, by=by, reason=reason)
        _give_back(work_order.slot_id)


def move(
    *, work_order: WorkOrder, slot: AppointmentSlot, by: str, reason: str = "", seen_version: int | None = None
) -> None:
    """Move the booking to another slot, of whatever area. Raises Refused if the place or the booking is gone."""
    _check_fits(work_order, slot)
    try:
        with transaction.atomic():
            _move(work_order, slot, by, reason, seen_version)
    except (LostRace, IntegrityError) as fault:
        raise _why_not(work_order, slot, fault) from None
    except OperationalError as fault:
        # A booking of this order holds the place that we want, and wants what we hold. PostgreSQL has ended ours.
        if not isinstance(fault.__cause__, DeadlockDetected):
            raise
        raise Refused(
            "changed_meanwhile",
            say(
                "Order {order} is being booked right now. Look at it again before you repeat this.",
                order=work_order.original_order,
            ),
        ) from None


def _why_not(work_order: WorkOrder, slot: AppointmentSlot, fault: LostRace | IntegrityError) -> Exception:
    """Why a move came to nothing. A fault that no other caller has made stays what it is.

    Raises Refused where the slot does not fit any more.
    """
    found = offers.with_refusal(AppointmentSlot.objects.filter(pk=slot.pk), clock.now(), slot.area).first()
    number = work_order.order_num
    if found is None:
        message = say(
            "The appointment {slot} is there no longer. Choose another one for {number}.", slot=slot, number=number
        )
        return Refused("slot_not_found", message)
    if isinstance(fault, LostRace):
        _check_fits(work_order, slot)
        why = offers.REFUSALS[found.refusal] if found.refusal else "This place was taken a moment ago."
        return Refused("slot_unavailable", say("{why} {number} stays where it is.", why=why, number=number))
    if sql.broken_constraint(fault, WorkOrder) not in ANOTHER_THERE:
        return fault
    message = "Order {order} has another booking in the appointment {slot}. Choose another."
    return Refused("already_booked", say(message, order=work_order.original_order, slot=slot))


def _check_fits(work_order: WorkOrder, slot: AppointmentSlot) -> None:
    if slot.pk == work_order.slot_id:
        message = say("{number} is in this appointment already. Choose another.", number=work_order.order_num)
        raise Refused("same_slot", message)
    if slot.order_type not in ("", work_order.order_type):
        raise Refused(
            "slot_not_found",
            say(
                "The appointment {slot} is for orders of the type {type} only. Choose another.",
                slot=slot,
                type=slot.order_type,
            ),
        )
    if slot.area.is_practice != work_order.area.is_practice:
        raise Refused(
            "slot_not_found",
            say("Nothing is moved between practice areas and others: {slot}. Choose another one.", slot=slot),
        )
    if not AppointmentSlot.objects.filter(offers.suitable([work_order.order_type]), pk=slot.pk).exists():
        raise Refused(
            "slot_not_found",
            say(
                "{worker} is not active, or cannot do orders of the type {type}. Choose another one than {slot}.",
                worker=slot.worker,
                type=work_order.order_type or "-",
                slot=slot,
            ),
        )


def _move(work_order: WorkOrder, slot: AppointmentSlot, by: str, reason: str, seen_version: int | None) -> None:
    before, now = work_order.slot, clock.now()
    columns = rows.in_slot(work_order.original_order, slot, claimed=work_order.claim)
    # It asked to be reviewed because its slot was closed: the person who moves it out of there has looked at it.
    if is_care := before.is_hidden and bool(by):
        columns |= {"reviewed_at": now, "reviewed_by": by}
    change(work_order, Q(status=WorkOrder.Status.BOOKED), now, seen_version, **columns)
    history.record(
        work_order,
        HistoryEntry.Event.MOVED,
        at=now,
        by=by,
        reason=reason,
        before=rows.place(before),
        after=rows.place(slot),
        **({"reviewed": True} if is_care else {}),
    )
    if slot.worker != before.worker:
        search_terms.rewrite([WorkOrder.objects.get(pk=work_order.pk)])
    _swap(before, slot, work_order.order_type)


def rebook(request: BookingRequest, work_order: WorkOrder, slot: AppointmentSlot) -> Booked:
    """Move the booking to `slot`, with the new body and its parts; the order number stays. Raises LostRace."""
    before, body_before, now = work_order.slot, work_order.body, clock.now()
    # What staff reviewed was another body in another slot.
    columns: dict[str, Any] = {
        "reviewed_at": None,
        "reviewed_by": "",
        **rows.in_slot(work_order.original_order, slot),
        **rows.read_out(request),
    }
    with transaction.atomic():
        try:
            change(work_order, Q(status=WorkOrder.Status.BOOKED), now, **columns)
        except Refused:
            raise LostRace from None
        orders = _replace_parts(request, work_order)
        SearchDocument.objects.filter(work_order=work_order).delete()
        sql.write(rows.search_document(work_order.pk, vars(work_order) | columns, request, slot, orders))
        history.record(
            work_order,
            HistoryEntry.Event.MOVED,
            at=now,
            by=request.caller,
            before=rows.place(before) | {"body": body_before},
            after=rows.place(slot),
            fingerprint=request.fingerprint,
        )
        _swap(before, slot, request.job.order_type)
    return Booked(work_order.order_num, parts.ordered(request.plan, orders))


def _replace_parts(request: BookingRequest, work_order: WorkOrder) -> parts.Orders:
    """The parts of the new body instead of the old ones. A part order that nothing is left of stays with its number."""
    work_order.required_parts.all().delete()
    kept = list(work_order.part_orders.all())
    named = parts.named(request.plan, kept)
    drawn = rows.next_free(PartOrder, len(parts.to_number(request.plan, kept)), but=named)
    orders = parts.orders_of(request.plan, drawn, kept)
    sql.write(*parts.inserts(work_order.pk, request.plan, orders, kept))
    return orders


def _swap(before: AppointmentSlot, after: AppointmentSlot, order_type: str) -> None:
    """Take a place of `after` for an order of this type, and give the one of `before` back."""
    # In the order of their keys, so that two moves that cross each other cannot wait for each other.
    for step in sorted((before, after), key=lambda place: place.pk):
        if step is after:
            _take(after, order_type)
        else:
            _give_back(before.pk)


def _take(slot: AppointmentSlot, order_type: str) -> None:
    """Raises LostRace where the rules, or another booking, leave no place."""
    now = clock.now()  # again: others may have held the booking until now
    try:
        if not sql.change_if(offers.taking(slot, order_type, now), offers.in_time(slot, now)):
            raise LostRace
    except DataError as fault:
        if offers.was_late(fault):
            raise LostRace from None
        raise


def _give_back(slot_id: int) -> None:
    AppointmentSlot.objects.filter(pk=slot_id).update(booked=F("booked") - 1)


def review(*, work_order: WorkOrder, by: str, note: str = "", seen_version: int | None = None) -> None:
    """Say that a person has checked the booking as it stands. Raises Refused if it was reviewed or changed."""
    now = clock.now()
    with transaction.atomic():
        unreviewed = Q(status=WorkOrder.Status.BOOKED, reviewed_at__isnull=True)
        change(work_order, unreviewed, now, seen_version, reviewed_at=now, reviewed_by=by)
        history.record(work_order, HistoryEntry.Event.REVIEWED, at=now, by=by, reason=note)


def undo_review(*, work_order: WorkOrder, by: str, seen_version: int | None = None) -> None:
    """Let the booking wait to be reviewed again. Raises Refused if it does already, or was changed."""
    now = clock.now()
    with transaction.atomic():
        reviewed = Q(status=WorkOrder.Status.BOOKED, reviewed_at__isnull=False)
        change(work_order, reviewed, now, seen_version, reviewed_at=None, reviewed_by="")
        history.record(work_order, HistoryEntry.Event.UNREVIEWED, at=now, by=by)


def add_note(*, work_order: WorkOrder, by: str, note: str, seen_version: int | None = None) -> None:
    """Write a note into the history, of a cancelled booking too. Raises Refused if it was changed meanwhile."""
    now = clock.now()
    with transaction.atomic():
        change(work_order, Q(), now, seen_version)
        history.record(work_order, HistoryEntry.Event.NOTED, at=now, by=by, reason=note)


def ask_for_review(bookings: QuerySet[WorkOrder], now: datetime) -> None:
    """Let bookings whose slots are being hidden ask to be reviewed again, in the caller's transaction."""
    bookings.filter(reviewed_at__isnull=False).update(reviewed_at=None, reviewed_by="", version=F("version") + 1)
    # Also those that were never reviewed have a new line in their history, which other systems read.
    bookings.update(changed_at=now, change_num=None)


def change(work_order: WorkOrder, only_if: Q, now: datetime, seen_version: int | None = None, **columns: Any) -> None:
    """The conditional UPDATE that decides between two people: who saw an older version changes nothing.

    Raises Refused with what the other one did.
    """
    version = work_order.version if seen_version is None else seen_version
    seen = WorkOrder.objects.filter(only_if, pk=work_order.pk, version=version)
    if not seen.update(changed_at=now, change_num=None, version=F("version") + 1, **columns):
        raise _what_happened(work_order, version)


def check_is_booked(work_order: WorkOrder) -> None:
    """Raises Refused with who cancelled it."""
    if work_order.status != WorkOrder.Status.BOOKED:
        raise _what_happened(work_order, work_order.version)


def check_version(work_order: WorkOrder, seen_version: int) -> None:
    """Raises Refused with what happened since, where the booking is not as it was seen."""
    if not WorkOrder.objects.filter(pk=work_order.pk, version=seen_version).exists():
        happened = _what_happened(work_order, seen_version)
        raise Refused("changed_meanwhile", happened.message, OrderNum=work_order.order_num)


def _what_happened(work_order: WorkOrder, version: int) -> Refused:
    """Why a change of a booking that was seen in a version came to nothing."""
    current = WorkOrder.objects.select_related("area").get(pk=work_order.pk)
    number, area = current.order_num, current.area
    if current.status == WorkOrder.Status.CANCELLED and current.cancelled_at:
        when = area.instant_text(current.cancelled_at)
        who, why = current.cancelled_by or "an unnamed person", current.cancel_reason
        sentence = (
            "{number} was cancelled by {who}, {when}: {why}." if why else "{number} was cancelled by {who}, {when}."
        )
        return Refused("already_cancelled", say(sentence, number=number, who=who, when=when, why=why))
    if current.reviewed_at and current.version == version:
        when = area.instant_text(current.reviewed_at)
        message = say("{number} was reviewed by {who}, {when}.", number=number, who=current.reviewed_by, when=when)
        return Refused("already_reviewed", message)
    last = current.history.last()
    if last is None:
        message = say("{number} was changed meanwhile. Look at it again before you repeat this.", number=number)
        return Refused("changed_meanwhile", message)
    message = say(
        "{number} was changed meanwhile ({what} by {who}, {when}). Look at it again before you repeat this.",
        number=number,
        what=last.get_event_display().lower(),
        who=last.by or "an unnamed person",
        when=area.instant_text(last.at),
    )
    return Refused("changed_meanwhile", message)
