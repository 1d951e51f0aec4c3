"""A machine takes a call and dies before it answers: the proxy asks the next one where that does no harm."""

import http.client
import json
import shutil
import socket
import ssl
import threading
from functools import partial

import pytest

from tests.operations.test_deploy import proxy  # noqa: F401  a fixture
from tests.operations.test_faults import UNAVAILABLE
from tests.operations.test_metrics import wait_for
from tests.support import haproxy
from tests.support.postgres import free_port


class Dying:
    """A machine that is ready, hears every call, and never answers one."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            with caller:
                line = caller.recv(65536).split(b"\r\n")[0].decode()
                if "/readyz" in line:
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                else:
                    self.heard.append(line)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # or the kernel goes on listening while a thread accepts
        self.listener.close()


@pytest.fixture
def dying():
    machine = Dying()
    yield machine
    machine.close()


@pytest.fixture
def service(start_service):
    return start_service(ALLOWED_HOSTS="localhost 127.0.0.1", BOOKJOB_HTTPS="off", BOOKJOB_PROXIES="127.0.0.0/8")


@pytest.fixture
def through_nginx(proxy, dying, service):  # noqa: F811
    """A function that starts one in front of both machines, and gives one that calls it."""
    if not shutil.which("nginx"):
        pytest.skip("there is no nginx on this machine")

    def start():
        port = proxy(f"127.0.0.1:{dying.port};\n    server 127.0.0.1:{service.port}")
        return lambda: http.client.HTTPSConnection("localhost", port, context=ssl._create_unverified_context())

    return start


@pytest.fixture
def through_haproxy(dying, service, tmp_path):
    if not haproxy.find():
        pytest.skip("there is no HAProxy on this machine")
    processes = []

    def start():
        port = free_port()
        file = tmp_path / f"haproxy-{port}.cfg"
        processes.append(haproxy.start_before([dying.port, service.port], port, file))
        return lambda: http.client.HTTPConnection("localhost", port)

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", ["through_nginx", "through_haproxy"])
def test_a_booking_goes_on_to_the_next_machine_and_a_cancellation_does_not(kind, dying, service, request):
    start = request.getfixturevalue(kind)
    body = service.make_slot(capacity=100)
    booked = service.book("WO-0", body).json()["OrderNum"]
    key = service.manage("make_key", "other", "--scope", "work_orders:write").stdout.strip()

    def call(connect, path: str, content: dict, headers: dict) -> tuple[int, dict]:
        connection = connect()
        try:
            connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"} | headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def listens(connect) -> bool:
        try:
            connection = connect()
            connection.connect()
            connection.close()
        except OSError:
            return False
        return True

    def until_the_dying_one_heard(path: str, content: dict, headers: dict) -> tuple[int, dict]:
        """What the call is answered that goes to it first; the proxy may send others to its neighbour."""
        for number in range(20):
            connect = start()  # a new proxy holds nothing against it
            wait_for(partial(listens, connect))
            before = len(dying.heard)
            answer = call(connect, path.format(number=number), content, headers)
            if len(dying.heard) > before:
                return answer
        raise AssertionError("it heard no such call")

    phone = {"x-access-token": service.token}
    status, answer = until_the_dying_one_heard("/api/v1/workorders/WO-{number}/followup", body, phone)
    assert (status, answer["OrderNum"].startswith("FU-")) == (200, True)
    cancel = f"/api/v1/workorders/{booked}/cancel"
    system = {"Authorization": f"Bearer {key}"}
    assert until_the_dying_one_heard(cancel, {"Reason": "x"}, system) == (503, UNAVAILABLE)
    assert service.database.execute("SELECT status FROM bookings_workorder WHERE order_num = %s", booked) == [
        ("booked",)
    ]
    assert service.manage("verify_bookings").stdout == ""
