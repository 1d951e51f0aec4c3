"""Booking a follow-up: look, decide, write, and once more where another caller was faster."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError
from psycopg.errors import DeadlockDetected

from bookings import clock, documents, offers, sentences, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.offers import choices
from bookings.offers.choices import Choice
from bookings.refusals import Refused
from bookings.services import changes, parts, refused, rows
from bookings.services.changes import LostRace
from bookings.services.rows import Booked, BookingRequest
from bookings.telemetry import metrics

# A lost race is decided anew from what the winner left. Each round lost means that another caller got something, so
# a few suffice; the bound only keeps a fault from becoming an endless loop.
MAX_ROUNDS = 50
MAX_CONFLICTS = 10
# Active or cancelled, real or practised: only if there is one, there is anything to look at, and each is booked after
# another. The sum keeps PostgreSQL from looking for it through all keys from their end.
LAST_BOOKING = f'(SELECT MAX(id + 0) FROM "{WorkOrder._meta.db_table}" WHERE original_order = %s)'
# For how long a body that was taken is no new wish: its copy was sent before, and the answer was lost.
LATE_COPY = timedelta(minutes=10)


class Look(NamedTuple):
    """What was there: the slots that may be meant, the order's active bookings, and the one that this body made."""

    seen: offers.Candidates
    earlier: list[WorkOrder]
    repeated: WorkOrder | None = None


class Decision(NamedTuple):
    """The slot to take, and the booking that moves there, if any."""

    slot: AppointmentSlot
    to_move: WorkOrder | None


def book(
    *,
    order: str,
    job: wire.BookJob,
    body: str,
    fingerprint: str,
    caller: str,
    areas: set[int] | None = None,
    is_first: bool = False,
) -> Booked:
    """Book a follow-up of `order` in the slot that `job` names, or find the booking that this very body made before.

    `body` is the text that `job` was read from, `fingerprint` what it is compared by, `areas` the keys of those that
    the caller may book in. `is_first`: not where the order has another active booking, whatever the setting says.
    Raises Refused with the codes of contract section 2.
    """
    plan = parts.plan(job.required_parts)
    request = BookingRequest(order, job, body, fingerprint, caller, plan, places=areas, is_first=is_first)
    try:
        named = _read_choices(job)
        for attempt in range(MAX_ROUNDS):
            if (booked := _one_round(request, named, attempt)) is not None:
                return booked._replace(is_practice=True) if request.is_practice else booked
            metrics.add(metrics.LOST_RACES)
        raise Refused("unavailable", "Many people are booking this appointment right now. Try again in a moment.")
    except Refused as refusal:
        refusal.is_practice = request.is_practice
        refusal.data_path = documents.pointer_in(body, refusal.data_path)
        refused.keep(refusal, request)
        raise


def _one_round(request: BookingRequest, named: list[Choice], attempt: int) -> Booked | None:
    """Look, decide, write. None: another caller was faster, and a next round sees what they did."""
    look = _look(request, named)
    if look.repeated and request.may_see(look.repeated):
        return rows.answer_of(look.repeated)
    try:
        decision = _decide(request, named, look)
    except Refused:
        # Where the order has bookings, the slots were seen at a later moment than these: the place may have gone to a
        # copy of this very body.
        if look.seen.last_booking and _versions(_active_of(request)) != _versions(look.earlier):
            return None
        raise
    try:
        with _races_lost(attempt):
            return _write(request, decision, after=look.seen.last_booking or 0, passing_over=attempt > 0)
    except LostRace:
        return None


# --- Look -------------------------------------------------------------------------------------------------


def _read_choices(job: wire.BookJob) -> list[Choice]:
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


def _look(request: BookingRequest, named: list[Choice]) -> Look:
    seen = _find_slots(request, named)
    if not seen.last_booking:
        return Look(seen, [])
    earlier = _active_of(request)
    if repeated := _answered_before(request, earlier):
        return Look(seen, earlier, repeated)
    # Again, for they may be later than what was seen of the slots, and their own places are among these.
    return Look(_find_slots(request, named)._replace(last_booking=seen.last_booking), earlier)


def _find_slots(request: BookingRequest, named: list[Choice]) -> offers.Candidates:
    seen = offers.find_slots(
        request.job,
        {(choice.start, choice.end) for choice in named},
        clock.now(),
        area_id=choices.area_id_of(named),
        last_booking=(LAST_BOOKING, [request.order]),
    )
    request.area, request.is_area_read = seen.area, True
    return seen


def _active_of(request: BookingRequest) -> list[WorkOrder]:
    """Real ones for a real booking, and practised ones for one that is practised."""
    same = WorkOrder.objects.active().filter(original_order=request.order, area__is_practice=request.is_practice)
    return list(same.select_related("slot"))


def _versions(work_orders: list[WorkOrder]) -> set[tuple[int, int]]:
    return {(work_order.pk, work_order.version) for work_order in work_orders}


def _answered_before(request: BookingRequest, earlier: list[WorkOrder]) -> WorkOrder | None:
    """The booking that this very body made, also where its fingerprint was made by an older rule."""
    for work_order in earlier:
        if work_order.fingerprint == request.fingerprint:
            return work_order
    return next((found for found in earlier if documents.fingerprint_of(found.body) == request.fingerprint), None)


# --- Decide, from what was read ---------------------------------------------------------------------------


def _decide(request: BookingRequest, named: list[Choice], look: Look) -> Decision:
    """Raises Refused."""
    if look.seen.last_booking:
        _check_is_not_late(request, look.earlier, clock.now())
    slots = _named_slots(request, named, look.seen)
    to_move = _booking_to_move(request, look.earlier, slots[0])
    slot = best_of(slots, request)
    parts.on_the_clock_of(request.plan, slot.area)
    return Decision(slot, to_move)


def _named_slots(request: BookingRequest, found: list[Choice], seen: offers.Candidates) -> list[AppointmentSlot]:
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


def _booking_to_move(request: BookingRequest, earlier: list[WorkOrder], slot: AppointmentSlot) -> WorkOrder | None:
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


def unavailable(slots: list[AppointmentSlot], data_path: str) -> refused.Unavailable:
    """Why none of the slots of a period can be taken."""
    # Where one worker's slot is full and another's closed, people would say that it is full.
    refusals = [slot.refusal for slot in slots]
    reason = "full" if "full" in refusals else refusals[0]
    slot = slots[0]
    return refused.Unavailable(
        "slot_unavailable",
        sentences.say(sentences.SLOT_UNAVAILABLE, why=offers.REFUSALS[reason], appointment=slot),
        data_path=data_path,
        reason=reason,
        instead_of=slot,
    )


def _check_is_not_late(request: BookingRequest, earlier: list[WorkOrder], now: datetime) -> None:
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


# --- Write ------------------------------------------------------------------------------------------------


def _write(request: BookingRequest, decision: Decision, *, after: int, passing_over: bool) -> Booked:
    """Raises LostRace, or what the database says."""
    if decision.to_move:
        return changes.rebook(request, decision.to_move, decision.slot)
    inserts = rows.of_booking(request, decision.slot, after=after)
    with sql.alone():
        drawn = _insert(request, decision.slot, inserts, passing_over=passing_over)
    ordered = parts.ordered(request.plan, parts.orders_of(request.plan, drawn.parts))
    return Booked(f"{settings.BOOKJOB_ORDER_PREFIX}{drawn.order}", ordered)


@contextmanager
def _races_lost(attempt: int) -> Iterator[None]:
    """Turns what the database says about another caller into LostRace; what stays is a fault."""
    try:
        yield
    except DataError as fault:
        if not offers.was_late(fault):
            raise
        raise LostRace from None
    except IntegrityError as fault:
        # The same order was booked meanwhile: the next round sees it. Or a number is taken: the next round passes over
        # all that are. No bound where one copy after the other is booked.
        is_copy = sql.broken_constraint(fault, WorkOrder) == "work_order_one_booked_after_another"
        if attempt >= MAX_CONFLICTS and not is_copy:
            raise
        raise LostRace from None
    except OperationalError as fault:
        # This order is being moved to the place that we hold, by one who waits for it. PostgreSQL has ended ours.
        if not isinstance(fault.__cause__, DeadlockDetected) or attempt == MAX_CONFLICTS:
            raise
        raise LostRace from None


def _insert(
    request: BookingRequest, slot: AppointmentSlot, inserts: list[sql.Insert], *, passing_over: bool
) -> rows.Numbers:
    """What takes no database time is done before and after: on SQLite every other caller waits meanwhile."""
    given = rows.numbers_before_the_write(request.plan, passing_over=passing_over)
    now = clock.now()  # again, and last: the rules hold at the taking
    rows.date(inserts, now)
    guard = offers.taking(slot, request.job.order_type, now), offers.in_time(slot, now)
    if given:
        rows.put_numbers_in(inserts, given)
        done = sql.write_if(*guard, *inserts)
    else:
        done = sql.write_if(*guard, *inserts, drawing=rows.DRAWING, values=[len(request.plan.groups)])
    if done is None:
        raise LostRace
    return given or rows.Numbers(*done)
