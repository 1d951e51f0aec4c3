"""The simulated ServiceMobility: its calls, what devices show, each fault by name, its page, and its end."""

import contextlib
import email.utils
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import quote, urlencode, urlsplit

import pytest

from conformance.simulator import FAULTS, Simulator
from conformance.simulator.faults import ANSWERS, CONNECTIONS
from tests.support.environment import ROOT
from tests.support.postgres import free_port

pytestmark = pytest.mark.once

PLAN = {"PlannedStartDate": "2026-12-04T13:00:00.000Z", "PlannedEndDate": "2026-12-04T15:00:00.000Z"}
ORDER = {"Account": {"AccountNum": "C-1"}, "Description": "Pump", "UserName": "ann", "DispatchStatus": 3, **PLAN}
WORK_ORDER = "/seiapi/v3/trans/WorkOrder"


class Caller:
    """One connection for each call, so that a fault of one is none of the next."""

    def __init__(self, simulator, timeout=5):
        self.address, self.timeout, self.token = urlsplit(simulator.url).netloc, timeout, ""

    def call(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        with contextlib.closing(connection):
            content = body if isinstance(body, str | None) else json.dumps(body)
            connection.request(method, path, content, {"x-access-token": self.token, **dict(headers)})
            with connection.getresponse() as response:
                content = response.read(100_000 if response.length is None else None)
                return response.status, content.decode(), response.headers

    def log_in(self, username="bookjob", password="simulated"):
        status, text, _ = self.call("POST", "/createjwt", {"username": username, "password": password})
        self.token = json.loads(text).get("token", "")
        return status

    def on(self, method, order, body=None):
        status, text, _ = self.call(method, f"{WORK_ORDER}/{order}", body)
        return status, json.loads(text)


@pytest.fixture
def simulator():
    with Simulator(unknown=("C-9", "L-9")) as simulator:
        yield simulator


@pytest.fixture
def caller(simulator):
    caller = Caller(simulator)
    assert caller.log_in() == 200
    return caller


def shown(simulator):
    return {worker: [each["OrderNum"] for each in orders] for worker, orders in simulator.devices().items()}


class TestTheLogIn:
    def test_a_token_is_asked_for(self, simulator):
        caller = Caller(simulator)
        assert caller.on("GET", "FU-1")[0] == 401
        assert caller.log_in(password="wrong") == 401
        assert caller.on("PUT", "FU-1", ORDER)[0] == 401
        assert caller.log_in() == 200
        assert caller.on("PUT", "FU-1", ORDER) == (200, {"OrderNum": "FU-1"})

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "ü", "..", "a" * 5000])
    def test_no_other_token_is_good(self, simulator, token):
        assert not simulator.tokens.is_good(token)

    def test_a_token_ends(self):
        with Simulator(token_minutes=-1) as simulator:
            caller = Caller(simulator)
            assert caller.log_in() == 200
            assert caller.on("GET", "FU-1")[0] == 401

    def test_a_revoked_one_is_refused_until_the_next_log_in(self, simulator, caller):
        simulator.add_fault("revoked_token", times=1)
        assert caller.on("GET", "FU-1")[0] == 401
        assert caller.on("GET", "FU-1")[0] == 401
        caller.log_in()
        assert caller.on("GET", "FU-1")[0] == 404


class TestWorkOrders:
    def test_put_replaces_what_a_technician_wrote(self, simulator, caller):
        caller.on("PUT", "FU-1", ORDER)
        simulator.orders.act("FU-1", 6, "Bring a ladder")
        status, document = caller.on("GET", "FU-1")
        assert (status, document["OrderStatus"], document["Notes"][0]["Text"]) == (200, 6, "Bring a ladder")
        caller.on("PUT", "FU-1", ORDER)
        assert caller.on("GET", "FU-1") == (200, {"OrderNum": "FU-1", "OrderStatus": 1, **ORDER})

    def test_patch_and_dispatch_keep_it(self, simulator, caller):
        caller.on("PUT", "FU-1", ORDER)
        simulator.orders.act("FU-1", 6, "Bring a ladder")
        assert caller.on("PATCH", "FU-1", {"Description": "Seal"})[0] == 200
        assert caller.on("PUT", "FU-1/Dispatch", {"UserName": "bob", "PlannedDur": 120, **PLAN})[0] == 200
        document = caller.on("GET", "FU-1")[1]
        assert (document["Description"], document["UserName"], document["OrderStatus"]) == ("Seal", "bob", 6)
        assert document["Notes"]
        assert shown(simulator) == {"bob": ["FU-1"]}
        assert list(simulator.orders.told) == [
            "FU-1 came to the device of ann",
            "FU-1 left the device of ann",
            "FU-1 came to the device of bob",
        ]

    def test_delete_takes_it_from_the_device(self, simulator, caller):
        assert caller.on("DELETE", "FU-1")[0] == 404
        caller.on("PUT", "FU-1", ORDER)
        assert caller.on("DELETE", "FU-1")[0] == 200
        assert [caller.on(method, "FU-1")[0] for method in ("GET", "DELETE")] == [410, 410]
        assert shown(simulator) == {}
        assert simulator.orders.told[-1] == "FU-1 left the device of ann"
        assert caller.on("PUT", "FU-1", ORDER)[0] == 200
        assert caller.on("GET", "FU-1")[0] == 200

    @pytest.mark.parametrize("number", ["FU-1/Ü", "a b", "..", "%2F", "x?y#z"])
    def test_any_number(self, simulator, caller, number):
        assert caller.on("PUT", quote(number, safe=""), ORDER)[0] == 200
        assert list(simulator.orders.all()) == [number]

    @pytest.mark.parametrize(
        ("path", "body", "place"),
        [
            ("FU-1", [], ""),
            ("FU-1", "half a {", ""),
            ("FU-1", {"OrderNum": "FU-2"}, "/OrderNum"),
            ("FU-1", {"PlannedStartDate": "2026-12-04T13:00:00+01:00"}, "/PlannedStartDate"),
            ("FU-1", {"PlannedStartDate": 7}, "/PlannedStartDate"),
            ("FU-1", {"DispatchStatus": "3"}, "/DispatchStatus"),
            ("FU-1", {"Account": {"AccountNum": "C-9"}}, "/Account/AccountNum"),
            ("FU-1", {"Account": "C-1"}, "/Account"),
            ("FU-1", {"Location": {"LocationNum": "L-9"}}, "/Location/LocationNum"),
            ("known/Dispatch", {"Description": "x"}, "/Description"),
            ("known/Dispatch", {"PlannedDur": 1.5}, "/PlannedDur"),
        ],
    )
    def test_what_is_wrong_is_refused_with_its_place(self, simulator, caller, path, body, place):
        caller.on("PUT", "known", ORDER)
        before = simulator.orders.all()
        status, document = caller.on("PUT", path, body)
        assert (status, document["code"], document["detail"]["dataPath"]) == (400, 400, place)
        assert simulator.orders.all() == before

    def test_what_the_tenant_requires(self):
        with Simulator(required=("OrderType", "Description")) as simulator:
            caller = Caller(simulator)
            caller.log_in()
            status, document = caller.on("PUT", "FU-1", ORDER)
            assert (status, document["detail"]["message"]) == (400, "OrderType is required.")
            assert caller.on("PUT", "FU-1", ORDER | {"OrderType": "10"})[0] == 200

    @pytest.mark.parametrize(("method", "path"), [("POST", "FU-1"), ("GET", "FU-1/Dispatch"), ("DELETE", "a/Dispatch")])
    def test_wrong_methods(self, caller, method, path):
        assert caller.on(method, path, {})[0] == 405

    @pytest.mark.parametrize("path", ["/seiapi/v3/trans/WorkOrder", "/seiapi/v3/trans/WorkOrder/a/b/c", "/x"])
    def test_no_such_address(self, caller, path):
        assert caller.call("PUT", path, {})[0] == 404

    def test_too_large_a_body(self, caller):
        assert caller.call("PUT", f"{WORK_ORDER}/a", None, {"Content-Length": str(10**8)})[0] == 413


class TestDevices:
    @pytest.mark.parametrize(
        ("document", "worker"),
        [
            ({"UserName": "ann", **PLAN}, "ann"),
            ({"User": "ann", **PLAN}, "ann"),
            ({"UserName": "ann"}, ""),
            (PLAN, ""),
            ({"PrimaryUserName": "ann", **PLAN}, ""),
            ({"PrimaryUser": "ann", "DispatchUTC": "2026-12-01T08:00:00.000Z", **PLAN}, "ann"),
            ({"PrimaryUserName": "ann", "DispatchUTC": "2026-12-01T08:00:00.000Z", **PLAN}, "ann"),
            ({"UserName": "ann", "DispatchStatus": 1, **PLAN}, ""),
            ({"UserName": "ann", "DispatchStatus": 3, **PLAN}, "ann"),
        ],
    )
    def test_what_dispatches_a_work_order(self, simulator, caller, document, worker):
        caller.on("PUT", "FU-1", document)
        assert shown(simulator) == {worker: ["FU-1"]}

    def test_it_keeps_them_in_a_file(self, tmp_path):
        for count in range(2):
            with Simulator(file=str(tmp_path / "orders")) as simulator:
                assert len(simulator.orders.all()) == count
                simulator.orders.put("FU-1", ORDER)


# fault -> (status or what the caller sees, whether the work order is there afterwards)
CUT = (ConnectionError, http.client.HTTPException)
SEEN = {
    "delay": (200, True),
    "late_answer": (200, True),
    "silence": (CUT, False),
    "drip": (TimeoutError, True),
    "huge": (200, True),
    "warnings": (200, True),
    "reset": (CUT, False),
    "lost_answer": (CUT, True),
    "half_answer": (CUT, True),
    "revoked_token": (401, False),
    **{name: (instead.status, False) for name, instead in ANSWERS.items()},
}


class TestFaults:
    @pytest.mark.parametrize("name", FAULTS)
    def test_each_does_what_it_says(self, simulator, caller, name):
        simulator.add_fault(name, method="PUT", seconds=0)
        seen, done = SEEN[name]
        if name == "drip":
            # The deadline of a caller that waits for the whole answer; the wait for a byte is shorter.
            with socket.create_connection(urlsplit(simulator.url).netloc.split(":"), timeout=5) as connection:
                body = json.dumps(ORDER)
                head = f"PUT {WORK_ORDER}/FU-1 HTTP/1.1\r\nx-access-token: {caller.token}\r\n"
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
                head = connection.recv(65_536)
                assert b"Content-Length: 100" in head
                assert len(connection.recv(65_536)) < 200
        elif isinstance(seen, int):
            assert caller.call("PUT", f"{WORK_ORDER}/FU-1", ORDER)[0] == seen
        else:
            with pytest.raises(seen):
                caller.call("PUT", f"{WORK_ORDER}/FU-1", ORDER)
        assert bool(simulator.orders.all()) == done
        if name != "revoked_token":
            assert caller.on("GET", "FU-1")[0] == (200 if done else 404)

    def test_each_name_has_words(self):
        assert set(SEEN) == set(FAULTS) == {*ANSWERS, *CONNECTIONS}

    def test_one_that_is_not_known(self, simulator):
        with pytest.raises(ValueError, match="There is no fault 'rain'"):
            simulator.add_fault("rain")

    def test_of_a_method_an_order_and_a_number_of_times(self, simulator, caller):
        simulator.add_fault("unavailable", method="PUT DELETE", order="FU-1", times=2)
        statuses = [caller.on(method, "FU-1", ORDER)[0] for method in ("GET", "PUT", "DELETE", "PUT")]
        assert statuses == [404, 503, 503, 200]
        assert [call.status for call in simulator.calls] == [200, *statuses]
        assert [call.fault for call in simulator.calls] == ["", "", "unavailable", "unavailable", ""]

    @pytest.mark.parametrize("name", ["throttled_seconds", "throttled_date"])
    def test_both_forms_of_retry_after(self, simulator, caller, name):
        simulator.add_fault(name, seconds=90)
        status, _, headers = caller.call("GET", f"{WORK_ORDER}/FU-1")
        text = headers["Retry-After"]
        assert status == 429
        if name == "throttled_seconds":
            assert text == "90"
        else:
            assert 0 < email.utils.parsedate_to_datetime(text).timestamp() - time.time() <= 90

    def test_an_unknown_account_is_named(self, simulator, caller):
        simulator.add_fault("unknown_account", method="PUT")
        assert caller.on("PUT", "FU-1", ORDER)[1]["detail"]["message"] == "Account C-1 is unknown."

    def test_what_waits_ends_with_the_simulator(self):
        with Simulator() as simulator:
            simulator.add_fault("silence", seconds=3600)
            connection = socket.create_connection(urlsplit(simulator.url).netloc.split(":"), timeout=30)
            connection.sendall(b"POST /createjwt HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        with connection, contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""


class TestThePage:
    def test_it_shows_the_devices(self, simulator, caller):
        caller.on("PUT", "FU-1", ORDER | {"Location": {"Name": "<script>", "Address": {"Zip": "LS1 4AP"}}})
        caller.on("PUT", "FU-2", PLAN | {"RequiredParts": [{"ProdNum": "PUMP-1", "Qty": 2}, 7], "Notes": "x"})
        status, text, headers = caller.call("GET", "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "<h3>ann</h3>" in text
        assert "Fri 4 Dec 2026, 13:00-15:00 UTC" in text
        assert "FU-1 · new" in text
        assert "C-1, &lt;script&gt;, LS1 4AP" in text
        assert "Parts: PUMP-1 x 2" in text
        assert "<script" not in text
        assert json.loads(caller.call("GET", "/state")[1])["Devices"] == {"ann": ["FU-1"]}

    def post(self, caller, address, headers=(), **fields):
        form = {"Content-Type": "application/x-www-form-urlencoded", **dict(headers)}
        return caller.call("POST", address, urlencode(fields), form)

    def test_its_forms(self, simulator, caller):
        caller.on("PUT", "FU-1", ORDER)
        assert self.post(caller, "/technician", order="FU-1", status="4096", note="Done")[0] == 303
        assert simulator.orders.find("FU-1")["OrderStatus"] == 4096
        assert self.post(caller, "/fault", name="unavailable", method="get", times="1")[0] == 303
        assert "On: unavailable, GET, 1 times" in caller.call("GET", "/")[1]
        assert caller.on("GET", "FU-1")[0] == 503
        self.post(caller, "/fault", name="unavailable")
        assert self.post(caller, "/clear")[0] == 303
        assert simulator.faults.on == []

    @pytest.mark.parametrize(
        ("address", "fields"),
        [
            ("/technician", {"order": "none", "status": "6"}),
            ("/technician", {"order": "FU-1", "status": "5"}),
            ("/technician", {}),
            ("/fault", {"name": "rain"}),
            ("/fault", {"name": "html", "times": "-1"}),
        ],
    )
    def test_wrong_fields_change_nothing(self, simulator, caller, address, fields):
        caller.on("PUT", "FU-1", ORDER)
        before = simulator.orders.all()
        assert self.post(caller, address, **fields)[0] == 400
        assert (simulator.orders.all(), simulator.faults.on) == (before, [])

    def test_no_other_site_sends_them(self, simulator, caller):
        assert self.post(caller, "/fault", {"Sec-Fetch-Site": "cross-site"}, name="html")[0] == 404
        assert self.post(caller, "/fault", {"Content-Type": "application/json"}, name="html")[0] == 404
        assert simulator.faults.on == []


class TestTheCommand:
    def start(self, *arguments):
        command = [sys.executable, "-S", "-m", "conformance.simulator", *arguments]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_serves_until_it_is_stopped(self, tmp_path, number):
        """With the standard library alone (-S: no package is there)."""
        (tmp_path / "password").write_text("hush\r\n")
        port = free_port()
        with self.start(f"--port={port}", f"--password-file={tmp_path / 'password'}", "--fault=forbidden") as process:
            assert process.stdout.readline() == f"ServiceMobility, simulated: http://127.0.0.1:{port}/\n"
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with contextlib.closing(connection):
                connection.request("POST", "/createjwt", json.dumps({"username": "bookjob", "password": "hush"}))
                assert connection.getresponse().status == 403
                os.kill(process.pid, number)
                assert (process.wait(10), process.stderr.read()) == (0, "")

    @pytest.mark.parametrize("missing", ["password", "state", "port"])
    def test_what_cannot_be_is_said_in_one_line(self, tmp_path, missing):
        (tmp_path / "password").write_text("hush")
        arguments = {"password-file": tmp_path / "password", "port": free_port(), "state": ":memory:"}
        wrong = {"password": {"password-file": "/none"}, "state": {"state": "/none/x"}, "port": {"port": 99999}}
        with self.start(*(f"--{key}={value}" for key, value in (arguments | wrong[missing]).items())) as process:
            assert process.wait(10) == 2
            (line,) = process.stderr.read().splitlines()
        assert line.startswith("The simulator does not start: ")
