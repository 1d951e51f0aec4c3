"""Everything that changes a booking, each in one transaction, and nothing else does.

The promises and what keeps them:
never more bookings than places    the conditional UPDATE of `_taking`; constraint slot_booked_within_capacity
never two for one order            constraint work_order_one_active_per_claim; the loser answers with the winner's row;
                                   work_order_one_booked_after_another where the winner is cancelled or moved by then
never a lost one                   place, order, parts and history are committed together, and only then answered

The slot's row is the one that everybody wants. Nobody holds it while he is waited for: a booking is written by one
statement (SQLite: with one writer at a time), a move changes it last.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, transaction
from django.db.models import F, Q
from psycopg.errors import DeadlockDetected, DivisionByZero

from bookings import clock, documents, history, offers, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, PartOrder, Refusal, SearchDocument, WorkOrder
from bookings.offers import choices
from bookings.offers.choices import Choice
from bookings.refusals import BookingError as BookingError
from bookings.services import numbers, parts, search_terms
from bookings.telemetry import metrics, origin

logger = logging.getLogger("bookings")

# A lost race is decided anew from what the winner left. Each round lost means that somebody else got something, so
# a few suffice; the bound only keeps a fault from becoming an endless loop.
MAX_ROUNDS = 50
MAX_CONFLICTS = 10
# Active or cancelled: only if there is one, there is anything to look at. The sum keeps PostgreSQL from looking for it
# through all keys from their end.
LAST_BOOKING = f'(SELECT MAX(id + 0) FROM "{WorkOrder._meta.db_table}" WHERE original_order = %s)'
# For how long a body that was taken is no new wish: its copy was sent before, and the answer was lost.
LATE_COPY = timedelta(minutes=10)


class _LostRace(Exception):
    """Somebody else took the place or changed the booking between our reading and our writing."""


class Booked(NamedTuple):
    """A booking as it is answered: `ordered_parts` are (part order number, product numbers)."""

    order_num: str
    ordered_parts: list[tuple[str, list[str]]]
    is_repeat: bool = False


class _Asked(NamedTuple):
    """A booking as somebody asks for it; `planned` is what becomes of its parts."""

    order: str
    job: wire.BookJob
    body: str
    fingerprint: str
    caller: str
    planned: parts.Planned


def book(*, order: str, job: wire.BookJob, body: str, fingerprint: str, caller: str) -> Booked:
    """Book a follow-up of `order` in the slot that `job` names, or find the booking that this very body made before.

    `body` is the text that `job` was read from, `fingerprint` what it is compared by. Raises BookingError with the
    words of contract section 2.
    """
    try:
        return _book_or_refuse(_Asked(order, job, body, fingerprint, caller, parts.plan(job.required_parts)))
    except BookingError as refusal:
        refusal.data_path = documents.pointer_in(body, refusal.data_path)
        _keep_for_dispatch(refusal, order, job, body, caller)
        raise


def _book_or_refuse(asked: _Asked) -> Booked:
    order, job = asked.order, asked.job
    named = _read_choices(job)
    periods, area_id = {(choice.start, choice.end) for choice in named}, choices.area_id_of(named)
    last_booking = LAST_BOOKING, [order]
    to_draw = numbers.for_booking(len(parts.to_number(asked.planned)))
    for attempt in range(MAX_ROUNDS):
        if attempt:
            metrics.add(metrics.LOST_RACES)
        now, earlier = clock.now(), list[WorkOrder]()
        seen = offers.find_slots(job, periods, now, area_id=area_id, last_booking=last_booking, numbers=to_draw)
        after = seen.last_booking
        if after:
            earlier = _active_of(order)
            for work_order in earlier:
                if work_order.fingerprint == asked.fingerprint:
                    return booked(work_order)
            if repeated := _repeated_by_todays_rule(asked, earlier):
                return booked(repeated)
            # Again, for they may be later than what was seen of the slots, and their own places are among these.
            seen = offers.find_slots(job, periods, now, area_id=area_id, last_booking=last_booking, numbers=to_draw)
        try:
            if after:
                _check_is_not_late(asked, earlier, now)
            slots = _named_slots(job, named, seen)
            to_move = _decide(earlier, slots[0])
            slot = _best_of(slots, job, now)
            parts.on_the_clock_of(asked.planned, slot.area)
        except BookingError:
            # The refusal speaks of a later moment than `earlier`: the place may have gone to a copy of this very body.
            if _versions(_active_of(order)) != _versions(earlier):
                continue
            raise
        try:
            if to_move:
                with transaction.atomic():
                    return _rebook(asked, to_move, slot)
            with sql.alone():
                drawn = seen.numbers or _numbers_for(asked, passing_over=attempt > 0)
                return _book(asked, slot, drawn, after=after or 0)
        except _LostRace:
            continue
        except DataError as fault:
            if not _was_late(fault):
                raise
        except IntegrityError as fault:
            # The same order was booked meanwhile: the next round sees it. Or a number is taken: the next round passes
            # over all that are. What stays is a fault, except where one copy after the other was booked.
            to_draw = numbers.NONE
            if attempt >= MAX_CONFLICTS and "booked_after" not in str(fault):
                raise
        except OperationalError as fault:
            # Somebody moves this order to the place that we hold, and waits for it. PostgreSQL has ended ours.
            if not isinstance(fault.__cause__, DeadlockDetected) or attempt == MAX_CONFLICTS:
                raise
    raise BookingError(
        "unavailable",
        "Many people are booking this appointment right now. Try again in a moment.",
    )


def booked(work_order: WorkOrder) -> Booked:
    """The answer for a booking that stands in the database."""
    ordered_parts: dict[str, list[str]] = {}
    for number, prod_num in (
        PartOrder.objects.filter(work_order=work_order, required_parts__isnull=False)
        .order_by("pk", "required_parts__position")
        .values_list("part_order_num", "required_parts__prod_num")
    ):
        ordered_parts.setdefault(number, []).append(prod_num)
    return Booked(work_order.order_num, list(ordered_parts.items()), is_repeat=True)


def cancel(*, work_order: WorkOrder, by: str, reason: str) -> None:
    """Give the slot's place back and close the booking. Raises BookingError if somebody else was faster."""
    now = clock.now()
    with transaction.atomic():
        _change(
            work_order,
            Q(status=WorkOrder.Status.BOOKED),
            now,
            status=WorkOrder.Status.CANCELLED,
            cancelled_at=now,
            cancelled_by=by,
            cancel_reason=reason,
        )
        history.record(work_order, HistoryEntry.Event.CANCELLED, at=now, by=by, reason=reason)
        _give_place_back(work_order.slot_id)


def move(*, work_order: WorkOrder, slot: AppointmentSlot, by: str, reason: str = "") -> None:
    """Move the booking to another slot, of whatever area. Raises BookingError if the place or the booking is gone."""
    before = work_order.slot
    if slot.pk == before.pk:
        raise BookingError("same_slot", f"{work_order.order_num} is in this appointment already. Choose another.")
    if slot.order_type not in ("", work_order.order_type):
        raise BookingError(
            "slot_not_found",
            f"The appointment {slot} is for orders of the type {slot.order_type} only. Choose another.",
        )
    try:
        with transaction.atomic():
            now = clock.now()
            columns = _in_slot(work_order.original_order, slot)
            # It asked to be reviewed because its slot was closed: whoever moves it out of there has looked at it.
            if is_care := before.is_hidden and bool(by):
                columns |= {"reviewed_at": now, "reviewed_by": by}
            _change(work_order, Q(status=WorkOrder.Status.BOOKED), now, **columns)
            history.record(
                work_order,
                HistoryEntry.Event.MOVED,
                at=now,
                by=by,
                reason=reason,
                before=_place(before),
                after=_place(slot),
                **({"reviewed": True} if is_care else {}),
            )
            if slot.worker != before.worker:
                search_terms.rewrite([WorkOrder.objects.get(pk=work_order.pk)])
            _swap_places(before, slot)
    except _LostRace:
        found = offers.with_refusal(AppointmentSlot.objects.filter(pk=slot.pk), clock.now(), slot.area).first()
        why = offers.REFUSALS[found.refusal] if found and found.refusal else "Somebody took this place a moment ago."
        raise BookingError("slot_unavailable", f"{why} {work_order.order_num} stays where it is.") from None
    except IntegrityError:
        raise BookingError(
            "already_booked",
            f"Order {work_order.original_order} has another booking in the appointment {slot}. Choose another.",
        ) from None
    except OperationalError as fault:
        # A booking of this order holds the place that we want, and wants what we hold. PostgreSQL has ended ours.
        if not isinstance(fault.__cause__, DeadlockDetected):
            raise
        raise BookingError(
            "changed_meanwhile",
            f"Order {work_order.original_order} is being booked right now. Look at it again before you repeat this.",
        ) from None


def review(*, work_order: WorkOrder, by: str, note: str = "") -> None:
    """Say that somebody has checked the booking as it stands. Raises BookingError if it was reviewed or changed."""
    now = clock.now()
    with transaction.atomic():
        unreviewed = Q(status=WorkOrder.Status.BOOKED, reviewed_at__isnull=True)
        _change(work_order, unreviewed, now, reviewed_at=now, reviewed_by=by)
        history.record(work_order, HistoryEntry.Event.REVIEWED, at=now, by=by, reason=note)


def add_note(*, work_order: WorkOrder, by: str, note: str) -> None:
    """Write a note into the history, of a cancelled booking too. Raises BookingError if it was changed meanwhile."""
    now = clock.now()
    with transaction.atomic():
        _change(work_order, Q(), now)
        history.record(work_order, HistoryEntry.Event.NOTED, at=now, by=by, reason=note)


def _repeated_by_todays_rule(asked: _Asked, earlier: list[WorkOrder]) -> WorkOrder | None:
    """The booking that this body made while fingerprints were made by an older rule."""
    return next((found for found in earlier if documents.fingerprint_of(found.body) == asked.fingerprint), None)


def _active_of(order: str) -> list[WorkOrder]:
    return list(WorkOrder.objects.active().filter(original_order=order).select_related("slot"))


def _versions(work_orders: list[WorkOrder]) -> set[tuple[int, int]]:
    return {(work_order.pk, work_order.version) for work_order in work_orders}


# --- Deciding ----------------------------------------------------------------------------------------------


def _read_choices(job: wire.BookJob) -> list[Choice]:
    """What may name the slot. Raises BookingError if nothing does, or if something contradicts itself."""
    found = choices.read(job)
    for choice in found:
        if choice.is_contradictory:
            raise BookingError(
                "invalid_request",
                "The ID belongs to another appointment than the Period. Search again and choose anew.",
                data_path=choice.path,
            )
    if not found:
        what = "names no appointment: it has neither a Period nor the ID of an offer" if job.time_constraints else ""
        message = f"TimeConstraints {what or 'is missing'}."
        faults = [{"dataPath": "/TimeConstraints", "message": message}]
        raise BookingError("invalid_request", message, data_path="/TimeConstraints", errors=faults)
    return found


def _named_slots(job: wire.BookJob, found: list[Choice], seen: offers.Seen) -> list[AppointmentSlot]:
    """The slots in the one period that the body names. Raises BookingError if there is none, or several periods."""
    area = seen.area
    if area is None and choices.area_id_of(found):
        raise BookingError(
            "slot_not_found",
            "There is no such appointment any more. Search again and choose another.",
            data_path=found[0].path,
        )
    if area is None:
        raise BookingError(
            "slot_not_found",
            offers.no_area(job),
            data_path="/Location/ServiceAreaID" if job.location.service_area_id else "/Location",
        )
    named = choices.fitting(found, area, seen.slots)
    if not named:
        period = area.period_text(found[0].start, found[0].end)
        raise BookingError(
            "slot_not_found",
            f"There is no such appointment: {period}. Search again and choose another.",
            data_path=found[0].path,
            area=area.code,
        )
    if len(named) > 1:
        raise BookingError(
            "invalid_request",
            f"{named[0].place[1:]} names several appointments. Choose one.",
            data_path=named[0].place,
        )
    return [slot for slot in seen.slots if (slot.start, slot.end) == (named[0].start, named[0].end)]


def _check_is_not_late(asked: _Asked, earlier: list[WorkOrder], now: datetime) -> None:
    """Raises BookingError where this very body was taken a short time ago, and its booking was changed since.

    Its phone has sent it before that change. `earlier` are the order's active bookings, none of them with this body.
    """
    taken = HistoryEntry.objects.filter(
        work_order__original_order=asked.order, at__gt=now - LATE_COPY, details__fingerprint=asked.fingerprint
    )
    entry = taken.select_related("work_order__slot__area").order_by("pk").last()
    if entry is None or entry.work_order is None:
        return
    work_order = entry.work_order
    if work_order.status == WorkOrder.Status.BOOKED:
        raise _already_booked(work_order)
    if earlier and settings.BOOKJOB_FOLLOWUP_POLICY != "multiple":
        raise _already_booked(earlier[0])
    raise BookingError(
        "cancelled_meanwhile",
        f"{work_order.order_num} was booked for this order and then cancelled. Ask dispatch, or search and book again"
        " later.",
        OrderNum=work_order.order_num,
        **_where(work_order),
    )


def _already_booked(work_order: WorkOrder) -> BookingError:
    return BookingError(
        "already_booked",
        f"The order has a follow-up already: {work_order.order_num}, {work_order.slot}. Ask dispatch to move it.",
        OrderNum=work_order.order_num,
        **_where(work_order),
    )


def _where(work_order: WorkOrder) -> dict[str, Any]:
    """Where a booking stands, for the parameters of a refusal."""
    slot = work_order.slot
    return {"Status": work_order.status, "Period": offers.offered(slot.area, [(slot.start, slot.end)])[0]["Period"]}


def _decide(earlier: list[WorkOrder], slot: AppointmentSlot) -> WorkOrder | None:
    """What the order's active bookings mean for a new one in the period of `slot`: the one to move, if any.

    Raises BookingError where the new booking may not be.
    """
    for work_order in earlier:
        if (work_order.slot.area_id, work_order.slot.start, work_order.slot.end) == (
            slot.area_id,
            slot.start,
            slot.end,
        ):
            raise BookingError(
                "conflicting_duplicate",
                f"This appointment is booked for the order already, as {work_order.order_num}, with other details."
                " Ask dispatch to change it.",
                OrderNum=work_order.order_num,
            )
    if not earlier or settings.BOOKJOB_FOLLOWUP_POLICY == "multiple":
        return None
    if settings.BOOKJOB_FOLLOWUP_POLICY == "move" and len(earlier) == 1:
        return earlier[0]
    raise _already_booked(earlier[0])


def _best_of(slots: list[AppointmentSlot], job: wire.BookJob, now: datetime) -> AppointmentSlot:
    """The slot to try first. Raises BookingError with the reason if none can be taken."""
    free = [slot for slot in slots if not slot.refusal]
    if free:
        return offers.preferred(free, job.user_name)
    # Where one worker's slot is full and another's closed, people would say that it is full.
    refusals = [slot.refusal for slot in slots]
    reason = "full" if "full" in refusals else refusals[0]
    slot = slots[0]
    raise BookingError(
        "slot_unavailable",
        f"{offers.REFUSALS[reason]} Choose another one than {slot}.",
        data_path="/TimeConstraints",
        reason=reason,
        alternatives=offers.offered(slot.area, offers.alternatives(slot, job.order_type, now)),
    )


# --- Writing, inside the transaction of the caller -----------------------------------------------------------


def _numbers_for(asked: _Asked, *, passing_over: bool) -> list[int]:
    part_orders = len(parts.to_number(asked.planned))
    if passing_over:
        named = parts.named(asked.planned)
        return [*numbers.next_free(WorkOrder, 1), *numbers.next_free(PartOrder, part_orders, but=named)]
    return numbers.next_numbers((WorkOrder, 1), (PartOrder, part_orders))


def _book(asked: _Asked, slot: AppointmentSlot, drawn: list[int], *, after: int) -> Booked:
    number, *part_numbers = drawn
    now = clock.now()  # again: on SQLite the wait for the one writer is over
    columns = sql.defaults_of(WorkOrder) | {
        "id": number,
        "order_num": f"{settings.BOOKJOB_ORDER_PREFIX}{number}",
        "original_order": asked.order,
        "booked_after": after,
        "caller": asked.caller,
        "created_at": now,
        "changed_at": now,
        **_in_slot(asked.order, slot),
        **_read_out(asked),
    }
    part_rows, ordered_parts = parts.write(number, asked.planned, part_numbers)
    entry = history.entry(
        None,
        HistoryEntry.Event.BOOKED,
        at=now,
        by=asked.caller,
        after=_place(slot),
        fingerprint=asked.fingerprint,
    )
    if not sql.write_if(
        _taking(slot, now),
        _in_time(slot, now),
        (WorkOrder, [columns]),
        *part_rows,
        _search_document(number, columns, asked, slot, ordered_parts),
        (HistoryEntry, [entry | {"work_order_id": number}]),
    ):
        raise _LostRace
    return Booked(columns["order_num"], ordered_parts)


def _rebook(asked: _Asked, work_order: WorkOrder, slot: AppointmentSlot) -> Booked:
    """Move the booking to `slot`, with the new body and its parts; the order number stays."""
    before, body_before, now = work_order.slot, work_order.body, clock.now()
    # What staff reviewed was another body in another slot.
    columns: dict[str, Any] = {
        "reviewed_at": None,
        "reviewed_by": "",
        **_in_slot(work_order.original_order, slot),
        **_read_out(asked),
    }
    try:
        _change(work_order, Q(status=WorkOrder.Status.BOOKED), now, **columns)
    except BookingError:
        raise _LostRace from None
    work_order.required_parts.all().delete()
    kept = list(work_order.part_orders.all())
    named = parts.named(asked.planned, kept)
    part_numbers = numbers.next_free(PartOrder, len(parts.to_number(asked.planned, kept)), but=named)
    part_rows, ordered_parts = parts.write(work_order.pk, asked.planned, part_numbers, kept=kept)
    SearchDocument.objects.filter(work_order=work_order).delete()
    document = _search_document(work_order.pk, vars(work_order) | columns, asked, slot, ordered_parts)
    sql.write(*part_rows, document)
    history.record(
        work_order,
        HistoryEntry.Event.MOVED,
        at=now,
        by=asked.caller,
        before=_place(before) | {"body": body_before},
        after=_place(slot),
        fingerprint=asked.fingerprint,
    )
    _swap_places(before, slot)
    return Booked(work_order.order_num, ordered_parts)


def _change(work_order: WorkOrder, only_if: Q, now: datetime, **columns: Any) -> None:
    """The conditional UPDATE that decides between two people: whoever saw an older version changes nothing.

    Raises BookingError with what the other one did.
    """
    seen = WorkOrder.objects.filter(only_if, pk=work_order.pk, version=work_order.version)
    if not seen.update(changed_at=now, change_num=None, version=F("version") + 1, **columns):
        raise _what_happened(work_order)


def _what_happened(seen: WorkOrder) -> BookingError:
    """Why a change of the booking that somebody saw as `seen` came to nothing."""
    current = WorkOrder.objects.select_related("area").get(pk=seen.pk)
    number, area = current.order_num, current.area
    if current.status == WorkOrder.Status.CANCELLED and current.cancelled_at:
        when = area.instant_text(current.cancelled_at)
        reason = f": {current.cancel_reason}" if current.cancel_reason else ""
        return BookingError(
            "already_cancelled", f"{number} was cancelled by {current.cancelled_by or 'somebody'}, {when}{reason}."
        )
    if current.reviewed_at and current.version == seen.version:
        when = area.instant_text(current.reviewed_at)
        return BookingError("already_reviewed", f"{number} was reviewed by {current.reviewed_by}, {when}.")
    last = current.history.last()
    what = (
        f"{last.get_event_display().lower()} by {last.by or 'somebody'}, {area.instant_text(last.at)}" if last else ""
    )
    return BookingError(
        "changed_meanwhile", f"{number} was changed meanwhile ({what}). Look at it again before you repeat this."
    )


def _swap_places(before: AppointmentSlot, after: AppointmentSlot) -> None:
    """Take a place of `after` and give the one of `before` back."""
    # In the order of their keys, so that two moves that cross each other cannot wait for each other.
    for step in sorted((before, after), key=lambda place: place.pk):
        if step is after:
            _take_place(after)
        else:
            _give_place_back(before.pk)


def _take_place(slot: AppointmentSlot) -> None:
    now = clock.now()  # again: others may have held the booking until now
    try:
        if not sql.change_if(_taking(slot, now), _in_time(slot, now)):
            raise _LostRace
    except DataError as fault:
        if _was_late(fault):
            raise _LostRace from None
        raise


def _taking(slot: AppointmentSlot, now: datetime) -> sql.Statement:
    """The guard of the first promise: the place is taken only where all rules hold at this very moment.

    It names the slot by its key alone: a trigger keeps area, period, order type and worker as they were read.
    """
    rules, values = offers.takeable(now, slot.area)
    return f"UPDATE {offers.SLOTS} SET booked = booked + 1 WHERE id = %s AND {rules}", [slot.pk, *values]


def _in_time(slot: AppointmentSlot, now: datetime) -> sql.Statement:
    """What PostgreSQL has to be able to work out once it has the slot: it fails if that took it too long.

    The rules alone would not do: it does not look at them again where whatever held the slot left it as it was.
    """
    since = "clock_timestamp() - statement_timestamp()"
    return f"1 / CASE WHEN CAST(%s AS timestamptz) + ({since}) < %s THEN 1 ELSE 0 END", [
        now,
        offers.last_moment(slot, slot.area),
    ]


def _was_late(fault: DatabaseError) -> bool:
    """Whether a statement came to nothing because of `_in_time`."""
    return isinstance(fault.__cause__, DivisionByZero)


def _give_place_back(slot_id: int) -> None:
    AppointmentSlot.objects.filter(pk=slot_id).update(booked=F("booked") - 1)


def _search_document(
    key: int,
    columns: dict[str, Any],
    asked: _Asked,
    slot: AppointmentSlot,
    ordered_parts: list[tuple[str, list[str]]],
) -> sql.Insert:
    numbers = [number for _, part in asked.planned for number in (part["prod_num"], part["replaces"])]
    numbers += [number for number, _ in ordered_parts]
    words = search_terms.words_of(columns, asked.job, numbers=numbers, slot_worker=slot.worker)
    return SearchDocument, [{"work_order_id": key, "words": words}]


def _keep_for_dispatch(refusal: BookingError, order: str, job: wire.BookJob, body: str, caller: str) -> None:
    """Staff see what was refused. Where this cannot be written, the refusal is answered all the same."""
    if refusal.error == "unavailable":
        return
    named = choices.read(job)
    try:
        Refusal.objects.create(
            at=clock.now(),
            error=refusal.error,
            message=refusal.message,
            original_order=order,
            area=offers.find_area(job, area_id=choices.area_id_of(named)),
            caller=caller,
            request_id=origin.current.get().request_id,
            body=body,
            visit_start=named[0].start if named else None,
            visit_end=named[0].end if named else None,
            order_type=job.order_type,
        )
    except DatabaseError:
        logger.exception("A refusal could not be kept for dispatch")


def _in_slot(order: str, slot: AppointmentSlot) -> dict[str, Any]:
    """The columns of a work order of `order` that say where it stands in the calendar."""
    return {
        "slot_id": slot.pk,
        "area_id": slot.area_id,
        "visit_start": slot.start,
        "claim": _claim(order, slot),
    }


def _claim(order: str, slot: AppointmentSlot) -> str:
    """See WorkOrder.claim. A line break parts the two: `order` may hold any character, but the period has a form."""
    if settings.BOOKJOB_FOLLOWUP_POLICY == "multiple":
        return f"{order}\n{slot.area_id} {slot.start.isoformat()} {slot.end.isoformat()}"
    return order


def _read_out(asked: _Asked) -> dict[str, Any]:
    """The columns of a work order that come from the body."""
    job, address = asked.job, asked.job.location.address
    lines = [
        address.addr_line1,
        address.addr_line2,
        address.addr_line3,
        address.addr_line4,
    ]
    return {
        "body": asked.body,
        "fingerprint": asked.fingerprint,
        "account_num": job.account.account_num,
        "account_name": job.account.name,
        "location_num": job.location.location_num,
        "location_name": job.location.name,
        "address": ", ".join(line for line in [*lines, address.city, address.region, address.country] if line),
        "postcode": address.zip,
        "phone": job.location.phone_num,
        "order_type": job.order_type,
        "worker": job.user_name,
        **parts.columns(asked.planned),
    }


def _place(slot: AppointmentSlot) -> dict[str, Any]:
    return {
        "slot": slot.pk,
        "area": slot.area_id,
        "start": slot.start.isoformat(),
        "end": slot.end.isoformat(),
        "worker": slot.worker,
    }
