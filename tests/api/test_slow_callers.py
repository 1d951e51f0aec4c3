"""Callers that send slowly, read slowly or never close: they keep no thread from others (bookjob_site/worker/)."""

import contextlib
import errno
import json
import select
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from bookings import clock
from bookjob_site.worker import pace, sockets, watching
from bookjob_site.worker.inbox import LARGEST_HEAD, Inbox
from bookjob_site.worker.threads import Worker
from tests.api.test_over_http import raw
from tests.operations.test_faults import UNAVAILABLE, workers
from tests.operations.test_metrics import wait_for
from tests.support.helpers import error, path_of

LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
# More than the threads of both workers, twice.
MANY = 32
LISTENING = "0A"  # a state in /proc/net/tcp
ENDLESS = "600"  # a patience that ends after the test: what is answered then did not wait for it
# One worker: of two, one might have got fewer slow callers than it has threads.
PLAIN = {"GUNICORN_CMD_ARGS": "--worker-class gthread", "WEB_CONCURRENCY": "1"}
TOO_SLOW = error(408, "invalid_request", "The request came too slowly. Send it again.")


@pytest.fixture
def connect():
    """A function that opens a connection, sends something and leaves it at that."""
    with contextlib.ExitStack() as stack:

        def open_one(port: int, text: bytes = b"", buffer: int = 0) -> socket.socket:
            one = stack.enter_context(socket.socket())
            if buffer:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            one.settimeout(60)
            one.connect(("127.0.0.1", port))
            one.sendall(text)
            return one

        yield open_one


def is_alive(service, seconds=60) -> bool:
    """Whether a request is answered; the service without its guard never does while the slow ones are there."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=seconds) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            return connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
        return False


def head_of(service, length: int) -> bytes:
    return (
        f"POST {path_of('WO-slow')} HTTP/1.1\r\nHost: localhost\r\nx-access-token: {service.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()


def rest_of(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            answer += block
    return answer


def answer_to(service, connect, text: bytes) -> bytes:
    """What the hasty service says at last; once more where a busy machine let not even the first byte come in time."""
    for _ in range(20):
        with contextlib.suppress(OSError):
            if answer := rest_of(connect(service.port, text)):
                return answer
    raise AssertionError("it never says anything")


def refused_as_too_slow(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.startswith(b"HTTP/1.1 408 ") and json.loads(body) == TOO_SLOW


BEGINNINGS = {
    "nothing": lambda service: b"",
    "one byte": lambda service: b"P",
    "half a head": lambda service: head_of(service, 100)[:60],
    "half a body": lambda service: head_of(service, 100) + b"{",
    "half a chunk": lambda service: (
        b"POST /api/v1/appointments/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"
    ),
}


class TestSlowSenders:
    def test_any_number_of_them_keeps_no_thread(self, service, connect):
        for beginning in BEGINNINGS.values():
            for _ in range(MANY):
                connect(service.port, beginning(service))
        assert is_alive(service)
        body = service.make_slot(capacity=9)
        assert service.book("WO-1", body).status == 200

    def test_the_test_above_would_notice_a_thread_for_each(self, start_service, connect):
        service = start_service(**PLAIN)
        for _ in range(MANY):
            connect(service.port, b"P")
        assert not is_alive(service, seconds=2)

    @pytest.mark.parametrize("pieces", [2, 20])
    def test_whoever_goes_on_is_answered(self, service, connect, pieces):
        text = json.dumps(service.make_slot(capacity=9)).encode()
        whole = head_of(service, len(text)) + text
        connection = connect(service.port)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = len(whole) // pieces + 1
        for at in range(0, len(whole), step):
            connection.sendall(whole[at : at + step])
            assert is_alive(service)  # so that the pieces come one by one
        answer = rest_of(connection)
        assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        assert b'"OrderNum":"FU-' in answer

    @pytest.mark.parametrize("name", [name for name in BEGINNINGS if name != "nothing"])
    def test_is_told_so_at_last(self, start_service, connect, name):
        service = start_service("tests.support.apps.hasty")
        assert refused_as_too_slow(answer_to(service, connect, BEGINNINGS[name](service)))
        assert '"status":408' in service.log.read_text()

    def test_who_says_nothing_is_told_nothing(self, start_service, connect):
        service = start_service("tests.support.apps.hasty")
        assert rest_of(connect(service.port)) == b""
        # The next request of a connection that was kept, too.
        answer = answer_to(service, connect, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /li")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert refused_as_too_slow(answer[answer.index(b"HTTP/1.1 408") :])

    def test_a_body_that_is_far_too_large_and_stops_keeps_half_of_the_threads_at_most(self, start_service, connect):
        service = start_service("tests.support.apps.hasty", PATIENCE=ENDLESS)
        for _ in range(MANY):
            connect(service.port, head_of(service, 20_000_000) + b"{" * 1_100_000)
        assert is_alive(service)

    def test_a_caller_that_waits_for_100_continue(self, service, connect):
        text = json.dumps(service.make_slot(capacity=9)).encode()
        head = head_of(service, len(text)).replace(b"Connection: close", b"Connection: close\r\nExpect: 100-continue")
        connection = connect(service.port, head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(text)
        assert b"HTTP/1.1 200 OK" in rest_of(connection)

    def test_callers_that_do_not_close_stop_nothing(self, service, connect):
        ask = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connections = [connect(service.port, ask) for _ in range(MANY)]
        assert is_alive(service)
        for connection in connections:
            assert b"200 OK" in rest_of(connection)


class TestSlowReaders:
    ASK = f"GET {LARGE_FILE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def test_any_number_of_them_keeps_no_thread(self, service, connect):
        for _ in range(MANY):
            connect(service.port, self.ASK * 20, buffer=4096)
        assert all(is_alive(service) for _ in range(MANY))

    def test_the_test_above_would_notice_a_thread_for_each(self, start_service, connect):
        service = start_service(**PLAIN)
        for _ in range(MANY):
            connect(service.port, self.ASK * 20, buffer=4096)
        assert not all(is_alive(service, seconds=2) for _ in range(MANY))

    def test_whoever_reads_on_gets_it_all(self, service, connect):
        connection = connect(
            service.port, self.ASK * 3 + self.ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        assert is_alive(service)
        length = int(service.request("HEAD", LARGE_FILE).headers["content-length"])
        answer = rest_of(connection)
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4
        assert length * 4 < len(answer) < length * 4 + 4 * 2000

    def test_whoever_does_not_is_cut_off_at_last(self, start_service, connect):
        service = start_service("tests.support.apps.hasty")
        connections = []
        while len(connections) < MANY:
            connection = connect(service.port, self.ASK * 20, buffer=4096)
            with contextlib.suppress(ConnectionError):  # cut off before it asked: the machine is busy
                if connection.recv(1) == b"H":  # it was accepted
                    connections.append(connection)
        wait_for(lambda: not callers_of(service))
        length = int(service.request("HEAD", LARGE_FILE).headers["content-length"])
        assert len(rest_of(connections[0])) < 20 * length

    def test_the_test_above_sees_a_connection_that_is_held(self, service, connect):
        connection = connect(service.port, self.ASK * 20, buffer=4096)
        assert connection.recv(1) == b"H"
        wait_for(lambda: len(callers_of(service)) == 1)  # the one that asked whether it is up may not have ended

    def test_no_source_map_is_published(self, service):
        assert service.request("GET", LARGE_FILE).status == 200
        assert service.request("GET", f"{LARGE_FILE}.map").status == 404


def callers_of(service) -> set[str]:
    """The connections of callers that the workers hold.

    Only these: workers also hold a listener each, from the moment they are forked, and connections to the database. A
    number of all sockets before and after depends on when it is taken.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{service.port:04X}") and row[3] != LISTENING}
    links = [Path(f"/proc/{worker}/fd").iterdir() for worker in workers(service)]
    return ours & {str(link.readlink()) for folder in links for link in folder}


class TestTheInbox:
    """A request is whole exactly with its last byte, however it is cut."""

    REQUESTS = (
        b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /a HTTP/1.1\r\ncontent-LENGTH:  5 \r\nHost: a\r\n\r\n{\r\n\r}",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0\r\n\r\n12345\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: 00000000000000000000003\r\n\r\nabc",
        b"POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n" + b"x" * 1001,
    )

    @pytest.mark.parametrize("text", REQUESTS)
    def test_at_every_cut(self, text):
        for cut in range(len(text)):
            inbox = Inbox(text[:cut], 1000)
            assert not inbox.is_whole, cut
            inbox.take(text[cut:])
            assert inbox.is_whole, cut
        inbox = Inbox(b"", 1000)
        wholes = [inbox.take(text[at : at + 1]) or inbox.is_whole for at in range(len(text))]
        assert wholes == [False] * (len(text) - 1) + [True]

    @pytest.mark.parametrize(
        "text",
        [
            b"x" * (LARGEST_HEAD + 1),
            b"POST /a HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 1001,
            b"POST /a HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n" + b"x" * 1001,
            b"POST /a HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            *(
                b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
                for chunks in (
                    b"-5\r\n", b"\r\n", b"x\r\n", b"x" * 2000, b"0\r\n" + b"x" * 9000, b"fffffff\r\n" + b"x" * 600_000,
                )
            ),
        ],
    )  # fmt: skip
    def test_what_the_parser_refuses_is_not_waited_for(self, text):
        assert Inbox(text, 1000).is_whole

    def test_the_pace(self):
        ticks = mock.Mock(return_value=0.0)
        with mock.patch("bookings.clock.ticks", ticks):
            inbox = Inbox(b"POST /a HTTP/1.1\r\n", 1_000_000)
            ticks.return_value = 14.0
            inbox.take(b"Host: a\r\n")
            assert inbox.pace.deadline == 15.0  # a head that drips is no progress
            inbox.take(b"Content-Length: 900000\r\n\r\n")
            assert inbox.pace.deadline == 29.0
            for second in range(1, 200):  # a KB each second will do
                ticks.return_value = 14.0 + second
                inbox.take(b"x" * 1024)
                assert inbox.pace.deadline > ticks()
            deadline = inbox.pace.deadline
            inbox.take(b"x" * 100)
            assert inbox.pace.deadline == deadline  # less is not


class TestWhatGunicornRefusesItself:
    """ServiceMobility's body there, too, and nothing of the request in the log."""

    MARKER = "Marker-4711"

    @pytest.mark.parametrize("setting", ["off", "on"])
    def test_each(self, start_service, setting):
        service = start_service(BOOKJOB_DOCUMENTED_STATUSES_ONLY=setting)
        for text, status, word in (
            (f"POST /api/v1/workorders/WO {self.MARKER}/followup HTTP/1.1", 400, "invalid_request"),
            (f"POST /{self.MARKER}", 400, "invalid_request"),
            (f"{self.MARKER}", 400, "invalid_request"),
            (f"GE\x01T /{self.MARKER} HTTP/1.1", 405, "method_not_allowed"),
            (f"GET /{self.MARKER} HTTP/7.7", 400, "invalid_request"),
            (f"GET /{self.MARKER * 1000} HTTP/1.1", 414, "too_large"),
            (f"GET /{self.MARKER} HTTP/1.1\r\nx-access-token: {self.MARKER * 27_000}", 431, "too_large"),
            ("\r\n".join(["GET / HTTP/1.1", *(f"x-{n}: {self.MARKER}" for n in range(200))]), 431, "too_large"),
            (f"GET / HTTP/1.1\r\n{self.MARKER}", 400, "invalid_request"),
            (f"GET / HTTP/1.1\r\nx y: {self.MARKER}", 400, "invalid_request"),
            (f"GET / HTTP/1.1\r\nContent-Length: {self.MARKER}", 400, "invalid_request"),
            ("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400, "invalid_request"),
            (f"POST / HTTP/1.1\r\nTransfer-Encoding: {self.MARKER}", 501, "invalid_request"),
        ):
            answer = raw(service.port, text.encode() + b"\r\n\r\n")
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b"\r\nContent-Type: application/json\r\n" in head, (text[:80], answer)
            body = json.loads(body)
            assert (body["code"], body["detail"]["params"], body["detail"]["dataPath"]) == (status, {"error": word}, "")
            shown = 500 if setting == "on" else status
            assert head.startswith(f"HTTP/1.1 {shown} ".encode()), (text[:80], answer)
            assert self.MARKER not in answer.decode()
        # A person reads what is answered on the desk.
        answer = raw(service.port, f"GET /admin/bookings/workorder/?q={self.MARKER * 1000} HTTP/1.1\r\n\r\n".encode())
        head, _, body = answer.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 414 ")
        assert "\r\nContent-Type: text/plain; charset=utf-8\r\n" in head
        assert body == "This address is too long. Go back and choose fewer filters."
        service.stop()
        written = service.log.read_text()
        assert self.MARKER not in written
        lines = [json.loads(line) for line in written.splitlines()]  # gunicorn's own, too
        assert {"gunicorn.error", "bookings.request"} <= {line["logger"] for line in lines}
        assert [line["outcome"] for line in lines if line.get("status") == 414] == ["too_large"] * 2


def worker_with(*waiting, kept=()):
    """A worker that waits for these connections, without a process, threads and sockets."""
    made = Worker.__new__(Worker)
    made.cfg, made.nr_conns = SimpleNamespace(is_ssl=False), len(waiting) + len(kept)
    made.unfinished = {conn: SimpleNamespace(text=conn.text, pace=pace.Pace()) for conn in waiting}
    made.unsent, made.closing, made.poller = {}, {}, mock.Mock()
    made.keepalived_conns, made.pending_conns, made.seats = deque(kept), deque(), sockets.Seats(8)
    made.worker_connections, made.look_at, made.came, made.lacks_a_file = 99, 0.0, 0, False
    return made


def connection_with(text: bytes):
    return mock.Mock(text=text, sock=mock.Mock(rest=b""))


class TestWithoutRoom:
    """A caller who opens more connections than the worker may have must neither end nor hold the worker."""

    def fail_to_accept(self, crowded):
        before = [*crowded.unfinished], [*crowded.keepalived_conns]
        crowded.accept(mock.Mock(accept=mock.Mock(side_effect=OSError(errno.EMFILE, "too many open files"))))
        # Not at once: each of them may have an event in the same round.
        assert before == ([*crowded.unfinished], [*crowded.keepalived_conns])
        crowded.murder_pending()

    def test_the_connection_with_the_least_makes_room(self):
        busy, idle, later = map(connection_with, (b"GET /", b"", b""))
        crowded = worker_with(busy, idle, later)
        self.fail_to_accept(crowded)
        assert list(crowded.unfinished) == [busy, later]
        idle.close.assert_called_once()
        assert crowded.nr_conns == 2

    def test_or_the_one_that_is_kept_for_longest(self):
        first, second = map(connection_with, (b"", b""))
        crowded = worker_with(kept=[first, second])
        self.fail_to_accept(crowded)
        assert list(crowded.keepalived_conns) == [second]
        first.close.assert_called_once()

    def test_much_at_once_is_noticed_in_the_same_round(self):
        """Not a second later, when a quick sender has sent many times of what a worker may hold."""
        senders = [connection_with(b"x" * (watching.MOST_HELD // 4)) for _ in range(6)]
        crowded = worker_with(*senders)
        crowded.look_at = clock.ticks() + 3600
        for sender in senders:
            crowded.unfinished[sender].take = lambda data: None
            crowded.unfinished[sender].asks_to_go_on = crowded.unfinished[sender].is_whole = False
            sender.sock.recv_at_once.return_value = b"x" * 65536
        for _ in range(watching.MOST_HELD // 8 // 65536 // len(senders)):
            for sender in senders:
                crowded._collect(sender, None)
        crowded.murder_pending()
        assert len(crowded.unfinished) == 6
        for sender in senders:
            crowded._collect(sender, None)
        crowded.murder_pending()
        assert len(crowded.unfinished) == 4
        assert crowded.came == 0

    def test_what_is_another_fault_stays_one(self):
        with pytest.raises(OSError, match="gone"):
            worker_with().accept(mock.Mock(accept=mock.Mock(side_effect=OSError(errno.EBADF, "gone"))))

    def test_idle_connections_beyond_the_limit_hold_nobody_up(self, start_service, connect):
        few = {"GUNICORN_CMD_ARGS": "--worker-connections 12", "WEB_CONCURRENCY": "1"}
        service = start_service("tests.support.apps.hasty", PATIENCE=ENDLESS, **few)
        for _ in range(3 * MANY):
            connect(service.port)
        assert is_alive(service)


class TestTheSocket:
    """What a thread waits for has a deadline, and needs one of the few seats."""

    @pytest.fixture
    def both(self):
        near, far = socket.socketpair()
        with far, sockets.PatientSocket(near, sockets.Seats(2)) as patient:
            yield patient, far

    def fill(self, patient):
        patient.sendall(b"x" * (sockets.LARGEST_REST - 1))

    def test_an_answer_that_is_not_taken_waits_without_a_thread(self, both):
        self.fill(both[0])
        assert both[0].seats.free.acquire(blocking=False)

    def test_a_larger_one_takes_a_seat(self, both):
        patient, far = both
        taken = bytearray()
        with ThreadPoolExecutor() as pool:

            def read():
                while len(taken) < 3 * sockets.LARGEST_REST:
                    taken.extend(far.recv(65536))

            reading = pool.submit(read)
            patient.sendall(b"x" * 2 * sockets.LARGEST_REST)
            patient.sendall(b"y" * sockets.LARGEST_REST)
            while patient.rest:
                patient.send_rest()
            reading.result()
        assert taken == b"x" * 2 * sockets.LARGEST_REST + b"y" * sockets.LARGEST_REST
        assert patient.seats.free.acquire(blocking=False)  # and gives it back

    def test_without_a_seat_it_ends(self, both):
        both[0].seats.free.acquire()
        with pytest.raises(ConnectionResetError, match="too many"):
            both[0].sendall(b"x" * 3 * sockets.LARGEST_REST)
        with pytest.raises(ConnectionResetError, match="too many"):
            both[0].recv(1)

    @pytest.mark.parametrize(
        "wait", [lambda one: one.sendall(b"x" * 3 * sockets.LARGEST_REST), lambda one: one.recv(1)]
    )
    @pytest.mark.parametrize("patience", [0.01, 1000])
    def test_too_slow(self, both, wait, patience):
        patient, _ = both
        with mock.patch("bookjob_site.worker.pace.PATIENCE", patience):
            patient.begin_request()
            if patience > 1:  # the worker stops
                patient.seats.until = clock.ticks()
            with pytest.raises(ConnectionResetError, match="too slow"):
                wait(patient)
        assert patient.seats.free.acquire(blocking=False)

    def test_a_body_that_drips_renews_nothing(self, both):
        patient, far = both
        ticks = mock.Mock(return_value=0.0)
        with mock.patch("bookings.clock.ticks", ticks):
            patient.begin_request()
            for second in range(20):
                ticks.return_value = float(second)
                far.sendall(b"x")
                assert patient.recv(1) == b"x"
            with pytest.raises(ConnectionResetError, match="too slow"):
                patient.recv(1)


class TestTheStop:
    """A caller that is under way when the worker stops gets some seconds, and nothing renews them."""

    def test_a_body_that_drips(self, start_service, connect):
        service = start_service("tests.support.apps.hasty", PATIENCE="15", WEB_CONCURRENCY="1")
        connection = connect(service.port, head_of(service, 1_000_000))
        assert is_alive(service)  # so that it was accepted
        service.process.terminate()
        for _ in range(900):
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"x" * 1024)
            # Not a sleep: the answer ends the wait. A KB in a tenth of a second is quick enough for any patience.
            if select.select([connection], [], [], 0.1)[0]:
                break
        head, _, body = rest_of(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 "), head
        assert b"\r\nRetry-After: 5" in head
        assert json.loads(body) == UNAVAILABLE
        assert service.process.wait(30) == 0

    def test_a_reader_that_drips(self):
        conn = connection_with(b"")
        stopping = worker_with()
        stopping.nr_conns, stopping.unsent = 1, {conn: (pace.Pace(), None)}
        ticks = mock.Mock(return_value=clock.ticks())
        with mock.patch("bookings.clock.ticks", ticks):
            stopping._cap_keepalive(ticks() + 2)
            ticks.return_value += pace.STOPPING - 0.1
            stopping.unsent[conn][0].move(1_000_000)
            stopping.murder_pending()
            assert stopping.unsent
            ticks.return_value += 1.1
            stopping.murder_pending()
        assert (stopping.unsent, stopping.nr_conns) == ({}, 0)
        conn.close.assert_called_once()
