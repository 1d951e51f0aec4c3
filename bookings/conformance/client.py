"""ServiceMobility's side of the wire: calls the two interfaces of any implementation as ServiceMobility does.

HTTP and the standard library only; nothing of this service's own tables is read. No redirect is followed, since
ServiceMobility documents none, and every call has a connection of its own.
"""

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

T = TypeVar("T")

JSON = "application/json"
# More than any answer of the two interfaces; the rest of an endless one is not read.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_WORD = 60


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
    timeout: float = 30  # seconds for each step of a call

    def connect(self) -> http.client.HTTPConnection:
        """An open connection. Raises OSError, or UnicodeError for a host name that cannot be one."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout)
        connection.connect()
        return connection

    def headers(self, token: str | None, content_type: str = JSON, name: str = "x-access-token") -> dict[str, str]:
        return {"Content-Type": content_type} | ({} if token is None else {name: token})

    def search(self, body: Any, *, method: str = "POST", headers: dict[str, str] | None = None) -> Answer:
        return self._call(method, self.search_path, body, headers)

    def book(self, order: str, body: Any, *, method: str = "POST", headers: dict[str, str] | None = None) -> Answer:
        """`order` is the number of the current work order, any text; it replaces the {0} of the path."""
        return self._call(method, self.book_path.replace("{0}", quote(order, safe="")), body, headers)

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str] | None) -> Answer:
        """Texts and bytes are sent as they are, everything else as JSON."""
        content = body if isinstance(body, str | bytes) else json.dumps(body, ensure_ascii=False)
        target = f"{urlsplit(self.url).path.rstrip('/')}/{path.lstrip('/')}"
        try:
            with contextlib.closing(self.connect()) as connection:
                connection.request(
                    method,
                    target,
                    content.encode() if isinstance(content, str) else content,
                    headers or self.headers(self.token),
                )
                response = connection.getresponse()
                text = response.read(MAX_ANSWER_BYTES).decode(errors="replace")
                return Answer(response.status, response.getheader("Content-Type", ""), text)
        except (OSError, http.client.HTTPException, UnicodeError) as fault:
            return Answer(0, "", str(fault) or type(fault).__name__)


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
    """The token's claims, expired an hour ago. The signature does not fit any more: nobody here has the key."""
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
