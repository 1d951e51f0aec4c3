"""Plain SQL for the two calls that a phone waits for, where building a query costs more than running it.

A statement is a text and its parameters, and both databases read it; PostgreSQL keeps it prepared. Elsewhere Django's
querysets are better.
"""

import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeVar

import orjson
import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from django.db.models import Model
from django.db.models.base import ModelState

Statement = tuple[str, Sequence[Any]]
# A model, and its rows by the names of its fields: at least one, and the same names in the same order in each.
Insert = tuple[type[Model], Sequence[dict[str, Any]]]
M = TypeVar("M", bound=Model)


class Result(NamedTuple):
    """How many rows a statement found or changed, and those that it returned."""

    row_count: int
    rows: list[tuple[Any, ...]]


def run(text: str, values: Sequence[Any] = (), *, using: str = DEFAULT_DB_ALIAS) -> Result:
    """Runs a statement. Raises Django's database errors.

    Outside of a transaction it is for reading, and for drawing numbers: a connection that died unnoticed is replaced,
    and it is sent again.
    """
    there: Any = connections[using]
    if not on_postgresql():
        with there.cursor() as cursor:
            cursor.execute(text, values)
            return Result(cursor.rowcount, cursor.fetchall() if cursor.description else [])
    began = time.monotonic()
    try:
        return _send(there, text, values)
    except DatabaseError:
        # Nobody waits twice: what died before is known at once, and a database that does not answer is another matter.
        died_before = there.connection and there.connection.closed and time.monotonic() - began < 1
        if there.in_atomic_block or not died_before:
            raise
        there.close()
        return _send(there, text, values)


def _send(there: Any, text: str, values: Sequence[Any]) -> Result:
    """On psycopg's own cursor: parameters go beside the text, which so can be prepared; results are binary."""
    there.ensure_connection()
    cursor = psycopg.Cursor(there.connection)
    cursor.format = psycopg.pq.Format.BINARY
    with there.wrap_database_errors:
        if there.queries_logged or there.execute_wrappers:
            there.make_debug_cursor(cursor).execute(text, values)
        else:
            cursor.execute(text, values)
        rows = cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []
    # A statement that was answered proves that the connection lives: Django need not ask it again in this request.
    there.health_check_done = True
    return Result(cursor.rowcount, rows)


def alone() -> AbstractContextManager[Any]:
    """SQLite: a transaction, in which nobody else writes. PostgreSQL needs none around one `write_if`."""
    return nullcontext() if on_postgresql() else transaction.atomic()


def write_if(update: Statement, proof: Statement, *inserts: Insert) -> bool:
    """Insert the rows, and change what `update` changes, if it changes something; else neither. In `alone`.

    `proof` is an expression that PostgreSQL works out for the row that is changed, after any wait for it; where that
    fails, all fails. SQLite waits before the statement, and does without.

    PostgreSQL does it in one statement, which is all or nothing by itself: nothing is locked while we are asked. On
    SQLite the caller has to leave the transaction with an error where it came to nothing.
    """
    if not on_postgresql():
        return write_step_by_step(update, proof, *inserts)
    text, values = _returning(update, proof)
    text = _write_if_text(text, *((model, tuple(rows[0])) for model, rows in inserts))
    # Sent once, whatever happens: it may have been done although nobody said so.
    done = _send(connections[DEFAULT_DB_ALIAS], text, [*values, *(_as_json(rows) for _, rows in inserts)])
    return bool(done.rows[0][0])


def change_if(update: Statement, proof: Statement) -> bool:
    """What `write_if` does, without rows to insert. In a transaction of the caller."""
    return bool(run(*(_returning(update, proof) if on_postgresql() else update)).row_count)


def _returning(update: Statement, proof: Statement) -> Statement:
    (text, values), (expression, more) = update, proof
    return f"{text} RETURNING {expression}", [*values, *more]


def write_step_by_step(update: Statement, proof: Statement, *inserts: Insert) -> bool:
    write(*inserts)
    return change_if(update, proof)


def write(*inserts: Insert) -> None:
    """Insert the rows, in a transaction of the caller."""
    for model, rows in inserts:
        names = tuple(rows[0])
        if on_postgresql():
            run(_insert_text(model, names), [_as_json(rows)])
            continue
        values = [
            [_FOR_SQLITE[type(value)](value) if type(value) in _FOR_SQLITE else value for value in row.values()]
            for row in rows
        ]
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {_into(model, names)} VALUES ({placeholders(names)})", values)


@cache
def defaults_of(model: type[Model]) -> dict[str, Any]:
    """What a row holds where nothing else is said; without the key."""
    return {field.attname: field.get_default() for field in model._meta.concrete_fields if not field.primary_key}


@cache
def columns_of(model: type[Model], *names: str) -> str:
    """The columns that `read` makes an object of: of the fields with these names, else of all."""
    table = model._meta.db_table
    return ", ".join(f'"{table}"."{field.column}"' for field in _fields(model, names))


def read(model: type[M], row: Sequence[Any], *names: str, **related: Model | None) -> M:
    """The object whose columns begin a row; as Django makes it, but for the signals, to which nobody listens.

    Of the fields with these names; Django would read others when somebody asks for them.
    """
    names, converters = _readers(model, names)
    values = dict(zip(names, row, strict=False))
    for name, column, convert in converters:
        values[name] = convert(values[name], column, connection)
    found = model.__new__(model)
    found._state = ModelState()
    found._state.adding, found._state.db = False, DEFAULT_DB_ALIAS
    found._state.fields_cache.update(related)
    vars(found).update(values)
    return found


def placeholders(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def as_parameter(instant: datetime) -> Any:
    """An instant as the database compares it with its columns."""
    return instant if on_postgresql() else connection.ops.adapt_datetimefield_value(instant)


@cache
def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def as_instant(value: Any) -> datetime:
    """What a statement returned for an instant; SQLite keeps a text in UTC."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


@cache
def _readers(model: type[Model], names: tuple[str, ...]) -> tuple[tuple[str, ...], list[tuple[str, Any, Any]]]:
    """The names of an object's columns, and what turns the values of some into Python's."""
    fields = _fields(model, names)
    converters = [
        (field.attname, column, convert)
        for field in fields
        for column in [field.get_col(model._meta.db_table)]
        for convert in [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    ]
    return tuple(field.attname for field in fields), converters


def _fields(model: type[Model], names: tuple[str, ...]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.attname in names or not names]


def _into(model: type[Model], names: tuple[str, ...]) -> str:
    columns = {field.attname: f'"{field.column}"' for field in model._meta.concrete_fields}
    return f'"{model._meta.db_table}" ({", ".join(columns[name] for name in names)})'


@cache
def _insert_text(model: type[Model], names: tuple[str, ...]) -> str:
    """For PostgreSQL. However many rows, it is one text with one parameter, which stays prepared."""
    types = {field.attname: field.db_type(connection) for field in model._meta.concrete_fields}
    row = ", ".join(f'"{name}" {types[name]}' for name in names)
    return f"INSERT INTO {_into(model, names)} SELECT * FROM json_to_recordset(%s) AS row ({row})"


@cache
def _write_if_text(update: str, *inserts: tuple[type[Model], tuple[str, ...]]) -> str:
    steps = [f"done AS ({update})"]
    for number, (model, names) in enumerate(inserts):
        steps.append(f"step{number} AS ({_insert_text(model, names)} WHERE EXISTS (SELECT 1 FROM done))")
    return f"WITH {', '.join(steps)} SELECT COUNT(*) FROM done"


def _as_json(rows: Sequence[dict[str, Any]]) -> str:
    return orjson.dumps(rows, default=_in_json).decode()


def _in_json(value: Any) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


_FOR_SQLITE: dict[type, Any] = {
    Decimal: str,
    datetime: lambda value: str(value.astimezone(UTC).replace(tzinfo=None)),
    dict: json.dumps,
}
