"""A host of a cluster that neither answers nor refuses keeps no caller from the host that took over."""

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
    monkeypatch.setattr(hosts, "unanswered", {})
    return lambda host, asked: hosts.remember(f"{host}  5432", asked)


def order(monkeypatch, now: float) -> list[str]:
    monkeypatch.setattr(clock, "ticks", lambda: now)
    return [one["host"] for one in hosts.in_turn(THREE)]


def test_the_host_that_was_silent_last_is_asked_last(silent, monkeypatch):
    assert order(monkeypatch, 99) == ["db1", "db2", "db3"]
    silent("db1", 10)
    assert order(monkeypatch, 99) == ["db2", "db3", "db1"]
    silent("db2", 20)
    assert order(monkeypatch, 99) == ["db3", "db1", "db2"]
    silent("db1", 30)
    silent("db1", 15)  # another thread asked earlier, and heard later that there is no answer
    assert order(monkeypatch, 99) == ["db3", "db2", "db1"]


def test_a_silent_host_is_left_alone_for_a_while_where_there_are_others(silent, monkeypatch):
    silent("db1", 10)
    assert order(monkeypatch, 10 + hosts.AGAIN) == ["db2", "db3"]
    for host in ("db2", "db3"):
        silent(host, 11)
    assert order(monkeypatch, 12) == ["db1", "db2", "db3"]


def test_of_many_threads_one_waits_for_a_silent_host(silent, monkeypatch):
    monkeypatch.setattr(clock, "ticks", lambda: 100)
    silent("db1", 10)
    asked = []

    def connect(parameters):
        asked.append(parameters["host"])
        if asked[-1] == "db1":  # meanwhile another thread looks
            assert [one["host"] for one in hosts.in_turn(THREE)] == ["db2", "db3"]
            return Connection()
        raise psycopg.OperationalError(f"{asked[-1]} is read-only")

    assert len([*hosts.connections(connect, THREE)]) == 1
    assert asked == ["db2", "db3", "db1"]
    assert hosts.unanswered == {}  # it answers again


def refuse(parameters):
    raise psycopg.OperationalError(f"{parameters.get('host')} is read-only\n")


def test_a_host_that_was_silent_and_refuses_now_is_asked_each_time(silent, monkeypatch):
    """It came back as a standby: when it is the primary again no thread has to wait until it may be asked."""
    silent("db1", 10)
    assert order(monkeypatch, 50) == ["db2", "db3", "db1"]
    with pytest.raises(psycopg.OperationalError):
        [*hosts.connections(refuse, THREE)]
    assert order(monkeypatch, 50) == ["db2", "db3", "db1"]


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
