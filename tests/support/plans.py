"""How the database comes to what a page shows: the plans of the statements that the page sent."""

import json
from collections.abc import Iterator

from django.db import connection
from django.test.utils import CaptureQueriesContext


def statements_of(client, address: str, query: dict) -> list[str]:
    """What a page reads of the tables, after a first look that prepares the session."""
    client.get(address, query)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, query).status_code == 200
    return [one["sql"] for one in captured.captured_queries if one["sql"].startswith(("SELECT", "WITH"))]


def prefer_indexes() -> None:
    """In this transaction, wherever there is one: PostgreSQL would read a small table as a whole."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def plan_of(statement: str) -> str:
    """By an index wherever there is one."""
    prefer_indexes()
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN' if is_postgresql else 'EXPLAIN QUERY PLAN'} {statement}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def rows_read(statement: str) -> int:
    """PostgreSQL: how many rows and entries of an index a statement reads of the tables, those that do not fit too."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        found = cursor.fetchone()[0]
    (plan,) = json.loads(found) if isinstance(found, str) else found
    return sum(_rows_of(plan["Plan"]))


def _rows_of(node: dict) -> Iterator[int]:
    if "Relation Name" in node or "Index Name" in node:
        yield node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    for below in node.get("Plans", []):
        yield from _rows_of(below)
