"""Everything that changes a booking, each in one transaction, and nothing else does.

The promises and what keeps them:
never more bookings than places    the conditional UPDATE in `_take_place`; constraint slot_booked_within_capacity
never two for one order            constraint work_order_one_active_per_claim; the loser answers with the winner's row
never a lost one                   place, order, parts and history are committed together, and only then answered

The slot's row is the one that everybody wants. It is updated last, so that it is locked for the length of a commit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from bookings import offers, wire
from bookings.models import (
    AppointmentSlot,
    HistoryEntry,
    PartOrder,
    RequiredPart,
    WorkOrder,
)

# A lost race is decided anew from what the winner left. Each round lost means that somebody else got something, so
# a few suffice; the bound only keeps a fault from becoming an endless loop.
MAX_ROUNDS = 50


class BookingError(Exception):
    """A booking or a change of one was refused, and nothing was changed.

    `error` is the stable word of contract section 2; `message` is for a technician or a dispatcher.
    """

    def __init__(self, error: str, message: str, *, data_path: str = "", **params: Any) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.data_path = data_path
        self.params = params


class _LostRace(Exception):
    """Somebody else took the place or changed the booking between our reading and our writing."""


@dataclass(frozen=True)
class Booked:
    """A booking as it is answered: `ordered_parts` are (part order number, product numbers)."""

    work_order: WorkOrder
    ordered_parts: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class PartGroup:
    """Parts that are ordered together. `number` is the one that they came with, or empty for one of ours."""

    number: str
    ship_to_location: str
    urgency: str


def book(*, order: str, job: wire.BookJob, body: str, fingerprint: str, caller: str) -> Booked:
    """Book a follow-up of `order` in the slot that `job` names, or find the booking that this very body made before.

    `body` is the text that `job` was read from, `fingerprint` what it is compared by. Raises BookingError with the
    words of contract section 2.
    """
    if job.original_order_num not in ("", order):
        raise BookingError(
            "order_mismatch",
            f"The booking is for order {job.original_order_num}, but was sent for order {order}.",
            data_path="/OriginalOrderNum",
            order=order,
        )
    for _ in range(MAX_ROUNDS):
        earlier = list(WorkOrder.objects.active().filter(original_order=order).select_related("slot"))
        for work_order in earlier:
            if work_order.fingerprint == fingerprint:
                return booked(work_order)
        now = timezone.now()
        slots = _named_slots(job, now)
        to_move = _decide(earlier, slots[0])
        slot = _best_of(slots, job, now)
        try:
            with transaction.atomic():
                if to_move:
                    return _rebook(to_move, slot, job, body, fingerprint, caller, now)
                return _book(slot, order, job, body, fingerprint, caller, now)
        except (_LostRace, IntegrityError):
            continue
    raise BookingError(
        "unavailable",
        "Many people are booking this appointment right now. Try again in a moment.",
    )


def booked(work_order: WorkOrder) -> Booked:
    """The answer for a booking that stands in the database."""
    ordered_parts: dict[str, list[str]] = {}
    for number, prod_num in (
        PartOrder.objects.filter(work_order=work_order)
        .order_by("pk", "required_parts__position")
        .values_list("part_order_num", "required_parts__prod_num")
    ):
        ordered_parts.setdefault(number, []).append(prod_num)
    return Booked(work_order, list(ordered_parts.items()))


def cancel(*, work_order: WorkOrder, by: str, reason: str) -> None:
    """Give the slot's place back and close the booking. Raises BookingError if somebody else was faster."""
    now = timezone.now()
    with transaction.atomic():
        # The conditional UPDATE decides who cancels; the loser changes nothing.
        cancelled = (
            WorkOrder.objects.active()
            .filter(pk=work_order.pk, version=work_order.version)
            .update(
                status=WorkOrder.Status.CANCELLED,
                cancelled_at=now,
                cancelled_by=by,
                cancel_reason=reason,
                changed_at=now,
                version=F("version") + 1,
            )
        )
        if not cancelled:
            raise BookingError(
                "changed_meanwhile",
                f"{work_order.order_num} was changed or cancelled by somebody else meanwhile.",
            )
        record(work_order, HistoryEntry.Event.CANCELLED, at=now, by=by, reason=reason)
        _give_place_back(work_order.slot_id)


def record(
    work_order: WorkOrder,
    event: HistoryEntry.Event,
    *,
    at: datetime,
    by: str,
    reason: str = "",
    **details: Any,
) -> None:
    """Write a line of the work order's history; `details` say what was before and after."""
    HistoryEntry.objects.create(work_order=work_order, event=event, at=at, by=by, reason=reason, details=details)


# --- Deciding ----------------------------------------------------------------------------------------------


def _named_slots(job: wire.BookJob, now: datetime) -> list[AppointmentSlot]:
    """The slots of the one period that the body names, each with its `refusal`; never empty."""
    area = offers.find_area(job.location)
    if area is None:
        code = job.location.service_area_id
        raise BookingError(
            "slot_not_found",
            f"There is no service area {code}." if code else "No service area takes care of this place.",
            data_path="/Location/ServiceAreaID" if code else "/Location",
        )
    periods = {}
    for index, constraint in enumerate(job.time_constraints):
        period = (constraint.period.start, constraint.period.end)
        if offers.was_issued_here(constraint.id) and constraint.id != offers.offer_id(area.pk, *period):
            raise BookingError(
                "invalid_request",
                "The ID belongs to another appointment than the Period. Search again and choose anew.",
                data_path=f"/TimeConstraints/{index}/ID",
            )
        periods[period] = index
    slots = [
        slot
        for slot in offers.with_refusal(
            AppointmentSlot.objects.filter(
                offers.for_order_type(job.order_type),
                area=area,
                start__in={start for start, _ in periods},
                end__in={end for _, end in periods},
            ),
            now,
        )
        if (slot.start, slot.end) in periods
    ]
    named = {(slot.start, slot.end) for slot in slots}
    if not named:
        period = next(iter(periods))
        raise BookingError(
            "slot_not_found",
            f"There is no such appointment: {area.period_text(*period)}. Search again and choose another.",
            data_path=f"/TimeConstraints/{periods[period]}/Period",
            area=area.code,
        )
    if len(named) > 1:
        raise BookingError(
            "invalid_request",
            "TimeConstraints names several appointments. Choose one.",
            data_path="/TimeConstraints",
        )
    for slot in slots:
        slot.area = area
    return slots


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
    work_order = earlier[0]
    raise BookingError(
        "already_booked",
        f"The order has a follow-up already: {work_order.order_num}. Ask dispatch to move it.",
        OrderNum=work_order.order_num,
    )


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
        alternatives=[offers.offer(slot.area, *period) for period in offers.alternatives(slot, job.order_type, now)],
    )


# --- Writing, inside the transaction of the caller -----------------------------------------------------------


def _book(
    slot: AppointmentSlot,
    order: str,
    job: wire.BookJob,
    body: str,
    fingerprint: str,
    caller: str,
    now: datetime,
) -> Booked:
    (number,) = _next_numbers(WorkOrder, 1)
    work_order = WorkOrder(
        pk=number,
        order_num=f"{settings.BOOKJOB_ORDER_PREFIX}{number}",
        original_order=order,
        claim=_claim(order, slot),
        slot=slot,
        caller=caller,
        created_at=now,
        changed_at=now,
        **_read_out(job, body, fingerprint),
    )
    work_order.save(force_insert=True)
    ordered_parts = _write_parts(work_order, job, kept={})
    record(work_order, HistoryEntry.Event.BOOKED, at=now, by=caller, after=_place(slot))
    _take_place(slot, now)
    return Booked(work_order, ordered_parts)


def _rebook(
    work_order: WorkOrder,
    slot: AppointmentSlot,
    job: wire.BookJob,
    body: str,
    fingerprint: str,
    caller: str,
    now: datetime,
) -> Booked:
    """Move the booking to `slot`, with the new body and its parts; the order number stays."""
    before = work_order.slot
    moved = (
        WorkOrder.objects.active()
        .filter(pk=work_order.pk, version=work_order.version)
        .update(
            slot=slot,
            claim=_claim(work_order.original_order, slot),
            changed_at=now,
            version=F("version") + 1,
            **_read_out(job, body, fingerprint),
        )
    )
    if not moved:
        raise _LostRace
    kept = {
        PartGroup(
            "" if part_order.is_issued_here else part_order.part_order_num,
            part_order.ship_to_location,
            part_order.urgency,
        ): part_order
        for part_order in work_order.part_orders.all()
    }
    work_order.required_parts.all().delete()
    ordered_parts = _write_parts(work_order, job, kept)
    work_order.part_orders.filter(required_parts__isnull=True).delete()
    record(
        work_order,
        HistoryEntry.Event.MOVED,
        at=now,
        by=caller,
        before=_place(before) | {"body": work_order.body},
        after=_place(slot),
    )
    # In the order of their keys, so that two moves that cross each other cannot wait for each other.
    for step in sorted((before, slot), key=lambda place: place.pk):
        if step is slot:
            _take_place(slot, now)
        else:
            _give_place_back(before.pk)
    return Booked(work_order, ordered_parts)


def _take_place(slot: AppointmentSlot, now: datetime) -> None:
    """The guard of the first promise: the place is taken only where all rules hold at this very moment."""
    taken = AppointmentSlot.objects.filter(offers.takeable(now), pk=slot.pk).update(booked=F("booked") + 1)
    if not taken:
        raise _LostRace


def _give_place_back(slot_id: int) -> None:
    AppointmentSlot.objects.filter(pk=slot_id).update(booked=F("booked") - 1)


def _write_parts(
    work_order: WorkOrder, job: wire.BookJob, kept: dict[PartGroup, PartOrder]
) -> list[tuple[str, list[str]]]:
    """Write the parts and the part orders that are not among `kept`; the answer is what Booked.ordered_parts is."""
    planned = plan_parts(job.required_parts)
    groups = list(dict.fromkeys(group for group, _ in planned if group))
    new = [group for group in groups if group not in kept]
    orders = dict(kept)
    for number, added in zip(_next_numbers(PartOrder, len(new)), new, strict=True):
        orders[added] = PartOrder(
            pk=number,
            work_order=work_order,
            part_order_num=added.number or f"{settings.BOOKJOB_PART_ORDER_PREFIX}{number}",
            is_issued_here=not added.number,
            ship_to_location=added.ship_to_location,
            urgency=added.urgency,
        )
    PartOrder.objects.bulk_create(orders[group] for group in new)
    for position, (group, part) in enumerate(planned):
        part.work_order = work_order
        part.position = position
        part.part_order = orders[group] if group else None
    RequiredPart.objects.bulk_create(part for _, part in planned)
    ordered = sorted((orders[group] for group in groups), key=lambda part_order: part_order.pk)
    return [
        (
            part_order.part_order_num,
            [part.prod_num for _, part in planned if part.part_order is part_order],
        )
        for part_order in ordered
    ]


def plan_parts(
    parts: Iterable[wire.RequiredPart],
) -> list[tuple[PartGroup | None, RequiredPart]]:
    """The rule by which parts become part orders, and the only place of it: each part to order with its group.

    Parts that came with a part order number keep it; the others are grouped by where they are sent and how urgently.
    A superseded part is ordered as its replacements. What has no product number cannot be ordered and has no group;
    what is marked `Delete` is not needed any more.
    """
    planned: list[tuple[PartGroup | None, RequiredPart]] = []
    for part in parts:
        if part.delete:
            continue
        group = PartGroup(part.part_order_num, "", "")
        if not part.part_order_num:
            group = PartGroup("", part.ship_to_location, part.urgency)
        to_order: list[wire.Part] = [*part.superseded_parts] or [part]
        for ordered in to_order:
            row = RequiredPart(
                prod_num=ordered.prod_num,
                replaces="" if ordered is part else part.prod_num,
                description=ordered.prod_attrs.desc,
                quantity=ordered.qty,
                price=part.price if ordered is part else None,
                part_status=ordered.part_status,
                ship_to_location=part.ship_to_location,
                urgency=part.urgency,
                estimated_delivery=part.estimated_delivery,
            )
            planned.append((group if ordered.prod_num else None, row))
    return planned


def _next_numbers(model: type[WorkOrder] | type[PartOrder], count: int) -> list[int]:
    """Keys that nobody else gets, ever: they become the numbers that people see.

    PostgreSQL: from the key's sequence, which no transaction waits for. SQLite: what AUTOINCREMENT would take next;
    nobody else can write before this transaction ends.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, count],
            )
            return [number for (number,) in cursor.fetchall()]
        cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        (last,) = cursor.fetchone()
        return list(range(last + 1, last + 1 + count))


def _claim(order: str, slot: AppointmentSlot) -> str:
    """See WorkOrder.claim. A line break parts the two: `order` may hold any character, but the period has a form."""
    if settings.BOOKJOB_FOLLOWUP_POLICY == "multiple":
        return f"{order}\n{slot.area_id} {slot.start.isoformat()} {slot.end.isoformat()}"
    return order


def _read_out(job: wire.BookJob, body: str, fingerprint: str) -> dict[str, Any]:
    """The columns of a work order that come from the body."""
    address = job.location.address
    lines = [
        address.addr_line1,
        address.addr_line2,
        address.addr_line3,
        address.addr_line4,
    ]
    return {
        "body": body,
        "fingerprint": fingerprint,
        "account_num": job.account.account_num,
        "account_name": job.account.name,
        "location_num": job.location.location_num,
        "location_name": job.location.name,
        "address": ", ".join(line for line in [*lines, address.city, address.region, address.country] if line),
        "postcode": address.zip,
        "phone": job.location.phone_num,
        "order_type": job.order_type,
        "worker": job.user_name,
    }


def _place(slot: AppointmentSlot) -> dict[str, Any]:
    return {
        "slot": slot.pk,
        "start": slot.start.isoformat(),
        "end": slot.end.isoformat(),
        "worker": slot.worker,
    }
