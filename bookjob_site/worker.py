"""gunicorn's threaded worker, with one way less for a connection that is busy."""

import select
import threading
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_MILLISECONDS = 5


class Worker(ThreadWorker):
    """A thread that has answered waits a moment for the next request of the same connection.

    gunicorn's own hands each connection back to the thread that watches all of them, and gets it from there again:
    under load a tenth of Python's time (bench/README.md). No more than half of the threads wait like this, and none
    begins to while somebody waits for a thread: whoever comes then waits for LINGER_MILLISECONDS at most.
    """

    def init_process(self) -> None:
        self.seats = threading.Semaphore(self.cfg.threads // 2)
        super().init_process()

    def handle(self, conn: Any) -> Any:
        kept = super().handle(conn)
        while kept is True and self._has_more(conn):
            kept = super().handle(conn)
        return kept

    def _has_more(self, conn: Any) -> bool:
        if not self.alive or self.tpool._work_queue.qsize() or not self.seats.acquire(blocking=False):
            return False
        try:
            poll = select.poll()
            poll.register(conn.sock, select.POLLIN)
            # What came with the request before is no news to the socket.
            return bool(conn.parser.unreader.buf.getvalue() or poll.poll(LINGER_MILLISECONDS))
        finally:
            self.seats.release()
