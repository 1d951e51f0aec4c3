"""What the log says, and what must never be in it or in an error."""

import json
import logging
from datetime import UTC, datetime
from unittest import mock

import pytest
from django import db
from django.test import Client

from bookings import services
from bookings.access import tokens
from bookings.telemetry import logs
from tests.support.helpers import booking, clock_stands_at, make_slot, post

# Personal data and secrets, each planted where it really comes.
CUSTOMER, ORDER, PASSWORD = "Marker-Customer-7391", "WO-Marker-5520", "Marker-Password-4418"
GUESS = json.dumps({"username": "tech.jones", "password": "wrong"})
METRICS_TOKEN = "Marker-Metrics-Token-9930"


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class Written(logging.Handler):
    def __init__(self):
        super().__init__()
        self.setFormatter(logs.JSONFormatter())
        self.lines = []

    def emit(self, record):
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def log():
    """A function that gives the lines that were written."""
    written = Written()
    logging.getLogger().addHandler(written)
    yield lambda: written.lines
    logging.getLogger().removeHandler(written)


def test_what_is_no_json_is_a_line_all_the_same(log):
    logging.getLogger("elsewhere").warning("half a character: %s", "\ud800", extra={"facts": {"large": 2**64}})
    assert log()[-1]["message"] == "half a character: \ud800"
    assert log()[-1]["large"] == 2**64


@pytest.mark.django_db
class TestOneLineARequest:
    def last(self, log):
        line = log()[-1]
        assert line.pop("ms") >= 0
        assert line.pop("at")
        return line

    def test_a_booking(self, log):
        make_slot()
        with clock_stands_at():
            post("WO-1", booking(), headers={"X-Request-ID": "r-1", "x-access-token": tokens.issue_token("jo")})
        assert self.last(log) == {
            "level": "INFO",
            "logger": "bookings.request",
            "message": "POST",
            "request_id": "r-1",
            "route": "api/v1/workorders/<order:order>/followup",
            "status": 200,
            "outcome": "ok",
            "caller": "jo",
        }

    @pytest.mark.parametrize(
        ("call", "status", "outcome"),
        [
            (lambda: post("WO-1", "["), 400, "invalid_request"),
            (lambda: post("WO-1", booking(), token="x"), 401, "invalid_logon"),
            (lambda: post("WO-1", booking()), 404, "slot_not_found"),
            (lambda: Client().get("/api/v1/nothing"), 404, "not_found"),
            (lambda: Client().get("/admin/"), 302, "ok"),
        ],
    )
    def test_a_refusal(self, log, call, status, outcome):
        call()
        line = self.last(log)
        assert (line["status"], line["outcome"]) == (status, outcome)

    @pytest.mark.parametrize(
        "guess",
        [
            lambda where: Client().post("/api/v1/auth/token", GUESS, content_type="application/json", **where),
            lambda where: Client().post("/admin/login/", json.loads(GUESS), **where),
            lambda where: post("WO-1", booking(), token="x", **where),
        ],
    )
    def test_who_guesses_can_be_found(self, log, settings, guess):
        def address(of: str) -> str:
            guess({"REMOTE_ADDR": of})
            return log()[-1]["address"]

        # A word of the day for each address, which is not in the log.
        first, again, other = address("192.0.2.1"), address("192.0.2.1"), address("192.0.2.2")
        assert first == again != other
        assert len(first) == len(other) == 16
        assert "192.0.2" not in json.dumps(log())
        with mock.patch("bookings.clock.now", return_value=datetime(2030, 1, 1, tzinfo=UTC)):
            assert address("192.0.2.1") != first
        settings.SECRET_KEY = "another"
        assert address("192.0.2.1") != first
        settings.BOOKJOB_LOG_ADDRESSES = True
        assert address("192.0.2.1") == "192.0.2.1"

    def test_of_those_who_are_let_in_no_address_is_kept(self, log):
        make_slot()
        with clock_stands_at():
            post("WO-1", booking())
        assert "address" not in log()[-1]

    def test_health_checks_are_not_worth_a_line(self, log):
        Client().get("/livez")
        assert log() == []


@pytest.mark.django_db
def test_a_page_that_fails(log, monkeypatch):
    def fail(*arguments, **more):
        raise ValueError(CUSTOMER)

    monkeypatch.setattr("django.contrib.auth.forms.AuthenticationForm.__init__", fail)
    assert Client(raise_request_exception=False).get("/admin/login/").status_code == 500
    assert log()[-1]["outcome"] == "server_error"
    (line,) = [line for line in log() if line["message"].startswith("Incident")]
    assert line["fault"][0] == "ValueError"
    assert CUSTOMER not in json.dumps(log())


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [db.IntegrityError, ValueError])
def test_a_fault_is_logged_without_what_it_quotes(log, monkeypatch, kind):
    def fail(**arguments):
        raise kind(f'violates "some_rule"\nDETAIL: {CUSTOMER}') if kind is db.IntegrityError else kind(CUSTOMER)

    monkeypatch.setattr(services, "book", fail)
    answer = post(ORDER, booking())
    incident = next(line for line in log() if line["message"].startswith("Incident"))
    assert answer.json()["detail"]["params"]["incident"] in incident["message"]
    assert incident["fault"][0].startswith(kind.__name__)
    assert ("some_rule" in incident["fault"][0]) == (kind is db.IntegrityError)
    assert any("test_logs.py" in line and line.endswith(" fail") for line in incident["fault"])
    for text in (json.dumps(log()), answer.content.decode()):
        assert CUSTOMER not in text
        assert ORDER not in text


def test_no_secret_and_no_customer_gets_into_the_log_or_the_metrics(start_service):
    """Bookings, refusals, log-ins and a database that fails, over the whole service; then its output is searched."""
    service = start_service(BOOKJOB_METRICS_TOKEN=METRICS_TOKEN)
    body = service.make_slot(capacity=1) | {
        "Account": {"AccountNum": CUSTOMER, "Name": CUSTOMER},
        "RequiredParts": [{"ProdNum": CUSTOMER, "Qty": 1}],
    }
    answers = [service.book(order, body) for order in (ORDER, ORDER, f"{ORDER}-2")]
    answers += [service.book(ORDER, body | {"Notes": CUSTOMER}), service.book(ORDER, json.dumps(body)[:-1])]
    secret = json.dumps({"username": CUSTOMER, "password": PASSWORD})
    answers += [service.request("POST", "/api/v1/auth/token", text) for text in (secret, secret[:-1])]
    answers.append(service.request("GET", f"/api/v1/nothing?{CUSTOMER}"))
    answers.append(service.request("POST", "/api/v1/appointments/search", json.dumps(body), x_access_token=PASSWORD))
    service.database.execute("ALTER TABLE bookings_historyentry RENAME TO bookings_away")
    service.database.execute("UPDATE bookings_appointmentslot SET capacity = 2")
    answers.append(service.book(f"{ORDER}-3", body))
    metrics = service.request("GET", "/metrics", Authorization=f"Bearer {METRICS_TOKEN}").body.decode()
    assert 'outcome="slot_unavailable"' in metrics
    service.stop()
    written = service.log.read_text()
    statuses = [line["status"] for line in lines_of(written) if line["logger"] == "bookings.request"]
    assert statuses == [answer.status for answer in answers]
    assert set(statuses) >= {200, 400, 401, 404, 409}
    assert statuses[-1] >= 500
    for marker in (CUSTOMER, ORDER, PASSWORD, METRICS_TOKEN, service.token):
        assert marker not in written
        assert marker not in metrics
    for answer in answers:
        if answer.status >= 500 or answer.status == 401:
            assert not any(marker in answer.body.decode() for marker in (CUSTOMER, ORDER, PASSWORD))
