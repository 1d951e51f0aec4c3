"""The rows of a booking, and what stands in them. Only the modules of this folder call this."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from bookings import history, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, RequiredPart, SearchDocument, ServiceArea, WorkOrder
from bookings.offers.choices import Choice
from bookings.services import parts, search_terms

# What the claims of practice areas end with: they stand in no real booking's way.
PRACTICE = "\npractice"


class Booked(NamedTuple):
    """A booking as it is answered: `ordered_parts` are (part order number, product numbers)."""

    order_num: str
    ordered_parts: list[tuple[str, list[str]]]
    is_repeat: bool = False
    is_practice: bool = False


@dataclass
class BookingRequest:
    """A booking as it is asked for; `plan` is what becomes of its parts, `area` its area once that is read.

    `choice` is what names its slot, once that is found.

    `places` are the keys of the areas that the caller may book in, None for all. `is_first`: it may not be one more of
    its order, nor move another one.
    """

    order: str
    job: wire.BookJob
    body: str
    fingerprint: str
    caller: str
    plan: parts.PartPlan
    area: ServiceArea | None = None
    is_area_read: bool = False
    choice: Choice | None = None
    places: set[int] | None = None
    is_first: bool = False

    @property
    def is_practice(self) -> bool:
        return self.area is not None and self.area.is_practice

    def may_see(self, work_order: WorkOrder) -> bool:
        """Whether the caller may hear of a booking, and move it: one that is restricted to areas only there."""
        return self.places is None or work_order.area_id in self.places


def answer_of(work_order: WorkOrder) -> Booked:
    """The answer for a booking that stands in the database."""
    ordered_parts: dict[str, list[str]] = {}
    for number, prod_num in (
        RequiredPart.objects.filter(work_order=work_order, part_order__isnull=False)
        .order_by("part_order_id", "position")
        .values_list("part_order__part_order_num", "prod_num")
    ):
        ordered_parts.setdefault(number, []).append(prod_num)
    return Booked(work_order.order_num, list(ordered_parts.items()), is_repeat=True)


def of_booking(request: BookingRequest, slot: AppointmentSlot, *, after: int) -> list[sql.Insert]:
    """All that a booking writes but the slot, in the form into which numbers.DRAWING and `date` put what is missing."""
    orders = parts.orders_of(request.plan, None)
    columns = sql.defaults_of(WorkOrder) | {
        "id": None,
        "order_num": settings.BOOKJOB_ORDER_PREFIX,
        "original_order": request.order,
        "booked_after": after,
        "caller": request.caller,
        **in_slot(request.order, slot),
        **read_out(request),
    }
    line = history.entry(
        None,
        HistoryEntry.Event.BOOKED,
        at=None,
        by=request.caller,
        after=place(slot),
        fingerprint=request.fingerprint,
    )
    return [
        (WorkOrder, [columns]),
        *parts.inserts(None, request.plan, orders),
        search_document(None, columns, request, slot, orders),
        (HistoryEntry, [line]),
    ]


def date(inserts: list[sql.Insert], now: datetime) -> None:
    """Put the moment of the taking into the rows of a booking."""
    (_, [work_order]), *_, (_, [line]) = inserts
    work_order["created_at"] = work_order["changed_at"] = line["at"] = now


def search_document(
    key: int | None,
    columns: dict[str, Any],
    request: BookingRequest,
    slot: AppointmentSlot,
    orders: parts.Orders,
) -> sql.Insert:
    found = [number for _, row in request.plan.rows for number in (row["prod_num"], row["replaces"])]
    if key:
        found += [number for _, number in orders.values()]
        words = search_terms.words_of(columns, request.job, numbers=found, slot_worker=slot.worker)
        return SearchDocument, [{"work_order_id": key, "words": words}]
    # The numbers are drawn by the write, which puts them behind the stems.
    found += [group.number for group in orders if group.number]
    words = search_terms.words_of(columns | {"order_num": ""}, request.job, numbers=found, slot_worker=slot.worker)
    drawn = [(0, settings.BOOKJOB_ORDER_PREFIX)]
    drawn += [(at, settings.BOOKJOB_PART_ORDER_PREFIX) for group, (at, _) in orders.items() if not group.number]
    fixed, stems = search_terms.stems_of(drawn)
    return SearchDocument, [{"work_order_id": None, "words": f"{words} {fixed}", "stems": stems}]


def in_slot(order: str, slot: AppointmentSlot, *, claimed: str | None = None) -> dict[str, Any]:
    """The columns of a work order of `order` that say where it stands in the calendar.

    `claimed` is the claim that it has, of one that is moved.
    """
    return {
        "slot_id": slot.pk,
        "area_id": slot.area_id,
        "visit_start": slot.start,
        "claim": _claim(order, slot, claimed),
    }


def _claim(order: str, slot: AppointmentSlot, claimed: str | None) -> str:
    """See WorkOrder.claim. A line break parts the two: `order` may hold any character, but the period has a form.

    What was one of several follow-ups stays so where it is moved, also once the setting allows no more of them.
    """
    kind = PRACTICE if slot.area.is_practice else ""
    if settings.BOOKJOB_FOLLOWUP_POLICY == "multiple" or claimed not in (None, f"{order}{kind}"):
        return f"{order}\n{slot.area_id} {slot.start.isoformat()} {slot.end.isoformat()}{kind}"
    return f"{order}{kind}"


def read_out(request: BookingRequest) -> dict[str, Any]:
    """The columns of a work order that come from the body."""
    job, address = request.job, request.job.location.address
    lines = [
        address.addr_line1,
        address.addr_line2,
        address.addr_line3,
        address.addr_line4,
    ]
    return {
        "body": request.body,
        "fingerprint": request.fingerprint,
        "account_num": job.account.account_num,
        "account_name": job.account.name,
        "location_num": job.location.location_num,
        "location_name": job.location.name,
        "address": ", ".join(line for line in [*lines, address.city, address.region, address.country] if line),
        "postcode": address.zip,
        "phone": job.location.phone_num,
        "order_type": job.order_type,
        "worker": job.user_name,
        **parts.columns(request.plan),
    }


def place(slot: AppointmentSlot) -> dict[str, Any]:
    """A slot in the details of a line of the history."""
    return {
        "slot": slot.pk,
        "area": slot.area_id,
        "start": slot.start.isoformat(),
        "end": slot.end.isoformat(),
        "worker": slot.worker,
    }
