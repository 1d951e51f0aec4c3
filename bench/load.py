"""The load generator: ready-made requests over a few connections that are kept, each sent when the last is answered.

One thread and plain sockets, so that it costs little beside what it measures; every request is sent once and counted
with its status and its time. `wrk` is not used: it is bound by time and not by the number of requests, which have to
be different orders, and it is not on every machine.

`Arrivals` sends calls when they are due instead, whether or not those before are answered.
"""

import heapq
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
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


class Connection:
    def __init__(self, port: int) -> None:
        self.port = port
        self.began = time.perf_counter()
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
        connection = Connection(port)
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


AFTER_A_BREAK, AFTER_A_REFUSAL = 1.0, 5.0  # seconds; the second is the service's Retry-After
LONGEST_IDLE = 30.0  # below the service's own 65, as a proxy has it


@dataclass(order=True)
class Call:
    due: float  # seconds after the begin
    kind: str = field(compare=False)
    make: Callable[[], bytes] = field(compare=False)  # its request, when it is sent
    order: str = field(compare=False, default="")
    tries: int = field(compare=False, default=0)
    first_due: float = field(compare=False, default=-1.0)

    def __post_init__(self) -> None:
        self.first_due = self.due


class Arrivals:
    """Sends each of `calls` when it is due, and again after 429, 503 or silence, as a device does.

    A call that finds all connections in use waits for one, and its time counts from when it was due first.
    """

    def __init__(
        self, port: int, calls: Iterator[Call], take: Callable[[Call, int, bytes], None], *, connections: int
    ) -> None:
        self.port, self.calls, self.take, self.connections = port, calls, take, connections
        self.times: dict[str, list[float]] = {}
        self.again: Counter[str] = Counter()
        self.selector = selectors.DefaultSelector()
        self.idle: list[Connection] = []
        self.waiting: list[Call] = []  # a heap: what is sent again, and the next of `calls`
        self.opened = 0
        self.now = 0.0

    @property
    def rate(self) -> float:
        return sum(map(len, self.times.values())) / self.now

    def run(self, until: float = float("inf"), patience: float = 120.0) -> None:
        """Until all are answered, or nothing new is sent after `until`. Raises TimeoutError if no answer comes."""
        began, heard = time.perf_counter(), 0.0
        self._plan()
        while self.selector.get_map() or (self.waiting and self.now < until):
            if self.now < until:
                self._send_what_is_due()
            events = self.selector.select(self._pause())
            self.now = time.perf_counter() - began
            heard = self.now if events or not self.selector.get_map() else heard
            if self.now - heard > patience:
                raise TimeoutError(f"{len(self.selector.get_map())} calls without an answer for {patience} s")
            for key, _ in events:
                self._receive(*key.data)
        for connection in self.idle:
            connection.socket.close()

    def _plan(self) -> None:
        if call := next(self.calls, None):
            heapq.heappush(self.waiting, call)

    def _pause(self) -> float:
        has_room = self.idle or self.opened < self.connections
        return min(1.0, max(0.0, self.waiting[0].due - self.now)) if self.waiting and has_room else 1.0

    def _send_what_is_due(self) -> None:
        while self.waiting and self.waiting[0].due <= self.now and (self.idle or self.opened < self.connections):
            call = heapq.heappop(self.waiting)
            if not call.tries:
                self._plan()
            self._send(call)

    def _send(self, call: Call) -> None:
        connection = self.idle.pop() if self.idle else None
        self.opened += connection is None
        try:
            if connection is None:
                connection = Connection(self.port)
            elif time.perf_counter() - connection.began > LONGEST_IDLE:
                connection.socket.close()
                connection.open()
            connection.send(call.make())
        except OSError:
            self._note_as_unheard(connection, call)
        else:
            self.selector.register(connection.socket, selectors.EVENT_READ, (connection, call))

    def _receive(self, connection: Connection, call: Call) -> None:
        socket_of_call = connection.socket
        try:
            answer = connection.receive()
        except OSError:
            self.selector.unregister(socket_of_call)
            self._note_as_unheard(connection, call)
            return
        if answer is None:
            return
        self.selector.unregister(socket_of_call)
        self.idle.append(connection)
        status, body = answer
        if status in (429, 503):
            self._send_again(call, str(status), AFTER_A_REFUSAL)
            return
        self.times.setdefault(call.kind, []).append(self.now - call.first_due)
        self.take(call, status, body)

    def _note_as_unheard(self, broken: Connection | None, call: Call) -> None:
        if broken:
            broken.socket.close()
        self.opened -= 1
        self._send_again(call, "without an answer", AFTER_A_BREAK)

    def _send_again(self, call: Call, why: str, pause: float) -> None:
        self.again[f"{call.kind} {why}"] += 1
        call.tries += 1
        call.due = self.now + pause
        heapq.heappush(self.waiting, call)
