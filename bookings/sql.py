"""Plain SQL for the two calls that a phone waits for, where building a query costs more than running it.

A statement is a text and its parameters, and both databases read it. What is sent with one `run` is waited for once:
PostgreSQL gets it in one go (psycopg's pipeline mode) and keeps it prepared. Elsewhere Django's querysets are better.
"""

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.models import Model

Statement = tuple[str, Sequence[Any]]
M = TypeVar("M", bound=Model)


class Result(NamedTuple):
    """How many rows a statement found or changed, and those that it returned."""

    row_count: int
    rows: list[tuple[Any, ...]]


def run(*statements: Statement, using: str = DEFAULT_DB_ALIAS) -> list[Result]:
    """Runs the statements in their order. Raises Django's database errors; what follows a faulty one does not run.

    Outside of a transaction it is for reading: a connection that died unnoticed is replaced, and all is sent again.
    """
    there: Any = connections[using]
    if there.vendor != "postgresql":
        return [_run_alone(there, statement) for statement in statements]
    began = time.monotonic()
    try:
        return _run_together(there, statements)
    except DatabaseError:
        # Nobody waits twice: what died before is known at once, and a database that does not answer is another matter.
        died_before = there.connection and there.connection.closed and time.monotonic() - began < 1
        if there.in_atomic_block or not died_before:
            raise
        there.close()
        return _run_together(there, statements)


def _run_alone(there: Any, statement: Statement) -> Result:
    with there.cursor() as cursor:
        cursor.execute(*statement)
        return Result(cursor.rowcount, cursor.fetchall() if cursor.description else [])


def _run_together(there: Any, statements: Sequence[Statement]) -> list[Result]:
    there.ensure_connection()
    wrap = there.make_debug_cursor if there.queries_logged else there.make_cursor
    raw: psycopg.Connection[Any] = there.connection
    cursors = []
    with there.wrap_database_errors, raw.pipeline() if len(statements) > 1 else nullcontext():
        for statement in statements:
            # Parameters go beside the text, which so can be prepared; results are binary, which spares parsing.
            cursor = psycopg.Cursor(raw)
            cursor.format = psycopg.pq.Format.BINARY
            cursors.append(cursor)
            wrap(cursor).execute(*statement)
    # A statement that was answered proves that the connection lives: Django need not ask it again in this request.
    there.health_check_done = True
    return [Result(cursor.rowcount, cursor.fetchall() if cursor.description else []) for cursor in cursors]


def insert(*objects: Model) -> Statement:
    """One INSERT of objects of one model, of which all or none have their key."""
    model = type(objects[0])
    names = tuple(field.attname for field in _fields(model, with_key=objects[0].pk is not None))
    return insert_rows(model, names, [[getattr(obj, name) for name in names] for obj in objects])


def insert_rows(model: type[Model], names: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> Statement:
    """One INSERT of rows that hold the values of the fields `names`."""
    if connection.vendor != "postgresql":
        return _insert_text(model, names, len(rows)), [_adapt(_FOR_SQLITE, value) for row in rows for value in row]
    if len(rows) == 1:
        return _insert_text(model, names, 1), [_adapt(_AS_TEXT, value) for value in rows[0]]
    # Whatever the number of rows, it is one text with one parameter, which stays prepared.
    return _insert_many_text(model, names), [json.dumps([[_adapt(_IN_JSON, value) for value in row] for row in rows])]


@lru_cache
def columns_of(model: type[Model]) -> str:
    """The columns that `read` makes an object of."""
    table = model._meta.db_table
    return ", ".join(f'"{table}"."{field.column}"' for field in model._meta.concrete_fields)


def read(model: type[M], row: Sequence[Any]) -> M:
    """The object whose columns begin a row."""
    names, converters = _readers(model, connection.vendor)
    values = list(row[: len(names)])
    for index, column, convert in converters:
        values[index] = convert(values[index], column, connection)
    return model.from_db(connection.alias, names, values)


def placeholders(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def as_parameter(instant: datetime) -> Any:
    """An instant as the database compares it with its columns."""
    return connection.ops.adapt_datetimefield_value(instant)


def as_instant(value: Any) -> datetime:
    """What a statement returned for an instant; SQLite keeps a text in UTC."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


@lru_cache
def _readers(model: type[Model], vendor: str) -> tuple[list[str], list[tuple[int, Any, Any]]]:
    """The names of an object's columns, and what turns the values of some into Python's."""
    fields = model._meta.concrete_fields
    columns = [field.get_col(model._meta.db_table) for field in fields]
    converters = [
        (index, column, convert)
        for index, column in enumerate(columns)
        for convert in [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    ]
    return [field.attname for field in fields], converters


@lru_cache
def _fields(model: type[Model], *, with_key: bool) -> list[Any]:
    return [field for field in model._meta.concrete_fields if with_key or not field.primary_key]


@lru_cache(maxsize=1000)
def _insert_text(model: type[Model], names: tuple[str, ...], count: int) -> str:
    row = f"({placeholders(names)})"
    return f"INSERT INTO {_into(model, names)} VALUES {', '.join([row] * count)}"


@lru_cache
def _insert_many_text(model: type[Model], names: tuple[str, ...]) -> str:
    by_name = {field.attname: field for field in _fields(model, with_key=True)}
    values = ", ".join(
        f"CAST(row ->> {place} AS {by_name[name].db_type(connection)})" for place, name in enumerate(names)
    )
    return f"INSERT INTO {_into(model, names)} SELECT {values} FROM json_array_elements(%s) AS row"


def _into(model: type[Model], names: tuple[str, ...]) -> str:
    by_name = {field.attname: field.column for field in _fields(model, with_key=True)}
    columns = ", ".join(f'"{by_name[name]}"' for name in names)
    return f'"{model._meta.db_table}" ({columns})'


def _adapt(ways: dict[type, Any], value: Any) -> Any:
    way = ways.get(type(value))
    return value if way is None else way(value)


# On PostgreSQL everything goes as text and takes the type of its column: whether a value is NULL or a number large
# makes no other statement of it, which would have to be prepared anew.
_AS_TEXT: dict[type, Any] = {int: str, bool: str, Decimal: str, datetime: datetime.isoformat, dict: json.dumps}
_IN_JSON: dict[type, Any] = _AS_TEXT | {bytes: lambda value: f"\\x{value.hex()}"}
_FOR_SQLITE: dict[type, Any] = {
    Decimal: str,
    datetime: lambda value: str(value.astimezone(UTC).replace(tzinfo=None)),
    dict: json.dumps,
}
