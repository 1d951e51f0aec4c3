"""What many tests need: a slot, a booking, a token, a request, and many requests at once."""

import contextlib
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest import mock
from urllib.parse import quote

from django.test import Client
from django.utils import timezone

from bookings.access import tokens
from bookings.clock import utc_offset
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder

SAMPLES = Path(__file__).parent / "samples"
# The samples speak of a slot on 4 December 2026, 13:00 to 15:00 UTC.
START = datetime(2026, 12, 4, 13, tzinfo=UTC)
END = datetime(2026, 12, 4, 15, tzinfo=UTC)
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def sample(name: str) -> dict:
    return json.loads((SAMPLES / name).read_text())


@contextlib.contextmanager
def clock_stands_at(now: datetime = NOW):
    """Everything is decided at this moment; tokens and sessions still live by the real clock.

    Yields the clock, whose `now` a test may replace.
    """
    stopped = SimpleNamespace(now=lambda: now)
    with mock.patch("bookings.clock.now", side_effect=lambda: stopped.now()):
        yield stopped


def make_area(code="LEEDS", time_zone="Europe/London", **fields) -> ServiceArea:
    return ServiceArea.objects.get_or_create(
        code=code, defaults={"name": code.title(), "time_zone": time_zone} | fields
    )[0]


def make_slot(area="LEEDS", start=START, end=None, **fields) -> AppointmentSlot:
    area = make_area(area)
    fields = {
        "utc_offset": utc_offset(start, area.zone),
        "source": AppointmentSlot.Source.IMPORT if fields.get("external_id") else AppointmentSlot.Source.PLAN,
    } | fields
    return AppointmentSlot.objects.create(area=area, start=start, end=end or start + (END - START), **fields)


def booking(start=START, end=END, **properties) -> dict:
    """A small Book Job Object."""
    return {
        "Account": {"AccountNum": "C-1"},
        "Location": {"LocationNum": "L-1", "ServiceAreaID": "LEEDS"},
        "TimeConstraints": [{"Period": {"Start": start.isoformat(), "End": end.isoformat()}}],
    } | properties


def path_of(order: str) -> str:
    return f"/api/v1/workorders/{quote(order, safe='')}/followup"


def post(order: str, body, *, token: str | None = None, client: Client | None = None, **extra):
    """Send a booking; `body` is JSON-encoded unless it is text or bytes already."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = {"x-access-token": tokens.issue_token("tech.jones") if token is None else token}
    return (client or Client()).generic(
        "POST", path_of(order), data, **({"content_type": "application/json", "headers": headers} | extra)
    )


def search(body, *, method="POST", path="/api/v1/appointments/search"):
    headers = {"x-access-token": tokens.issue_token("tech.jones")}
    return Client().generic(method, path, json.dumps(body), content_type="application/json", headers=headers)


def make_booking(order="WO-1", body=None) -> WorkOrder:
    answer = post(order, body or booking())
    assert answer.status_code == 200, answer.content
    return WorkOrder.objects.get(order_num=answer.json()["OrderNum"])


def error(status: int, word: str, message: str, data_path: str = "", **params) -> dict:
    """The vendor's error body."""
    return {
        "code": status,
        "detail": {"message": message, "params": {"error": word} | params, "dataPath": data_path},
    }


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


def request(port: int, method: str, path: str, body: bytes | str = b"", headers: dict | None = None) -> Answer:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body.encode() if isinstance(body, str) else body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def at_once(calls: list) -> list:
    """The results of all calls, which start together, each in a thread of its own."""
    barrier = threading.Barrier(len(calls))

    def start(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(start, call) for call in calls]]


# A test that passes midnight means the same day by `tomorrow()` before it and after it (conftest.py).
TODAY = timezone.now()


def tomorrow(hour: int = 12) -> datetime:
    """A full hour that is within notice and horizon whenever the tests run."""
    return TODAY.replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=2)


def words_of(work_order: WorkOrder) -> set[str]:
    """The words that staff find a work order by. PostgreSQL gives them in quotes."""
    return set(work_order.search_document.words.replace("'", "").split())
