"""Whether this process can take a booking right now: what `/readyz` asks.

A booking needs a database that is reached, migrated, guarded by its triggers, that takes writes and that keeps every
text. Of a full disk PostgreSQL tells only those that write, so nothing is asked of it: there is an alert (BookjobDisk).
"""

import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from bookings import clock
from bookings.db import triggers
from bookings.operations import drain, installation

# Free space below which SQLite's next bookings may not fit: its write-ahead log grows to 16 MB before a checkpoint, and
# the file by as much again.
LEAST_ROOM = 32 * 1024 * 1024
# Seconds after which a database that has not answered counts as one that is not reached.
PATIENCE = 2.0
NOT_REACHED = "database not reached"


class OneAtATime:
    """One thread of a process asks; the others get its last answer meanwhile. So no flood of `/readyz` costs more."""

    def __init__(self, ask: Callable[[], tuple[str, list[str]]]) -> None:
        self.ask = ask
        self.lock = threading.Lock()
        self.began = 0.0
        self.last: tuple[str, list[str]] | None = None

    def __call__(self) -> tuple[str, list[str]]:
        # Before the first answer there is none to give: a moment is waited for it.
        if not self.lock.acquire(timeout=0 if self.last else PATIENCE):
            return self.last if self.last and clock.ticks() - self.began < PATIENCE else (NOT_REACHED, [])
        try:
            self.began = clock.ticks()
            self.last = self.ask()
            return self.last
        finally:
            self.lock.release()


def _ask() -> tuple[str, list[str]]:
    problem = _problem()
    return problem, [] if problem else _warnings()


_problem_and_warnings = OneAtATime(_ask)


def problem_and_warnings() -> tuple[str, list[str]]:
    """Why the service should get no requests, or an empty text, and what keeps some requests from working."""
    return (drain.STOPPING, []) if drain.is_under_way() else _problem_and_warnings()


def _problem() -> str:
    # A host that is frozen would keep the one thread that asks for as long as a booking may take.
    answering_within = getattr(connection, "answering_within", nullcontext)
    try:
        with answering_within(PATIENCE):
            return _problem_of_database()
    except Exception as fault:  # whatever the driver says, the answer is the same; but timeline.py has its own
        return str(getattr(fault.__cause__, "not_ready", NOT_REACHED))


def _problem_of_database() -> str:
    if problem := PROBLEM_OF[connection.vendor]():
        return problem
    applied = MigrationRecorder(connection).applied_migrations()
    if not known_migrations() <= applied.keys():
        return "migrations missing"
    missing = triggers.missing()
    return f"triggers missing: {', '.join(missing)}" if missing else ""


def _warnings() -> list[str]:
    try:
        return installation.warnings()
    except Exception:  # the database went away just now: the next look says so
        return []


def _problem_of_postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,"
            " current_setting('server_encoding'),"
            " current_setting('lock_timeout') <> '0' AND current_setting('statement_timeout') <> '0'"
            " AND current_setting('default_transaction_isolation') = 'read committed'"
        )
        is_read_only, encoding, has_settings = cursor.fetchone()
    if is_read_only:
        return "database read-only"
    if problem := installation.encoding_problem(encoding):
        return problem
    # PgBouncer hands no options on, so that time limits and isolation have to be the role's own.
    if settings.DATABASES["default"].get("LIMITS_BY_ROLE") and not has_settings:
        return "the database role lacks its settings: see docs/databases.md"
    return ""


def _problem_of_sqlite() -> str:
    if connection.is_in_memory_db():  # type: ignore[attr-defined]
        return ""
    file = Path(connection.settings_dict["NAME"])
    # SQLite makes its log beside the file, and writes into all of them.
    beside = [path for path in (file.with_name(f"{file.name}-{part}") for part in ("wal", "shm")) if path.exists()]
    if not os.access(file.parent, os.W_OK | os.X_OK) or not all(os.access(path, os.W_OK) for path in [file, *beside]):
        return "database read-only"
    disk = os.statvfs(file.parent)
    return "disk full" if disk.f_bavail * disk.f_frsize < LEAST_ROOM else ""


PROBLEM_OF = {"postgresql": _problem_of_postgresql, "sqlite": _problem_of_sqlite}


@cache
def known_migrations() -> set[tuple[str, str]]:
    """What is on disk; it does not change while the process lives."""
    loader = MigrationLoader(None)
    return set(loader.disk_migrations)
