"""What breaks while bookings are made: workers, the database, connections, the disk, the clock.

During it a caller hears "try again" in the vendor's words, in time, or nothing where its worker is dead; never a 200
that is not so. Afterwards nothing acknowledged is lost, nothing half-done stands, and the repeat answers once.
"""

import contextlib
import http.client
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests.conftest import SERVER, Database, Service
from tests.support import histories, postgres
from tests.support.helpers import at_once, error, tomorrow

on_postgresql = pytest.mark.skipif(not SERVER, reason="a fault of PostgreSQL")
on_sqlite = pytest.mark.skipif(bool(SERVER), reason="a fault of SQLite")
# Ten thousand in `make torture`.
OPERATIONS = int(os.environ.get("TORTURE_OPERATIONS") or 300)
# Longer than any of the service's own timeouts, on a machine that is busy, and shorter than callers of the tests wait.
NO_HANG = 55

UNAVAILABLE = error(503, "unavailable", "The booking system is busy or being restarted. Try again in a moment.")
SEARCH = json.dumps({"Location": {"ServiceAreaID": "LEEDS"}})


def workers(service) -> list[int]:
    """The process ids of gunicorn's workers."""
    table = subprocess.check_output(["ps", "-axo", "pid=,ppid="], text=True)
    pairs = [map(int, line.split()) for line in table.splitlines()]
    return [pid for pid, parent in pairs if parent == service.process.pid]


def survive(service, disturb, figures, what, until, **options):
    """A history with faults in it: everything that was answered is so, and everybody gets an answer in the end."""
    history = histories.run(service, operations=OPERATIONS, disturb=disturb, until=until)
    assert histories.check(history, disturbed=True, **options) == []
    verified = service.manage("verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")
    assert max(call.end - call.start for call in history.calls) < NO_HANG
    figures(f"{what}: {history.figures()}; nothing lost")


def book_quickly(service, order, body) -> int:
    """The status; 200 also where it took so long that the connection may have died meanwhile (sql.py: a second)."""
    began = time.monotonic()
    status = service.book(order, body).status
    return 200 if status == 503 and time.monotonic() - began >= 1 else status


def some_call_was_not_answered(history) -> bool:
    return any("unknown" in call.answer for call in history.calls)


# --- A worker dies -------------------------------------------------------------------------------------------


def die_everywhere(service, *, moves: bool) -> tuple[list[str], int]:
    """Let a worker die before each step of a booking (or of a move); returns what was wrong, and the steps."""
    parts = {"RequiredParts": [{"ProdNum": "PUMP", "Qty": 1}, {"ProdNum": "SEAL", "Urgency": "high"}]}
    body = service.make_slot(1000) | parts
    elsewhere = service.make_slot(1000, start=tomorrow(15))
    nothing = (1, "15", 0, 0, 1) if moves else (0, None, 0, 0, 0)
    everything = (1, "12", 2, 2, 2) if moves else (1, "12", 2, 2, 1)
    faults: list[str] = []
    for step in itertools.count():
        order = f"WO-{step}"
        if moves:
            assert service.book(order, elsewhere).status == 200
        try:
            answer = service.request("POST", f"/api/v1/workorders/{order}/followup", json.dumps(body),
                                     X_Request_ID=f"die-at-{step}")  # fmt: skip
        except (OSError, http.client.HTTPException):
            answer = None
        if (left := left_of(service, order)) not in (nothing, everything):
            faults.append(f"death before step {step} left {left}")
        if answer and (answer.status != 200 or left != everything):
            faults.append(f"answered {answer} with {left}")
        repeats = [service.book(order, body) for _ in range(2)]
        if len({repeat.body for repeat in repeats}) > 1 or {repeat.status for repeat in repeats} != {200}:
            faults.append(f"after the death before step {step} the repeats were {repeats}")
        if left_of(service, order) != everything:
            faults.append(f"after the death before step {step} the repeat left {left_of(service, order)}")
        taken = service.database.execute("SELECT SUM(booked) FROM bookings_appointmentslot")
        if taken != [(step + 1,)]:
            faults.append(f"after the death before step {step} there are {taken} places taken")
        if answer or faults:
            return faults, step
    raise AssertionError


def left_of(service, order: str) -> tuple:
    """(active bookings, the hour of their slot, parts, part orders, lines of history) of an order."""
    counts = [
        f"(SELECT COUNT(*) FROM bookings_{table} t JOIN bookings_workorder w ON w.id = t.work_order_id"
        f" WHERE w.original_order = '{order}')"
        for table in ("requiredpart", "partorder", "historyentry")
    ]
    where = f"FROM bookings_workorder WHERE status = 'booked' AND original_order = '{order}'"
    ((active, start, *others),) = service.database.execute(
        f"SELECT (SELECT COUNT(*) {where}), (SELECT MIN(visit_start) {where}), {', '.join(counts)}"
    )
    return (active, start and str(start)[11:13], *others)


@pytest.mark.parametrize("moves", [False, True], ids=["booking", "move"])
def test_a_worker_that_is_killed_between_any_two_steps(start_service, figures, moves):
    service = start_service("tests.support.apps.dying", BOOKJOB_FOLLOWUP_POLICY="move")
    faults, steps = die_everywhere(service, moves=moves)
    assert faults == []
    # Or the module does not count what it should. On PostgreSQL a booking is but two statements.
    assert steps > (5 if moves or not SERVER else 3)
    assert service.manage("verify_bookings").stdout == ""
    figures(f"killed before each of {steps} steps of a {'move' if moves else 'booking'}: nothing lost or half-done")


@pytest.mark.parametrize("moves", [False, True], ids=["booking", "move"])
def test_the_test_above_would_notice_a_missing_transaction(start_service, moves):
    service = start_service("tests.support.apps.dying", BOOKJOB_FOLLOWUP_POLICY="move", HALFWAY="on")
    assert die_everywhere(service, moves=moves)[0] != []


def test_workers_that_are_killed_at_random(start_service, figures):
    service = start_service(WEB_CONCURRENCY="3")
    killed = []

    def kill(over):
        while not over.wait(0.4):
            alive = workers(service)
            all_at_once = len(killed) % 4 == 3  # one of them answers a caller at that moment
            for worker in alive if all_at_once else random.sample(alive, min(1, len(alive))):
                killed.append(worker)
                with contextlib.suppress(ProcessLookupError):  # the one before has not been replaced yet
                    os.kill(worker, signal.SIGKILL)

    survive(service, kill, figures, "workers killed at random", until=some_call_was_not_answered)
    figures(f"workers killed at random: {len(killed)}")


# --- PostgreSQL goes away ------------------------------------------------------------------------------------


@pytest.fixture
def own_server(migrated_server):
    with postgres.running(like=migrated_server[0]) as server:
        yield server


@pytest.fixture
def on_own_server(own_server, migrated_server, tmp_path):
    """A service on a PostgreSQL of its own."""
    database = Database(None, tmp_path, own_server.url, there=migrated_server[1])
    service = Service(database, tmp_path / "gunicorn.log", "bookjob_site.wsgi")
    yield service
    service.stop()


@on_postgresql
def test_postgresql_is_killed_again_and_again(on_own_server, own_server, figures):
    killed = []

    def kill(over):
        while not over.wait(1.5):
            own_server.stop("immediate")
            try:
                over.wait(0.5)
            finally:
                own_server.start()
            killed.append(1)

    survive(on_own_server, kill, figures, "PostgreSQL killed and restarted", until=some_call_was_not_answered)
    figures(f"PostgreSQL killed and restarted: {len(killed)} times")


@on_postgresql
def test_postgresql_is_away_for_a_while(on_own_server, own_server):
    service = on_own_server
    body = service.make_slot(capacity=9)
    number = service.book("WO-1", body).json()["OrderNum"]
    own_server.stop("immediate")
    try:
        began = time.monotonic()
        while time.monotonic() - began < 5:
            for answer in (service.book("WO-2", body), service.request("POST", "/api/v1/appointments/search", SEARCH)):
                assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
        assert service.request("GET", "/livez").status == 200
        assert service.request("GET", "/readyz").status == 503
    finally:
        own_server.start()
    assert service.book("WO-1", body).json()["OrderNum"] == number
    assert service.book("WO-2", body).status == 200
    assert service.request("GET", "/readyz").status == 200


@on_postgresql
def test_nobody_hears_of_a_restart_that_is_over(on_own_server, own_server):
    """All connections are dead, and no request has noticed it yet."""
    body = on_own_server.make_slot(capacity=99)
    for kind in ("before", "after"):
        orders = [f"WO-{kind}-{number}" for number in range(30)]
        statuses = at_once([lambda order=order: book_quickly(on_own_server, order, body) for order in orders])
        assert set(statuses) == {200}, kind
        own_server.stop("immediate")
        own_server.start()
    assert on_own_server.manage("verify_bookings").stdout == ""


@on_postgresql
def test_connections_are_cut(service, figures):
    cut = []

    def terminate(over):
        with psycopg.connect(SERVER, autocommit=True) as connection:
            while not over.wait(0.3):
                cursor = connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND random() < 0.5",
                    [service.database.name],
                )
                cut.extend(cursor.fetchall())

    survive(service, terminate, figures, "connections cut", until=lambda history: cut)
    figures(f"connections cut: {len(cut)}")


@on_postgresql
def test_a_statement_that_takes_too_long(start_service, empty_database):
    service = start_service(DATABASE_URL=f"{empty_database.url}?options=-c%20statement_timeout%3D300")
    body = service.make_slot(capacity=9)
    with service.locked():
        answer = service.book("WO-1", body)
    assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
    assert service.database.execute("SELECT COUNT(*) FROM bookings_workorder") == [(0,)]
    assert service.book("WO-1", body).status == 200


# --- The disk is full ----------------------------------------------------------------------------------------


@on_sqlite
def test_the_database_cannot_grow(start_service, tmp_path):
    full = tmp_path / "full"
    service = start_service("tests.support.apps.crowded", FULL=str(full))
    refused_while_full(service, full.touch, full.unlink)


@on_sqlite
def test_files_cannot_grow(service):
    """The write itself fails, as on a full disk."""

    from tests.operations.test_metrics import wait_for  # which imports from here

    # One that starts later would have no limit.
    wait_for(lambda: len(workers(service)) == 2)

    def limit(size):
        for worker in workers(service):
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    refused_while_full(service, lambda: limit(1), lambda: limit(resource.RLIM_INFINITY))


@pytest.fixture
def small_disk():
    """A file system of 64 MB: /readyz wants 32 of them for SQLite."""
    disk = Path(tempfile.mkdtemp(prefix="bookjob-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=777", "tmpfs", disk], capture_output=True, text=True
    )
    if mounted.returncode:
        disk.rmdir()
        pytest.skip(f"a file system of its own takes root: {mounted.stderr.strip()}")
    disk.chmod(0o777)
    yield disk
    subprocess.run(["umount", disk], check=True)
    disk.rmdir()


def ballast(disk):
    """(fill the disk, empty it again)"""
    file = disk / "ballast"

    def fill():
        with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
            while True:
                out.write(b"x" * 4096)

    return fill, file.unlink


@contextlib.contextmanager
def moved_to(folder, database):
    """The tables of a database of a PostgreSQL on this machine, in that folder."""
    name = f"small_{database.name}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        shutil.chown(folder, owner_of(connection))
        connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        connection.execute(f"ALTER DATABASE {database.name} SET TABLESPACE {name}")
        try:
            yield
        finally:
            database.drop()
            connection.execute(f"DROP TABLESPACE {name}")


def owner_of(connection) -> int:
    """The user that a PostgreSQL of this machine runs as."""
    (process,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    try:
        return Path(f"/proc/{process}").stat().st_uid
    except OSError:
        pytest.skip("the server is on another machine")


@pytest.mark.skipif(sys.platform != "linux", reason="a tmpfs is a file system of Linux")
def test_the_disk_is_full(small_disk, template_database, tmp_path):
    """A real one: the tables of PostgreSQL, or all files of SQLite, are on it."""
    folder = small_disk / "tables"
    folder.mkdir(mode=0o700)
    database = Database(template_database, folder)
    with moved_to(folder, database) if SERVER else contextlib.nullcontext():
        service = Service(database, tmp_path / "gunicorn.log", "bookjob_site.wsgi")
        try:
            refused_while_full(service, *ballast(small_disk))
        finally:
            service.stop()


def refused_while_full(service, fill, empty):
    body = service.make_slot(capacity=1000)
    # More than the pages that are free, and nothing that could be compressed.
    large = body | {"Notes": random.Random(1).randbytes(50_000).hex()}
    number = service.book("WO-before", body).json()["OrderNum"]
    fill()
    for attempt in range(8):
        answer = service.book(f"WO-{attempt}", large)
        assert (answer.status, answer.json(), answer.headers.get("retry-after")) == (503, UNAVAILABLE, "5")
    # What needs no place is answered as ever.
    assert service.book("WO-before", body).json()["OrderNum"] == number
    assert len(service.request("POST", "/api/v1/appointments/search", SEARCH).json()["TimeConstraints"]) == 1
    assert service.database.execute("SELECT original_order FROM bookings_workorder") == [("WO-before",)]
    empty()
    for attempt in range(8):
        assert service.book(f"WO-{attempt}", large).status == 200
    assert service.manage("verify_bookings").stdout == ""


# --- The clock is wrong --------------------------------------------------------------------------------------


def test_the_clock_jumps(start_service, tmp_path, figures):
    clock = tmp_path / "clock"
    clock.write_text("0")
    service = start_service("tests.support.apps.stepped", CLOCK=str(clock))
    jumps = []

    def jump(over):
        other = tmp_path / "other"
        while not over.wait(0.2):
            jumps.append(random.randint(-36_000, 36_000))
            other.write_text(str(jumps[-1]))
            other.replace(clock)

    def jumped(history):
        created = service.database.execute("SELECT created_at FROM bookings_workorder ORDER BY id")
        return created != sorted(created)

    survive(service, jump, figures, "clock set forward and back", until=jumped, clock_jumps=True)
