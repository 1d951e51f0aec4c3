"""A simulated ServiceMobility that is connected, a clock that tests set, and a receiver of webhooks."""

import base64
import contextlib
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone

from bookings import clock
from bookings.delivery import calls
from bookings.delivery.worker import Worker
from bookings.models import Delivery, Receiver
from conformance.simulator import Simulator
from tests.support import desk
from tests.support.helpers import clock_stands_at

SECRET = "whsec_" + base64.b64encode(b"a-secret-of-the-tests-0123456789").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another-secret-of-the-tests-0123").decode()


class Clock:
    """Time that passes only where a caller waits, or where a test lets it."""

    def __init__(self):
        self.gone, self.lock = 0.0, threading.Lock()

    def now(self):
        return clock.now() + timedelta(seconds=self.gone)

    def passed(self):
        return self.gone

    def sleep(self, seconds):
        with self.lock:
            self.gone += max(0.0, seconds)


class Delivering:
    """What tests do with delivery: one process of it, on a clock of its own."""

    def __init__(self, simulator):
        self.simulator, self.clock = simulator, Clock()

    def __call__(self, name=""):
        """All that is due, as `deliver --once` does it."""
        Worker(name, self.clock).run(threading.Event(), once=True)

    def until_settled(self, most=1000):
        """From one try to the next, however far that is."""
        for _ in range(most):
            self()
            if not (due := self.next_at()):
                return
            self.clock.gone += max(0.0, (due - self.clock.now()).total_seconds()) + 0.01
        raise AssertionError("it never settles")

    def next_at(self):
        due = Delivery.objects.waiting().filter(receiver__paused_at=None).order_by("due_at").first()
        receiver = due and Receiver.objects.get(pk=due.receiver_id)
        return due and max(due.due_at, receiver.probe_at or due.due_at)

    def calls(self, *, but=("GET", "POST")):
        """(method, what) of the calls that change something, in their order; `but` are left out."""
        return [(call.method, call.what) for call in self.simulator.calls if call.method not in but]

    def there(self, work_order):
        return self.simulator.orders.find(work_order.order_num)

    def of(self, work_order, receiver="ServiceMobility"):
        return Delivery.objects.get(work_order=work_order, receiver__name=receiver)


@pytest.fixture
def short_deadline(monkeypatch):
    """For what never answers. Else a call has its ten seconds, so that a machine that is busy fails none."""
    monkeypatch.setattr(calls, "DEADLINE", 0.3)


@pytest.fixture
def simulator():
    with Simulator() as running:
        yield running


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("simulated\n")
    return file


@pytest.fixture
def connect(db, simulator, password_file):
    def connect(**options):
        given = {"url": simulator.url, "username": "bookjob", "password_file": str(password_file), "rate": 1000.0}
        call_command("connect_servicemobility", **given | options)
        return Receiver.objects.get(kind="servicemobility")

    return connect


@pytest.fixture
def deliver(connect, simulator):
    connect()
    with clock_stands_at(timezone.now()):
        yield Delivering(simulator)


@pytest.fixture
def slot():
    return desk.slot_in(capacity=50, worker="ann")


@pytest.fixture
def hooks():
    """A receiver of webhooks: `got` are (headers, body); `answers` what it says next (status, body, headers)."""
    with webhook_server() as server:
        yield server


def connect_to(service, url, password_file):
    """Connect a service that runs to a simulator."""
    done = service.manage(
        *("connect_servicemobility", "--url", url, "--username", "bookjob"),
        *("--password-file", str(password_file), "--rate", "1000"),
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def webhook_server():
    got, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, text, headers = answers.pop(0) if answers else (200, "", {})
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield SimpleNamespace(
            url=f"http://127.0.0.1:{server.server_port}/hook",
            got=got,
            answers=answers,
            documents=lambda: [json.loads(body) for _, body in got],
        )
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def add_webhook(db, hooks, tmp_path):
    def add(name="erp", *secrets, **options):
        files = []
        for number, secret in enumerate(secrets or (SECRET,)):
            files.append(tmp_path / f"{name}-{number}.secret")
            files[-1].write_text(secret + "\n")
        given = [f"--secret-file={file}" for file in files]
        call_command("add_webhook", name, "--url", hooks.url, "--rate", "1000", *given, **options)
        return Receiver.objects.get(name=name)

    return add
