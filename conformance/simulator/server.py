"""The HTTP of the simulated ServiceMobility: which call is what, who may, what goes wrong, and what is answered.

Bounded: so many connections, so large a body, so long a wait. It listens on the loopback alone.
"""

import contextlib
import json
import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote

from conformance.simulator import page
from conformance.simulator.faults import ANSWERS, JSON, Fault, Faults
from conformance.simulator.orders import Call, Document, Orders, Refused, devices
from conformance.simulator.tokens import Tokens

MAX_CONNECTIONS = 128
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_ENDLESS_BYTES = 64 * 1024 * 1024  # of an answer without an end
IDLE_SECONDS = 30
WORK_ORDER = "seiapi/v3/trans/WorkOrder"
# Pages of its own, for people and for tests in another process.
FORM = "application/x-www-form-urlencoded"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Simulator:
    """Serves while it is entered, or between `start` and `stop`. Port 0 takes a free one."""

    def __init__(
        self,
        *,
        port: int = 0,
        username: str = "bookjob",
        password: str = "simulated",  # noqa: S107  nothing is behind it
        file: str = ":memory:",
        required: tuple[str, ...] = (),
        unknown: tuple[str, ...] = (),
        token_minutes: float = 60,
        certificate: str = "",
    ) -> None:
        self.username, self.password = username, password
        self.orders, self.faults, self.tokens = Orders(file, required, unknown), Faults(), Tokens(token_minutes)
        self.ended = threading.Event()
        # Called when a call has arrived, before anything is done: (method, number of the work order).
        self.when_called: Callable[[str, str], None] = lambda method, order: None
        self.server = Server(("127.0.0.1", port), Handler, self, certificate)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        self.server.cut_all()
        self.server.shutdown()
        self.server.server_close()
        self.orders.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_fault(self, name: str, **how: Any) -> Fault:
        """`method` (several: "PUT DELETE"; "POST" is the log-in), `order`, `times`, `seconds`; all calls without."""
        return self.faults.add(name, **how)

    @property
    def calls(self) -> list[Call]:
        return list(self.orders.calls)

    def devices(self) -> dict[str, list[Document]]:
        """What each worker's device shows; under "" what is on none."""
        return devices(self.orders.all())

    def state(self) -> Document:
        return {
            "Orders": self.orders.all(),
            "Devices": {
                worker: [each["OrderNum"] for each in shown] for worker, shown in self.devices().items() if worker
            },
            "Calls": [[call.method, call.what, call.order, call.status] for call in self.calls[-1000:]],
        }


class Server(ThreadingHTTPServer):
    request_queue_size = MAX_CONNECTIONS
    daemon_threads = False  # joined by server_close

    def __init__(self, address: tuple[str, int], handler: type, simulator: Simulator, certificate: str) -> None:
        super().__init__(address, handler)
        self.simulator = simulator
        self.places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.connections: set[socket.socket] = set()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self.tls:
            self.tls.load_cert_chain(certificate)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Within this the next connection waits, where there are too many."""
        if not self.places.acquire(timeout=1):
            self.shutdown_request(request)
            return
        self.connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            if self.tls:
                request.settimeout(IDLE_SECONDS)
                with contextlib.suppress(OSError):
                    secure = self.tls.wrap_socket(request, server_side=True)
                    self.connections.add(secure)
                    super().process_request_thread(secure, client_address)
                    self.connections.discard(secure)
            else:
                super().process_request_thread(request, client_address)
        finally:
            self.connections.discard(request)
            self.places.release()

    def cut_all(self) -> None:
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no error of the simulator."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Server
    call: Call | None = None

    def do_call(self) -> None:
        simulator, self.call = self.server.simulator, None
        content = self._content()
        if content is None:
            return
        steps = [unquote(step) for step in self.path.partition("?")[0].split("/")[1:]]
        if steps == ["createjwt"]:
            self._exchange(simulator, "createjwt", "", content)
        elif "/".join(steps[:4]) == WORK_ORDER and len(steps) == 5:
            self._exchange(simulator, "WorkOrder", steps[4], content)
        elif "/".join(steps[:4]) == WORK_ORDER and len(steps) == 6 and steps[5] == "Dispatch":
            self._exchange(simulator, "Dispatch", steps[4], content)
        else:
            self._own_page(simulator, "/".join(steps), content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_call  # noqa: N815  http.server's names

    def log_message(self, *_: Any) -> None:
        """The page shows the calls."""

    def _content(self) -> bytes | None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._error(411, "Send the length of the body.")
            return None
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._error(413, "The body is too large.")
            return None
        return self.rfile.read(int(length))

    # ServiceMobility's own calls.

    def _exchange(self, simulator: Simulator, what: str, order: str, content: bytes) -> None:
        method = str(self.command)
        simulator.when_called(method, order)
        fault = simulator.faults.take(method, order)
        try:
            document = json.loads(content) if content.strip() else None
        except ValueError:
            document = None
        self.call = Call(datetime.now(UTC), method, what, order, fault=fault.name if fault else "", document=document)
        simulator.orders.calls.append(self.call)
        if fault is None:
            self._send_json(*self._result(simulator, what, order, document))
        elif fault.name in ANSWERS:
            self._instead(fault, document)
        else:
            self._go_wrong(simulator, fault, lambda: self._result(simulator, what, order, document))

    def send_response(self, code: int, message: str | None = None) -> None:
        """A call is on record before its answer arrives."""
        if self.call:
            self.call.status = code
        super().send_response(code, message)

    def _result(self, simulator: Simulator, what: str, order: str, document: Any) -> tuple[int, Any]:
        try:
            return 200, self._do(simulator, what, order, document)
        except Refused as refused:
            return refused.status, error_body(refused.status, refused.message, refused.path)

    def _do(self, simulator: Simulator, what: str, order: str, document: Any) -> Any:
        orders, method = simulator.orders, self.command
        if what == "createjwt":
            return self._log_in(simulator, document)
        if not simulator.tokens.is_good(self.headers.get("x-access-token", "")):
            raise Refused(401, "Invalid logon.")
        if what == "Dispatch" and method == "PUT":
            orders.dispatch(order, document)
        elif what == "WorkOrder" and method == "PUT":
            orders.put(order, document)
        elif what == "WorkOrder" and method == "PATCH":
            orders.patch(order, document)
        elif what == "WorkOrder" and method == "DELETE":
            orders.delete(order)
        elif what == "WorkOrder" and method == "GET":
            return orders.get(order)
        else:
            raise Refused(405, "Method not allowed.")
        return {"OrderNum": order}

    def _log_in(self, simulator: Simulator, document: Any) -> dict[str, str]:
        if self.command != "POST":
            raise Refused(405, "Method not allowed.")
        given = document if isinstance(document, dict) else {}
        if (given.get("username"), given.get("password")) != (simulator.username, simulator.password):
            raise Refused(401, "Invalid logon.")
        return {"token": simulator.tokens.issue()}

    # Faults.

    def _instead(self, fault: Fault, document: Any) -> None:
        instead = ANSWERS[fault.name]
        account = document.get("Account") if isinstance(document, dict) else None
        number = account.get("AccountNum") if isinstance(account, dict) else None
        words = instead.words.format(Account=number or "")
        text = instead.text or json.dumps(error_body(instead.status, words))
        self._send(instead.status, text.encode(), instead.content_type, instead.headers(fault.seconds))

    def _go_wrong(self, simulator: Simulator, fault: Fault, result: Callable[[], tuple[int, Any]]) -> None:
        name, wait = fault.name, simulator.ended.wait
        if name in ("silence", "reset"):
            if name == "silence":
                wait(fault.seconds)
            self._cut()
            return
        if name == "revoked_token":
            simulator.tokens.revoke()
        if name == "delay":
            wait(fault.seconds)
        status, document = result()
        if name == "late_answer":
            wait(fault.seconds)
        if name == "warnings" and status == 200:
            document |= {"Warnings": ["FlexAttrs were ignored."]}
        if name == "lost_answer":
            self._cut()
        elif name in ("drip", "huge", "half_answer"):
            self._send_badly(name, status, json.dumps(document).encode(), wait)
        else:
            self._send_json(status, document)

    def _send_badly(self, name: str, status: int, content: bytes, wait: Callable[[float], bool]) -> None:
        self.close_connection = True
        if name == "drip":
            content = b" " * 10_000 + content
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        if name != "huge":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if name == "half_answer":
            self.wfile.write(content[: len(content) // 2])
        elif name == "drip":
            for position in range(len(content)):
                if wait(0.1):
                    break
                self.wfile.write(content[position : position + 1])
        else:
            for _ in range(MAX_ENDLESS_BYTES // 65_536):
                self.wfile.write(b" " * 65_536)

    def _cut(self) -> None:
        """Ends the connection by a reset, not in order."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            os.close(self.connection.detach())

    # Pages of its own.

    def _own_page(self, simulator: Simulator, address: str, content: bytes) -> None:
        if self.command == "GET" and address == "":
            self._send(200, page.page(simulator).encode(), "text/html; charset=utf-8", SECURITY)
        elif self.command == "GET" and address == "state":
            self._send_json(200, simulator.state())
        elif self.command == "POST" and address in page.FORMS and self._is_from_here():
            fields = {name: values[0] for name, values in parse_qs(content.decode(errors="replace")).items()}
            try:
                page.FORMS[address](simulator, fields)
            except (ValueError, Refused) as fault:
                self._error(400, str(fault))
            else:
                self._send(303, b"", "text/plain", {"Location": "/"})
        else:
            self._error(404, "There is no such address.")

    def _is_from_here(self) -> bool:
        """No page of another site may send the forms."""
        kind = (self.headers.get("Content-Type") or "").partition(";")[0].strip()
        return kind == FORM and self.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")

    # Sending.

    def _error(self, status: int, message: str) -> None:
        self._send_json(status, error_body(status, message))

    def _send_json(self, status: int, document: Any) -> None:
        self._send(status, json.dumps(document).encode(), JSON, {})

    def _send(self, status: int, content: bytes, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        with contextlib.suppress(OSError):
            self.end_headers()
            self.wfile.write(content)


def error_body(status: int, message: str, path: str = "") -> Document:
    """ServiceMobility's own."""
    return {"code": status, "detail": {"message": message, "params": {}, "dataPath": path}}
