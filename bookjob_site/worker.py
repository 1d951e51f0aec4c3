"""gunicorn's threaded worker, in which only a whole request gets a thread, and no slow caller keeps one.

The thread that watches all connections collects a request until it is whole, and sends what a reader has not taken
yet. Whoever sends or takes less than SLOWEST bytes a second on the average of PATIENCE seconds is given up, and so is
a head (the request line and the headers) that is not there within PATIENCE. docs/security.md says what is left to the
proxy.

Without a proxy TLS is not spoken; where gunicorn's own is switched on, connections are gunicorn's business.
"""

import contextlib
import errno
import logging
import re
import select
import selectors
import socket
import threading
import time
import uuid
from functools import partial
from typing import Any

import orjson
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from bookings.telemetry.logs import JSONFormatter

LINGER_MILLISECONDS = 5
PATIENCE = 15.0  # seconds
SLOWEST = 1024  # bytes a second
CLOSING = 2.0  # seconds in which the other end reads the rest before a connection is cut
# A head that is larger is left to the parser, which refuses it: a token of 256 KiB and the other headers fit.
LARGEST_HEAD = 512 * 1024
# What one connection, and all of a worker, may hold of answers and requests that wait for the other end.
LARGEST_REST, MOST_HELD = 4 * 1024 * 1024, 64 * 1024 * 1024

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.I)
EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.I)
CHUNK = re.compile(rb"[0-9a-f]{1,8}", re.I)
LARGEST_TRAILER = 8192
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNFINISHED = object()  # what a thread says of a connection whose request is not whole yet

clock = time.monotonic
logger = logging.getLogger("bookings.request")


class Pace:
    """Whether the other end is quick enough."""

    def __init__(self) -> None:
        self.moved, self.deadline = 0, clock() + PATIENCE

    def move(self, size: int) -> None:
        """So many bytes have passed. Enough of them, and the patience begins anew."""
        self.moved += size
        if self.moved >= PATIENCE * SLOWEST:
            self.moved, self.deadline = 0, clock() + PATIENCE


class Inbox:
    """What has come of a request, and whether it is whole. Mistakes cost time only: the parser judges."""

    def __init__(self, text: bytes, largest_body: int) -> None:
        self.text = bytearray()
        self.largest_body = largest_body
        self.pace = Pace()
        self.body_at = 0  # where the body begins, once that is known
        self.next_at = 0  # how much has to be there: all of it, or up to the size of the next chunk
        self.is_chunked = self.is_whole = self.asks_to_go_on = False
        self.take(text)

    def take(self, data: bytes) -> None:
        before = len(self.text)
        self.text += data
        if self.body_at:
            self.pace.move(len(data))
        else:
            end = self.text.find(HEAD_END, max(0, before - len(HEAD_END)))
            if end < 0:
                self.is_whole = len(self.text) > LARGEST_HEAD
                return
            self._read_head(end + len(HEAD_END))
        self.is_whole = len(self.text) >= self.next_at and (not self.is_chunked or self._has_last_chunk())

    def _read_head(self, end: int) -> None:
        self.pace = Pace()
        self.body_at = self.next_at = end
        head = bytes(self.text[:end])
        length, self.is_chunked = LENGTH.search(head), CHUNKED.search(head) is not None
        if length and self.is_chunked:
            self.is_chunked = False  # two opinions on the length: the parser refuses that
        elif length:
            # One byte more than is taken: the service says that it is too large.
            self.next_at += min(int(length[1]), self.largest_body + 1)
        self.asks_to_go_on = (self.is_chunked or length is not None) and EXPECT.search(head) is not None

    def _has_last_chunk(self) -> bool:
        while len(self.text) - self.body_at <= self.largest_body + LARGEST_HEAD:
            end = self.text.find(b"\r\n", self.next_at, self.next_at + 1024)
            if end < 0:
                return len(self.text) > self.next_at + 1024  # no chunk
            size = CHUNK.match(self.text, self.next_at, end)
            if not size:
                return True  # no chunk either
            if not int(size[0], 16):
                return self.text.find(HEAD_END, end) >= 0 or len(self.text) - end > LARGEST_TRAILER
            self.next_at = end + 2 + int(size[0], 16) + 2
            if len(self.text) < self.next_at:
                return False
        return True


class Connection(TConn):
    """`inbox` is what has come of the next request, where that is not whole."""

    inbox: Inbox | None = None


class PatientSocket(socket.socket):
    """A connection that no thread waits for: what is not taken at once is kept in `rest` for the watching thread.

    Two exceptions, both with a deadline: the rest of a body that is too large for the service, and an answer beyond
    LARGEST_REST. For the first, half of the threads may wait (`seats`).
    """

    def __init__(self, plain: socket.socket, seats: threading.Semaphore) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        super().settimeout(0)
        self.rest = bytearray()
        self.seats = seats
        self.timeout_given: float | None = None

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def settimeout(self, seconds: float | None) -> None:
        self.timeout_given = seconds

    def gettimeout(self) -> float | None:
        return self.timeout_given

    def recv(self, size: int, flags: int = 0) -> bytes:
        until = clock() + (PATIENCE if self.timeout_given is None else self.timeout_given)
        while True:
            try:
                return super().recv(size, flags)
            except BlockingIOError:
                if not self.seats.acquire(blocking=False):
                    raise ConnectionResetError(errno.ECONNRESET, "too many slow callers") from None
                try:
                    self._wait(select.POLLIN, until)
                finally:
                    self.seats.release()

    def recv_at_once(self) -> bytes:
        """What is there. Raises BlockingIOError where that is nothing."""
        return super().recv(65536)

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self.rest:
            self.rest += data
            self.send_rest()
        else:
            try:
                sent = self.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self.rest += memoryview(data)[sent:]
        pace = Pace()
        while len(self.rest) > LARGEST_REST:
            self._wait(select.POLLOUT, pace.deadline)
            pace.move(self.send_rest())

    def send_rest(self) -> int:
        """Send what goes at once; returns how much that was."""
        try:
            sent = self.send(memoryview(self.rest)[:262_144])
        except BlockingIOError:
            return 0
        del self.rest[:sent]
        return sent

    def _wait(self, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(self, event)
        if not poll.poll(max(0.0, until - clock()) * 1000):
            raise ConnectionResetError(errno.ECONNRESET, "too slow")


class Worker(ThreadWorker):
    """A thread that has answered waits a moment for the next request of the same connection.

    gunicorn's own hands each connection back to the thread that watches all of them, and gets it from there again:
    under load a tenth of Python's time (bench/README.md). No more than half of the threads wait like this, and none
    begins to while a request waits for a thread: it waits for LINGER_MILLISECONDS at most.
    """

    def init_process(self) -> None:
        self.seats = threading.Semaphore(max(1, self.cfg.threads // 2))
        # The connections that wait for their other end, by what they wait for.
        self.unfinished: dict[Connection, Inbox] = {}
        self.unsent: dict[Connection, tuple[Pace, Any]] = {}  # with what the thread said of them
        self.closing: dict[Connection, float] = {}
        self.look_at = 0.0
        super().init_process()

    def accept(self, listener: Any) -> None:
        if self.cfg.is_ssl:
            super().accept(listener)
            return
        try:
            plain, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as fault:
            if fault.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._make_room_for_one()
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, PatientSocket(plain, self.seats), address, listener.getsockname())
        self.enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        if self.cfg.is_ssl:
            return super().handle(conn)
        kept = self._handle_if_whole(conn)
        while kept is True and not conn.sock.rest and self._has_more(conn):
            kept = self._handle_if_whole(conn)
        return kept

    def _handle_if_whole(self, conn: Any) -> Any:
        conn.init()
        unreader = conn.parser.unreader
        inbox, conn.inbox = conn.inbox or self._inbox(unreader.take_buffered()), None
        may_linger = True
        try:
            while not inbox.is_whole:
                try:
                    data = conn.sock.recv_at_once()
                except BlockingIOError:
                    if may_linger and self._linger(conn):
                        may_linger = False
                        continue
                    conn.inbox = inbox
                    return UNFINISHED
                if not data:
                    break  # the parser says what that means
                inbox.take(data)
        except OSError:
            return False
        unreader.unread(bytes(inbox.text))
        return super().handle(conn)

    def _inbox(self, text: bytes) -> Inbox:
        from django.conf import settings

        return Inbox(text, settings.BOOKJOB_MAX_BODY_BYTES)

    def _has_more(self, conn: Any) -> bool:
        # What came with the request before is no news to the socket.
        return bool(conn.parser.unreader.buf.getvalue()) or self._linger(conn)

    def _linger(self, conn: Any) -> bool:
        """Whether something comes within a moment."""
        if not self.alive or self.tpool._work_queue.qsize() or not self.seats.acquire(blocking=False):
            return False
        try:
            poll = select.poll()
            poll.register(conn.sock, select.POLLIN)
            return bool(poll.poll(LINGER_MILLISECONDS))
        finally:
            self.seats.release()

    # From here on: what the watching thread does.

    def finish_request(self, conn: Any, fs: Any) -> None:
        if self.cfg.is_ssl:
            super().finish_request(conn, fs)
            return
        try:
            result = False if fs.cancelled() else fs.result()
        except Exception:
            result = False
        if conn.sock.fileno() < 0:
            self._close(conn)
        elif result is UNFINISHED:
            self._ask_to_go_on(conn, conn.inbox)
            self.unfinished[conn] = conn.inbox
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._collect, conn))
        elif conn.sock.rest:
            self.unsent[conn] = Pace(), fs
            self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send_rest, conn))
        elif result:
            super().finish_request(conn, fs)
        else:
            self._begin_to_close(conn)

    def _collect(self, conn: Any, _: Any) -> None:
        inbox = self.unfinished[conn]
        try:
            data = conn.sock.recv_at_once()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        inbox.take(data)
        self._ask_to_go_on(conn, inbox)
        if inbox.is_whole:
            del self.unfinished[conn]
            self.poller.unregister(conn.sock)
            self.enqueue_req(conn)

    def _ask_to_go_on(self, conn: Any, inbox: Inbox) -> None:
        """The caller waits for a word before it sends the body."""
        if inbox.asks_to_go_on and not inbox.is_whole:
            inbox.asks_to_go_on = False
            self._send_at_once(conn, CONTINUE)

    def _send_rest(self, conn: Any, _: Any) -> None:
        pace, answered = self.unsent[conn]
        try:
            pace.move(conn.sock.send_rest())
        except OSError:
            self._drop(conn)
            return
        if not conn.sock.rest:
            del self.unsent[conn]
            self.poller.unregister(conn.sock)
            self.finish_request(conn, answered)

    def _begin_to_close(self, conn: Any) -> None:
        """The other end reads the answer first: what it has sent beyond would make the system cut the connection."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_away, conn))
        except (OSError, ValueError):
            self._close(conn)
            return
        self.closing[conn] = clock() + CLOSING

    def _read_away(self, conn: Any, _: Any) -> None:
        try:
            if conn.sock.recv_at_once():
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(conn)

    def _drop(self, conn: Any) -> None:
        """Cut a connection that is watched."""
        for waiting in (self.unfinished, self.unsent, self.closing):
            waiting.pop(conn, None)
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def _send_at_once(self, conn: Any, text: bytes) -> None:
        with contextlib.suppress(OSError):
            conn.sock.send(text)

    def murder_pending(self) -> None:
        """Also those that wait for their other end for too long; gunicorn calls this after each round of events."""
        super().murder_pending()
        now = clock()
        if now < self.look_at:
            return
        self.look_at = now + min(1.0, PATIENCE / 4)
        for conn, inbox in list(self.unfinished.items()):
            if now > inbox.pace.deadline:
                self._refuse(conn, inbox, 408, "invalid_request", "The request came too slowly. Send it again.")
        for conn, (pace, _) in list(self.unsent.items()):
            if now > pace.deadline:
                self._drop(conn)
        for conn, until in list(self.closing.items()):
            if now > until:
                self._drop(conn)
        self._make_room()

    def _make_room(self) -> None:
        """The largest go first, where all together hold too much."""
        held = {conn: len(inbox.text) for conn, inbox in self.unfinished.items()}
        held |= {conn: len(conn.sock.rest) for conn in self.unsent}
        total = sum(held.values())
        for conn in sorted(held, key=lambda conn: -held[conn]):
            if total <= MOST_HELD:
                return
            total -= held[conn]
            self._drop(conn)

    def _make_room_for_one(self) -> None:
        """No file is left for another connection: the one goes on which the least has come, the oldest of these."""
        if self.unfinished:
            self._drop(min(self.unfinished, key=lambda conn: len(self.unfinished[conn].text)))
        else:
            time.sleep(0.01)  # others are answered meanwhile, and end

    def _cap_keepalive(self, deadline: float) -> None:
        """The service stops: a connection on which nothing has come gets no more time than one that was kept."""
        super()._cap_keepalive(deadline)
        for inbox in self.unfinished.values():
            if not inbox.text:
                inbox.pace.deadline = min(inbox.pace.deadline, deadline)

    def _refuse(self, conn: Any, inbox: Inbox, status: int, word: str, message: str) -> None:
        if inbox.text:
            self._send_at_once(conn, refusal(status, word, message))
            log(status, word)
        self.unfinished.pop(conn)
        self.poller.unregister(conn.sock)
        self._begin_to_close(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """What gunicorn's parser refuses is answered in ServiceMobility's body, and quoted nowhere."""
        status, word, message = describe(exc)
        log(status, word, type(exc).__name__)
        if status == 500:
            incident = uuid.uuid4().hex[:12]
            logger.error("Incident %s", incident, exc_info=exc)
            message = message.format(incident=incident)
        with contextlib.suppress(OSError):
            client.sendall(refusal(status, word, message))


class Lines(Logger):
    """gunicorn's own log lines in the form of the service's."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JSONFormatter())


def describe(exc: BaseException) -> tuple[int, str, str]:
    """Status, word and message (contract, section 2) for what the parser says of a request."""
    match exc:
        case errors.InvalidResponseHeader() | errors.InvalidResponseHeaderName() | errors.ConfigurationProblem():
            pass
        case errors.LimitRequestLine():
            return 414, "too_large", "The address of the request is too long. Shorten the order number."
        case errors.LimitRequestHeaders():
            return 431, "too_large", "The headers of the request are too large. Log in again for a new token."
        case errors.InvalidRequestMethod():
            return 405, "method_not_allowed", "This address does not take that method."
        case errors.UnsupportedTransferCoding():
            return 501, "invalid_request", "The request is sent in a transfer coding that is not known here."
        case errors.ExpectationFailed():
            return 417, "invalid_request", "The request expects something that is not known here."
        case errors.InvalidRequestLine():
            message = "The address of the request cannot be read. Percent-encode blanks in the order number (%20)."
            return 400, "invalid_request", message
        case errors.ParseException():
            return 400, "invalid_request", "The request cannot be read: it is no valid HTTP."
    return 500, "server_error", "Something went wrong here. Try again, and if it stays so, report incident {incident}."


def refusal(status: int, word: str, message: str) -> bytes:
    from django.conf import settings

    detail = {"message": message, "params": {"error": word}, "dataPath": ""}
    body = orjson.dumps({"code": status, "detail": detail})
    shown = 500 if settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY else status
    head = (
        f"HTTP/1.1 {shown} {REASONS.get(shown, 'Error')}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


REASONS = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
}


def log(status: int, word: str, kind: str = "") -> None:
    """The line of a request that Django never saw."""
    from bookings.telemetry import metrics

    metrics.add(metrics.REQUESTS, "", word)
    logger.info("%s", kind or "-", extra={"facts": {"route": "", "status": status, "outcome": word}})
