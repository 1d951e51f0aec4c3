"""ServiceMobility's side of the wire: calls the two interfaces of any implementation as ServiceMobility does.

HTTP and the standard library only; nothing of this service's own tables is read. No redirect is followed, since
ServiceMobility documents none, and every call has a connection of its own.
"""

import base64
import contextlib
import http.client
import io
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

T = TypeVar("T")

JSON = "application/json"
# More than any answer of the two interfaces, all of HTTP counted. An endless one is cut off there.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*(;.*)?\r?\n")
MAX_WORD = 60


class Unfit(OSError):
    """The answer is no HTTP, too large, or too slow; the text says which."""


class Received(io.RawIOBase):
    """What comes out of a socket, until the deadline and up to MAX_ANSWER_BYTES, whatever the peer sends."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.deadline, self.left = sock, deadline, MAX_ANSWER_BYTES

    def makefile(self, mode: str) -> io.BufferedReader:
        """As http.client.HTTPResponse wants it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.left <= 0:
            raise Unfit(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        self.sock.settimeout(seconds_until(self.deadline))
        try:
            count = self.sock.recv_into(memoryview(buffer)[: self.left])
        except TimeoutError:
            raise Unfit("the answer was not there in time") from None
        self.left -= count
        return count


class Connection(http.client.HTTPConnection):
    """Looking up the host, connecting, TLS and sending all end at one deadline."""

    def __init__(self, url: str, deadline: float) -> None:
        parts = urlsplit(url)
        self.is_secure, self.deadline = parts.scheme == "https", deadline
        self.default_port = 443 if self.is_secure else 80
        super().__init__(parts.hostname or "", parts.port)

    def connect(self) -> None:
        sock = _dial(self.host, self.port, self.deadline)
        try:
            if self.is_secure:
                sock.settimeout(seconds_until(self.deadline))
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        self.sock = sock

    def send(self, data: Any) -> None:
        self.sock.settimeout(seconds_until(self.deadline))
        super().send(data)


def connect(url: str, deadline: float) -> Connection:
    """An open connection. Raises OSError, or UnicodeError for a host name that cannot be one."""
    connection = Connection(url, deadline)
    connection.connect()
    return connection


def _dial(host: str, port: int, deadline: float) -> socket.socket:
    """A host may have several addresses; each gets its share of the time that is left."""
    found = _addresses(host, port, deadline)
    fault: OSError = Unfit(f"{host} has no address")
    for index, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds_until(deadline) / (len(found) - index))
            sock.connect(address)
        except TimeoutError:
            fault = Unfit("the connection was not there in time")
        except OSError as other:
            fault = other
        else:
            return sock
        sock.close()
    raise fault


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    """The system's resolver has time-outs of its own, and no way to end it."""
    found: Queue[Any] = Queue()

    def look() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as fault:
            found.put(fault)

    threading.Thread(target=look, daemon=True).start()
    try:
        addresses = found.get(timeout=seconds_until(deadline))
    except Empty:
        raise Unfit("the address of the host was not found in time") from None
    if isinstance(addresses, Exception):
        raise addresses
    return list(addresses)


def seconds_until(deadline: float) -> float:
    """Raises Unfit where it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unfit("the answer was not there in time")
    return left


@dataclass(frozen=True)
class Answer:
    """What came back. Status 0: nothing did, and `text` says why."""

    status: int
    content_type: str
    text: str

    @property
    def document(self) -> Any:
        """The JSON value. Raises ValueError."""
        try:
            return json.loads(self.text)
        except RecursionError:
            raise ValueError("nested too deep") from None

    def __str__(self) -> str:
        """The status, with the machine word of a refusal if it has one."""
        if not self.status:
            return f"no answer ({self.text})"
        word = ""
        with contextlib.suppress(ValueError, LookupError, TypeError):
            word = f" {self.document['detail']['params']['error']}"
        return f"{self.status}{word[:MAX_WORD]}"


@dataclass(frozen=True)
class Implementation:
    """Whatever answers at `url` (a base such as http://host/api/v1). The paths are relative to it."""

    url: str
    token: str
    search_path: str = "appointments/search"
    book_path: str = "workorders/{0}/followup"
    timeout: float = 30  # seconds for a whole call

    def connect(self) -> http.client.HTTPConnection:
        return connect(self.url, time.monotonic() + self.timeout)

    def headers(self, token: str | None, content_type: str = JSON, name: str = "x-access-token") -> dict[str, str]:
        return {"Content-Type": content_type} | ({} if token is None else {name: token})

    def search(self, body: Any, *, method: str = "POST", headers: dict[str, str] | None = None) -> Answer:
        return self._call(method, self.search_path, body, headers)

    def book(self, order: str, body: Any, *, method: str = "POST", headers: dict[str, str] | None = None) -> Answer:
        """`order` is the number of the current work order, any text; it replaces the {0} of the path."""
        return self._call(method, self.book_path.replace("{0}", quote(order, safe="")), body, headers)

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str] | None) -> Answer:
        return send(self.url, method, path, body, headers or self.headers(self.token), self.timeout)


def send(url: str, method: str, path: str, body: Any, headers: dict[str, str], timeout: float) -> Answer:
    """One call at the base `url`, `timeout` seconds for all of it. Texts and bytes are sent as they are, everything
    else as JSON."""
    content = body if isinstance(body, str | bytes) else json.dumps(body, ensure_ascii=False)
    target = f"{urlsplit(url).path.rstrip('/')}/{path.lstrip('/')}"
    deadline = time.monotonic() + timeout
    try:
        with contextlib.closing(connect(url, deadline)) as connection:
            connection.request(method, target, content.encode() if isinstance(content, str) else content, headers)
            response = http.client.HTTPResponse(Received(connection.sock, deadline), method=method)  # type: ignore[arg-type]
            with contextlib.closing(response):
                response.begin()
                content = b"".join(_chunks(response.fp)) if response.chunked else response.read(MAX_ANSWER_BYTES)
                if response.length:
                    raise Unfit("the answer ends before the length that it names")
                text = content.decode(errors="replace")
                return Answer(response.status, response.getheader("Content-Type", ""), text)
    except (OSError, http.client.HTTPException, UnicodeError) as fault:
        return Answer(0, "", str(fault) or type(fault).__name__)


def _chunks(lines: io.BufferedReader) -> Iterator[bytes]:
    """The body of an answer in chunks (RFC 9112, section 7.1). http.client reads sizes such as -1 as it likes."""
    while True:
        line = lines.readline(1000)
        if not CHUNK_SIZE.fullmatch(line):
            raise Unfit(f"the answer has a chunk of the size {line[:MAX_WORD].decode(errors='replace').strip()!r}")
        size = int(line.partition(b";")[0], 16)
        if not size:
            return  # what follows, if anything does, are headers
        if size > MAX_ANSWER_BYTES:
            raise Unfit(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        chunk = lines.read(size)
        if len(chunk) < size or lines.readline(3).strip():
            raise Unfit("the answer ends within a chunk")
        yield chunk


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """The results of all calls, which start at the same instant."""
    calls = list(calls)
    barrier = threading.Barrier(len(calls))

    def start(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(start, calls))


# --- Tokens that must be refused ---------------------------------------------------------------------------


def unsigned(token: str) -> str:
    """The token's claims, not expired, with the header `alg: none` and no signature (RFC 8725, section 3.1)."""
    now = int(time.time())
    claims = _claims(token) | {"iat": now, "exp": now + 3600}
    return f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(claims)}."


def expired(token: str) -> str:
    """The token's claims, expired an hour ago. The signature does not fit any more: the key is not here."""
    header, _, signature = _segments(token)
    now = int(time.time())
    return f"{header}.{_segment(_claims(token) | {'iat': now - 7200, 'exp': now - 3600})}.{signature}"


def forged(token: str) -> str:
    """The token with another signature."""
    header, claims, signature = _segments(token)
    return f"{header}.{claims}.{'B' if signature.startswith('A') else 'A'}{signature[1:]}"


def _segments(token: str) -> tuple[str, str, str]:
    """Header, claims and signature; made-up ones where the token is no JWT."""
    if token.count(".") == 2:
        header, claims, signature = token.split(".")
        return header, claims, signature
    now = int(time.time())
    return _segment({"alg": "HS256", "typ": "JWT"}), _segment({"iat": now, "exp": now + 3600}), "A" * 43


def _claims(token: str) -> dict[str, Any]:
    claims = _segments(token)[1]
    with contextlib.suppress(ValueError):
        document = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        if isinstance(document, dict):
            return document
    return {}


def _segment(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
