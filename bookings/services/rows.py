"""The rows of a booking, what stands in them, and the numbers that people see. Only this folder calls it.

No number is used again, and no booking waits for another one's. A number is the key of its row. PostgreSQL draws it
from the key's sequence, which no transaction waits for, in the very statement that writes the booking: who is refused
draws none. On SQLite it is what AUTOINCREMENT would take next; there is one writer until the transaction ends.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from bookings import history, wire
from bookings.db import sql
from bookings.models import (
    AppointmentSlot,
    HistoryEntry,
    PartOrder,
    RequiredPart,
    SearchDocument,
    ServiceArea,
    WorkOrder,
)
from bookings.offers.choices import Choice
from bookings.services import parts, search_terms

# What the claims of practice areas end with: they stand in no real booking's way.
PRACTICE = "\npractice"

Numbered = type[WorkOrder] | type[PartOrder]


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


class Numbers(NamedTuple):
    """Of a work order, and of its part orders that are new."""

    order: int
    parts: list[int]


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
    """All that a booking writes but the slot, in the form into which DRAWING and `date` put what is missing."""
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


# --- The numbers ------------------------------------------------------------------------------------------


def numbers_before_the_write(plan: parts.PartPlan, *, passing_over: bool) -> Numbers | None:
    """The numbers of a booking, inside of its transaction. None: the write draws them (DRAWING).

    `passing_over`: those that are shown for another row already are passed over.
    """
    if passing_over:
        named = parts.named(plan)
        (order,) = next_free(WorkOrder, 1)
        return Numbers(order, next_free(PartOrder, len(plan.groups), but=named))
    return None if sql.on_postgresql() else _next_on_sqlite(len(plan.groups))


def _next_on_sqlite(part_orders: int) -> Numbers:
    (order, last) = sql.run(f"SELECT {_last(WorkOrder)}, {_last(PartOrder)}").rows[0]
    return Numbers(order + 1, [last + step for step in range(1, part_orders + 1)])


def next_free(model: Numbered, count: int, *, but: Collection[str] = ()) -> list[int]:
    """Numbers which no other booking ever gets, without those that are shown for another row or stand in `but`.

    Such numbers were made with another prefix, or came with parts: seldom, and then often hundreds in a row. On SQLite
    in the caller's transaction.
    """
    if not count:
        return []
    find = _drawn_free if sql.on_postgresql() else _free_on_sqlite
    return find(model, count, list(but))


def _free_on_sqlite(model: Numbered, count: int, but: list[str]) -> list[int]:
    prefix, taken = _shown_as(model)
    found = sql.run(
        f"WITH RECURSIVE following (number) AS"
        f" (SELECT {_last(model)} + 1 UNION ALL SELECT number + 1 FROM following)"
        f" SELECT number FROM following WHERE NOT {taken}"
        f" AND %s || number NOT IN (SELECT value FROM json_each(%s)) LIMIT %s",
        [prefix, prefix, json.dumps(but), count],
    )
    return [number for (number,) in found.rows]


def _drawn_free(model: Numbered, count: int, but: list[str]) -> list[int]:
    prefix, taken = _shown_as(model)
    found = sql.run(
        # Each step draws one number, until as many as are wanted were free.
        "WITH RECURSIVE drawn (number, is_taken, missing) AS ("
        " SELECT CAST(0 AS bigint), TRUE, CAST(%s AS bigint) UNION ALL"
        " SELECT step.number, step.is_taken, drawn.missing - CAST(NOT step.is_taken AS integer) FROM drawn,"
        f" LATERAL (SELECT number, {taken} OR CAST(%s AS text) || number = ANY(%s) AS is_taken"
        f" FROM (SELECT nextval('{_sequence(model)}') AS number WHERE drawn.missing > 0) AS one) AS step)"
        " SELECT number FROM drawn WHERE NOT is_taken ORDER BY number",
        [count, prefix, prefix, but],
    )
    return [number for (number,) in found.rows]


def _shown_as(model: Numbered) -> tuple[str, str]:
    """The prefix of a model's numbers, and whether a row shows the one that is `number` behind the prefix `%s`."""
    if model is WorkOrder:
        prefix, column, only = settings.BOOKJOB_ORDER_PREFIX, "order_num", ""
    else:
        prefix, column, only = settings.BOOKJOB_PART_ORDER_PREFIX, "part_order_num", "AND is_issued_here"
    table = f'"{model._meta.db_table}"'
    return prefix, f"EXISTS (SELECT 1 FROM {table} WHERE {column} = CAST(%s AS text) || number {only})"


def _sequence(model: Numbered) -> str:
    return f"{model._meta.db_table}_id_seq"


def _last(model: Numbered) -> str:
    """On SQLite: the last number."""
    return f"COALESCE((SELECT MAX(seq) FROM sqlite_sequence WHERE name = '{model._meta.db_table}'), 0)"


def put_numbers_in(inserts: Iterable[sql.Insert], given: Numbers) -> None:
    """What DRAWING does to the rows of a booking, where the numbers are known before the write."""

    def of_part_order(place: int) -> int:
        return given.parts[place - 1]

    for model, rows in inserts:
        for row in rows:
            if model is WorkOrder:
                row |= {"id": given.order, "order_num": f"{row['order_num']}{given.order}"}
                continue
            row["work_order_id"] = given.order
            if model is PartOrder:
                row["id"] = of_part_order(row["id"])
                if row["is_issued_here"]:
                    row["part_order_num"] += str(row["id"])
            elif model is RequiredPart and row["part_order_id"]:
                row["part_order_id"] = of_part_order(row["part_order_id"])
            elif model is SearchDocument:
                ends = [given.order, *given.parts]  # the place of the work order is 0
                stems = [f"{one['stem']}{ends[one['place']]}" for one in row.pop("stems")]
                row["words"] = " ".join(dict.fromkeys([*row["words"].split(), *stems]))


# The part orders of a booking have places, from 1, in place of their numbers; a text that ends with a number has its
# prefix alone. See of_booking.
DRAWING = sql.Drawing(
    f"SELECT nextval('{_sequence(WorkOrder)}') AS number,"
    f" ARRAY(SELECT nextval('{_sequence(PartOrder)}') FROM generate_series(1, %s)) AS parts",
    {
        WorkOrder: {"id": "drawn.number", "order_num": "row.order_num || drawn.number"},
        PartOrder: {
            "id": "drawn.parts[CAST(row.id AS integer)]",
            "work_order_id": "drawn.number",
            "part_order_num": "CASE WHEN row.is_issued_here THEN row.part_order_num"
            " || drawn.parts[CAST(row.id AS integer)] ELSE row.part_order_num END",
        },
        RequiredPart: {
            "work_order_id": "drawn.number",
            "part_order_id": "drawn.parts[CAST(row.part_order_id AS integer)]",
        },
        SearchDocument: {
            "work_order_id": "drawn.number",
            "words": "row.words || array_to_tsvector(ARRAY(SELECT stem"
            " || CASE place WHEN 0 THEN drawn.number ELSE drawn.parts[place] END"
            " FROM json_to_recordset(row.stems) AS one (stem text, place integer)))",
        },
        HistoryEntry: {"work_order_id": "drawn.number"},
    },
)
