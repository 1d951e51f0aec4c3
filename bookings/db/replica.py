"""Where a search reads: from a streaming replica (DATABASE_REPLICA_URL) that follows closely, else from the primary.

Only searches do. Their offers may be as old as the replica is behind; the booking decides on the primary, and its
refusal names what is free there. A replica that is away, too far behind, or none any more costs no caller an answer.
The URL may name several hosts: a connection goes to the first that is a standby, and to another after a failover.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django import db
from django.conf import settings

from bookings import clock

logger = logging.getLogger("bookings")

T = TypeVar("T")

ALIAS = "replica"
MOST_LAG = 10  # seconds
LOOK_EVERY = 1  # second, in each thread
# A replica that failed is left alone for so many seconds: each try may cost a caller the time to connect.
PAUSE = 5

# Seconds behind, or NULL where it follows no primary. All that came is applied: nothing is behind, however long ago the
# last change was.
LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() OR NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN NULL
    WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
END"""


@dataclass
class Watch:
    """What this process knows of the replica."""

    look_again_at: float = 0.0  # until then it is left alone
    follows: bool = False


watch = Watch()


class Look(NamedTuple):
    """What a thread saw. Of several hosts each of its connections may be to another one."""

    connection: object
    good_until: float


def read(query: Callable[[str], T]) -> T:
    """What `query` returns for the alias of the database that it is given."""
    if ALIAS in settings.DATABASES and follows():
        try:
            return query(ALIAS)
        except db.Error as fault:
            _leave_alone(str(fault))
    return query(db.DEFAULT_DB_ALIAS)


def follows() -> bool:
    """Whether the replica that this thread is connected to is good enough to read from."""
    now = clock.ticks()
    if now < watch.look_again_at:
        return False
    there: Any = db.connections[ALIAS]
    look: Look | None = getattr(there, "look", None)
    if look and look.connection is there.connection and now < look.good_until:
        return True
    if not watch.follows:
        watch.look_again_at = now + LOOK_EVERY  # before looking: the other threads do not look too
    try:
        with there.cursor() as cursor:
            cursor.execute(LAG)
            (lag,) = cursor.fetchone()
    except db.Error as fault:
        _leave_alone(str(fault))
        return False
    is_close = lag is not None and lag <= MOST_LAG
    if is_close != watch.follows:
        behind = "follows no primary" if lag is None else f"is {lag:.0f} s behind"
        logger.warning("Searches read from the %s", "replica" if is_close else f"primary: the replica {behind}")
    watch.follows = is_close
    watch.look_again_at = 0.0 if is_close else now + LOOK_EVERY
    if is_close:
        there.look = Look(there.connection, now + LOOK_EVERY)
    else:
        there.close()  # of several hosts another one may follow
    return is_close


def _leave_alone(why: str) -> None:
    if watch.follows or not watch.look_again_at:
        logger.warning("Searches read from the primary: the replica fails: %s", (why.splitlines() or [""])[0])
    watch.look_again_at = clock.ticks() + PAUSE
    watch.follows = False
    db.connections[ALIAS].close()
