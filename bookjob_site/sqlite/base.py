"""Django's SQLite back end, with a line in front of the one lock for all who write.

SQLite's own waiting has no order: a connection that waits sleeps and asks again, ever later, so that one caller in a
hundred waits a hundred times longer than the others. Here the threads of a process wait for a lock of the process, and
the first of each process waits in the kernel (flock on a file beside the database). The line decides who is next and
nothing else: SQLite's own lock keeps two writers apart, also from a program that knows of no line.

No wait is longer than the database's `timeout`, but one: where another process stops while it is first, one thread of
each process waits until it goes on or ends; gunicorn ends a worker that stopped. All others get SQLite's own error.
Django finds the class in a module of this name.
"""

import contextlib
import fcntl
import functools
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

from django.db.backends.sqlite3 import base

from bookings import clock

# What takes SQLite's lock outside of a transaction. `BEGIN IMMEDIATE` takes it for a whole one.
WRITES = re.compile(r"\s*(BEGIN IMMEDIATE|INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


class Line:
    """Where the threads of this process wait to write to one database file, and the process for the others."""

    def __init__(self, path: str) -> None:
        self.path, self.file, self.lock = path, -1, threading.Lock()

    def wait(self, patience: float) -> float:
        """Wait to be the first; how long that took, in seconds. Raises OperationalError where it took too long."""
        began = clock.ticks()
        if not self.lock.acquire(timeout=patience):
            raise sqlite3.OperationalError("database is locked")
        try:
            # Where no file can be made, read or locked, there is no line among processes.
            with contextlib.suppress(OSError):
                if self.file < 0:
                    self.file = os.open(self.path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(self.file, fcntl.LOCK_EX)
            waited = clock.ticks() - began
            if waited > patience:
                raise sqlite3.OperationalError("database is locked")
        except BaseException:
            self.leave()
            raise
        return waited

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            if self.file >= 0:
                fcntl.flock(self.file, fcntl.LOCK_UN)
        with contextlib.suppress(RuntimeError):  # the place of the process that this one was forked from
            self.lock.release()

    def begin_anew(self) -> None:
        """In a process that was forked: the file's lock, and the threads in front of it, are those of the other one."""
        if self.file >= 0:
            os.close(self.file)
        self.file, self.lock = -1, threading.Lock()


_lines: dict[str, Line] = {}


def _line_of(path: str) -> Line:
    return _lines.setdefault(path, Line(path))


def _begin_anew() -> None:
    for line in _lines.values():
        line.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)


class Connection(sqlite3.Connection):
    line: Line | None = None
    is_first = False
    # How long a write waits in the line and for SQLite's lock together.
    patience = 0.0
    # Whether the place in the line is kept until the end of a transaction. wsgi.py switches it on.
    keeps_place = False

    def __del__(self) -> None:
        self._leave()  # of a thread that ended within a transaction

    def commit(self) -> None:
        super().commit()
        self._leave()

    def rollback(self) -> None:
        super().rollback()
        self._leave()

    def close(self) -> None:
        super().close()
        self._leave()

    def _leave(self) -> None:
        if self.is_first and self.line:
            self.is_first = False
            self.line.leave()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """The first of the line, for one statement, or until the end of the transaction that it begins."""
        if not self.line or self.is_first:
            yield
            return
        waited = self.line.wait(self.patience)
        self.is_first = True
        try:
            if waited > 1:
                self._be_patient(self.patience - waited)
            yield
        finally:
            if waited > 1:
                self._be_patient(self.patience)
            if not (self.keeps_place and self.in_transaction):
                self._leave()

    def _be_patient(self, seconds: float) -> None:
        super().execute(f"PRAGMA busy_timeout = {max(0, int(seconds * 1000))}")


@functools.lru_cache(maxsize=128)
def _with_question_marks(query: str) -> str:
    """As SQLite reads it. Django looks for the parameters of a text anew each time that it is sent."""
    converted: str = base.SQLiteCursorWrapper.convert_query(None, query)  # type: ignore[arg-type]  # uses no cursor
    return converted


class Cursor(base.SQLiteCursorWrapper):
    connection: Connection

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        return super().convert_query(query, param_names=param_names) if param_names else _with_question_marks(query)

    def execute(self, query: str, *params: Any) -> Any:
        if self.connection.in_transaction or not WRITES.match(query):
            return super().execute(query, *params)
        with self.connection.turn():
            return super().execute(query, *params)

    def executemany(self, query: str, *params: Any) -> Any:
        if self.connection.in_transaction or not WRITES.match(query):
            return super().executemany(query, *params)
        with self.connection.turn():
            return super().executemany(query, *params)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "factory": Connection}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        connection: Connection = super().get_new_connection(conn_params)
        if not self.is_in_memory_db():
            connection.line = _line_of(f"{conn_params['database']}-queue")
            connection.patience = conn_params.get("timeout", 5.0)
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        return cursor
