"""Django's PostgreSQL back end, and an end to waiting for a database that does not answer any more.

PostgreSQL limits its own statements, but one that is frozen keeps no limit, nor does a network that swallows packets,
nor a commit that waits for a replica which is away. Django finds the class in a module of this name.

`_configure_connection` and `wait` are private names of Django and psycopg: tests/operations/test_private_names.py.
"""

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    # wsgi.py switches it on: a caller waits for a request, but a command may take as long as its statements need.
    gives_up = False

    def _configure_connection(self, connection: psycopg.Connection[Any]) -> bool:
        """Called once for each new connection, in a pool or not."""
        if self.gives_up:
            give_up_waiting(connection, self.settings_dict["LONGEST_WAIT"])
        return bool(super()._configure_connection(connection))  # type: ignore[misc]


def give_up_waiting(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Close the connection where one answer takes longer; the statement may then have been done or not.

    It is not cancelled: a commit that waits for its replica would then stand on the primary alone.
    """
    wait = connection.wait

    def wait_or_give_up(answer: Any, *arguments: Any, **options: Any) -> Any:
        options.setdefault("timeout", seconds)
        began = time.monotonic()
        try:
            return wait(answer, *arguments, **options)
        except psycopg.OperationalError:
            if time.monotonic() - began >= options["timeout"]:
                # Nothing more can be asked while this answer is owed, not even for a rollback.
                connection.close()
            raise

    connection.wait = wait_or_give_up  # type: ignore[method-assign,assignment]
