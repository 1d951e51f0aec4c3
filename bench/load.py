"""The load generator: ready-made requests over a few connections that are kept, each sent when the last is answered.

One thread and plain sockets, so that it costs little beside what it measures; every request is sent once and counted
with its status and its time. `wrk` is not used: it is bound by time and not by the number of requests, which have to
be different orders, and it is not on every machine.
"""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Answers:
    seconds: float = 0.0
    busy: float = 0.0  # processor seconds of the generator itself
    statuses: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)  # seconds of each request
    refusals: Counter[bytes] = field(default_factory=Counter)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection:
    def __init__(self, port: int) -> None:
        self.port = port
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.expected = 0

    def send(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bytes] | None:
        """Status and body, once the answer is complete."""
        block = self.socket.recv(262_144)
        if not block:
            raise ConnectionError(f"port {self.port} closed a connection: {self.received[:200]!r}")
        self.received += block
        if not self.expected:
            head = self.received.find(b"\r\n\r\n")
            if head < 0:
                return None
            lines = self.received[:head].lower()
            self.expected = head + 4 + int(lines.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
            self.body_at = head + 4
        if len(self.received) < self.expected:
            return None
        answer = int(self.received[9:12]), self.received[self.body_at :]
        closes = b"\r\nconnection: close" in self.received[: self.body_at].lower()
        self.received, self.expected = b"", 0
        if closes:
            self.socket.close()
            self.open()
        return answer


def send(port: int, requests: list[bytes], *, connections: int = 8, patience: float = 120.0) -> Answers:
    """Sends each request once. Raises TimeoutError after `patience` seconds."""
    answers = Answers()
    waiting: Iterator[bytes] = iter(requests)
    selector = selectors.DefaultSelector()
    busy = time.process_time()
    began = time.perf_counter()
    # In this order: the other one would take a request more than there are connections, and send it never.
    for _, request in zip(range(connections), waiting, strict=False):
        connection = _Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(request)
    while selector.get_map():
        for key, _ in selector.select(timeout=10):
            connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            answers.times.append(now - connection.began)
            answers.statuses[answer[0]] += 1
            if answer[0] != 200:
                answers.refusals[answer[1][:300]] += 1
            if connection.socket is not key.fileobj:
                selector.unregister(key.fileobj)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            request = next(waiting, b"")
            if request:
                connection.send(request)
            else:
                selector.unregister(connection.socket)
                connection.socket.close()
        if time.perf_counter() - began > patience:
            raise TimeoutError(f"{len(answers.times)} of {len(requests)} answers after {patience} s")
    answers.seconds = time.perf_counter() - began
    answers.busy = time.process_time() - busy
    return answers
