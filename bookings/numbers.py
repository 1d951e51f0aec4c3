"""The numbers that people see: never reused, and nobody waits for them."""

from bookings import sql
from bookings.models import PartOrder, WorkOrder


def next_numbers(*wanted: tuple[type[WorkOrder] | type[PartOrder], int], attempt: int = 0) -> list[list[int]]:
    """So many keys of each of the models that nobody else gets, ever: they become the numbers that people see.

    PostgreSQL: from the key's sequence, which no transaction waits for. SQLite: what AUTOINCREMENT would take next;
    nobody else can write before this transaction ends. A number that turned out to be taken already (the prefix was
    another one before, or it came with somebody's parts) would be drawn again there: `attempt` passes over it.
    """
    if sql.on_postgresql():
        drawn = sql.run(
            *(
                (f"SELECT nextval('{model._meta.db_table}_id_seq') FROM generate_series(1, %s)", [count])
                for model, count in wanted
            )
        )
        return [[number for (number,) in result.rows] for result in drawn]
    last = sql.run(
        *(
            ("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
            for model, _ in wanted
        )
    )
    return [
        [result.rows[0][0] + 1 + attempt + step for step in range(count)]
        for result, (_, count) in zip(last, wanted, strict=True)
    ]
