"""The numbers that people see: never reused, and nobody waits for them.

A number is the key of its row. PostgreSQL draws it from the key's sequence, which no transaction waits for. On SQLite
it is what AUTOINCREMENT would take next; nobody else can write before the transaction ends.
"""

from typing import Any

from bookings import sql
from bookings.models import PartOrder, WorkOrder


def for_booking(part_orders: int) -> tuple[str, list[Any]]:
    """An expression for a work order's number with those of its part orders, as one array. On SQLite it is NULL.

    As a subquery of its own it is worked out once, however many rows it is asked for, and not before one asks.
    """
    if not sql.on_postgresql():
        return "NULL", []
    return f"(SELECT {_drawn(WorkOrder)} || {_drawn(PartOrder)})", [1, part_orders]


def next_numbers(*wanted: tuple[type[WorkOrder] | type[PartOrder], int], attempt: int = 0) -> list[list[int]]:
    """So many numbers of each of the models that nobody else gets, ever. On SQLite in the caller's transaction.

    There a number that turned out to be taken already (the prefix was another one before, or it came with somebody's
    parts) would be drawn again: `attempt` passes over it.
    """
    if sql.on_postgresql():
        text = ", ".join(_drawn(model) for model, _ in wanted)
        return list(sql.run(f"SELECT {text}", [count for _, count in wanted]).rows[0])
    last = [f"(SELECT MAX(seq) FROM sqlite_sequence WHERE name = '{model._meta.db_table}')" for model, _ in wanted]
    found = sql.run(f"SELECT {', '.join(last)}").rows[0]
    return [
        [(before or 0) + 1 + attempt + step for step in range(count)]
        for before, (_, count) in zip(found, wanted, strict=True)
    ]


def _drawn(model: type[WorkOrder] | type[PartOrder]) -> str:
    return f"ARRAY(SELECT nextval('{model._meta.db_table}_id_seq') FROM generate_series(1, %s))"
