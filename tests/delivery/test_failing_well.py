"""What goes wrong at the other side: of the receiver, of one order, and how each ends."""

import contextlib
import itertools
import os
import socket
import ssl
import subprocess
import threading
from collections import deque
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import Mock

import pytest
from django.db import connection
from django.utils import timezone

from bookings.delivery import calls, leader, outcomes, receivers, records
from bookings.delivery.calls import Answer, Channel, NoAnswer
from bookings.models import Counter, Delivery, DeliveryEntry, Receiver
from conformance.simulator import Simulator
from conformance.simulator.faults import ANSWERS, CONNECTIONS
from tests.delivery.test_servicemobility import cancel
from tests.support import desk

pytestmark = pytest.mark.django_db

# Ten thousand in `make torture`.
WAITING = int(os.environ.get("TORTURE_OPERATIONS") or 60)

OF_THE_ORDER = {"unknown_account", "not_found", "conflict", "too_large", "unprocessable", "odd_words"}
HARMLESS = {"warnings", "revoked_token", "unauthorized"}  # unauthorized once: a new log-in cures it
OF_THE_RECEIVER = sorted((ANSWERS.keys() | CONNECTIONS.keys()) - OF_THE_ORDER - HARMLESS - {"huge", "delay"})
# None of these ends before the deadline of a call.
SILENT = {"late_answer", "silence", "drip"}


def receiver():
    return Receiver.objects.get(kind="servicemobility")


@pytest.mark.parametrize(("fault", "method"), [*itertools.product(OF_THE_RECEIVER, ["GET", "PUT"])])
def test_of_the_receiver_no_order_is_marked_and_it_passes(request, deliver, slot, fault, method):
    if fault in SILENT:
        request.getfixturevalue("short_deadline")
    booked = desk.book(slot)
    deliver.simulator.add_fault(fault, method=method, times=1, seconds=600)
    deliver()
    delivery = deliver.of(booked)
    assert (delivery.needs_person, delivery.attempts) == ("", 0)
    assert receiver().trouble != ""
    assert receiver().probe_at is not None
    deliver.until_settled()
    assert receiver().trouble == ""
    assert deliver.there(booked)["OrderNum"] == booked.order_num
    assert not Delivery.objects.open().exists()


def test_an_answer_without_an_end_is_cut_off(deliver, slot):
    booked = desk.book(slot)
    deliver.simulator.add_fault("huge", method="GET", times=1)
    deliver()
    assert "It gives no answer: none is read that is larger than 1048576 bytes" in receiver().trouble
    deliver.until_settled()
    assert deliver.there(booked)


def test_warnings_are_a_success_that_is_told(deliver, slot):
    booked = desk.book(slot)
    deliver.simulator.add_fault("warnings", method="PUT", times=1)
    deliver()
    assert deliver.of(booked).outcome == "put, with warnings: FlexAttrs were ignored."


@pytest.mark.parametrize("fault", sorted(OF_THE_ORDER))
def test_one_poison_order_among_good_ones(deliver, slot, monkeypatch, fault):
    monkeypatch.setattr(records, "TRIES", 4)  # all of them: test_what_may_pass_is_tried_for_three_days
    poison, *good = (desk.book(slot, f"WO-{number}") for number in range(4))
    deliver.simulator.add_fault(fault, method="PUT", order=poison.order_num)
    deliver.until_settled()
    assert all(deliver.there(booked) for booked in good)
    assert deliver.there(poison) is None
    assert deliver.of(poison).needs_person
    tried = deliver.calls().count(("PUT", "WorkOrder")) - len(good)
    assert tried == (records.TRIES if fault in ("not_found", "conflict") else 1)
    assert receiver().trouble == ""
    # A person mends it, and sends it again.
    deliver.simulator.faults.clear()
    receivers.send_again(deliver.of(poison), by="dispatcher")
    deliver()
    assert deliver.there(poison)
    assert DeliveryEntry.objects.get(event="sent_again").by == "dispatcher"


def test_what_may_pass_is_tried_for_three_days(deliver, slot):
    booked = desk.book(slot)
    deliver.simulator.add_fault("conflict", method="PUT", order=booked.order_num)
    deliver.until_settled()
    assert deliver.calls() == [("PUT", "WorkOrder")] * records.TRIES
    assert "409 for PUT WorkOrder" in deliver.of(booked).needs_person
    assert timedelta(days=2.4) < timedelta(seconds=deliver.clock.gone) < timedelta(days=3.7)
    waits = [records.pause(number, records.MOST_OF_AN_ORDER) for number in range(1, records.TRIES)]
    assert waits[:3] == [5, 10, 20]
    assert max(waits) == 7200
    assert 71 * 3600 < sum(waits) < 73 * 3600


def test_a_poison_order_that_looks_like_the_receivers_fault(deliver, slot, monkeypatch):
    """500 for one order alone: the others pass, and in the end it needs a person."""
    monkeypatch.setattr(records, "TRIES", 4)
    poison = desk.book(slot, "WO-0")
    deliver.simulator.add_fault("server_error", order=poison.order_num)
    deliver()
    for number in range(30):
        if deliver.of(poison).needs_person:
            break
        later = desk.book(slot, f"WO-{number + 1}")
        deliver.clock.gone += max(0.0, (deliver.next_at() - deliver.clock.now()).total_seconds()) + 0.01
        deliver()
        assert deliver.of(later).attempts == 0
    assert "500 for GET WorkOrder" in deliver.of(poison).needs_person
    tries = [call for call in deliver.simulator.calls if call.order == poison.order_num]
    assert len(tries) > deliver.of(poison).attempts == records.TRIES  # only those beside which others passed count
    deliver()
    assert list(Delivery.objects.open().values_list("work_order__order_num", flat=True)) == [poison.order_num]


def test_401_for_ever_hammers_no_log_in(deliver, slot):
    for number in range(3):
        desk.book(slot, f"WO-{number}")
    deliver.simulator.add_fault("unauthorized", method="GET PUT DELETE")
    deliver()
    log_ins = [call for call in deliver.simulator.calls if call.what == "createjwt"]
    assert 1 <= len(log_ins) <= 4  # one, and a new one for each that was under way by then
    assert "401 for GET WorkOrder" in receiver().trouble
    assert "the right for this call" in receiver().trouble
    for step in range(1, 4):
        deliver.clock.gone += 130
        deliver()
        now = [call for call in deliver.simulator.calls if call.what == "createjwt"]
        assert len(now) <= len(log_ins) + 2 * step
    assert not Delivery.objects.stuck().exists()


def test_a_wrong_password_says_what_to_do(deliver, slot, password_file):
    password_file.write_text("wrong")
    booked = desk.book(slot)
    deliver()
    assert "check --username and what is in the password file" in receiver().trouble
    assert "wrong" not in receiver().trouble
    password_file.write_text("simulated")
    deliver.until_settled()
    assert deliver.there(booked)


def test_a_token_that_is_revoked_costs_one_log_in(deliver, slot):
    desk.book(slot)
    deliver()
    for number in range(1, 8):
        desk.book(slot, f"WO-{number}")
    deliver.simulator.tokens.revoke()
    before = len([call for call in deliver.simulator.calls if call.what == "createjwt"])
    deliver()
    # Each process of `deliver --once` logs in for itself; all its threads share that.
    assert len([call for call in deliver.simulator.calls if call.what == "createjwt"]) - before == 1
    assert not Delivery.objects.open().exists()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("reset", "Connection aborted. Connection reset by peer."),
        ("half_answer", "It gives no answer: one began, and broke off. Check its address"),
        ("html", "200 for GET WorkOrder, but its answer is no JSON object. Is the address ServiceMobility's own?"),
        ("redirect", "302 for GET WorkOrder: Moved. Is the address right?"),
    ],
)
def test_what_people_read(deliver, slot, fault, said):
    desk.book(slot)
    deliver.simulator.add_fault(fault, method="GET", times=1)
    deliver()
    assert said in receiver().trouble
    assert "Error(" not in receiver().trouble


@pytest.mark.parametrize("fault", ["throttled_seconds", "throttled_date", "unavailable"])
def test_retry_after_is_obeyed(deliver, slot, fault):
    desk.book(slot)
    began = deliver.clock.now()
    deliver.simulator.add_fault(fault, times=1, seconds=900)
    deliver()
    wait = (receiver().probe_at - began).total_seconds()
    assert 890 < wait < 910
    count = len(deliver.simulator.calls)
    deliver.clock.gone += 880
    deliver()
    assert len(deliver.simulator.calls) == count
    deliver.clock.gone += 30
    deliver()
    assert not Delivery.objects.open().exists()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), (" 7 ", 7), ("", None), ("soon", None), ("-5", None), ("1e9", None), ("９", None)],
)
def test_retry_after_in_seconds(text, seconds):
    assert Answer(429, b"", {"Retry-After": text}).retry_after(timezone.now()) == seconds


def test_retry_after_as_a_date_is_read_by_the_clock_that_wrote_it():
    now = timezone.now().replace(microsecond=0)
    there = now - timedelta(hours=3)  # the clock of the other side is wrong
    said = format_datetime(there + timedelta(minutes=2), usegmt=True)
    assert Answer(503, b"", {"Retry-After": said, "Date": format_datetime(there, usegmt=True)}).retry_after(now) == 120
    assert Answer(503, b"", {"Retry-After": said}).retry_after(now) == 0
    assert Answer(503, b"", {"Retry-After": format_datetime(now + timedelta(minutes=2))}).retry_after(now) == 120


def test_probes_come_at_growing_pauses_and_one_at_a_time(deliver, slot):
    for number in range(5):
        desk.book(slot, f"WO-{number}")
    deliver.simulator.add_fault("server_error")
    deliver()
    pauses, tried = [], set()
    for _ in range(8):
        row, count = receiver(), len(deliver.simulator.calls)
        pauses.append(round((row.probe_at - deliver.clock.now()).total_seconds()))
        deliver.clock.gone += (row.probe_at - deliver.clock.now()).total_seconds() + 8  # and the order's own pause
        deliver()
        assert len(deliver.simulator.calls) - count <= 1
        tried.add(deliver.simulator.calls[-1].order)
    assert pauses[-3:] == [120, 120, 120]
    assert pauses == sorted(pauses)
    deliver.simulator.faults.clear()
    deliver.until_settled()
    assert not Delivery.objects.open().exists()
    assert DeliveryEntry.objects.filter(event="answers_again").count() == 1


def test_cancellations_first_then_by_the_start_of_the_visit(connect, deliver, monkeypatch):
    gone = desk.book(desk.slot_in(days=9), "WO-0")
    deliver()
    connect(rate=1.5)
    monkeypatch.setattr(leader, "MOST_THREADS", 1)  # of two, either may be the quicker one
    days = [5, 2, 8, 1]
    booked = {days[number]: desk.book(desk.slot_in(days=days[number]), f"WO-{number + 1}") for number in range(4)}
    cancel(gone)
    count = len(deliver.simulator.calls)
    deliver()
    order = list(dict.fromkeys(call.order for call in deliver.simulator.calls[count:] if call.order))
    assert order == [gone.order_num, *(booked[day].order_num for day in sorted(days))]


def test_the_rate_is_kept(connect, deliver, slot):
    connect(rate=5.0)
    for number in range(6):
        desk.book(slot, f"WO-{number}")
    deliver()
    made = len(deliver.simulator.calls)
    assert made >= 13
    assert deliver.clock.gone >= (made - 1) / 5 - 0.01


def test_paused_and_resumed(deliver, slot):
    receivers.pause(receiver(), reason="Upgrade there", by="boss")
    booked = desk.book(slot)
    deliver()
    assert deliver.simulator.calls == []
    assert Delivery.objects.waiting().count() == 1
    receivers.resume(receiver(), by="boss")
    deliver()
    assert deliver.there(booked)
    said = (
        DeliveryEntry.objects.filter(event__in=["paused", "resumed"]).order_by("pk").values_list("event", "by", "text")
    )
    assert list(said) == [("paused", "boss", "Upgrade there"), ("resumed", "boss", "")]


def test_down_for_three_days_then_drained_at_the_rate(connect, deliver, slot, figures):
    """Nothing is marked, nothing is lost, and no order is sent in a state that it has no more."""
    if connection.vendor == "postgresql":
        # All of it is one transaction here; to check its foreign keys at its end would outlast a statement.
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    deliver.simulator.orders.calls = deque()  # all of them
    before = [desk.book(slot, f"EARLY-{number}") for number in range(5)]
    deliver()
    deliver.simulator.add_fault("unavailable", seconds=0)
    slots = [desk.slot_in(days=days, capacity=WAITING, worker="bob") for days in (1, 2)]
    waiting = [desk.book(slots[number % 2], f"WO-{number}").order_num for number in range(WAITING)]
    for booked in before[:2]:
        cancel(booked)
    for _ in range(30):
        deliver()
        deliver.clock.gone += 3 * 86_400 / 30
    assert deliver.clock.gone >= 3 * 86_400
    assert not Delivery.objects.stuck().exists()
    assert Delivery.objects.waiting().count() == WAITING + 2
    deliver.simulator.faults.clear()
    connect(rate=5.0)
    began, count = deliver.clock.gone, len(deliver.simulator.calls)
    deliver()
    made, took = deliver.simulator.calls[count:], deliver.clock.gone - began
    assert took >= (len(made) - 1) / 5 - 0.01
    assert not Delivery.objects.open().exists()
    assert deliver.simulator.orders.all().keys() == {*waiting, *(booked.order_num for booked in before[2:])}
    writes = [call.order for call in made if call.method in ("PUT", "DELETE")]
    assert len(writes) == len(set(writes)) == WAITING + 2
    figures(
        f"delivery after three days: {WAITING + 2} waited, {len(made)} calls in {took:,.0f} s at 5 a second, none lost"
    )


def test_the_clock_is_set_back(deliver, slot):
    booked = desk.book(slot)
    deliver.simulator.add_fault("conflict", method="PUT", times=1)
    deliver()
    deliver.clock.gone -= 3 * 3600
    deliver()  # what lies further ahead than any pause is due
    assert deliver.there(booked)
    later = desk.book(slot, "WO-2")
    deliver.clock.gone -= 3600
    deliver()
    assert deliver.there(later)


def test_attempts_are_counted_by_outcome(deliver, slot):
    desk.book(slot)
    deliver.simulator.add_fault("conflict", method="PUT", times=2)
    deliver.until_settled()
    key = receiver().pk
    said = {row.name: row.value for row in Counter.objects.filter(name__startswith="delivery")}
    assert said == {f"delivery {key} waits": 2, f"delivery {key} accepted": 1}


def test_no_call_is_made_inside_of_a_transaction(deliver, slot, monkeypatch):
    """Threads that call out touch no database at all."""
    seen = set()
    whole = outcomes.run

    def run(bring, attempt):
        seen.add(threading.current_thread() is threading.main_thread())
        return whole(bring, attempt)

    monkeypatch.setattr(outcomes, "run", run)
    desk.book(slot)
    deliver()
    assert seen == {False}


class TestOneCall:
    def test_what_drips_its_headers_is_cut_at_the_deadline(self, short_deadline):
        with socket.create_server(("127.0.0.1", 0)) as server, ended() as end:
            threading.Thread(target=drip, args=(server, end), daemon=True).start()
            with pytest.raises(NoAnswer, match=r"^none within 0\.3 seconds"):
                Channel(f"http://127.0.0.1:{server.getsockname()[1]}").call("GET")

    def test_what_hangs_in_the_middle_of_tls_is_cut_at_the_deadline(self, short_deadline):
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(NoAnswer, match=r"^none within"):
            Channel(f"https://127.0.0.1:{server.getsockname()[1]}").call("GET")

    def test_a_certificate_that_nobody_vouches_for(self, tmp_path):
        with Simulator(certificate=certificate(tmp_path, "DNS:localhost,IP:127.0.0.1")) as simulator:
            with pytest.raises(NoAnswer, match="its certificate or TLS is not as it must be"):
                Channel(simulator.url).call("GET", "/state")
            # The control: vouched for, it is taken.
            channel = Channel(simulator.url)
            channel.tls = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
            assert channel.call("GET", "/state").status == 200

    def test_a_certificate_of_another_host(self, tmp_path):
        """Vouched for, but for another name."""
        with Simulator(certificate=certificate(tmp_path, "DNS:fsm.example.com")) as simulator:
            channel = Channel(simulator.url)
            channel.tls = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
            with pytest.raises(NoAnswer, match=r"must be: certificate verify failed: IP address mismatch[^_]*$"):
                channel.call("GET", "/state")

    def test_an_address_that_drops_what_it_gets_leaves_time_for_the_next(self, monkeypatch):
        """As a name with an address of IPv6 does on a machine whose IPv6 leads nowhere."""
        with Simulator() as simulator, deaf_port() as deaf:
            port = int(simulator.url.rpartition(":")[2])
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in (deaf, port)]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            monkeypatch.setattr(calls, "DEADLINE", 1.5)
            assert Channel("http://fsm.example.com").call("GET", "/state").status == 200
            # The control: with all of the time for the first one there is none for the next.
            monkeypatch.setattr(calls, "CONNECTED_WITHIN", 1)
            with pytest.raises(NoAnswer):
                Channel("http://fsm.example.com").call("GET", "/state")

    def test_a_name_that_does_not_exist(self, monkeypatch):
        fault = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=fault))
        with pytest.raises(NoAnswer, match=r"^Failed to resolve 'fsm\.example\.com' \(Name or service not known\)$"):
            Channel("https://fsm.example.com").call("GET")

    def test_an_address_of_ipv6(self):
        class Ipv6(ThreadingHTTPServer):
            address_family = socket.AF_INET6

        class Hosts(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200, self.headers["Host"])
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
                hosts.append(self.headers["Host"])

            def log_message(self, *_):
                pass

        hosts = []
        with Ipv6(("::1", 0), Hosts) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            assert Channel(f"http://[::1]:{server.server_port}/base").call("GET").status == 200
            server.shutdown()
        assert hosts == [f"[::1]:{server.server_port}"]

    def test_no_proxy_of_the_environment_hears_of_it(self, monkeypatch):
        """What is sent holds a password, a token, and the names of customers."""
        with Simulator() as simulator, socket.create_server(("127.0.0.1", 0)) as proxy:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                for each in (name, name.lower()):
                    monkeypatch.setenv(each, f"http://127.0.0.1:{proxy.getsockname()[1]}")
            assert Channel(simulator.url).call("GET", "/state").status == 200
            proxy.setblocking(False)
            with pytest.raises(BlockingIOError):
                proxy.accept()

    def test_nobody_there(self, unused_port):
        with pytest.raises(NoAnswer, match=r"^Failed to establish a new connection: Connection refused$"):
            Channel(f"http://127.0.0.1:{unused_port}").call("GET")


@pytest.fixture
def unused_port():
    """Taken, so that no other process gets it, but none listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def certificate(folder, names):
    """The file of a key and a certificate for these names; the certificate alone is in cert.pem."""
    pem = folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"),
            *("-addext", f"subjectAltName={names}", "-keyout", pem, "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + (folder / "cert.pem").read_text())
    return str(pem)


@contextlib.contextmanager
def deaf_port():
    """Where no connection is ever made or refused: the queue of the port is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextlib.contextmanager
def ended():
    end = threading.Event()
    try:
        yield end
    finally:
        end.set()


def drip(server, end):
    connection, _ = server.accept()
    with connection, contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
            if end.wait(0.02):
                return
            connection.sendall(bytes([byte]))
