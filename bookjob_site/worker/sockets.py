"""A connection that no thread waits for."""

import errno
import select
import socket
import threading
from typing import Any

from gunicorn.workers.gthread import TConn

from bookings import clock
from bookjob_site.worker import pace
from bookjob_site.worker.inbox import Inbox

# What one connection may hold of an answer, unless a thread may wait until the other end has taken it.
LARGEST_REST = 4 * 1024 * 1024
AT_ONCE = 256 * 1024


class Connection(TConn):
    """`inbox` is what has come of the next request, where that is not whole."""

    inbox: Inbox | None = None


class Seats:
    """For how many callers of a worker threads may wait, and until when."""

    def __init__(self, threads: int) -> None:
        self.free = threading.Semaphore(max(1, threads // 2))
        self.until = float("inf")  # set when the worker stops


class PatientSocket(socket.socket):
    """What is not taken at once is kept in `rest`, for the watching thread to send.

    A thread waits in two cases, both with a deadline and with a seat: for the rest of a body that is too large for the
    service, and for the reader of an answer beyond LARGEST_REST. Where no seat is free the connection is cut.
    """

    def __init__(self, plain: socket.socket, seats: Seats) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        super().settimeout(0)
        self.rest = bytearray()
        self.came = b""  # how the request begins
        self.seats = seats
        self.timeout_given: float | None = None
        self.begin_request()

    def begin_request(self) -> None:
        """From here on PATIENCE counts for what a thread waits for, however it drips."""
        self.receive_until = clock.ticks() + pace.PATIENCE

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def settimeout(self, seconds: float | None) -> None:
        self.timeout_given = seconds

    def gettimeout(self) -> float | None:
        return self.timeout_given

    def recv(self, size: int, flags: int = 0) -> bytes:
        until = self.receive_until
        if self.timeout_given is not None:
            until = min(until, clock.ticks() + self.timeout_given)
        while True:
            try:
                return super().recv(size, flags)
            except BlockingIOError:
                self._take_seat()
                try:
                    self._wait(select.POLLIN, until)
                finally:
                    self.seats.free.release()

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
        if len(self.rest) > LARGEST_REST:
            self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        self._take_seat()
        try:
            reader = pace.Pace()
            while len(self.rest) > LARGEST_REST:
                self._wait(select.POLLOUT, reader.deadline)
                reader.move(self.send_rest())
        finally:
            self.seats.free.release()

    def send_rest(self) -> int:
        """Send what goes at once; returns how much that was."""
        try:
            sent = self.send(memoryview(self.rest)[:AT_ONCE])
        except BlockingIOError:
            return 0
        del self.rest[:sent]
        return sent

    def _take_seat(self) -> None:
        if not self.seats.free.acquire(blocking=False):
            raise ConnectionResetError(errno.ECONNRESET, "too many slow callers")

    def _wait(self, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(self, event)
        if not poll.poll(max(0.0, min(until, self.seats.until) - clock.ticks()) * 1000):
            raise ConnectionResetError(errno.ECONNRESET, "too slow")
