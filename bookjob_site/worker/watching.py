"""What the thread does that watches all connections of a worker: it collects requests and sends what is left to send.

No caller keeps it waiting. What takes too long is refused or cut off, once a second at most.
"""

import contextlib
import errno
import selectors
import socket
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from bookings import clock
from bookjob_site.worker import pace, refusals
from bookjob_site.worker.inbox import Inbox
from bookjob_site.worker.sockets import Connection, PatientSocket, Seats

# What all connections of a worker may hold of answers and requests that wait for the other end.
MOST_HELD = 64 * 1024 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNFINISHED = object()  # what a thread says of a connection whose request is not whole yet


class WatchingWorker(ThreadWorker):
    def init_process(self) -> None:
        self.seats = Seats(self.cfg.threads)
        # The connections that wait for their other end, by what they wait for.
        self.unfinished: dict[Connection, Inbox] = {}
        self.unsent: dict[Connection, tuple[pace.Pace, Any]] = {}  # with what the thread said of them
        self.closing: dict[Connection, float] = {}
        self.look_at = 0.0
        self.came = 0  # bytes of unfinished requests since that look
        self.lacks_a_file = False
        super().init_process()

    # --- Beginning -------------------------------------------------------------------------------------------

    def accept(self, listener: Any) -> None:
        if self.cfg.is_ssl:  # gunicorn's business
            super().accept(listener)
            return
        try:
            plain, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as fault:
            if fault.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.lacks_a_file = True
            return
        conn = Connection(self.cfg, PatientSocket(plain, self.seats), address, listener.getsockname())
        self.nr_conns += 1
        self.enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread is done with a connection; gunicorn calls this in the watching thread."""
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
            self.unsent[conn] = pace.Pace(), fs
            self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send_rest, conn))
        elif result:
            super().finish_request(conn, fs)
        else:
            self._begin_to_close(conn)

    # --- Waiting for the other end ---------------------------------------------------------------------------

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
        self.came += len(data)
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
        reader, answered = self.unsent[conn]
        try:
            reader.move(conn.sock.send_rest())
        except OSError:
            self._drop(conn)
            return
        if not conn.sock.rest:
            del self.unsent[conn]
            self.poller.unregister(conn.sock)
            self.finish_request(conn, answered)

    # --- Ending ----------------------------------------------------------------------------------------------

    def _begin_to_close(self, conn: Any) -> None:
        """The other end reads the answer first: what it has sent beyond would make the system cut the connection."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_away, conn))
        except (OSError, ValueError):
            self._close(conn)
            return
        self.closing[conn] = clock.ticks() + pace.CLOSING

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
        """Cut a connection that is watched; of those that are kept, gunicorn's list has lost it already."""
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

    def _refuse(self, conn: Any, inbox: Inbox, refused: refusals.Refusal) -> None:
        if inbox.text:
            self._send_at_once(conn, refusals.answer(refused, came=inbox.text))
            refusals.log(refused)
        del self.unfinished[conn]
        self.poller.unregister(conn.sock)
        self._begin_to_close(conn)

    # --- Deadlines -------------------------------------------------------------------------------------------

    def murder_pending(self) -> None:
        """Also those that wait for their other end for too long; gunicorn calls this after each round of events."""
        super().murder_pending()
        # Not where the accepting fails: the connection that goes may have an event in the same round.
        if self.lacks_a_file or self.nr_conns >= self.worker_connections:
            self._make_room_for_one()
        now = clock.ticks()
        if now >= self.look_at or self.came > MOST_HELD // 8:
            self.look_at, self.came = now + min(1.0, pace.PATIENCE / 4), 0
            self._end_what_takes_too_long(now)
            self._make_room()
            self._write_what_was_counted()

    def _end_what_takes_too_long(self, now: float) -> None:
        stops = now > self.seats.until
        for conn, inbox in list(self.unfinished.items()):
            if stops or now > inbox.pace.deadline:
                self._refuse(conn, inbox, refusals.STOPPING if stops else refusals.TOO_SLOW)
        for conn, (reader, _) in list(self.unsent.items()):
            if stops or now > reader.deadline:
                self._drop(conn)
        for conn, until in list(self.closing.items()):
            if now > until:
                self._drop(conn)

    def _write_what_was_counted(self) -> None:
        """Where no search comes that would do it. A thread does, for this one waits for no database."""
        from bookings.services import empty_searches

        if empty_searches.is_due() and not self.tpool._work_queue.qsize():
            self.tpool.submit(empty_searches.write_between_requests)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: STOPPING seconds are left for what is under way, `deadline` is for the others."""
        super()._cap_keepalive(deadline)
        self.seats.until = clock.ticks() + pace.STOPPING
        for inbox in self.unfinished.values():
            if not inbox.text:
                inbox.pace.deadline = min(inbox.pace.deadline, deadline)

    # --- Room ------------------------------------------------------------------------------------------------

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
        """Nothing is left for another connection: the one goes on which the least has come, the oldest of these."""
        if self.unfinished:
            self._drop(min(self.unfinished, key=lambda conn: len(self.unfinished[conn].text)))
        elif self.keepalived_conns:
            self._drop(self.keepalived_conns.popleft())
        elif self.lacks_a_file:
            time.sleep(0.01)  # others are answered meanwhile, and end
        self.lacks_a_file = False
