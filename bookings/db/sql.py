"""Plain SQL for the two calls that a phone waits for, where building a query costs more than running it.

A statement is a text and its parameters, and both databases read it; PostgreSQL keeps it prepared. Elsewhere Django's
querysets are better.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeVar

import orjson
import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, IntegrityError, connection, connections, transaction
from django.db.models import Model

from bookings import clock

Statement = tuple[str, Sequence[Any]]
# A model, and its rows by the names of its fields: at least one, and the same names in the same order in each.
Insert = tuple[type[Model], Sequence[dict[str, Any]]]
M = TypeVar("M", bound=Model)


class Drawing:
    """What `write_if` draws once it has changed its row, for PostgreSQL, and where in the rows to insert that goes.

    `text` is a SELECT; `places` has, for some columns of a model, an expression over `row`, the row as it was given,
    and `drawn`.
    """

    def __init__(self, text: str, places: Mapping[type[Model], Mapping[str, str]]) -> None:
        self.text, self.places = text, places


NOTHING = Drawing("SELECT 1", {})


class Result(NamedTuple):
    """How many rows a statement found or changed, and those that it returned."""

    row_count: int
    rows: list[tuple[Any, ...]]


def run(text: str, values: Sequence[Any] = (), *, using: str = DEFAULT_DB_ALIAS, plan_anew: bool = False) -> Result:
    """Runs a statement. Raises Django's database errors.

    `plan_anew`: for these values alone, where the best way depends on them, or on how much is there by now.

    Outside of a transaction it is for reading, and for drawing numbers: a connection that died unnoticed is replaced,
    and it is sent again.
    """
    there: Any = connections[using]
    if not on_postgresql():
        return _send_to_sqlite(there, text, values)
    began = clock.ticks()
    try:
        return _send(there, text, values, plan_anew)
    except DatabaseError:
        # Retry only a connection that was dead before we sent; never wait for a second timeout.
        died_before = there.connection and there.connection.closed and clock.ticks() - began < 1
        if there.in_atomic_block or not died_before:
            raise
        there.close()
        return _send(there, text, values, plan_anew)


def _begin(there: Any) -> None:
    """Raises where the transaction can only be rolled back: what is written then would be lost."""
    there.ensure_connection()
    there.validate_no_broken_transaction()


def _send(there: Any, text: str, values: Sequence[Any], plan_anew: bool = False) -> Result:
    """On psycopg's own cursor: parameters go beside the text, which so can be prepared; results are binary."""
    _begin(there)
    cursor = psycopg.Cursor(there.connection)
    cursor.format = psycopg.pq.Format.BINARY
    with there.wrap_database_errors:
        if there.queries_logged or there.execute_wrappers:
            there.make_debug_cursor(cursor).execute(text, values)
        else:
            cursor.execute(text, values, prepare=False if plan_anew else None)
        rows = cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []
    # A statement that was answered proves that the connection lives: Django need not ask it again in this request.
    there.health_check_done = True
    return Result(cursor.rowcount, rows)


def _send_to_sqlite(there: Any, text: str, values: Sequence[Any], *, many: bool = False) -> Result:
    """On the back end's own cursor: what Django does around a statement takes longer than many statements.

    `many`: once for each of the `values`, which are rows.
    """
    _begin(there)
    with there.wrap_database_errors:
        cursor = there.cursor() if there.queries_logged or there.execute_wrappers else there.create_cursor()
        (cursor.executemany if many else cursor.execute)(text, values)
        return Result(cursor.rowcount, cursor.fetchall() if cursor.description else [])


def alone() -> AbstractContextManager[Any]:
    """SQLite: a transaction, in which there is no other writer. PostgreSQL needs none around one `write_if`."""
    return nullcontext() if on_postgresql() else transaction.atomic()


def write_if(
    update: Statement, proof: Statement, *inserts: Insert, drawing: Drawing = NOTHING, values: Sequence[Any] = ()
) -> tuple[Any, ...] | None:
    """Insert the rows, and change what `update` changes, if it changes something; else neither. In `alone`.

    What was drawn, for which `values` are the parameters; None where nothing was changed. SQLite draws nothing.

    `proof` is an expression that PostgreSQL works out for the row that is changed, after any wait for it; where that
    fails, all fails. SQLite waits before the statement, and does without.

    PostgreSQL does it in one statement, which is all or nothing by itself: nothing is locked while we are asked. On
    SQLite the caller has to leave the transaction with an error where it came to nothing.
    """
    if not on_postgresql():
        return write_step_by_step(update, proof, *inserts)
    text, of_update = _returning(update, proof)
    text = _write_if_text(text, drawing, *((model, tuple(rows[0])) for model, rows in inserts))
    # Sent once, whatever happens: it may have been done although no answer came.
    rows = _send(
        connections[DEFAULT_DB_ALIAS], text, [*of_update, *values, *(_as_json(rows) for _, rows in inserts)]
    ).rows
    return rows[0] if rows else None


def change_if(update: Statement, proof: Statement) -> bool:
    """What `write_if` does, without rows to insert. In a transaction of the caller."""
    return bool(run(*(_returning(update, proof) if on_postgresql() else update)).row_count)


def _returning(update: Statement, proof: Statement) -> Statement:
    (text, values), (expression, more) = update, proof
    return f"{text} RETURNING {expression}", [*values, *more]


def write_step_by_step(update: Statement, proof: Statement, *inserts: Insert) -> tuple[Any, ...] | None:
    write(*inserts)
    return () if change_if(update, proof) else None


def write(*inserts: Insert) -> None:
    """Insert the rows, in a transaction of the caller."""
    for model, rows in inserts:
        names = tuple(rows[0])
        if on_postgresql():
            run(_insert_text(model, names), [_as_json(rows)])
        else:
            _insert_into_sqlite(model, rows, {}, [])


def _insert_into_sqlite(
    model: type[Model], rows: Sequence[dict[str, Any]], more: Mapping[str, str], more_values: Sequence[Any]
) -> None:
    values = [
        [_FOR_SQLITE[type(value)](value) if type(value) in _FOR_SQLITE else value for value in row.values()]
        + [*more_values]
        for row in rows
    ]
    _send_to_sqlite(connection, _insert_text_for_sqlite(model, tuple(rows[0]), **more), values, many=True)


def write_and_read(insert: Insert, read: Statement, worked_out: Mapping[str, Statement]) -> Result:
    """Insert the rows, and run a SELECT that does not see them; on PostgreSQL by one statement.

    `worked_out` has further columns, each with the SELECT of its one value.
    """
    model, rows = insert
    more = {name: f"({text})" for name, (text, _) in worked_out.items()}
    more_values = [value for _, values in worked_out.values() for value in values]
    text, values = read
    if not on_postgresql():
        _insert_into_sqlite(model, rows, more, more_values)
        return run(text, values)
    text = f"WITH kept AS ({_insert_text(model, tuple(rows[0]), **more)}) SELECT * FROM ({text}) AS found"
    return run(text, [*more_values, _as_json(rows), *values])


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
    """The object whose columns begin a row: of the fields with these names, else of all.

    The other fields are deferred, as Django has it. `related` are objects that its foreign keys point to.
    """
    names, converters = _readers(model, names)
    values = list(row[: len(names)])
    for place, column, convert in converters:
        values[place] = convert(values[place], column, connection)
    found = model.from_db(DEFAULT_DB_ALIAS, names, values)
    for name, other in related.items():
        setattr(found, name, other)
    return found


def placeholders(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def among(column: str, values: Iterable[str] | Iterable[int]) -> Statement:
    """That a column has one of these values, which are one parameter, however many."""
    if on_postgresql():
        return f"{column} = ANY(%s)", [list(values)]
    return f"{column} IN (SELECT value FROM json_each(%s))", [json.dumps(list(values))]


def as_parameter(instant: datetime) -> Any:
    """An instant as the database compares it with its columns."""
    return instant if on_postgresql() else connection.ops.adapt_datetimefield_value(instant)


def broken_constraint(fault: IntegrityError, *models: type[Model]) -> str:
    """The name of the constraint of one of the models that refused a row, on both databases; else what was said."""
    diagnosis = getattr(fault.__cause__, "diag", None)
    if diagnosis:
        return diagnosis.constraint_name or ""
    kind, _, what = str(fault).partition(" constraint failed: ")
    if kind != "UNIQUE":
        return what
    # SQLite names the columns, as table.column.
    for model in models:
        for constraint in model._meta.constraints:
            # The names of fields, or expressions, of which those that are fields have a name.
            listed: Iterable[Any] = getattr(constraint, "fields", ()) or getattr(constraint, "expressions", ())
            names = [name for one in listed if isinstance(name := getattr(one, "name", one), str)]
            columns = [f"{model._meta.db_table}.{model._meta.get_field(name).column}" for name in names]  # type: ignore[union-attr]
            if columns and ", ".join(columns) == what:
                return constraint.name
    return what


@cache
def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def as_instant(value: Any) -> datetime:
    """What a statement returned for an instant; SQLite keeps a text in UTC, which it may give as a datetime."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@cache
def _readers(model: type[Model], names: tuple[str, ...]) -> tuple[tuple[str, ...], list[tuple[int, Any, Any]]]:
    """The names of an object's columns, and what turns the values in some places into Python's."""
    fields = _fields(model, names)
    converters = [
        (place, column, convert)
        for place, field in enumerate(fields)
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
def _insert_text(model: type[Model], names: tuple[str, ...], **more: str) -> str:
    """For PostgreSQL. However many rows, it is one text with one parameter, which stays prepared."""
    values = ", ".join([*(f'row."{name}"' for name in names), *more.values()])
    return f"INSERT INTO {_into(model, (*names, *more))} SELECT {values} FROM {_given(model, names)}"


@cache
def _insert_text_for_sqlite(model: type[Model], names: tuple[str, ...], **more: str) -> str:
    values = ", ".join([*["%s"] * len(names), *more.values()])
    return f"INSERT INTO {_into(model, (*names, *more))} VALUES ({values})"


def _given(model: type[Model], names: tuple[str, ...]) -> str:
    """The rows that come as JSON. What is no column of the model is JSON for `Drawing.places`."""
    types = {field.column: field.db_type(connection) for field in model._meta.concrete_fields}
    if types.keys() >= set(names):
        # Short: psycopg reads a text of more than 4096 characters anew each time.
        return f'json_populate_recordset(CAST(NULL AS "{model._meta.db_table}"), %s) AS row'
    columns = ", ".join(f'"{name}" {types.get(name, "json")}' for name in names)
    return f"json_to_recordset(%s) AS row ({columns})"


@cache
def _write_if_text(update: str, drawing: Drawing, *inserts: tuple[type[Model], tuple[str, ...]]) -> str:
    """Of `drawn` there is one row, or none where nothing was changed: then no step has anything to insert."""
    steps = [f"done AS ({update})", f"drawn AS ({drawing.text} FROM done)"]
    for number, (model, names) in enumerate(inserts):
        places = drawing.places.get(model, {})
        columns = tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)
        values = ", ".join(places.get(name, f'row."{name}"') for name in columns)
        steps.append(
            f"step{number} AS (INSERT INTO {_into(model, columns)} SELECT {values}"
            f" FROM {_given(model, names)} CROSS JOIN drawn)"
        )
    return f"WITH {', '.join(steps)} SELECT * FROM drawn"


def _as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows, default=_in_json).decode()


def _in_json(value: Any) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


_FOR_SQLITE: dict[type, Any] = {
    Decimal: str,
    datetime: lambda value: str(value.astimezone(UTC).replace(tzinfo=None)),
    dict: json.dumps,
}
