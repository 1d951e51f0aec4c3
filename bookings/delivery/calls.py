"""The one place that calls out. Nothing that serves requests imports it (tests/api/test_security.py).

A call is over at its deadline, whatever the other side does: drips its answer, its headers or its TLS handshake. The
answer is read up to a limit, no redirect is followed, certificates are checked, and each call has a connection of its
own, so that none fails because the other side has just closed it.
"""

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError, SSLError

from bookings import clock

# Seconds for the whole of a call; shorter than the lease of a leader (leader.py).
DEADLINE = 10.0
# Of it for each address that the receiver's name has: one that drops what it gets must not use up the time of the next.
CONNECTED_WITHIN = 1 / 3
MOST_BYTES = 1024 * 1024


class NoAnswer(Exception):
    """None came in time, or none that can be read; the text says why."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def document(self) -> dict[str, Any] | None:
        """The JSON object of the body; None if it is none."""
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(self.body)
            return found if isinstance(found, dict) else None
        return None

    def retry_after(self, now: datetime) -> float | None:
        """The seconds of `Retry-After` (RFC 9110, section 10.2.3: a number or a date); None without one."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdecimal():
            return float(text[:9])
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            until = _http_date(text)
            # By the clock of the receiver that wrote both, if it says what that shows.
            with contextlib.suppress(ValueError, TypeError, OverflowError):
                now = _http_date(self.headers.get("Date", ""))
            return max(0.0, (until - now).total_seconds())
        return None


def _http_date(text: str) -> datetime:
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Channel:
    """Calls to one base address, from any number of threads."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.path = parts.path.rstrip("/")
        self.query = f"?{parts.query}" if parts.query else ""
        self.host, self.port = parts.hostname or "", parts.port
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None

    def _pool(self) -> urllib3.HTTPConnectionPool:
        """For one call: a server need not say that it closes a connection, so none is used again."""
        timeout = urllib3.Timeout(connect=DEADLINE * CONNECTED_WITHIN, read=DEADLINE)
        if self.tls is None:
            plain = urllib3.HTTPConnectionPool(self.host, self.port, timeout=timeout)
            plain.ConnectionCls = _PlainConnection
            return plain
        secure = urllib3.HTTPSConnectionPool(self.host, self.port, timeout=timeout, ssl_context=self.tls)
        secure.ConnectionCls = _SecureConnection
        return secure

    def call(self, method: str, path: str = "", body: bytes | None = None, **headers: str) -> Answer:
        """One call; `path` comes percent-encoded. Raises NoAnswer."""
        fields = {"Connection": "close", "Accept": "application/json", "User-Agent": "bookjob"}
        if body is not None:
            fields["Content-Type"] = "application/json"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with _watched(DEADLINE) as watch, self._pool() as pool:
                response = pool.urlopen(
                    method,
                    f"{self.path}{path}{self.query}" or "/",
                    body,
                    fields,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=False,
                )
                with contextlib.closing(response):
                    content = response.read(MOST_BYTES + 1, decode_content=False)
                watch.check()
        except (HTTPError, HTTPException, OSError, ValueError) as fault:
            if watch.is_over or isinstance(fault, TimeoutError | ReadTimeoutError):
                raise NoAnswer(f"none within {DEADLINE:g} seconds") from None
            tls = "its certificate or TLS is not as it must be: " if isinstance(fault, SSLError) else ""
            raise NoAnswer(f"{tls}{_short(fault)}") from None
        if len(content) > MOST_BYTES:
            raise NoAnswer(f"none is read that is larger than {MOST_BYTES} bytes")
        if response.length_remaining:
            raise NoAnswer("one began, and broke off")
        return Answer(response.status, content, response.headers)


# Objects, numbers and places in code, which libraries put around what they say.
_NOT_FOR_PEOPLE = re.compile(r"<?\w+\(host=[^)]*\)[^:]*: |\[(SSL: \w+|Errno -?\d+)\] ?| ?\(_ssl\.c:\d+\)")


def _short(fault: BaseException) -> str:
    """What the library says, for people: `ProtocolError("Connection aborted.", ConnectionResetError(…))` is both."""
    first, *more = map(str, fault.args if isinstance(fault, HTTPError) and fault.args else [fault])
    text = " ".join([first, *(each for each in more if each not in first)])
    return _NOT_FOR_PEOPLE.sub("", text)[:200] or type(fault).__name__


class _Watch:
    """Ends what a thread does on its connection when the time is over."""

    def __init__(self, seconds: float) -> None:
        self.lock = threading.Lock()
        self.ends_at = clock.ticks() + seconds
        self.handle: socket.socket | None = None

    @property
    def is_over(self) -> bool:
        """By the clock: the thread that ends it may be late."""
        return clock.ticks() >= self.ends_at

    def on(self, handle: socket.socket) -> None:
        with self.lock:
            self.handle = handle
        self.check()

    def end(self) -> None:
        with self.lock, contextlib.suppress(OSError):
            if self.handle:
                self.handle.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        if self.is_over:
            raise TimeoutError

    def close(self) -> None:
        with self.lock:
            if self.handle:
                self.handle.close()
            self.handle = None


_now = threading.local()


@contextlib.contextmanager
def _watched(seconds: float) -> Iterator[_Watch]:
    _now.watch = watch = _Watch(seconds)
    timer = threading.Timer(seconds, watch.end)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        watch.close()


class _Watched:
    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        # TLS may take what is left of the time.
        connected.settimeout(DEADLINE)
        try:
            # A second descriptor: TLS takes the first one away, and a shutdown of either ends both.
            _now.watch.on(connected.dup())
        except TimeoutError:
            connected.close()
            raise
        return connected


class _PlainConnection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass
