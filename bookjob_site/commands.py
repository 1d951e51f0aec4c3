"""How a management command ends: one line and exit status 1 or 2, whatever happened. `--traceback` shows where.

2: the command could not do its work (the database is away, not migrated, read-only; a file cannot be written).
1: what the command itself says, and a fault in the code.
"""

import sqlite3
import sys

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError, InterfaceError

MIGRATE = "The database is not migrated. Run `manage.py migrate` with this release, then this command again."
READ_ONLY = "The database takes no changes now: it is read-only. Name the one that takes bookings in DATABASE_URL."
PERMISSION = "The database's user may not do this. Give the role of DATABASE_URL its rights (docs/operations.md)."
BUSY = "The database is busy: a lock was not had in time. Nothing was changed; run this command again."


def run(arguments: list[str]) -> None:
    try:
        execute_from_command_line(arguments)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as fault:
        if "--traceback" in arguments:
            raise
        sentence, status = told(fault)
        print(sentence, file=sys.stderr)  # noqa: T201  where commands say how they ended
        raise SystemExit(status) from None


def told(fault: Exception) -> tuple[str, int]:
    """A line for people, and the exit status."""
    if isinstance(fault, DatabaseError | InterfaceError):
        return _of_the_database(fault), 2
    if isinstance(fault, OSError):
        return f"{_first_line(fault)}. Nothing more was done.", 2
    if isinstance(fault, ImproperlyConfigured):
        return _first_line(fault), 2
    return (
        f"A fault in the code: {type(fault).__name__}: {_first_line(fault)} Run it again with --traceback and report"
        " what it shows.",
        1,
    )


def _of_the_database(fault: Exception) -> str:
    cause, text = fault.__cause__, str(fault)
    match cause:
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn() | psycopg.errors.UndefinedFunction():
            return MIGRATE
        case psycopg.errors.ReadOnlySqlTransaction():
            return READ_ONLY
        case psycopg.errors.InsufficientPrivilege():
            return PERMISSION
        case psycopg.errors.LockNotAvailable():
            return BUSY
        case sqlite3.Error() if "no such table" in text or "no such column" in text or "has no column" in text:
            return MIGRATE
        case sqlite3.Error() if "readonly" in text:
            return READ_ONLY
        case sqlite3.Error() if "locked" in text:
            return BUSY
    return f"The database did not do it: {_first_line(fault)} Is it running, and is DATABASE_URL right?"


def _first_line(fault: Exception) -> str:
    text = (str(fault).splitlines() or [""])[0].strip()
    return text if text.endswith((".", "?", ")")) or isinstance(fault, OSError) else f"{text or type(fault).__name__}."
