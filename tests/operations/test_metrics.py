"""/metrics: who may read it, what it counts, and that the workers' numbers add up."""

import contextlib
import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from bookings.models import Schedule
from bookings.services import booking as booking_service
from bookings.telemetry import metrics
from tests.conftest import SERVER
from tests.operations.test_faults import workers
from tests.support import helpers
from tests.support.helpers import at_once, booking, clock_stands_at, make_area, make_slot, path_of, post, search

TOKEN = "metrics-token-of-the-tests"
FOLLOWUP, SEARCH, LOG_IN = (
    "api/v1/workorders/<order:order>/followup",
    "api/v1/appointments/search",
    "api/v1/auth/token",
)


@pytest.fixture(autouse=True)
def is_on(settings):
    settings.BOOKJOB_METRICS_TOKEN = TOKEN


def scrape(**headers):
    return Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"} | headers)


def read(text: str) -> dict[str, float]:
    """Each series with its value, as Prometheus would store it."""
    series = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in series}


def now() -> dict[str, float]:
    return read(scrape().content.decode())


@pytest.fixture
def grown():
    """A function that says which series have grown since the test began, and by how much."""
    before = now()

    def since(prefix: str) -> dict[str, float]:
        return {
            name: value - before.get(name, 0)
            for name, value in now().items()
            if name.startswith(prefix) and value != before.get(name, 0)
        }

    return since


def requests(route: str, outcome: str) -> str:
    return f'bookjob_requests_total{{outcome="{outcome}",route="{route}"}}'


@pytest.mark.django_db
class TestWhoMayReadIt:
    def test_it_works_whatever_the_host_header_says(self):
        answer = scrape(Host="10.1.2.3:8000")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=")

    @pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "é"])
    def test_nobody_else(self, given):
        answer = scrape(Authorization=given)
        assert (answer.status_code, answer["WWW-Authenticate"], answer.content) == (401, "Bearer", b"")

    def test_without_a_token_there_is_no_such_page_and_nothing_is_counted(self, settings):
        before = now().get(requests("", "not_found"), 0)
        settings.BOOKJOB_METRICS_TOKEN = ""
        for given in ("", "Bearer ", f"Bearer {TOKEN}"):
            answer = scrape(Authorization=given)
            assert answer.status_code == 404
        settings.BOOKJOB_METRICS_TOKEN = TOKEN
        assert now().get(requests("", "not_found"), 0) == before


@pytest.mark.django_db
class TestWhatIsCounted:
    def test_bookings_repeats_and_refusals(self, grown):
        make_slot(capacity=1)
        with clock_stands_at():
            for order in ("WO-1", "WO-1", "WO-1", "WO-2"):
                post(order, booking())
            post("WO-3", "[")
        assert grown("bookjob_requests_total") == {
            requests(FOLLOWUP, "ok"): 1,
            requests(FOLLOWUP, "repeat"): 2,
            requests(FOLLOWUP, "slot_unavailable"): 1,
            requests(FOLLOWUP, "invalid_request"): 1,
        }
        assert grown("bookjob_refusals_total") == {'bookjob_refusals_total{reason="full"}': 1}

    def test_time_by_route_and_class_of_status(self, grown):
        make_slot()
        with clock_stands_at():
            post("WO-1", booking())
            post("WO-2", booking())
        assert grown("bookjob_request_seconds_count") == {
            f'bookjob_request_seconds_count{{route="{FOLLOWUP}",status="2xx"}}': 1,
            f'bookjob_request_seconds_count{{route="{FOLLOWUP}",status="4xx"}}': 1,
        }
        within_30_seconds = f'bookjob_request_seconds_bucket{{le="30.0",route="{FOLLOWUP}",status="2xx"}}'
        assert grown("bookjob_request_seconds_bucket")[within_30_seconds] == 1
        assert all(value > 0 for value in grown("bookjob_request_seconds_sum").values())

    def test_offers(self, grown):
        for hour in (10, 12, 14):
            make_slot(start=helpers.START.replace(hour=hour))
        with clock_stands_at():
            search({"Location": {"ServiceAreaID": "LEEDS"}})
            search({"Location": {"ServiceAreaID": "NOWHERE"}})
        assert grown("bookjob_offers_total") == {"bookjob_offers_total": 3}
        assert grown("bookjob_requests_total") == {requests(SEARCH, "ok"): 1, requests(SEARCH, "nothing_free"): 1}

    def test_log_ins_that_fail(self, grown):
        wrong = {"username": "stranger", "password": "wrong"}
        Client().post("/api/v1/auth/token", json.dumps(wrong), content_type="application/json")
        Client().post("/admin/login/", wrong)
        assert grown("bookjob_requests_total") == {
            requests(LOG_IN, "invalid_logon"): 1,
            requests("admin/login/", "invalid_logon"): 1,
        }

    def test_lost_races(self, grown, monkeypatch):
        """Another process takes the place between our look at it and our writing."""
        slot = make_slot(capacity=2)
        original = booking_service._insert

        def beaten(*arguments, **more):
            monkeypatch.setattr(booking_service, "_insert", original)
            raise booking_service.LostRace

        monkeypatch.setattr(booking_service, "_insert", beaten)
        with clock_stands_at():
            assert post("WO-1", booking()).status_code == 200
        slot.refresh_from_db()
        assert slot.booked == 1
        assert grown("bookjob_lost_races_total") == {"bookjob_lost_races_total": 1}

    def test_free_places(self):
        for area, fields in {
            "LEEDS": {"capacity": 5},
            "HULL": {"capacity": 3},
            "YORK": {"capacity": 4, "is_open": False},
        }.items():
            make_slot(area, start=helpers.tomorrow(), **fields)
        make_slot("LEEDS", start=helpers.tomorrow(14), capacity=2)
        assert post("WO-1", booking(helpers.tomorrow(), helpers.tomorrow(14))).status_code == 200
        free = {name: value for name, value in now().items() if name.startswith("bookjob_free_places")}
        assert free == {
            'bookjob_free_places{area="LEEDS"}': 6,
            'bookjob_free_places{area="HULL"}': 3,
            'bookjob_free_places{area="YORK"}': 0,
        }

    def test_when_schedules_were_extended(self):
        at = helpers.tomorrow()
        for code, fields in {"LEEDS": {"extended_at": at}, "HULL": {}, "YORK": {"is_active": False}}.items():
            Schedule.objects.create(area=make_area(code), rules="", **fields)
        name = "bookjob_schedule_extended_timestamp_seconds"
        assert {key: value for key, value in now().items() if key.startswith(name)} == {
            f'{name}{{area="LEEDS"}}': at.timestamp(),
            f'{name}{{area="HULL"}}': 0,
        }

    def test_statements_of_a_scrape(self, django_assert_num_queries):
        with django_assert_num_queries(3 if connection.vendor == "postgresql" else 2):
            scrape()


def test_counting_costs_no_statement():
    # Without the mark of pytest-django, touching the database would fail here.
    assert Client().post(path_of("WO-1"), "{", content_type="application/json").status_code == 401


@pytest.fixture
def service_on(start_service):
    return lambda **more: start_service(BOOKJOB_METRICS_TOKEN=TOKEN, **more)


def over_http(service) -> dict[str, float]:
    answer = service.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}")
    assert answer.status == 200, answer
    return read(answer.body.decode())


def count_in_workers(service) -> list[float]:
    """Twenty bookings at once, then the sum as each of many scrapes reads it, whichever worker answers."""
    body = service.make_slot(capacity=99)
    answers = at_once([lambda order=order: service.book(f"WO-{order}", body) for order in range(20)])
    assert {answer.status for answer in answers} == {200}
    return [over_http(service).get(requests(FOLLOWUP, "ok"), 0) for _ in range(10)]


def test_the_workers_add_up(service_on):
    service = service_on(WEB_CONCURRENCY="3")
    assert count_in_workers(service) == [20] * 10
    # Also when the workers that counted are no more: dead, or replaced after a HUP.
    before = workers(service)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    assert wait_for(lambda: over_http(service))[requests(FOLLOWUP, "ok")] == 20
    between = wait_for(lambda: len(alive := workers(service)) == 3 and alive)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(alive := workers(service)) == 3 and not {*before, *between} & {*alive})
    assert wait_for(lambda: over_http(service))[requests(FOLLOWUP, "ok")] == 20


def test_the_test_above_would_notice_workers_that_count_alone(start_service):
    service = start_service("tests.support.apps.counting_alone", BOOKJOB_METRICS_TOKEN=TOKEN, WEB_CONCURRENCY="3")
    count_in_workers(service)
    for worker in workers(service):  # one of them may have answered all, and would know all
        os.kill(worker, signal.SIGKILL)
    assert requests(FOLLOWUP, "ok") not in wait_for(lambda: over_http(service))


def test_no_file_is_behind_it(service_on, tmp_path):
    """A full or cleaned folder for temporary files costs no answer and no worker."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    service = service_on(TMPDIR=str(folder))
    assert count_in_workers(service) == [20] * 10
    assert list(folder.iterdir()) == []
    for worker in workers(service):
        # Memory with a file behind it that is written to ends a process with SIGBUS where the disk is full.
        assert str(folder) not in Path(f"/proc/{worker}/maps").read_text()
    folder.rmdir()
    before = workers(service)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: len(alive := workers(service)) == 2 and not {*before} & {*alive})
    assert wait_for(lambda: over_http(service))[requests(FOLLOWUP, "ok")] == 20


def test_all_that_alerts_wait_for_begins_with_0(service_on):
    """Else the first fault after a start is no increase."""
    numbers = over_http(service_on())
    for route in (FOLLOWUP, SEARCH, LOG_IN, "admin/login/", "admin/bookings/workorder/", "api/v1/workorders", ""):
        for outcome in ("server_error", "unavailable", "error", "ok"):
            assert numbers[requests(route, outcome)] == 0, (route, outcome)
    assert numbers[requests(FOLLOWUP, "slot_unavailable")] == 0
    assert numbers[requests("admin/login/", "invalid_logon")] == 0
    assert numbers['bookjob_refusals_total{reason="full"}'] == 0
    assert numbers["bookjob_lost_races_total"] == numbers["bookjob_offers_total"] == 0
    assert numbers['bookjob_database_errors_total{kind="OperationalError"}'] == 0


@pytest.mark.django_db
class TestAFaultInCountingCostsNoAnswer:
    def test_whatever_it_is(self, monkeypatch, caplog):
        def fail(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(metrics.table, "add", fail)
        make_slot()
        with clock_stands_at():
            assert post("WO-1", booking()).status_code == 200
        assert {record.message for record in caplog.records if record.levelname == "WARNING"} == {
            "Something could not be counted"
        }

    def test_no_room(self, monkeypatch, caplog):
        monkeypatch.setattr(metrics, "table", metrics.Table(rows=1))
        for kind in ("first", "second", "x" * 300):
            metrics.add(metrics.DATABASE_ERRORS, kind)
        metrics.add(metrics.DATABASE_ERRORS, "first")
        found = {name: value for name, value in now().items() if name.startswith("bookjob_database_errors")}
        assert found == {'bookjob_database_errors_total{kind="first"}': 2}
        assert len(caplog.records) == 2


def wait_for(call):
    """What the call returns once it does not fail any more and returns something."""
    deadline = time.monotonic() + 180
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if found := call():
                return found
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the only way to wait for another process


def test_a_lock_that_is_waited_for_and_not_had(start_service, empty_database):
    impatient = "options=-c%20lock_timeout%3D2000" if SERVER else "timeout=1"
    service = start_service(BOOKJOB_METRICS_TOKEN=TOKEN, DATABASE_URL=f"{empty_database.url}?{impatient}")
    body = service.make_slot(capacity=9)

    def waiting():
        numbers = over_http(service)
        return numbers["bookjob_lock_waiters"] and numbers

    with service.locked(), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.book, "WO-1", body)
        if SERVER:
            assert wait_for(waiting)["bookjob_lock_wait_seconds"] > 0
        assert answer.result().status == 503
    numbers = over_http(service)
    kind = "LockNotAvailable" if SERVER else "OperationalError"
    assert numbers[f'bookjob_database_errors_total{{kind="{kind}"}}'] == 1
    assert numbers[requests(FOLLOWUP, "unavailable")] == 1
    assert numbers.get("bookjob_lock_waiters", 0) == 0


@pytest.mark.skipif(not SERVER, reason="SQLite is a file of this machine, there is nothing to be away from")
def test_the_database_is_away(service_on):
    service = service_on()
    service.book("WO-1", service.make_slot(capacity=9))
    assert over_http(service)["bookjob_database_up"] == 1
    with service.database.away():
        numbers = over_http(service)
        assert numbers["bookjob_database_up"] == 0
        assert numbers[requests(FOLLOWUP, "ok")] == 1
    assert over_http(service)['bookjob_free_places{area="LEEDS"}'] == 8
