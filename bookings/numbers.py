"""The numbers that people see: never reused, and nobody waits for them."""

from django.db import connection

from bookings.models import PartOrder, WorkOrder


def next_numbers(model: type[WorkOrder] | type[PartOrder], count: int, attempt: int = 0) -> list[int]:
    """Keys that nobody else gets, ever: they become the numbers that people see.

    PostgreSQL: from the key's sequence, which no transaction waits for. SQLite: what AUTOINCREMENT would take next;
    nobody else can write before this transaction ends. A number that turned out to be taken already (the prefix was
    another one before, or it came with somebody's parts) would be drawn again there: `attempt` passes over it.
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
        return list(range(last + 1 + attempt, last + 1 + attempt + count))
