"""What an expert would find in PostgreSQL: each finding is made, and is not there without.

What a test cannot do to a server (a full archive, a replica that stays away) stands in the rows of a query; that the
query itself runs is shown by each test that finds nothing.
"""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import connection

from bookings import clock
from bookings.db import replica
from bookings.operations.doctor import server
from tests.operations.test_doctor import SWITCHED_OFF, ask, sound_installation  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server"),
]


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_nothing_is_found():
    assert ask() == (0, [])


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "autovacuum"])
def test_each_promise_of_the_server_is_asked_for(name):
    """Of the real query: a setting that is called off is off, whatever the tests' server has."""
    run(f"CREATE TEMP VIEW pg_settings AS SELECT '{name}' AS name, 'off' AS setting")
    run("SET LOCAL search_path = pg_temp, public, pg_catalog")
    with mock.patch.object(server, "SWITCHED_OFF", SWITCHED_OFF):
        (found,) = server.durability(clock.now())
    assert found.is_urgent
    assert found.sentence.startswith(f"PostgreSQL has {name} = off: ")


def test_commits_that_are_not_waited_for():
    run("SET LOCAL synchronous_commit = off")
    assert ask() == (
        2, ["urgent: PostgreSQL has synchronous_commit = off: answered bookings can be lost. Switch it on."],
    )  # fmt: skip


@pytest.mark.parametrize(("seconds", "status"), [(2, 0), (10, 1), (60, 2)])
def test_clocks_that_differ(seconds, status):
    now = clock.now() + timedelta(seconds=seconds)
    found = list(server.clocks(now))
    assert [one.is_urgent for one in found] == ([] if status == 0 else [status == 2])


def test_connections_that_are_nearly_all_taken(monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS_USED", 0)
    status, (line,) = ask()
    assert status == 2
    assert "connections are taken. Raise max_connections" in line


def test_an_index_that_is_not_finished():
    run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'delivery_entry_by_time'::regclass")
    status, (line,) = ask()
    assert (status, line[:60]) == (2, "urgent: The index delivery_entry_by_time is not finished: it")


def test_an_index_that_is_not_used(monkeypatch):
    run("CREATE INDEX of_no_use ON bookings_servicearea (name)")
    monkeypatch.setattr(server, "UNUSED_DAYS", 0)
    assert ask() == (0, [])  # it is small
    monkeypatch.setattr(server, "UNUSED_BYTES", 1)
    monkeypatch.setattr(server, "NAMED", 100)
    status, lines = ask()
    assert status == 1
    assert [line for line in lines if line.startswith("No query used the index of_no_use (0 MiB)")]
    assert not [line for line in lines if "_pkey" in line]


@pytest.mark.parametrize(
    ("query", "rows", "status", "begins"),
    [
        ("IS_PRIMARY", "SELECT false", 2, "urgent: DATABASE_URL leads to a standby"),
        ("TRANSACTIONS", "SELECT 1500000000", 2, "urgent: The oldest row is 1500 million transactions old"),
        ("IDLE", "SELECT 4711, %s + 1", 1, "The session 4711 of PostgreSQL has been idle in a transaction for 61 min"),
        ("STANDBY_NAMES", "SELECT 'b'", 2, "urgent: synchronous_standby_names is 'b', and no such replica"),
        (
            "SLOTS",
            "SELECT 'b', %s::bigint * 3 / 2",
            2,
            "urgent: The replication slot b has no reader and keeps 1.5 GiB",
        ),
        ("ARCHIVE", "SELECT '0007', '2026-12-01 03:00'", 2, "urgent: PostgreSQL could not archive 0007 at 2026-12-01"),
    ],
)
def test_what_a_server_says_in_need(monkeypatch, query, rows, status, begins):
    monkeypatch.setattr(server, query, rows)
    found = ask()
    assert (found[0], [line[: len(begins)] for line in found[1]]) == (status, [begins])


@pytest.mark.parametrize("follows", [True, False])
def test_a_replica_that_is_away(settings, monkeypatch, follows):
    monkeypatch.setitem(settings.DATABASES, replica.ALIAS, {})
    monkeypatch.setattr(replica, "follows", lambda: follows)
    assert ask()[0] == (0 if follows else 1)
