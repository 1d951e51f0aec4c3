"""What a thread does: it has requests answered that are whole."""

import contextlib
import select
import threading
import uuid
from typing import Any

from bookings.refusals import Code
from bookjob_site.worker import refusals
from bookjob_site.worker.inbox import Inbox
from bookjob_site.worker.watching import UNFINISHED, WatchingWorker

LINGER_MILLISECONDS = 5
BEGINNING = 32  # of a request: enough to see whether it is for the desk


class Worker(WatchingWorker):
    """A thread that has answered waits a moment for the next request of the same connection.

    gunicorn's own hands each connection back to the thread that watches all of them, and gets it from there again:
    under load a tenth of Python's time (bench/README.md). No more than half of the threads wait like this, and none
    begins to while a request waits for a thread: it waits for LINGER_MILLISECONDS at most.
    """

    def init_process(self) -> None:
        self.lingering = threading.Semaphore(max(1, self.cfg.threads // 2))
        # A request reads some thirty of gunicorn's settings, each by a call that looks for it: from here on they stay.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

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
        try:
            if not self._read_on(conn, inbox):
                conn.inbox = inbox
                return UNFINISHED
        except OSError:
            return False
        conn.sock.came = bytes(inbox.text[:BEGINNING])
        unreader.unread(bytes(inbox.text))
        conn.sock.begin_request()
        return super().handle(conn)

    def _inbox(self, text: bytes) -> Inbox:
        from django.conf import settings

        return Inbox(text, settings.BOOKJOB_MAX_BODY_BYTES)

    def _read_on(self, conn: Any, inbox: Inbox) -> bool:
        """Whether the parser may begin: the request is whole, or the other end sends no more."""
        may_linger = True
        while not inbox.is_whole:
            try:
                data = conn.sock.recv_at_once()
            except BlockingIOError:
                if not (may_linger and self._linger(conn)):
                    return False
                may_linger = False
                continue
            if not data:
                return True
            inbox.take(data)
        return True

    def _has_more(self, conn: Any) -> bool:
        """Whether the next request is there, and no other caller waits for a thread."""
        if self._others_wait():
            return False
        # What came with the request before is no news to the socket.
        return bool(conn.parser.unreader.buf.getvalue()) or self._linger(conn)

    def _others_wait(self) -> bool:
        return bool(self.tpool._work_queue.qsize())

    def _linger(self, conn: Any) -> bool:
        """Whether something comes within a moment."""
        if not self.alive or self._others_wait() or not self.lingering.acquire(blocking=False):
            return False
        try:
            poll = select.poll()
            poll.register(conn.sock, select.POLLIN)
            return bool(poll.poll(LINGER_MILLISECONDS))
        finally:
            self.lingering.release()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """What gunicorn's parser refuses is answered as `refusals` says, and quoted nowhere."""
        refusal, message = refusals.describe(exc), ""
        refusals.log(refusal, type(exc).__name__)
        if refusal[1] == Code.SERVER_ERROR:
            incident = uuid.uuid4().hex[:12]
            refusals.logger.error("Incident %s", incident, exc_info=exc)
            message = refusal[2].format(incident=incident)
        with contextlib.suppress(OSError):
            client.sendall(refusals.answer(refusal, message, getattr(client, "came", b"")))
