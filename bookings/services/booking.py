"""Booking a follow-up: look, decide, write, and once more where another caller was faster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError
from psycopg.errors import DeadlockDetected

from bookings import clock, documents, offers, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, WorkOrder
from bookings.offers import choices
from bookings.offers.choices import Choice
from bookings.refusals import Refused
from bookings.services import changes, decisions, parts, places, refused, rows
from bookings.services.places import LostRace
from bookings.services.rows import Booked, BookingRequest
from bookings.telemetry import metrics

# A lost race is decided anew from what the winner left. Each round lost means that another caller got something, so
# a few suffice; the bound only keeps a fault from becoming an endless loop.
MAX_ROUNDS = 50
MAX_CONFLICTS = 10
# Active or cancelled, real or practised: only if there is one, there is anything to look at, and each is booked after
# another. The sum keeps PostgreSQL from looking for it through all keys from their end.
LAST_BOOKING = f'(SELECT MAX(id + 0) FROM "{WorkOrder._meta.db_table}" WHERE original_order = %s)'


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
        named = decisions.read_choices(job)
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


def _look(request: BookingRequest, named: list[Choice]) -> Look:
    seen = _find_slots(request, named)
    if not seen.last_booking:
        return Look(seen, [])
    earlier = _active_of(request)
    if repeated := decisions.answered_before(request, earlier):
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


def _decide(request: BookingRequest, named: list[Choice], look: Look) -> Decision:
    """Raises Refused."""
    now = clock.now()
    if look.seen.last_booking:
        decisions.check_is_not_late(request, look.earlier, now)
    slots = decisions.named_slots(request, named, look.seen)
    to_move = decisions.to_move(request, look.earlier, slots[0])
    slot = decisions.best_of(slots, request)
    parts.on_the_clock_of(request.plan, slot.area)
    return Decision(slot, to_move)


def _write(request: BookingRequest, decision: Decision, *, after: int, passing_over: bool) -> Booked:
    """Raises LostRace, or what the database says."""
    if decision.to_move:
        return changes.rebook(request, decision.to_move, decision.slot)
    inserts = rows.of_booking(request, decision.slot, after=after)
    with sql.alone():
        return _insert(request, decision.slot, inserts, passing_over=passing_over)


@contextmanager
def _races_lost(attempt: int) -> Iterator[None]:
    """Turns what the database says about another caller into LostRace; what stays is a fault."""
    try:
        yield
    except DataError as fault:
        if not places.was_late(fault):
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


def _insert(request: BookingRequest, slot: AppointmentSlot, inserts: list[sql.Insert], *, passing_over: bool) -> Booked:
    """What takes no database time is done before: on SQLite every other caller waits meanwhile."""
    given = rows.numbers_before_the_write(request.plan, passing_over=passing_over)
    now = clock.now()  # again, and last: the rules hold at the taking
    rows.date(inserts, now)
    guard = places.taking(slot, request.job.order_type, now), places.in_time(slot, now)
    if given:
        rows.put_numbers_in(inserts, given)
        done = sql.write_if(*guard, *inserts)
    else:
        done = sql.write_if(*guard, *inserts, drawing=rows.DRAWING, values=[len(request.plan.groups)])
    if done is None:
        raise LostRace
    drawn = given or rows.Numbers(*done)
    ordered = parts.ordered(request.plan, parts.orders_of(request.plan, drawn.parts))
    return Booked(f"{settings.BOOKJOB_ORDER_PREFIX}{drawn.order}", ordered)
