"""A host of a cluster that neither answers nor refuses keeps no caller from the host that took over."""

import threading

import psycopg
import pytest

from bookings import clock
from bookjob_site.postgresql import hosts
from tests.conftest import SERVER
from tests.operations.test_database_shapes import (  # noqa: F401  fixtures
    address,
    own_database,
    own_server,
    search,
    start_on,
    wait_for,
)
from tests.support import postgres
from tests.support.helpers import at_once
from tests.support.proxy import proxy

needs_standby = pytest.mark.skipif(not SERVER, reason="SQLite has no standby")
THREE = {"host": "db1,db2,db3", "port": "5432", "dbname": "bookjob"}


@pytest.fixture
def silent(monkeypatch):
    """Lets a host have left a question unanswered, asked at a second of the clock; nothing else is remembered."""
    for name, empty in {"unanswered": {}, "silent": set(), "asking": {}, "SOON": 0}.items():
        monkeypatch.setattr(hosts, name, empty)
    monkeypatch.setattr(clock, "ticks", lambda: 100)
    return lambda host, asked: hosts.remember(f"{host}  5432", asked)


def order() -> list[str]:
    return [one["host"] for one in hosts.in_turn(THREE)]


def test_the_host_that_was_silent_last_is_asked_last(silent):
    assert order() == ["db1", "db2", "db3"]
    silent("db1", 10)
    assert order() == ["db2", "db3", "db1"]
    silent("db2", 20)
    assert order() == ["db3", "db1", "db2"]
    silent("db1", 30)
    silent("db1", 15)  # another thread asked earlier, and heard later that there is no answer
    assert order() == ["db3", "db2", "db1"]


class Cluster:
    """Three hosts, of which one takes connections. Threads of their own wait until they `may_answer`."""

    def __init__(self, taking: str = "") -> None:
        self.taking, self.may_answer = taking, threading.Event()
        self.asked, self.asked_aside = [], []
        self.now, self.delays = 100, [0]  # seconds for the first answers to these threads

    def connect(self, parameters):
        host = parameters["host"]
        if threading.current_thread() is threading.main_thread():
            self.asked.append(host)
        else:
            self.asked_aside.append(host)
            assert self.may_answer.wait(60)
            self.now += self.delays.pop(0) if self.delays else 0
        if host == self.taking:
            return Connection()
        raise psycopg.OperationalError(f"{host} is read-only")

    def answer(self) -> None:
        """From now on; the threads that ask have heard it."""
        threads = [thread for thread, _ in hosts.asking.values()]
        self.may_answer.set()
        for thread in threads:
            thread.join(60)

    def says(self) -> list[str]:
        with pytest.raises(psycopg.OperationalError) as fault:
            [*hosts.connections(self.connect, THREE)]
        return str(fault.value).splitlines()

    def reached(self) -> list[str]:
        return [connection.place for connection in hosts.connections(self.connect, THREE)]


def test_no_request_waits_for_a_silent_host(silent):
    """One thread asks it until it answers, and all others leave it alone."""
    cluster = Cluster(taking="db1")
    silent("db1", 10)
    for _ in range(3):
        assert cluster.says() == ["db2 is read-only", "db3 is read-only", "db1  5432 is silent"]
    cluster.answer()
    assert (cluster.asked, cluster.asked_aside) == (["db2", "db3"] * 3, ["db1"])
    assert cluster.reached() == ["db1  5432"]
    assert (hosts.unanswered, hosts.silent, hosts.asking) == ({}, set(), {})


def test_a_host_that_answers_is_found_though_all_were_silent(silent):
    cluster = Cluster(taking="db2")
    for host in ("db1", "db2", "db3"):
        silent(host, 10)
    assert cluster.says() == ["db1  5432 is silent", "db2  5432 is silent", "db3  5432 is silent"]
    assert cluster.asked == []
    cluster.answer()
    assert cluster.reached() == ["db2  5432"]


def test_where_no_thread_can_be_had_the_next_caller_tries_again(silent, monkeypatch):
    def refuse_to_start(thread):
        raise RuntimeError("can't start new thread")

    cluster = Cluster(taking="db1")
    silent("db1", 10)
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", refuse_to_start)
        with pytest.raises(RuntimeError):
            cluster.reached()
    assert "db1  5432 is silent" in cluster.says()
    cluster.answer()
    assert cluster.reached() == ["db1  5432"]


def test_a_host_alone_is_asked_though_it_was_silent(silent):
    silent("db1", 10)
    alone = {"host": "db1", "port": "5432"}
    assert len([*hosts.connections(Cluster(taking="db1").connect, alone)]) == 1


def test_a_host_that_refuses_late_is_asked_again(silent, monkeypatch):
    """As one without power: it is the kernel that gives up."""
    cluster = Cluster()
    cluster.delays = [2, 2, 0]
    monkeypatch.setattr(clock, "ticks", lambda: cluster.now)
    silent("db1", 10)
    assert "db1  5432 is silent" in cluster.says()
    cluster.answer()
    assert cluster.asked_aside == ["db1"] * 3


def refuse(parameters):
    raise psycopg.OperationalError(f"{parameters.get('host')} is read-only\n")


def test_a_host_that_was_silent_and_refuses_now_is_asked_each_time(silent):
    """It came back as a standby: when it is the primary again no request is refused because it was silent."""
    cluster = Cluster()
    silent("db1", 10)
    assert "db1  5432 is silent" in cluster.says()
    cluster.answer()
    assert cluster.says() == ["db2 is read-only", "db3 is read-only", "db1 is read-only"]
    assert hosts.unanswered == {"db1  5432": 10}  # what was connected to it before is given up all the same


def test_what_all_hosts_say_is_told(silent):
    with pytest.raises(psycopg.OperationalError, match=r"^db1 is read-only\ndb2 is read-only\ndb3 is read-only$"):
        [*hosts.connections(refuse, THREE)]
    assert hosts.unanswered == {}


def test_each_host_has_its_own_port_and_address(silent):
    of_each = hosts.in_turn({"host": "a,b", "hostaddr": "10.0.0.1,10.0.0.2", "port": "1,2", "user": "x"})
    assert of_each == [
        {"host": "a", "hostaddr": "10.0.0.1", "port": "1", "user": "x"},
        {"host": "b", "hostaddr": "10.0.0.2", "port": "2", "user": "x"},
    ]
    assert hosts.in_turn(THREE)[2] == {"host": "db3", "port": "5432", "dbname": "bookjob"}
    for alone in ({"host": "db1", "port": "5432"}, {"dbname": "bookjob"}):
        assert hosts.in_turn(alone) == [alone]


class Connection:
    def __init__(self, **noted):
        vars(self).update(noted)

    def close(self):
        pass


def test_a_connection_that_was_answered_since_is_kept(silent):
    asked_at_ten = Connection(place="db1  5432", answered=10)
    assert not hosts.is_silent(asked_at_ten)
    silent("db1", 9)
    assert not hosts.is_silent(asked_at_ten)
    silent("db1", 11)
    assert hosts.is_silent(asked_at_ten)
    assert not hosts.is_silent(Connection(place="db2  5432", answered=10))
    assert not hosts.is_silent(Connection(answered=10))  # of a pool


# --- A service with two hosts ---------------------------------------------------------------------------------


@pytest.fixture
def standby(own_server, own_database):  # noqa: F811
    with postgres.replica_of(own_server) as standby:
        yield standby


@pytest.fixture
def way(own_server):  # noqa: F811
    with proxy(own_server.port) as way:
        yield way


@pytest.fixture
def start(own_database, way, standby, start_on):  # noqa: F811
    """A service whose threads are all connected to the primary. An answer may take ten minutes."""

    def start(**environment: str):
        url = address(own_database.url, way.port, standby.port)
        service = start_on("tests.support.apps.endless", DATABASE_URL=url, WEB_CONCURRENCY="1", **environment)
        service.body = service.make_slot(capacity=1000)
        assert {answer.status for answer in at_once([lambda: search(service)] * 16)} == {200}
        return service

    return start


def ready(service) -> int:
    return service.request("GET", "/readyz").status


def book(service, orders: list[str]) -> set[int]:
    return {answer.status for answer in at_once([lambda one=one: service.book(one, service.body) for one in orders])}


@needs_standby
def test_a_host_that_is_silent_keeps_no_thread(start, way):
    """Once `/readyz` has noticed it, those that are still connected to it do not ask it either."""
    service = start()
    way.lose_packets()
    wait_for(lambda: ready(service) == 503, "it is noticed")
    assert {answer.status for answer in at_once([lambda: search(service)] * 16)} == {503}


@needs_standby
@pytest.mark.parametrize("forgets", [False, True])
def test_the_host_that_took_over_is_found_without_the_silent_one(start, way, standby, forgets):
    """With its control: threads that remember nothing ask the silent one first, each for itself."""
    service = start(**({"FORGET": "yes"} if forgets else {}))
    way.lose_packets()
    wait_for(lambda: ready(service) == 503, "it is noticed")
    standby.promote()
    wait_for(lambda: ready(service) == 200, "the other one is found")
    tried = len(way.pairs)
    assert book(service, [f"WO-{number}" for number in range(32)]) == {200}
    assert (len(way.pairs) > tried) == forgets
