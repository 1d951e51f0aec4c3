"""The numbers that people see: never reused, and no booking waits for another one's.

A number is the key of its row. PostgreSQL draws it from the key's sequence, which no transaction waits for, in the very
statement that writes the booking: who is refused draws none. On SQLite it is what AUTOINCREMENT would take next; there
is one writer at a time until the transaction ends.
"""

import json
from collections.abc import Collection, Iterable
from typing import NamedTuple

from django.conf import settings

from bookings.db import sql
from bookings.models import HistoryEntry, PartOrder, RequiredPart, SearchDocument, WorkOrder
from bookings.services import parts

Numbered = type[WorkOrder] | type[PartOrder]


class Numbers(NamedTuple):
    """Of a work order, and of its part orders that are new."""

    order: int
    parts: list[int]


def before_the_write(plan: parts.PartPlan, *, passing_over: bool) -> Numbers | None:
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


def put_in(inserts: Iterable[sql.Insert], given: Numbers) -> None:
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
# prefix alone. See rows.of_booking.
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
