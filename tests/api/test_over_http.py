"""What only a real connection to gunicorn shows."""

import contextlib
import http.client
import json
import socket

import pytest

from tests.conftest import SERVER
from tests.operations.test_faults import book_quickly
from tests.support.helpers import at_once, error, path_of, request


def raw(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(text)
        connection.settimeout(60)
        answer = b""
        while block := connection.recv(65536):
            answer += block
        return answer


class TestOneService:
    """One service for them all: starting it is what takes the time."""

    def test_what_comes_over_the_wire(self, service):
        body = service.make_slot(capacity=9)

        # A body without Content-Length.
        text = json.dumps(body).encode()
        head = (
            f"POST {path_of('WO-chunked')} HTTP/1.1\r\nHost: localhost\r\nx-access-token: {service.token}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        ).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (text[:50], text[50:])) + b"0\r\n\r\n"
        answer = raw(service.port, head + chunks)
        assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        assert b'"OrderNum":"FU-' in answer

        # Too large, with and without saying so before.
        large = json.dumps(body | {"x": "y" * 2_000_000}).encode()
        for answer in (
            service.book("WO-large", large),
            request(service.port, "POST", path_of("WO-large"), iter([large]), self.headers(service)),
        ):
            assert (answer.status, answer.json()["detail"]["params"]["error"]) == (413, "too_large")

        # A token of 100 kB reaches the service and is refused in the vendor's body.
        answer = service.request("POST", path_of("WO-1"), text, x_access_token="x" * 100_000)
        assert (answer.status, answer.json()["detail"]["params"]["error"]) == (401, "invalid_logon")

        # Order numbers: percent-encoded text is read as it was meant, bytes that are no text are refused.
        for path, status in (
            ("WO%20100%2F236", 200),
            ("%C3%9C-1", 200),
            ("..%2F..", 200),
            ("%FF", 400),
            ("a%00b", 400),
        ):
            answer = service.request("POST", f"/api/v1/workorders/{path}/followup", text)
            assert answer.status == status, (path, answer)
            assert answer.headers["content-type"] == "application/json"
        orders = {order for (order,) in service.database.execute("SELECT original_order FROM bookings_workorder")}
        assert orders == {"WO-chunked", "WO 100/236", "Ü-1", "../.."}

        # Addresses that are not there, methods that are not taken, a Host that is not ours.
        nothing = error(404, "not_found", "There is nothing at this address.")
        answer = service.request("GET", "/api/v1/nothing")
        assert (answer.status, answer.json()) == (404, nothing)
        answer = service.request("GET", path_of("WO-1"))
        assert (answer.status, answer.json()["code"]) == (405, 405)
        answer = service.request("POST", path_of("WO-1"), text, Host="other.example")
        assert (answer.status, answer.json()["code"]) == (400, 400)
        assert service.request("GET", "/readyz", Host="other.example").status == 200

        # No header says where the service is mounted.
        for name in ("SCRIPT_NAME", "PATH_INFO"):
            answer = request(service.port, "POST", path_of("WO-chunked"), text, self.headers(service) | {name: "/evil"})
            assert answer.status == 200, (name, answer)

        assert service.manage("verify_bookings").stdout == ""
        assert '"fault"' not in service.log.read_text()
        assert service.token not in service.log.read_text()

    def headers(self, service):
        return {"x-access-token": service.token, "Content-Type": "application/json"}


class TestConnectionsThatAreKept:
    """A thread lingers on the connection that it has served (bookjob_site/worker/); no other caller suffers from it."""

    def test_far_more_of_them_than_threads(self, service):
        with contextlib.ExitStack() as stack:
            kept = []
            for _ in range(60):
                connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
                kept.append(connection)
                stack.callback(connection.close)
            for _ in range(5):
                for connection in kept:
                    connection.request("GET", "/livez")
                assert {self.answer_of(connection) for connection in kept} == {(200, b'{"status": "ok"}')}
                assert service.request("GET", "/livez").status == 200

    def test_requests_that_come_together(self, service):
        """Whatever is read ahead of the request that is answered is the next one."""
        text = json.dumps(service.make_slot(capacity=9)).encode()
        head = f"Host: localhost\r\nx-access-token: {service.token}\r\nContent-Type: application/json\r\n"
        requests = [
            f"POST {path_of(f'WO-{number}')} HTTP/1.1\r\n{head}Content-Length: {len(text)}\r\n\r\n".encode() + text
            for number in range(5)
        ]
        last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answers = raw(service.port, b"".join(requests) + last)
        assert answers.count(b"HTTP/1.1 200 OK") == 6
        assert answers.count(b'"OrderNum":"FU-') == 5

    def test_who_goes_away_meanwhile_stops_nobody(self, service):
        for _ in range(40):
            with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert service.request("GET", "/livez").status == 200
        assert "Traceback" not in service.log.read_text()

    def answer_of(self, connection):
        response = connection.getresponse()
        return response.status, response.read()


class TestTheDatabaseIsAway:
    @pytest.mark.skipif(not SERVER, reason="SQLite is a file of this machine, there is nothing to be away from")
    def test_it_is_said_and_the_service_comes_back_by_itself(self, service):
        body = service.make_slot(capacity=99)
        assert service.book("WO-0", body).status == 200
        with service.database.away():
            for answer in (service.book("WO-1", body), service.request("POST", "/api/v1/appointments/search", "{}")):
                assert (answer.status, answer.headers["retry-after"]) == (503, "5"), answer
                assert answer.json()["detail"]["params"] == {"error": "unavailable"}
            assert service.request("GET", "/readyz").status == 503
            assert service.request("GET", "/livez").status == 200
        # Not one caller after another finds a dead connection.
        statuses = at_once([lambda order=order: book_quickly(service, f"WO-{order}", body) for order in range(32)])
        assert set(statuses) == {200}
        assert service.manage("verify_bookings").stdout == ""

    def test_a_lock_that_is_not_had_in_time(self, start_service, empty_database):
        """Another session holds the row (PostgreSQL) or the file (SQLite) for longer than a caller may wait."""
        impatient = "timeout=1" if empty_database.url.startswith("sqlite") else "options=-c%20lock_timeout%3D300"
        service = start_service(DATABASE_URL=f"{empty_database.url}?{impatient}")
        body = service.make_slot(capacity=9)
        with service.locked():
            answer = service.book("WO-1", body)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.json() == error(
            503, "unavailable", "The booking system is busy or being restarted. Try again in a moment."
        )
        assert service.database.execute("SELECT COUNT(*) FROM bookings_workorder") == [(0,)]
        assert service.book("WO-1", body).status == 200


@pytest.mark.parametrize("callers", [40])
def test_nobody_hears_that_the_database_is_locked(service, callers):
    body = service.make_slot(capacity=callers)
    answers = at_once([lambda order=order: service.book(f"WO-{order}", body) for order in range(callers)])
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json()["OrderNum"] for answer in answers}) == callers
