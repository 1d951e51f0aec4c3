"""Two primaries at once: a process that has met the newer one does not write to the older one any more."""

from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import OperationalError, connection

from bookings.operations import readiness
from bookjob_site.postgresql import timeline
from tests.conftest import SERVER, Service
from tests.operations.test_database_shapes import (  # noqa: F401  fixtures
    address,
    ask,
    own_database,
    own_server,
    start_on,
)
from tests.support import postgres
from tests.support.helpers import at_once

pytestmark = pytest.mark.skipif(not SERVER, reason="SQLite has no standby")
OURS = "application_name = '' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"


@pytest.fixture
def standby(own_server, own_database):  # noqa: F811
    with postgres.replica_of(own_server) as standby:
        yield standby


def orders(url: str) -> set[str]:
    return {order for (order,) in ask(url, "SELECT original_order FROM bookings_workorder")}


def cut(url: str, limit: int = 100) -> None:
    """Connections of the service, so many of them."""
    ask(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS} AND datname = current_database()"
        f" ORDER BY pid LIMIT {limit}")  # fmt: skip


class Divided:
    """A service that knows both hosts, the present primary first, with a booking on it."""

    def __init__(self, service: Service, own_server, standby) -> None:  # noqa: F811
        self.service, self.former, self.standby = service, own_server, standby
        self.at_former = address(service.database.url, own_server.port)
        self.at_newer = address(service.database.url, standby.port)
        self.body = service.make_slot(capacity=10_000)
        at_once([lambda order=order: self.book(order) for order in range(16)])

    def book(self, number: object) -> int:
        return self.service.book(f"WO-{number}", self.body).status

    def come_back(self) -> None:
        """The former primary is killed, the standby promoted; then the former one is started again."""
        self.former.stop("immediate")
        self.standby.promote()
        assert self.book("on the newer one") == 200
        self.former.start()
        cut(self.at_newer)  # whatever connects again finds the former one first


@pytest.fixture(params=["", "pool=4"])
def divide(own_server, standby, own_database, start_on, request):  # noqa: F811
    def divide(app: str = "bookjob_site.wsgi") -> Divided:
        url = address(own_database.url, own_server.port, standby.port, query=request.param)
        service = start_on(app, DATABASE_URL=url, WEB_CONCURRENCY="1")
        return Divided(service, own_server, standby)

    divide.with_a_pool = bool(request.param)
    return divide


def test_a_former_primary_that_comes_back_gets_no_booking(divide):
    divided = divide()
    divided.come_back()
    answers = set(at_once([lambda order=order: divided.book(f"later-{order}") for order in range(16)]))
    # A pool connects to the first host alone: no booking is better than one that is lost.
    assert answers == {503 if divide.with_a_pool else 200}
    assert not {order for order in orders(divided.at_former) if "later" in order}
    divided.former.stop("fast")
    assert divided.book("after all") == 200
    assert divided.service.manage("verify_bookings").stdout == ""


def test_the_test_above_would_notice_a_service_that_remembers_nothing(divide):
    divided = divide("tests.support.apps.unaware")
    divided.come_back()
    assert divided.book("later") == 200
    assert "WO-later" in orders(divided.at_former)


@pytest.mark.django_db(transaction=True)
def test_a_restored_primary_is_told_from_one_that_is_away(monkeypatch):
    """The same cluster, on a timeline from before a promotion that was met: until a restart, which forgets."""

    def problem_when(cluster: int, met: int) -> str:
        timeline.newest.memory[:] = timeline.FORM.pack(cluster, met)
        connection.close()
        return readiness._problem()

    monkeypatch.setattr(connection, "gives_up", True)
    try:
        assert problem_when(0, 0) == ""
        cluster, here = timeline.FORM.unpack(timeline.newest.memory[:])
        told = problem_when(cluster, here + 2)
        assert "older timeline" in told
        assert "after a restore, restart the service" in told
        with pytest.raises(OperationalError, match="After a restore, restart the service"):
            connection.ensure_connection()
        assert problem_when(0, 0) == ""
    finally:
        timeline.newest.memory[:] = timeline.FORM.pack(0, 0)
        connection.close()


@pytest.mark.parametrize("may_ask", [True, False])
def test_a_role_without_rights_is_connected(own_server, may_ask):  # noqa: F811
    password = urlsplit(own_server.url).password
    ask(own_server.url, f"CREATE ROLE plain LOGIN PASSWORD '{password}'")
    if not may_ask:  # as a hosted server may have it
        ask(own_server.url, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    for autocommit in (True, False):
        url = own_server.url.replace("//postgres:", "//plain:")
        with psycopg.connect(url, autocommit=autocommit) as connection:
            assert timeline.is_newest(connection)
            assert (timeline.FORM.unpack(connection.timeline)[1] > 0) == may_ask
            assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def both_alive(own_server, standby, own_database, start_on):  # noqa: F811
    """The standby is promoted while the primary lives; then one thread meets it, and the others are still connected to
    the former one."""

    def begin(app: str = "bookjob_site.wsgi") -> Divided:
        url = address(own_database.url, standby.port, own_server.port)
        divided = Divided(start_on(app, DATABASE_URL=url, WEB_CONCURRENCY="1"), own_server, standby)
        divided.standby.promote()
        cut(divided.at_former, 1)
        for number in range(1000):
            assert divided.book(f"met-{number}") == 200
            if f"WO-met-{number}" in orders(divided.at_newer):
                return divided
        raise AssertionError("no thread has met the newer primary")

    return begin


def test_connections_to_a_primary_that_was_replaced_are_given_up(both_alive):
    divided = both_alive()
    later = {f"later-{number}" for number in range(64)}
    assert set(at_once([lambda order=order: divided.book(order) for order in later])) == {200}
    assert {f"WO-{order}" for order in later} <= orders(divided.at_newer)


def test_the_test_above_would_notice_one_that_keeps_them(both_alive):
    divided = both_alive("tests.support.apps.unaware")
    for round in range(100):
        at_once([lambda order=f"later-{round}-{number}": divided.book(order) for number in range(16)])
        if any("later" in order for order in orders(divided.at_former)):
            return
    raise AssertionError("every thread left the former primary by itself")
