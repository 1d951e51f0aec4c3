"""PostgreSQL as it is run in production (docs/databases.md): pools, PgBouncer, a replica, failover, a bad network.

Each shape keeps the promises. What takes long runs in `make torture` only.
"""

import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import time
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.conftest import SERVER, Database, Service, manage
from tests.operations.test_faults import (
    NO_HANG,
    OPERATIONS,
    SEARCH,
    UNAVAILABLE,
    book_quickly,
    some_call_was_not_answered,
    survive,
)
from tests.operations.test_metrics import TOKEN, over_http
from tests.support import histories, postgres
from tests.support.helpers import at_once, tomorrow
from tests.support.proxy import proxy

pytestmark = pytest.mark.skipif(not SERVER, reason="a shape of PostgreSQL")
needs_pgbouncer = pytest.mark.skipif(not postgres.find_pgbouncer(), reason="no PgBouncer: apt-get install pgbouncer")
in_torture = pytest.mark.skipif("TORTURE_OPERATIONS" not in os.environ, reason="takes long: make torture")

# What docs/databases.md tells operators to say.
LIMITS = (
    "ALTER ROLE postgres SET lock_timeout = '8s'",
    "ALTER ROLE postgres SET statement_timeout = '15s'",
    "ALTER ROLE postgres SET idle_in_transaction_session_timeout = '20s'",
    "ALTER ROLE postgres SET default_transaction_isolation = 'read committed'",
)


def address(url: str, *ports: int, query: str = "") -> str:
    """The URL with other ports, of several servers on this machine where there are several."""
    parts = urlsplit(url)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports or [parts.port])
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@{hosts}", query=query))


def ask(url: str, statement: str, *values) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def wait_for(condition, what: str) -> None:
    """Until another process has come so far; there is nothing else to wait by."""
    deadline = time.monotonic() + NO_HANG
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def search(service):
    return service.request("POST", "/api/v1/appointments/search", SEARCH)


def offered(service) -> int:
    answer = search(service)
    assert answer.status == 200, answer.body
    return len(answer.json()["TimeConstraints"])


@pytest.fixture
def own_server(migrated_server):
    with postgres.running(like=migrated_server[0]) as server:
        yield server


@pytest.fixture
def own_database(own_server, migrated_server, tmp_path):
    """A migrated database on a server that a test may kill."""
    return Database(None, tmp_path, own_server.url, there=migrated_server[1])


@pytest.fixture
def start_on(own_database, tmp_path):
    services = []

    def start(app: str = "bookjob_site.wsgi", **environment: str) -> Service:
        services.append(Service(own_database, tmp_path / f"shape-{len(services)}.log", app, **environment))
        return services[-1]

    yield start
    for service in services:
        service.stop()


# --- A pool of connections -----------------------------------------------------------------------------------


def test_a_pool_smaller_than_its_callers(start_service, empty_database, figures):
    service = start_service(DATABASE_URL=f"{empty_database.url}?pool=2", WEB_CONCURRENCY="3")
    history = histories.run(service, operations=OPERATIONS)
    assert histories.check(history) == []
    assert service.manage("verify_bookings").stdout == ""
    figures(f"psycopg's pool, 2 connections for 8 threads: {history.figures()}; nothing lost")


@in_torture
def test_nobody_hears_of_a_restart_with_a_pool(own_server, own_database, start_on):
    service = start_on(DATABASE_URL=f"{own_database.url}?pool=true")
    body = service.make_slot(capacity=99)
    for kind in ("before", "after"):
        orders = [f"WO-{kind}-{number}" for number in range(30)]
        statuses = at_once([lambda order=order: book_quickly(service, order, body) for order in orders])
        assert set(statuses) == {200}, kind
        own_server.stop("immediate")
        own_server.start()


# --- PgBouncer in transaction mode ---------------------------------------------------------------------------


@pytest.fixture
def bouncer(own_server):
    for limit in LIMITS:
        ask(own_server.url, limit)
    with postgres.pgbouncer(own_server.url, connections=4) as bouncer:
        yield bouncer


@pytest.fixture
def through_pgbouncer(own_database, bouncer):
    return address(own_database.url, bouncer.port, query="pgbouncer=true")


@needs_pgbouncer
class TestPgBouncer:
    def test_three_places_go_to_three_of_forty(self, start_on, through_pgbouncer):
        service = start_on(DATABASE_URL=through_pgbouncer, WEB_CONCURRENCY="3")
        body = service.make_slot(capacity=3)
        answers = at_once([lambda order=order: service.book(f"WO-{order}", body) for order in range(40)])
        assert sorted(answer.status for answer in answers) == [200] * 3 + [409] * 37
        another = service.make_slot(9, tomorrow(15))
        copies = at_once([lambda: service.book("WO-copy", another)] * 20)
        assert ({copy.status for copy in copies}, len({copy.body for copy in copies})) == ({200}, 1)
        assert service.manage("verify_bookings").stdout == ""

    def test_it_is_restarted_in_the_middle(self, bouncer, start_on, through_pgbouncer, figures):
        service = start_on(DATABASE_URL=through_pgbouncer, WEB_CONCURRENCY="3")
        restarts = []

        def restart(over):
            while not over.wait(1):
                bouncer.stop()
                bouncer.start()
                restarts.append(1)

        what = "PgBouncer, 4 connections for 24 threads, killed and restarted"
        survive(service, restart, figures, what, until=lambda history: restarts)
        figures(f"PgBouncer killed and restarted: {len(restarts)} times")

    @in_torture
    def test_its_server_is_restarted(self, own_server, start_on, through_pgbouncer):
        service = start_on(DATABASE_URL=through_pgbouncer)
        body = service.make_slot(capacity=9)
        number = service.book("WO-1", body).json()["OrderNum"]
        own_server.stop("immediate")
        try:
            for answer in (service.book("WO-2", body), search(service)):
                assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
        finally:
            own_server.start()
        wait_for(lambda: service.book("WO-1", body).status == 200, "PgBouncer connects again")
        assert service.book("WO-1", body).json()["OrderNum"] == number

    @in_torture
    def test_the_commands(self, own_database, through_pgbouncer, tmp_path):
        def run(*arguments):
            done = manage(own_database, *arguments, DATABASE_URL=through_pgbouncer)
            assert done.returncode == 0, done.stderr
            return done.stdout

        day = str(tomorrow().date())
        run("migrate", "--verbosity", "0")
        run("seed_slots", "--area", "HULL", "--name", "Hull", "--time-zone", "UTC", "--from", day, "--days", "5",
            "--hours", "08:00-18:00", "--length", "60")  # fmt: skip
        exported = run("export_slots")
        assert len(list(csv.reader(io.StringIO(exported)))) == 51
        run("close_slots", "--area", "HULL", "--from", day, "--until", day, "--reason", "Training")
        run("purge", "--before", "2026-01-01")
        run("load_demo", "--empty")
        run("verify_bookings")

    @in_torture
    def test_it_is_not_ready_without_time_limits(self, own_server, start_on, bouncer, through_pgbouncer):
        service = start_on(DATABASE_URL=through_pgbouncer)
        ask(own_server.url, "ALTER ROLE postgres RESET ALL")
        bouncer.stop()  # its connections have the limits still
        bouncer.start()
        answer = service.request("GET", "/readyz")
        assert answer.status == 503
        assert answer.json()["status"] == "the database role lacks its settings: see docs/databases.md"

    @in_torture
    def test_the_time_limits_hold(self, own_server, start_on, through_pgbouncer):
        ask(own_server.url, "ALTER ROLE postgres SET lock_timeout = '300ms'")
        service = start_on(DATABASE_URL=through_pgbouncer)
        body = service.make_slot(capacity=9)
        with service.locked():
            assert service.book("WO-1", body).status == 503
        assert service.book("WO-1", body).status == 200

    def test_without_the_flag_nothing_works_and_nothing_is_half_done(self, start_on, bouncer, own_database):
        direct = start_on()
        body = direct.make_slot(capacity=9)
        url = address(own_database.url, bouncer.port)
        without = manage(own_database, "verify_bookings", DATABASE_URL=url)
        assert without.returncode != 0
        # PgBouncer from 1.20 on names what is in these options instead.
        assert re.search("unsupported startup parameter(: options| in options: )", without.stderr)
        assert direct.book("WO-1", body).status == 200


# --- A replica for searches ----------------------------------------------------------------------------------


@pytest.fixture
def way(own_server):
    """What lies between the primary and its replica."""
    with proxy(own_server.port) as way:
        yield way


@pytest.fixture
def replica(own_server, own_database, way):
    with postgres.replica_of(own_server, port=way.port) as replica:
        yield replica


class TestReplica:
    @pytest.fixture
    def service(self, own_database, replica, start_on):
        return start_on(
            DATABASE_REPLICA_URL=address(own_database.url, replica.port),
            WEB_CONCURRENCY="1",
            BOOKJOB_METRICS_TOKEN=TOKEN,
        )

    def has_all(self, own_server, replica) -> bool:
        ((end,),) = ask(own_server.url, "SELECT pg_current_wal_lsn()::text")
        return ask(replica.url, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", end) == [(True,)]

    def test_searches_read_it_and_bookings_do_not(self, service, own_server, replica, way):
        body = service.make_slot(capacity=1)
        wait_for(lambda: offered(service) == 1, "the slot is on the replica")
        wait_for(lambda: self.has_all(own_server, replica), "the replica has all")
        ask(replica.url, "SELECT pg_wal_replay_pause()")
        wait_for(lambda: ask(replica.url, "SELECT pg_get_wal_replay_pause_state()") == [("paused",)], "it pauses")
        assert service.book("WO-1", body).status == 200
        # The stale offer shows that the replica was read; the booking knows better.
        wait_for(lambda: self.is_asked(service), "the replica is asked")
        assert offered(service) == 1
        answer = service.book("WO-2", body)
        assert (answer.status, answer.json()["detail"]["params"]["reason"]) == (409, "full")
        assert service.book("WO-1", body).status == 200
        ask(replica.url, "SELECT pg_wal_replay_resume()")
        wait_for(lambda: offered(service) == 0, "the replica has caught up")

    def is_asked(self, service) -> bool:
        search(service)
        said = [json.loads(line)["message"] for line in service.log.read_text().splitlines()
                if line.startswith("{") and "Searches read from" in line]  # fmt: skip
        return bool(said) and said[-1] == "Searches read from the replica"

    def test_one_that_is_away_costs_nobody_an_answer(self, service, own_server, replica):
        service.make_slot(capacity=9)
        wait_for(lambda: self.is_asked(service) and offered(service) == 1, "the slot is on the replica")
        wait_for(lambda: over_http(service)["bookjob_replica_follows"] == 1, "each worker sees it follow")
        replica.stop("immediate")
        answers = at_once([lambda: search(service)] * 20)
        assert {(answer.status, len(answer.json()["TimeConstraints"])) for answer in answers} == {(200, 1)}
        assert not self.is_asked(service)
        wait_for(lambda: over_http(service)["bookjob_replica_follows"] == 0, "each worker sees that it does not")
        replica.start()
        wait_for(lambda: self.is_asked(service), "the replica is asked again")
        wait_for(lambda: over_http(service)["bookjob_replica_follows"] == 1, "each worker sees it follow")

    def test_of_several_hosts_another_standby_is_read(self, own_server, own_database, replica, start_on):
        with postgres.replica_of(own_server) as second:
            hosts = address(own_database.url, own_server.port, replica.port, second.port)
            service = start_on(DATABASE_REPLICA_URL=hosts, WEB_CONCURRENCY="1", BOOKJOB_METRICS_TOKEN=TOKEN)
            service.make_slot(capacity=9)
            wait_for(lambda: self.is_asked(service) and offered(service) == 1, "the slot is on the first one")
            replica.stop("immediate")
            answers = at_once([lambda: search(service)] * 20)
            assert {(answer.status, len(answer.json()["TimeConstraints"])) for answer in answers} == {(200, 1)}
            wait_for(lambda: over_http(service)["bookjob_replica_follows"] == 1, "the second one is read")
            readers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            wait_for(lambda: search(service) and ask(second.url, readers) > [(1,)], "searches are there")
            second.stop("immediate")
            # No standby is left: `prefer-standby` leads to the primary, which is read as such.
            assert (search(service).status, offered(service)) == (200, 1)
            wait_for(lambda: over_http(service)["bookjob_replica_follows"] == 0, "it is seen that none is left")

    @in_torture
    def test_one_that_is_far_behind_is_not_asked(self, service, own_server, replica, way):
        """It is cut off, so that its lag is unknown; with the primary asked, the search is right."""
        service.make_slot(capacity=9)
        wait_for(lambda: self.is_asked(service) and offered(service) == 1, "the slot is on the replica")
        way.close()
        wait_for(lambda: not self.is_asked(service), "the replica is not asked")
        service.make_slot(capacity=9, start=tomorrow(15))
        assert offered(service) == 2

    @in_torture
    def test_one_that_was_promoted_is_not_asked(self, service, own_server, replica):
        """It has a life of its own now: its offers are of another world."""
        service.make_slot(capacity=9)
        wait_for(lambda: self.is_asked(service), "the replica is asked")
        replica.promote()
        wait_for(lambda: not self.is_asked(service), "the replica is not asked")
        service.make_slot(capacity=9, start=tomorrow(15))
        assert offered(service) == 2

    @in_torture
    def test_one_that_is_frozen_costs_seconds_once(self, service, replica, own_database):
        service.make_slot(capacity=9)
        wait_for(lambda: self.is_asked(service) and offered(service) == 1, "the slot is on the replica")
        with frozen(address(own_database.url, replica.port)):
            began = time.monotonic()
            answers = at_once([lambda: search(service)] * 8)
            assert {(answer.status, len(answer.json()["TimeConstraints"])) for answer in answers} == {(200, 1)}
            assert time.monotonic() - began < NO_HANG / 2
        wait_for(lambda: self.is_asked(service), "the replica is asked again")

    @in_torture
    def test_a_history_with_it(self, service, figures):
        """Searches may be late, so only what was booked is compared."""
        history = histories.run(service, operations=OPERATIONS)
        history.calls = [call for call in history.calls if call.do != "search" or "ok" not in call.answer]
        assert histories.check(history) == []
        assert service.manage("verify_bookings").stdout == ""
        figures(f"searches on a replica: {history.figures()}; nothing lost")


# --- The primary is lost -------------------------------------------------------------------------------------


def synchronous(server) -> None:
    ask(server.url, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    ask(server.url, "SELECT pg_reload_conf()")
    wait_for(lambda: ("sync",) in ask(server.url, "SELECT sync_state FROM pg_stat_replication"), "it is synchronous")


class TestFailover:
    @pytest.fixture
    def service(self, own_server, own_database, replica, start_on):
        """It knows both hosts, and so do the staff and the checks after it."""
        own_database.url = address(
            own_database.url, own_server.port, replica.port, query="target_session_attrs=read-write"
        )
        return start_on(WEB_CONCURRENCY="3")

    def test_it_works(self, own_server, replica, service):
        synchronous(own_server)
        body = service.make_slot(capacity=9)
        number = service.book("WO-1", body).json()["OrderNum"]
        own_server.kill()
        answer = service.book("WO-2", body)
        assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
        replica.promote()
        assert service.book("WO-1", body).json()["OrderNum"] == number
        assert service.book("WO-2", body).status == 200
        assert service.request("GET", "/readyz").status == 200
        assert service.manage("verify_bookings").stdout == ""

    @in_torture
    def test_no_acknowledged_booking_is_lost(self, own_server, replica, service, figures):
        synchronous(own_server)

        def fail_over(over):
            over.wait(3)
            own_server.kill()
            over.wait(1)
            replica.promote()

        what = "primary killed, synchronous replica promoted"
        survive(service, fail_over, figures, what, until=some_call_was_not_answered)

    @in_torture
    def test_the_test_above_would_notice_a_lost_one(self, own_server, replica, way, service):
        """Replication that is not waited for, and a replica that is a moment behind."""

        primary = address(service.database.url, own_server.port)

        def changes() -> int:
            return ask(primary, "SELECT COUNT(*) FROM bookings_historyentry")[0][0]

        def fail_over(over):
            over.wait(3)
            way.lose_packets()
            before = changes()
            wait_for(lambda: changes() > before + 20, "something to lose")
            own_server.kill()
            replica.promote()

        history = histories.run(service, operations=min(OPERATIONS, 2000), disturb=fail_over)
        assert any("Acknowledged" in fault or "rows say" in fault or "No legal order" in fault
                   for fault in histories.check(history, disturbed=True))  # fmt: skip

    @in_torture
    def test_nothing_is_acknowledged_that_the_replica_does_not_have(self, own_server, own_database, way, service):
        """The commit waits for the replica; the caller does not wait for ever, and may ask again."""
        synchronous(own_server)
        body = service.make_slot(capacity=9)
        way.lose_packets()
        began = time.monotonic()
        answer = service.book("WO-1", body)
        assert (answer.status, answer.json()) == (503, UNAVAILABLE)
        assert time.monotonic() - began < NO_HANG
        # It is not to be seen as long as it may be lost; nor does a repeat get a second one.
        assert service.database.execute("SELECT COUNT(*) FROM bookings_workorder") == [(0,)]
        assert service.book("WO-1", body).status == 503
        way.heal()
        wait_for(lambda: service.book("WO-1", body).status == 200, "the replica is back")
        assert service.database.execute("SELECT COUNT(*) FROM bookings_workorder") == [(1,)]
        assert service.manage("verify_bookings").stdout == ""

    def test_a_standby_that_takes_no_bookings(self, own_server, own_database, replica, start_on):
        """The service was pointed at it alone; once it is promoted, all is well."""
        service = start_on(DATABASE_URL=address(own_database.url, replica.port), up="/livez")
        body = service.make_slot(capacity=9)
        wait_for(lambda: offered(service) == 1, "the slot is on the replica")
        ready = service.request("GET", "/readyz")
        assert (ready.status, ready.json()["status"]) == (503, "database read-only")
        answer = service.book("WO-1", body)
        assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
        own_server.kill()
        replica.promote()
        assert service.book("WO-1", body).status == 200
        assert service.request("GET", "/readyz").status == 200


# --- The database is silent ----------------------------------------------------------------------------------


@contextlib.contextmanager
def frozen(url: str):
    """All sessions of the database of `url` stand still, and there are no new ones; the machine answers for them."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
        ((data,),) = connection.execute("SHOW data_directory").fetchall()
        pids = [pid for (pid,) in connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )]  # fmt: skip
    with open(f"{data}/postmaster.pid") as file:
        pids.append(int(file.readline()))
    stopped = []
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


class TestSilence:
    """The impatient service gives up after a second: these tests need not wait as long as a caller may have to."""

    def test_a_database_that_is_frozen(self, own_database, start_on):
        url = f"{own_database.url}?connect_timeout=2"
        self.try_in_silence(
            start_on("tests.support.apps.impatient", DATABASE_URL=url), lambda: frozen(own_database.url)
        )

    @in_torture
    def test_with_a_pool(self, own_database, start_on):
        url = f"{own_database.url}?connect_timeout=2&pool=4"
        self.try_in_silence(
            start_on("tests.support.apps.impatient", DATABASE_URL=url), lambda: frozen(own_database.url)
        )

    @in_torture
    def test_with_the_limits_as_shipped(self, own_database, start_on):
        self.try_in_silence(start_on(), lambda: frozen(own_database.url))

    @in_torture
    @needs_pgbouncer
    def test_behind_pgbouncer(self, own_database, start_on, through_pgbouncer):
        self.try_in_silence(start_on(DATABASE_URL=through_pgbouncer), lambda: frozen(own_database.url))

    @in_torture
    def test_packets_that_are_lost(self, own_server, own_database, start_on):
        with proxy(own_server.port) as way:
            url = address(own_database.url, way.port, query="connect_timeout=2")
            service = start_on("tests.support.apps.impatient", DATABASE_URL=url)

            @contextlib.contextmanager
            def lost():
                way.lose_packets()
                try:
                    yield
                finally:
                    way.heal()

            self.try_in_silence(service, lost)

    def book(self, service, order, body):
        """The answer of the service that gives up after a second: a machine that is busy may take longer at times."""
        answers = []
        wait_for(lambda: answers.append(service.book(order, body)) or answers[-1].status == 200, "it is booked")
        return answers[-1]

    def try_in_silence(self, service, silence):
        body = service.make_slot(capacity=99)
        number = self.book(service, "WO-1", body).json()["OrderNum"]
        at_once([lambda order=order: service.book(f"WO-first-{order}", body) for order in range(8)])
        with silence():
            # The first ones meet it in the middle of their work, the later ones find nothing to connect to.
            for turn in range(2):
                began = time.monotonic()
                calls = [lambda order=f"WO-{turn}-{n}": service.book(order, body) for n in range(7)]
                for answer in at_once([*calls, lambda: search(service)]):
                    assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
                assert time.monotonic() - began < NO_HANG
            assert service.request("GET", "/livez").status == 200
            assert service.request("GET", "/readyz").status == 503
        assert self.book(service, "WO-1", body).json()["OrderNum"] == number
        at_once([lambda n=n: self.book(service, f"WO-0-{n}", body) for n in range(7)])
        assert service.manage("verify_bookings").stdout == ""

    def test_the_tests_above_would_notice_a_service_that_waits_for_ever(self, own_database, start_on):
        service = start_on("tests.support.apps.impatient", PATIENT="on", WEB_CONCURRENCY="1")
        body = service.make_slot(capacity=9)
        assert service.book("WO-1", body).status == 200
        with frozen(own_database.url), socket.create_connection(("127.0.0.1", service.port)) as caller:
            request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            caller.sendall(request.encode())
            caller.settimeout(3)
            with pytest.raises(TimeoutError):
                caller.recv(1)


def test_a_commit_whose_answer_never_arrives(own_server, own_database, start_on):
    """The booking stands and the caller was not told; who asks again hears its number."""
    with proxy(own_server.port) as way:
        service = start_on(DATABASE_URL=address(own_database.url, way.port))
        body = service.make_slot(capacity=9) | {"RequiredParts": [{"ProdNum": "PUMP", "Qty": 1}]}
        for round in range(5):
            way.commits_to_cut = 1
            order = f"WO-{round}"
            answer = service.book(order, body)
            assert (answer.status, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "5")
            assert way.commits_to_cut == 0
            written = own_database.execute("SELECT order_num FROM bookings_workorder WHERE original_order = %s", order)
            repeats = [service.book(order, body) for _ in range(2)]
            assert [(repeat.status, repeat.json()["OrderNum"]) for repeat in repeats] == [(200, written[0][0])] * 2
            assert own_database.execute("SELECT booked FROM bookings_appointmentslot") == [(round + 1,)]
        assert service.manage("verify_bookings").stdout == ""
