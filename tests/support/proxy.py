"""A network between the service and its database that can fail: packets are lost, an answer never comes."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Passes on what comes to `port`, in both directions, until a test disturbs it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.passing = threading.Event()
        self.passing.set()
        # How many more bookings are committed, but their answers never arrive: the connection is cut instead.
        self.commits_to_cut = 0
        self.cutting: set[socket.socket] = set()
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_packets(self) -> None:
        """From now on nothing arrives and neither end is told so; after `heal` it does, late, as TCP would have it."""
        self.passing.clear()

    def heal(self) -> None:
        self.passing.set()

    def close(self) -> None:
        self.heal()
        with contextlib.suppress(OSError):  # a test was first
            self.listener.shutdown(socket.SHUT_RDWR)  # or the kernel goes on listening while a thread accepts
        self.listener.close()
        for pair in self.pairs:
            self._cut(*pair)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target), 5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self.pairs.append((near, far))
                threading.Thread(target=self._ask, args=(near, far), daemon=True).start()
                threading.Thread(target=self._answer, args=(near, far), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                self.passing.wait()
                if self.commits_to_cut and b"booked = booked + 1" in data:
                    self.cutting.add(far)
                far.sendall(data)
        self._cut(near, far)

    def _answer(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                self.passing.wait()
                if far in self.cutting:
                    # PostgreSQL answers when it has committed.
                    self.commits_to_cut -= 1
                    break
                near.sendall(data)
        self._cut(near, far)

    def _cut(self, *ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    one = Proxy(target)
    try:
        yield one
    finally:
        one.close()
