"""The numbers that people see: never reused, and no booking waits for another one's.

A number is the key of its row. PostgreSQL draws it from the key's sequence, which no transaction waits for. On SQLite
it is what AUTOINCREMENT would take next; there is one writer at a time until the transaction ends.
"""

import json
from collections.abc import Collection
from typing import Any

from django.conf import settings

from bookings.db import sql
from bookings.models import PartOrder, WorkOrder

Numbered = type[WorkOrder] | type[PartOrder]

# In place of `for_booking`: none is drawn.
NONE: tuple[str, list[Any]] = ("NULL", [])


def for_booking(part_orders: int) -> tuple[str, list[Any]]:
    """An expression for a work order's number with those of its part orders, as one array. On SQLite it is NULL.

    As a subquery of its own it is worked out once, however many rows it is asked for, and not before one asks.
    """
    if not sql.on_postgresql():
        return NONE
    return f"(SELECT {_drawn(WorkOrder)} || {_drawn(PartOrder)})", [1, part_orders]


def next_numbers(*wanted: tuple[Numbered, int]) -> list[int]:
    """As many numbers of each model, which no other booking ever gets. On SQLite in the caller's transaction."""
    if sql.on_postgresql():
        text = " || ".join(_drawn(model) for model, _ in wanted)
        return list(sql.run(f"SELECT {text}", [count for _, count in wanted]).rows[0][0])
    found = sql.run(f"SELECT {', '.join(_last(model) for model, _ in wanted)}").rows[0]
    return [last + step for last, (_, count) in zip(found, wanted, strict=True) for step in range(1, count + 1)]


def next_free(model: Numbered, count: int, *, but: Collection[str] = ()) -> list[int]:
    """As `next_numbers`, but what people would see as the number of another row, or as one of `but`, is passed over.

    Such numbers were made with another prefix, or came with parts: seldom, and then often hundreds in a row.
    """
    if not count:
        return []
    table, column, prefix, only = _shown_as(model)
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {column} = CAST(%s AS text) || number {only})"
    if not sql.on_postgresql():
        found = sql.run(
            f"WITH RECURSIVE following (number) AS"
            f" (SELECT {_last(model)} + 1 UNION ALL SELECT number + 1 FROM following)"
            f" SELECT number FROM following WHERE NOT {taken}"
            f" AND %s || number NOT IN (SELECT value FROM json_each(%s)) LIMIT %s",
            [prefix, prefix, json.dumps(list(but)), count],
        )
        return [number for (number,) in found.rows]
    found = sql.run(
        # Each step draws one number, until as many as are wanted were free.
        "WITH RECURSIVE drawn (number, is_taken, missing) AS ("
        " SELECT CAST(0 AS bigint), TRUE, CAST(%s AS bigint) UNION ALL"
        " SELECT step.number, step.is_taken, drawn.missing - CAST(NOT step.is_taken AS integer) FROM drawn,"
        f" LATERAL (SELECT number, {taken} OR CAST(%s AS text) || number = ANY(%s) AS is_taken"
        f" FROM (SELECT nextval('{_sequence(model)}') AS number WHERE drawn.missing > 0) AS one) AS step)"
        " SELECT number FROM drawn WHERE NOT is_taken ORDER BY number",
        [count, prefix, prefix, list(but)],
    )
    return [number for (number,) in found.rows]


def _shown_as(model: Numbered) -> tuple[str, str, str, str]:
    """Table, column and prefix of a model's numbers, and which of them are ours."""
    if model is WorkOrder:
        return f'"{model._meta.db_table}"', "order_num", settings.BOOKJOB_ORDER_PREFIX, ""
    return f'"{model._meta.db_table}"', "part_order_num", settings.BOOKJOB_PART_ORDER_PREFIX, "AND is_issued_here"


def _sequence(model: Numbered) -> str:
    return f"{model._meta.db_table}_id_seq"


def _drawn(model: Numbered) -> str:
    return f"ARRAY(SELECT nextval('{_sequence(model)}') FROM generate_series(1, %s))"


def _last(model: Numbered) -> str:
    """On SQLite: the last number."""
    return f"COALESCE((SELECT MAX(seq) FROM sqlite_sequence WHERE name = '{model._meta.db_table}'), 0)"
