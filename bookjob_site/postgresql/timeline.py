"""A primary that was replaced is not written to, however it came back: frozen and thawed, or started again by hand.

Each promotion of a standby begins a new timeline. The newest one that a process of this machine was connected to is
remembered by all of them; a primary on an older one takes bookings that the others never see. A connection is asked
once, when it is made; from then on it is only compared.

A cluster that was restored from before its last promotion looks the same: only a restart of the service forgets.
What this does not see: a newer primary that no process of this machine has met yet, and what lies behind PgBouncer.
"""

import contextlib
import struct
from typing import Any

import psycopg

from bookings.telemetry.shared import SharedMemory

# 0: a standby, which takes no bookings. The name of the file that is being written says the timeline; the control file
# would say it only after the next checkpoint.
QUERY = """
SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN 0
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END
FROM pg_control_system()"""
# The cluster, so that one that was restored elsewhere begins anew, and its timeline.
FORM = struct.Struct("=qi")
REPLACED = (
    "This primary is on an older timeline than one that was met before. After a restore, restart the service. Otherwise"
    " it was replaced: stop it, and make it a standby."
)


class ReplacedError(psycopg.OperationalError):
    """The primary that is reached is older than one that was met. `/readyz` says why it is not ready."""

    not_ready = "database on an older timeline: after a restore, restart the service; see docs/databases.md"


newest = SharedMemory(FORM.size)


def is_newest(connection: psycopg.Connection[Any]) -> bool:
    """Whether nothing newer is known than the server of this connection, which is asked if it is new."""
    if not hasattr(connection, "timeline"):
        connection.timeline = _asked(connection)  # type: ignore[attr-defined]
    cluster, timeline = FORM.unpack(connection.timeline)  # type: ignore[attr-defined]
    with newest:
        known_cluster, known = FORM.unpack(newest.memory[:])
        if timeline and (cluster != known_cluster or timeline > known):
            newest.memory[:] = FORM.pack(cluster, timeline)
        return not timeline or cluster != known_cluster or timeline >= known


def is_replaced(connection: psycopg.Connection[Any]) -> bool:
    """Whether a newer one was met since; for before each statement, so it costs next to nothing."""
    noted = getattr(connection, "timeline", None)
    return noted is not None and noted != newest.memory[:] and not is_newest(connection)


def _asked(connection: psycopg.Connection[Any]) -> bytes:
    row = None
    # A hosted server may forbid it, or know no such file: then there is one net less, and bookings all the same.
    with contextlib.suppress(psycopg.ProgrammingError, psycopg.NotSupportedError):
        row = connection.execute(QUERY).fetchone()
    if not connection.autocommit:
        connection.rollback()
    return FORM.pack(*(row or (0, 0)))
