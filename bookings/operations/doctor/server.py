"""What PostgreSQL says of itself: is what was answered kept, is there room for connections, do the replicas follow.

Each look is one statement whose rows are findings already. SQLite has no server: there nothing is asked.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from bookings.db import replica
from bookings.operations.doctor.finding import NAMED, Finding

CLOCKS_DIFFER = timedelta(seconds=5)
CONNECTIONS_USED = 0.8
GIBIBYTE = 1024**3
# PostgreSQL stops taking writes at 2,000 million; autovacuum begins at 200.
OLD_TRANSACTIONS = 1_000_000_000
IDLE_MINUTES = 60
# An index that no query used since the counting began, which has to be long enough ago for nightly commands.
UNUSED_DAYS, UNUSED_BYTES = 30, 100 * 1024**2

IS_PRIMARY = "SELECT NOT pg_is_in_recovery()"
CLOCK = "SELECT clock_timestamp()"
# Each of them promises that a commit is on the disk, or keeps the tables in order.
SWITCHED_OFF = """
SELECT name FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum') AND setting = 'off' ORDER BY name"""
CONNECTIONS = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"""
TRANSACTIONS = "SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()"
IDLE = """
SELECT pid, (extract(epoch FROM clock_timestamp() - state_change) / 60)::int FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%%'
    AND state_change < clock_timestamp() - make_interval(mins => %s) ORDER BY state_change"""
SLOTS = """
SELECT slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots
WHERE NOT active AND pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > %s ORDER BY slot_name"""
STANDBY_NAMES = """
SELECT current_setting('synchronous_standby_names')
WHERE current_setting('synchronous_standby_names') <> ''
    AND NOT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))"""
ARCHIVE = """
SELECT last_failed_wal, to_char(last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM pg_stat_archiver
WHERE last_failed_time > coalesce(last_archived_time, '-infinity')"""
INVALID = """
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace ORDER BY 1"""
UNUSED = """
SELECT indexrelname, pg_relation_size(stat.indexrelid) FROM pg_stat_user_indexes stat
JOIN pg_index USING (indexrelid)
WHERE idx_scan = 0 AND NOT indisunique AND schemaname = current_schema() AND relname LIKE 'bookings\\_%%'
    AND pg_relation_size(stat.indexrelid) >= %s
    AND (SELECT coalesce(stats_reset, pg_postmaster_start_time()) FROM pg_stat_database
         WHERE datname = current_database()) < clock_timestamp() - make_interval(days => %s)
ORDER BY 2 DESC, 1"""


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchmany(NAMED))


def database_server(now: datetime) -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        return
    if not rows(IS_PRIMARY)[0][0]:
        yield Finding(
            True, "DATABASE_URL leads to a standby, which takes no bookings. Name the primary, or promote it."
        )
        return
    for look in (durability, clocks, limits, replication, indexes):
        yield from look(now)


def durability(now: datetime) -> Iterator[Finding]:
    for (name,) in rows(SWITCHED_OFF):
        why = "tables and their indexes grow without end" if name == "autovacuum" else "answered bookings can be lost"
        yield Finding(True, f"PostgreSQL has {name} = off: {why}. Switch it on.")


def clocks(now: datetime) -> Iterator[Finding]:
    difference = abs(rows(CLOCK)[0][0] - now)
    if difference > CLOCKS_DIFFER:
        yield Finding(
            difference > timedelta(seconds=settings.BOOKJOB_TOKEN_LEEWAY_SECONDS),
            f"The clocks of this machine and of the database differ by {difference.total_seconds():.0f} seconds. Let"
            " both follow a time server.",
        )


def limits(now: datetime) -> Iterator[Finding]:
    ((used, most),) = rows(CONNECTIONS)
    if used > most * CONNECTIONS_USED:
        yield Finding(
            True, f"{used} of PostgreSQL's {most} connections are taken. Raise max_connections, or use pools"
            " (docs/databases.md).",
        )  # fmt: skip
    ((age,),) = rows(TRANSACTIONS)
    if age > OLD_TRANSACTIONS:
        yield Finding(
            True, f"The oldest row is {age // 1_000_000} million transactions old; at 2,000 PostgreSQL takes no writes."
            " Find out what holds autovacuum up.",
        )  # fmt: skip
    for pid, minutes in rows(IDLE, IDLE_MINUTES):
        yield Finding(
            False, f"The session {pid} of PostgreSQL has been idle in a transaction for {minutes} minutes: it keeps old"
            f" rows from being cleaned. SELECT pg_terminate_backend({pid}) ends it.",
        )  # fmt: skip


def replication(now: datetime) -> Iterator[Finding]:
    for (names,) in rows(STANDBY_NAMES):
        yield Finding(
            True,
            f"synchronous_standby_names is {names!r}, and no such replica is connected: each booking waits for it.",
        )
    for name, size in rows(SLOTS, GIBIBYTE):
        yield Finding(
            True, f"The replication slot {name} has no reader and keeps {size / GIBIBYTE:.1f} GiB of the log: it fills"
            " the disk. Connect the replica again, or drop the slot.",
        )  # fmt: skip
    for file, at in rows(ARCHIVE):
        yield Finding(True, f"PostgreSQL could not archive {file} at {at} UTC: a backup would miss what came after.")
    if replica.ALIAS in settings.DATABASES and not replica.follows():
        yield Finding(False, "The replica is away or too far behind: searches read from the primary.")


def indexes(now: datetime) -> Iterator[Finding]:
    for (name,) in rows(INVALID):
        yield Finding(
            True, f"The index {name} is not finished: it guards nothing and costs each write. DROP INDEX {name}, then"
            " migrate again (docs/operations.md).",
        )  # fmt: skip
    for name, size in rows(UNUSED, UNUSED_BYTES, UNUSED_DAYS):
        yield Finding(
            False, f"No query used the index {name} ({size // 1024**2} MiB) for {UNUSED_DAYS} days. If that is so on"
            " the replicas too, tell those who make the service; keep it until then.",
        )  # fmt: skip


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [database_server]
