"""The whole cluster of deploy/cluster/ under faults: three database hosts, two application machines behind a proxy.

Only in `make torture`: it needs etcd, HAProxy and root, for network namespaces. What was answered is compared with the
rows on whatever host is the primary in the end, order by order: a number that was given out twice would hide a loss.
"""

import contextlib
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bookings.access import tokens
from tests.conftest import SERVER, Database, Service, manage
from tests.operations.test_database_shapes import LIMITS
from tests.operations.test_metrics import TOKEN, over_http
from tests.operations.test_upgrades import LAST, SQUASHED, code_before
from tests.support import cluster as clusters
from tests.support import haproxy, histories, old_database, postgres
from tests.support.cluster import DATABASES, wait_for
from tests.support.environment import ROOT

pytestmark = [
    pytest.mark.skipif("TORTURE_OPERATIONS" not in os.environ, reason="takes long: make torture"),
    pytest.mark.skipif(not SERVER, reason="SQLite has no cluster"),
    pytest.mark.skipif(bool(clusters.why_not()), reason=clusters.why_not()),
]
# At least; each fault goes on until it is over.
IN_ALL = int(os.environ.get("TORTURE_OPERATIONS") or 0)
OPERATIONS = max(IN_ALL // 10, 100)
# Orders that are booked steadily beside the history, by callers that give up soon and come with the next order.
STEADY, PATIENCE = 4, 3
# Seconds without a booking (docs/reliability.md has the sums). Patroni takes no ttl below 20, and etcd looks every half
# second what ran out. A silent host keeps the standbys (members.cfg) and the service (hosts.py) no longer than that.
HOST_LOST, POSTGRESQL_LOST = 22, 10
# Behind PgBouncer too: primary.cfg and pgbouncer.ini try again within half a second.
SWITCHED_OVER = 4


@pytest.fixture(scope="module")
def cluster():
    with clusters.running() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def empty(cluster, tmp_path_factory):
    """A migrated database on it, for others to be copied from."""
    database = Database(None, tmp_path_factory.mktemp("cluster"), cluster.url([cluster.primary()]))
    done = manage(database, "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return database


class Front(Service):
    """Two application machines, and the proxy in front of them that callers know."""

    def __init__(self, database: Database, folder: Path, code: Path = ROOT, **environment: str) -> None:
        self.database, self.folder, self.code = database, folder, code
        self.environment = {"WEB_CONCURRENCY": "2", "BOOKJOB_DRAIN_SECONDS": "5", "BOOKJOB_CALLER_LIMIT": "0",
                            "BOOKJOB_ADDRESS_LIMIT": "0", "BOOKJOB_PROXIES": "127.0.0.1/32"} | environment  # fmt: skip
        self.machines = [self.machine(number) for number in range(2)]
        self.port = postgres.free_port()
        ports = [machine.port for machine in self.machines]
        self.proxy = haproxy.start_before(ports, self.port, folder / "haproxy.cfg")
        self.token = tokens.issue_token("tech.jones")
        wait_for(self.serves, "the proxy reaches a machine")

    def machine(self, number: int, **where: object) -> Service:
        log = self.folder / f"{uuid.uuid4().hex}-{number}.log"
        return Service(self.database, log, "bookjob_site.wsgi", self.code, **self.environment, **where)

    def serves(self) -> bool:
        with contextlib.suppress(OSError):
            return self.request("POST", "/api/v1/appointments/search", json.dumps({})).status != 503
        return False

    def stop(self) -> None:
        self.proxy.terminate()
        self.proxy.wait(60)
        for machine in self.machines:
            machine.process.send_signal(signal.SIGQUIT)  # at once: nothing is asked any more
            machine.process.wait(60)


@pytest.fixture
def start_front(cluster, empty, tmp_path):
    fronts = []

    def start(*, before: str = "", replicas: bool = False, bouncer: int = 0, **environment: str) -> Front:
        """`before`: the code before that migration, on a database of its own."""
        wait_for(cluster.is_whole, cluster.said, 120)
        at_primary = cluster.url([cluster.primary()])
        empty.url = empty.server = at_primary  # for `Database`, which copies
        code = code_before(before, tmp_path / "before") if before else ROOT
        if before == SQUASHED:
            database = old_database.load(tmp_path, at_primary)
        elif before:
            database = Database(None, tmp_path, at_primary)
            done = manage(database, "migrate", "--verbosity", "0", folder=code)
            assert done.returncode == 0, done.stderr
        else:
            database = Database(empty, tmp_path, at_primary)
        database.url = cluster.url(query="target_session_attrs=read-write", database=database.name)
        if bouncer:
            password = cluster.passwords["SUPERUSER"]
            way = f"postgres://postgres:{password}@127.0.0.1:{bouncer}/{database.name}?pgbouncer=true"
            environment["DATABASE_URL"] = way
        if replicas:
            environment["DATABASE_REPLICA_URL"] = cluster.url(query="", database=database.name)
        fronts.append(Front(database, tmp_path, code, **environment))
        return fronts[-1]

    yield start
    for front in fronts:
        front.stop()


class Steady:
    """Callers that book one new order after the other, in the slot in which there is always a place."""

    def __init__(self, history: histories.History, over: threading.Event, name: str = "STEADY", port: int = 0) -> None:
        self.history, self.over, self.name, self.port = history, over, name, port
        self.threads = [threading.Thread(target=self._book, args=(number,)) for number in range(STEADY)]
        for thread in self.threads:
            thread.start()

    def _book(self, caller: int) -> None:
        number = 0
        with contextlib.closing(histories.Phone(self.history)) as phone:
            phone.connection.timeout = PATIENCE
            phone.connection.port = self.port or phone.connection.port
            while not self.over.wait(0.05):
                number += 1
                phone.book(f"{self.name}-{caller}-{number}", histories.ALWAYS_FREE, 0)

    def end(self) -> None:
        for thread in self.threads:
            thread.join()


def acknowledged(history: histories.History) -> list[float]:
    """When each of the steady orders that come through the proxy was answered with a number."""
    return sorted(
        call.end
        for call in history.calls
        if call.arguments.get("order", "").startswith("STEADY") and "ok" in call.answer
    )


def wait_for_bookings(history: histories.History, more: int) -> None:
    enough = len(acknowledged(history)) + more
    wait_for(lambda: len(acknowledged(history)) >= enough, "bookings go on")


def longest_gap(moments: list[float]) -> tuple[float, float]:
    """How long it was, and when it began."""
    return max((after - before, before) for before, after in itertools.pairwise(moments))


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is done to the cluster, and for how many seconds there may be no booking because of it."""

    what: str
    most: float
    cause: Callable[[clusters.Cluster, Front, histories.History], None]
    fails_no_call: bool = False


@dataclasses.dataclass(frozen=True)
class Span:
    """From before a fault until the cluster was whole again."""

    fault: Fault
    began: float
    ended: float

    def fails(self, history: histories.History) -> str:
        """What was not as it has to be."""
        calls = [call for call in history.calls if self.began < call.start < self.ended]
        if self.fault.fails_no_call and any("unknown" in call.answer for call in calls):
            return f"{self.fault.what}: a call failed"
        gap, _ = self.gap(history)
        return "" if gap < self.fault.most else f"{self.fault.what}: {gap:.1f} s without bookings"

    def gap(self, history: histories.History) -> tuple[float, float]:
        return longest_gap([moment for moment in acknowledged(history) if self.began < moment < self.ended])


def survive(
    front: Front,
    cluster,
    figures,
    *faults: Fault,
    history: histories.History | None = None,
    check=histories.check,
    operations: int = OPERATIONS,
    **clients: int,
) -> histories.History:
    """A history and steady bookings, with the faults in them, one after the other, the cluster whole between them:
    nothing acknowledged is lost, nothing stands twice.
    """
    history = history or histories.History(front, "single")
    spans: list[Span] = []
    done = threading.Event()

    def disturb(over: threading.Event) -> None:
        steady = Steady(history, over, f"STEADY-{len(history.calls)}")
        try:
            for fault in faults:
                over.wait(1)
                began = time.monotonic()
                over.wait(2)
                fault.cause(cluster, front, history)
                wait_for_bookings(history, 20)
                wait_for(cluster.is_whole, cluster.said, 120)
                over.wait(2)
                spans.append(Span(fault, began, time.monotonic()))
        finally:
            done.set()
            steady.end()

    histories.run(
        front,
        operations=min(operations, 1000),  # at a time
        disturb=disturb,
        until=lambda history: done.is_set() and len(history.calls) >= operations,
        rounds=1000,
        history=history,
        **{"technicians": 6, "staff": 1} | clients,
    )
    for span in spans:
        tell(span, history, cluster, figures)
    steady = numbers(history)
    figures(f"    {len(steady)} steady bookings; {history.figures()}")
    assert not check or check(history, disturbed=True) == []
    verified = front.manage("verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")
    there = [row for row in rows(front) if is_steady(row[0])]
    # Each call without an answer was repeated until it had one.
    assert set(steady) == set(there)
    assert len({order for order, _ in there}) == len(there), "an order stands twice"
    assert [fault for fault in [span.fails(history) for span in spans] if fault] == []
    return history


def tell(span: Span, history: histories.History, cluster, figures) -> None:
    gap, began = span.gap(history)
    figures(f"{span.fault.what}: {gap:.1f} s without bookings, at most {span.fault.most} s")
    if took := cluster.took(began + time.time() - time.monotonic(), gap):
        figures(f"    of these, after the last booking: {took}, the first booking {gap:.1f} s")


def but_for_searches(history: histories.History, *, disturbed: bool) -> list[str]:
    """What is wrong with it where searches may be late."""
    calls = [call for call in history.calls if call.do != "search" or "ok" not in call.answer]
    return histories.check(dataclasses.replace(history, calls=calls), disturbed=disturbed)


def is_steady(order: str) -> bool:
    """None of them is ever cancelled or moved."""
    return order.startswith(("STEADY", "PINNED"))


def numbers(history: histories.History) -> list[tuple[str, str]]:
    """Order and number of each steady booking that was acknowledged."""
    return [(call.arguments["order"], call.answer["number"]) for call in history.calls
            if is_steady(call.arguments.get("order", "")) and "ok" in call.answer]  # fmt: skip


def rows(front: Front) -> list[tuple[str, str]]:
    return front.database.execute("SELECT original_order, order_num FROM bookings_workorder WHERE status = 'booked'")


def another(cluster, host: str) -> str:
    return next(name for name in DATABASES if name != host)


def is_replaced(cluster, host: str) -> bool:
    return cluster.primary() not in ("", host)


# --- Faults --------------------------------------------------------------------------------------------------


def kill_postgresql(cluster, front, history) -> None:
    former = cluster.primary()
    cluster.kill_postgresql(former)
    wait_for(lambda: is_replaced(cluster, former), "a standby is promoted")


def lose(cluster, front, history) -> None:
    former = cluster.primary()
    cluster.lose(former)
    wait_for(lambda: is_replaced(cluster, former), "a standby is promoted")
    cluster.bring_back(former)


def freeze_and_thaw(cluster, front, history, moment: str = "after", *, kernel: bool = False) -> None:
    """After it renewed its lock it is missed the longest; before, its Patroni wakes up and believes it has it."""
    former = cluster.primary()
    cluster.freeze(former, moment, kernel=kernel)
    wait_for(lambda: is_replaced(cluster, former), "a standby is promoted")
    wait_for_bookings(history, 1)  # while it is frozen
    cluster.thaw(former)
    wait_for(lambda: cluster.ask(former, "patroni").get("role") == "replica", "the former primary steps back")


def switch_over(cluster, front, history) -> None:
    former = cluster.primary()
    cluster.switch_over()
    wait_for(lambda: is_replaced(cluster, former), "the other one is the primary")


def build_anew(cluster, front, history) -> None:
    cluster.rebuild(another(cluster, cluster.primary()))
    wait_for(cluster.is_whole, "it has a copy and follows", 120)


def cut_from_etcd(cluster, front, history) -> None:
    cluster.network.cut(cluster.primary(), "etcd")
    threading.Event().wait(30)  # longer than ttl
    cluster.network.heal()


def cut_from_standbys(cluster, front, history) -> None:
    """Nothing is answered that only one disk has; it goes on when the network is back."""
    primary = cluster.primary()
    for host in DATABASES:
        if host != primary:
            cluster.network.cut(primary, host)
    threading.Event().wait(15)
    cluster.network.heal()


def kill_etcd(cluster, front, history) -> None:
    cluster.network.signal("etcd", signal.SIGKILL)
    threading.Event().wait(35)
    cluster.start_etcd()


def restart_machines(cluster, front, history) -> None:
    for number in range(2):
        before = front.machines[number]
        before.process.terminate()
        before.process.wait(60)
        front.machines[number] = front.machine(number, PORT=str(before.port))  # where the proxy looks
        threading.Event().wait(2)  # until the proxy asks it again


def migrate(cluster, front, history) -> None:
    """The code before serves meanwhile, on hosts that wait for each other."""
    migrated = manage(front.database, "migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr


MIGRATION = Fault("migration", SWITCHED_OVER, migrate)
ROLLING_RESTART = Fault("machines restarted in turn", SWITCHED_OVER, restart_machines, fails_no_call=True)
FAULTS = {
    "killed": Fault("PostgreSQL killed", POSTGRESQL_LOST, kill_postgresql),
    "lost": Fault("host of the primary lost", HOST_LOST, lose),
    "paused": Fault("host paused with its kernel, and thawed", HOST_LOST, partial(freeze_and_thaw, kernel=True)),
    "frozen": Fault("processes of the host frozen, and thawed", HOST_LOST, freeze_and_thaw),
    "switchover": Fault("switchover", SWITCHED_OVER, switch_over),
    "rebuilt": Fault("a standby built anew", SWITCHED_OVER, build_anew),
    "cut-from-etcd": Fault("primary cut off from etcd for 30 s", HOST_LOST, cut_from_etcd),
    "cut-from-standbys": Fault("primary cut off from both standbys for 15 s", HOST_LOST, cut_from_standbys),
    "etcd": Fault("etcd killed for 35 s", HOST_LOST, kill_etcd),
    "restart": ROLLING_RESTART,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault(cluster, start_front, figures, fault):
    survive(start_front(), cluster, figures, fault)


def test_all_migrations_since_the_last_old_one(cluster, start_front, figures):
    front = start_front(before=SQUASHED)
    # Slots and orders were there before, which no call of the history explains; none of those slots is offered.
    front.database.execute("UPDATE bookings_appointmentslot SET is_open = false")
    survive(front, cluster, figures, MIGRATION, check=None, staff=0, systems=0)


def test_all_faults_in_turn(cluster, start_front, figures):
    """One cluster and one front from begin to end: it is migrated to this release, restarted into it, and disturbed."""
    front = start_front(before=LAST)
    # It may take longer than the ten minutes in which a copy is late.
    check = partial(histories.check, clock_jumps=True)
    history = survive(front, cluster, figures, MIGRATION, check=check, staff=0, systems=0)
    front.code = ROOT
    faults = [ROLLING_RESTART, *(fault for fault in FAULTS.values() if fault is not ROLLING_RESTART)]
    survive(front, cluster, figures, *faults, history=history, check=check, operations=IN_ALL)


# --- A host that is frozen -----------------------------------------------------------------------------------


def test_a_machine_that_is_pinned_to_a_host_that_is_frozen(cluster, start_front, figures):
    front = start_front()
    former = cluster.primary()
    alone = Database.__new__(Database)
    alone.url, alone.server = cluster.url([former], database=front.database.name), cluster.url([former])
    pinned = Service(alone, front.folder / "pinned.log", "bookjob_site.wsgi", **front.environment)

    def cause(cluster, front, history) -> None:
        over = threading.Event()
        callers = Steady(history, over, "PINNED", pinned.port)
        try:
            freeze_and_thaw(cluster, front, history, "before")
        finally:
            over.set()
            callers.end()

    try:
        survive(front, cluster, figures, Fault("host frozen, a machine pinned to it", HOST_LOST, cause))
    finally:
        pinned.process.send_signal(signal.SIGQUIT)
        pinned.process.wait(60)


# --- Searches on the standbys --------------------------------------------------------------------------------


def test_searches_follow_the_failover(cluster, start_front, figures):
    """They read a standby before it and after it, though the host that they read became the primary."""
    environment = {"BOOKJOB_METRICS_TOKEN": TOKEN}
    front = start_front(replicas=True, **environment)

    def reads_a_standby() -> bool:
        return all(over_http(machine)["bookjob_replica_follows"] == 1 for machine in front.machines)

    def cause(cluster, front, history) -> None:
        wait_for(reads_a_standby, "searches read a standby")
        former = cluster.primary()
        cluster.lose(former)
        wait_for(lambda: is_replaced(cluster, former), "a standby is promoted")
        wait_for(reads_a_standby, "searches read the other standby")
        cluster.bring_back(former)

    fault = Fault("host lost, searches on standbys", HOST_LOST, cause)
    survive(front, cluster, figures, fault, check=but_for_searches)


# --- PgBouncer -----------------------------------------------------------------------------------------------


@pytest.fixture
def bouncer(cluster):
    """pgbouncer.ini and primary.cfg as they are shipped, on one application machine; gives the port."""
    if not postgres.find_pgbouncer():
        pytest.skip("no PgBouncer: apt-get install pgbouncer")
    folder, port, primary = cluster.folder, postgres.free_port(), postgres.free_port()
    (folder / "users").write_text(f'"postgres" "{cluster.passwords["SUPERUSER"]}"\n')
    settings = (clusters.SHIPPED / "pgbouncer.ini").read_text()
    settings = settings.replace("port=5433 dbname=bookjob", f"port={primary}").replace("bookjob = host", "* = host")
    settings = settings.replace("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir =")
    (folder / "pgbouncer.ini").write_text(settings.replace("/etc/pgbouncer/users", str(folder / "users")))
    way = (clusters.SHIPPED / "primary.cfg").read_text().replace("127.0.0.1:5433", f"127.0.0.1:{primary}")
    for number, host in enumerate(DATABASES, 11):
        way = way.replace(f"10.0.0.{number}", clusters.address(host))
    (folder / "primary.cfg").write_text(way)
    with psycopg.connect(cluster.url([cluster.primary()]), autocommit=True) as connection:
        for limit in LIMITS:
            connection.execute(limit)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        haproxy.start(folder / "primary.cfg"),
        subprocess.Popen([postgres.find_pgbouncer(), folder / "pgbouncer.ini"], user=65534, group=65534, **quiet),
    ]
    yield port
    for process in processes:
        process.kill()
        process.wait()


def test_a_switchover_behind_pgbouncer(cluster, bouncer, start_front, figures):
    fault = Fault("switchover behind PgBouncer", SWITCHED_OVER, switch_over)
    survive(start_front(bouncer=bouncer), cluster, figures, fault)
