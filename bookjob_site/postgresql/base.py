"""Django's PostgreSQL back end, with an end to waiting, and no writing to a primary that was replaced.

PostgreSQL limits its own statements, but one that is frozen keeps no limit, nor does a network that swallows packets,
nor a commit that waits for a replica which is away. Django finds the class in a module of this name.

`_configure_connection` and `wait` are private names of Django and psycopg: tests/operations/test_private_names.py.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql import base

from bookings import clock
from bookjob_site.postgresql import hosts, timeline

# Seconds for an answer, where they are fewer than LONGEST_WAIT.
patience: ContextVar[float] = ContextVar("patience", default=math.inf)


class DatabaseWrapper(base.DatabaseWrapper):
    # wsgi.py switches it on: a caller waits for a request, but a command may take as long as its statements need.
    gives_up = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection[Any]:
        if not self._looks_at_timelines():
            return self._connect(conn_params)
        for connection in self._connections(conn_params):
            give_up_waiting(connection, self.settings_dict["LONGEST_WAIT"])
            try:
                if timeline.is_newest(connection):
                    return connection
            except BaseException:
                self._give_up(connection)
                raise
            self._give_up(connection)
        raise timeline.ReplacedError(timeline.REPLACED)

    def _connections(self, parameters: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
        if self.pool:
            # It connects by itself, to the first host: what it has of a former primary is given up, one by one.
            return (self._connect(parameters) for _ in range(self.pool.max_size))
        return hosts.connections(self._connect, parameters)

    def ensure_connection(self) -> None:
        """Called before each statement: two comparisons more, and no statement."""
        held = self.connection
        if held and not self.in_atomic_block and (timeline.is_replaced(held) or hosts.is_silent(held)):
            self.close()
        super().ensure_connection()

    def get_autocommit(self) -> bool:
        """Django asks where a request begins and ends, outside of what makes answers of faults: do not connect here."""
        return bool(self.autocommit) if self.connection else bool(super().get_autocommit())

    @staticmethod
    @contextlib.contextmanager
    def answering_within(seconds: float) -> Iterator[None]:
        """For what asks whether the database is there: it waits less for a host that is frozen than a booking does."""
        before = patience.set(seconds)
        try:
            yield
        finally:
            patience.reset(before)

    def _looks_at_timelines(self) -> bool:
        """Of the service's primary; through PgBouncer a connection may be to another server each time."""
        return self.gives_up and self.alias == DEFAULT_DB_ALIAS and not self.settings_dict.get("LIMITS_BY_ROLE")

    def _connect(self, parameters: dict[str, Any]) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = super().get_new_connection(parameters)
        return connection

    def _give_up(self, connection: psycopg.Connection[Any]) -> None:
        connection.close()
        if self.pool:
            self.pool.putconn(connection)

    def _configure_connection(self, connection: psycopg.Connection[Any]) -> bool:
        """Called once for each new connection, in a pool or not."""
        if self.gives_up:
            give_up_waiting(connection, self.settings_dict["LONGEST_WAIT"])
        return bool(super()._configure_connection(connection))  # type: ignore[misc]


def give_up_waiting(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Close the connection where one answer takes longer; the statement may then have been done or not.

    It is not cancelled: a commit that waits for its replica would then stand on the primary alone.
    """
    if "wait" in vars(connection):
        return  # it gives up already
    wait = connection.wait

    def wait_or_give_up(answer: Any, *arguments: Any, **options: Any) -> Any:
        longest = options.setdefault("timeout", min(seconds, patience.get()))
        asked = clock.ticks()
        try:
            answered = wait(answer, *arguments, **options)
        except psycopg.OperationalError:
            waited = clock.ticks() - asked
            if waited >= longest:
                # Nothing more can be asked while this answer is owed, not even for a rollback.
                connection.close()
            if connection.closed and waited > hosts.SOON and hasattr(connection, "place"):
                hosts.remember(connection.place, asked)
            raise
        connection.answered = asked  # type: ignore[attr-defined]
        return answered

    connection.wait = wait_or_give_up  # type: ignore[method-assign,assignment]
