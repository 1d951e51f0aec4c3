"""`drill`: it books while faults are caused, says for how long it could not, and names what was lost."""

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client

from bookings.models import ServiceArea, WorkOrder
from bookings.operations import drill
from bookings.services import practice, proof
from bookings.supply import practice as practice_areas
from conformance.client import Answer, Implementation
from tests.conftest import manage
from tests.support import warm
from tests.support.helpers import post

URL = "http://127.0.0.1:1/api/v1"


class Here:
    """The service, called without a network."""

    url = URL

    def __init__(self):
        self.client = Client()

    def book(self, order, body):
        answer = post(order, body, client=self.client)
        return Answer(answer.status_code, answer["Content-Type"], answer.content.decode())


@pytest.fixture
def drilled(db):
    """A drill in which three orders were booked."""
    with practice_areas.area_for_a_while("drill") as area:
        found = drill.Drill(Here(), area, 2, lambda line: None)
        for number in range(3):
            assert found.book(number).status == 200
        yield found


class TestLost:
    def test_none(self, drilled):
        assert drilled.lost() == []

    def test_a_row_that_vanished_is_named(self, drilled):
        vanished = WorkOrder.objects.order_by("pk").first()
        practice.remove_bookings(only=drilled.area, most=1)
        assert drilled.lost() == [f"{drilled.name}-0 was acknowledged as {vanished.order_num} and has no row."]

    def test_a_number_that_was_given_to_another_order_hides_nothing(self, drilled):
        first, second, _ = WorkOrder.objects.order_by("pk")
        numbers = (first.order_num, second.order_num)
        practice.remove_bookings(only=drilled.area, most=1)
        WorkOrder.objects.filter(pk=second.pk).update(order_num=numbers[0])
        assert drilled.lost() == [
            f"{drilled.name}-0 was acknowledged as {numbers[0]} and has no row.",
            f"{drilled.name}-1 was acknowledged as {numbers[1]}, and its row is {numbers[0]}.",
        ]

    def test_the_database_is_waited_for(self, drilled, monkeypatch):
        slept, errors = [], [OperationalError("away"), OperationalError("away")]
        monkeypatch.setattr(drill.db.connection, "close", lambda: None)  # the test's own transaction
        monkeypatch.setattr(drill.time, "sleep", slept.append)

        def read():
            if errors:
                raise errors.pop()
            return "rows"

        assert drill.when_reached(read) == "rows"
        assert slept == [1, 1]
        errors += [OperationalError("away")] * drill.PATIENCE
        with pytest.raises(OperationalError):
            drill.when_reached(read)


def test_seconds_without_bookings(drilled, monkeypatch):
    said, now = [], [0.0]
    drilled.say = said.append
    monkeypatch.setattr("bookings.clock.ticks", lambda: now[0])
    drilled._booked_at = 0.0
    for moment in (1.0, 1.4, 12.0, 12.5):
        now[0] = moment
        drilled._end_pause()
    assert drilled.pauses == [pytest.approx(10.6)]
    assert said == ["10.6 s passed without a booking."]


def test_what_is_no_booking_is_counted_by_its_answer(drilled):
    drilled.service.book = lambda order, body: Answer(0, "", "connection refused")
    drilled.book(8)
    drilled.service.book = lambda order, body: Answer(200, "text/html", "<html>")
    drilled.book(9)
    assert drilled.failed == {"no answer (connection refused)": 1}
    assert drilled.lost() == [f"{drilled.name}-9 was acknowledged as an answer without a number and has no row."]


def rows(database):
    """All but what only counts."""
    models = [model for model in apps.get_app_config("bookings").get_models() if model.__name__ != "Counter"]
    return {model._meta.db_table: database.execute(f"SELECT COUNT(*) FROM {model._meta.db_table}") for model in models}


# Here no call hangs: one that takes long is answered all the same, on a machine that is busy.
PATIENT = """
import django
django.setup()
from bookings.operations import drill
drill.TIMEOUT = 60.0
import sys
from django.core.management import call_command
call_command("drill", sys.argv[1], "--rate=5", "--seconds=1")
"""


def drilled_over_http(service, url):
    environment = os.environ | {"DATABASE_URL": service.database.url}
    return warm.run("-c", PATIENT, f"{url}/api/v1", environment=environment)


class TestOverHttp:
    def test_all_is_well_and_nothing_is_left_behind(self, start_service):
        service = start_service(WEB_CONCURRENCY="1")
        before = rows(service.database)
        done = drilled_over_http(service, service.url)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        begun, acknowledged, pauses, well = done.stdout.splitlines()
        assert begun.startswith("Bookings go on in PRACTICE-")
        assert acknowledged.startswith("6 orders were acknowledged in ")
        assert "ithout bookings" in pauses or pauses == "Bookings never paused."
        assert well == "Each acknowledged order has its row."
        assert rows(service.database) == before
        assert service.manage("verify_bookings").stdout == ""
        noted = service.database.execute("SELECT name FROM bookings_counter WHERE name LIKE 'drill%%'")
        assert {name for (name,) in noted} == {"drill at", "drill well at", "drill newest"}

    def test_orders_that_were_acknowledged_for_nothing_are_named(self, start_service):
        service = start_service(WEB_CONCURRENCY="1")
        with forgetful(service) as url:
            done = drilled_over_http(service, url)
        assert done.returncode == 1, done.stdout
        *_, first, second, third, fourth, fifth = done.stdout.splitlines()
        assert {line.partition(" was ")[2] for line in (first, second, third, fourth, fifth)} == {
            "acknowledged as FU-0 and has no row."
        }
        noted = service.database.execute("SELECT name FROM bookings_counter WHERE name LIKE 'drill%%'")
        assert {name for (name,) in noted} == {"drill at", "drill newest"}
        assert service.database.execute("SELECT COUNT(*) FROM bookings_servicearea") == [(0,)]

    def test_ctrl_c_ends_it_in_order(self, start_service, tmp_path):
        service = start_service(WEB_CONCURRENCY="1")
        process = warm.start(
            *("manage.py", "drill", f"{service.url}/api/v1", "--rate=5", "--seconds=3600"),
            environment=os.environ | {"DATABASE_URL": service.database.url},
            streams={1: tmp_path / "output", 2: tmp_path / "errors"},
        )
        try:
            seen(service)
            os.kill(process.pid, signal.SIGINT)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
        assert (process.returncode, (tmp_path / "errors").read_text()) == (0, "")
        assert (tmp_path / "output").read_text().endswith("Each acknowledged order has its row.\n")
        assert service.database.execute("SELECT COUNT(*) FROM bookings_servicearea") == [(0,)]

    def test_of_another_database_it_says_so(self, start_service, template_database, tmp_path):
        service = start_service(WEB_CONCURRENCY="1")
        other = type(service.database)(template_database, tmp_path)
        try:
            done = manage(other, "drill", f"{service.url}/api/v1")
        finally:
            other.drop()
        assert done.returncode == 2
        assert done.stderr.startswith("CommandError: The first booking got 4")


def seen(service):
    """Wait for a booking of the drill."""
    deadline = time.monotonic() + 60
    while not service.database.execute("SELECT COUNT(*) FROM bookings_workorder")[0][0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the only way to wait for another process's row


@contextmanager
def forgetful(service):
    """The service as a caller sees it, but for all bookings after the first: acknowledged, and not made."""
    first = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if first.acquire(blocking=False):
                answer = service.request("POST", self.path, body, **{"x-access-token": self.headers["x-access-token"]})
                status, text = answer.status, answer.body
            else:
                status, text = 200, json.dumps({"OrderNum": "FU-0"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "settings_of_it", "said"),
    [
        (["ftp://example.org"], {}, "is no address of the API"),
        ([URL], {"BOOKJOB_JWT_KEYS": []}, "There is no key to sign with."),
        ([URL, "--rate=6"], {"BOOKJOB_CALLER_LIMIT": 300}, "--rate 6 is more than BOOKJOB_CALLER_LIMIT lets"),
        ([URL], {}, "The first booking got no answer ("),
    ],
)
def test_what_cannot_be_drilled(arguments, settings_of_it, said, settings):
    for name, value in settings_of_it.items():
        setattr(settings, name, value)
    with pytest.raises(CommandError) as refused:
        call_command("drill", *arguments)
    assert said in str(refused.value)
    assert refused.value.returncode == 2
    assert not ServiceArea.objects.exists()
    assert [run.at for run in proof.last_runs() if run.check == proof.Check.DRILL] == [None]


@pytest.mark.django_db
def test_a_service_that_writes_elsewhere_is_told_before_the_drill(monkeypatch):
    elsewhere = Answer(200, "application/json", '{"OrderNum": "FU-1"}')
    monkeypatch.setattr(Implementation, "book", lambda *arguments: elsewhere)
    with pytest.raises(CommandError, match="writes into another database than DATABASE_URL") as refused:
        call_command("drill", URL)
    assert refused.value.returncode == 2
    assert not ServiceArea.objects.exists()
