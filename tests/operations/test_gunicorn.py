"""What gunicorn itself does to the service: it reloads, replaces workers, listens on a file, and has private names."""

import gc
import http.client
import json
import runpy
import signal
import socket
from importlib.metadata import version
from unittest import mock

import gunicorn.arbiter
import gunicorn.glogging
import gunicorn.http.errors
import gunicorn.http.unreader
import gunicorn.workers.gthread
import pytest

from bookjob_site.worker import names
from tests.api.test_slow_callers import head_of, rest_of
from tests.conftest import Service
from tests.operations.test_faults import workers
from tests.operations.test_metrics import wait_for
from tests.support.environment import ROOT
from tests.support.helpers import path_of

ASK = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def booking_of(service, order: str, text: bytes) -> bytes:
    return (
        f"POST {path_of(order)} HTTP/1.1\r\nHost: localhost\r\nx-access-token: {service.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    ).encode() + text


class TestPrivateNames:
    def test_they_are_read_against_the_release_that_is_installed(self):
        assert version("gunicorn") == names.READ_AGAINST, (
            "read gunicorn/workers/gthread.py beside bookjob_site/worker/, then write its version into names.py"
        )
        assert names.missing() == []

    @pytest.mark.parametrize(
        ("place", "name", "told"),
        [
            (gunicorn.arbiter.Arbiter, "handle_term", "Arbiter.handle_term(self)"),
            (gunicorn.glogging.Logger, "setup", "Logger.setup(self, cfg)"),
            (gunicorn.http.unreader.Unreader, "unread", "Unreader.unread(self, data)"),
            (gunicorn.workers.gthread.TConn, "init", "TConn.init(self)"),
            (gunicorn.workers.gthread.ThreadWorker, "_cap_keepalive", "ThreadWorker._cap_keepalive(self, deadline)"),
            (gunicorn.http.errors, "LimitRequestLine", "errors.LimitRequestLine"),
        ],
    )
    def test_one_that_is_gone_is_named(self, place, name, told):
        with mock.patch.object(place, name):
            delattr(place, name)
            assert names.missing() == [told]

    def test_so_is_one_that_takes_other_arguments(self):
        def other(self, force):
            """A later release's."""

        with mock.patch.object(gunicorn.workers.gthread.ThreadWorker, "murder_pending", other):
            assert names.missing() == ["ThreadWorker.murder_pending(self)"]

    def test_and_one_that_is_used_no_more(self):
        def other(self, conn):
            """A later release's."""

        with mock.patch.object(gunicorn.workers.gthread.ThreadWorker, "enqueue_req", other):
            assert names.missing() == ["ThreadWorker.enqueue_req: handle"]

    def test_without_one_gunicorns_own_worker_serves(self, start_service):
        service = start_service(GUNICORN_CMD_ARGS="--config tests/support/apps/lacking.py")
        assert service.book("WO-1", service.make_slot(capacity=9)).status == 200
        lines = service.log.read_text().splitlines()
        (told,) = [line for line in lines if "gunicorn's own worker" in line]
        assert told.endswith(f"Install gunicorn {names.READ_AGAINST}; this one lacks ThreadWorker.gone(self)")
        assert any("Using worker: gthread" in line for line in lines)

    def test_with_all_of_them_ours_does(self, service):
        assert '"Using worker: bookjob_site.worker.threads.Worker"' in service.log.read_text()
        assert "gunicorn's own worker" not in service.log.read_text()


class TestReload:
    def test_requests_that_are_under_way_are_answered(self, service):
        """After SIGHUP new workers serve, while the old ones finish what they have begun."""
        text = json.dumps(service.make_slot(capacity=9)).encode()
        before = set(workers(service))
        whole = head_of(service, len(text)) + text
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(whole[:-10])
            assert service.request("GET", "/livez").status == 200  # so that the half of it was accepted
            service.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(set(workers(service)) - before) == len(before))
            assert service.book("WO-new", text.decode()).status == 200
            connection.sendall(whole[-10:])
            assert b'"OrderNum":"FU-' in rest_of(connection)
        wait_for(lambda: not before & set(workers(service)))
        assert service.request("GET", "/livez").status == 200
        assert "Traceback" not in service.log.read_text()

    def test_workers_that_are_replaced_lose_no_request(self, start_service):
        """--max-requests: a worker ends after so many, beside callers that keep their connections."""
        service = start_service(GUNICORN_CMD_ARGS="--max-requests 10")
        before = set(workers(service))
        text = json.dumps(service.make_slot(capacity=99))
        kept = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=30) for _ in range(3)]
        headers = {"x-access-token": service.token, "Content-Type": "application/json"}
        numbers = set()
        for order in range(60):
            connection = kept[order % len(kept)]
            connection.request("POST", path_of(f"WO-{order}"), text, headers)
            answer = connection.getresponse()
            assert answer.status == 200
            numbers.add(json.loads(answer.read())["OrderNum"])
        for connection in kept:
            connection.close()
        assert len(numbers) == 60
        wait_for(lambda: not before & set(workers(service)))
        assert service.manage("verify_bookings").stdout == ""


def test_a_worker_looks_for_garbage_though_the_start_does_not():
    try:
        set_by = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
        assert not gc.isenabled()
        set_by["post_fork"](None, None)
        assert gc.isenabled()
    finally:
        gc.enable()


class TestPipelines:
    """Several requests in one go, cut anywhere."""

    @pytest.mark.parametrize("cut", [1, 100, 700, 1200, 1900])
    def test_each_is_answered_once_and_in_its_turn(self, service, cut):
        text = json.dumps(service.make_slot(capacity=9)).encode()
        orders = [f"WO-{number}" for number in range(5)]
        together = b"".join(booking_of(service, order, text) for order in orders)
        together += ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(together[:cut])
            assert service.request("GET", "/livez").status == 200  # so that the rest comes by itself
            connection.sendall(together[cut:])
            answers = rest_of(connection).split(b"HTTP/1.1 ")[1:]
        assert [answer[:6] for answer in answers] == [b"200 OK"] * 6
        numbers = [json.loads(answer.partition(b"\r\n\r\n")[2])["OrderNum"] for answer in answers[:5]]
        stands = service.database.execute("SELECT original_order, order_num FROM bookings_workorder")
        assert sorted(stands) == sorted(zip(orders, numbers, strict=True))


class OnFile(Service):
    """The service behind a proxy of the same machine: it listens on a file alone."""

    def ask(self, text: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.log.with_suffix(".sock")))
            connection.sendall(text)
            return rest_of(connection)

    def _is_ready(self) -> bool:
        try:
            return self.ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(
                b"HTTP/1.1 200 "
            )
        except OSError:
            return False


def test_a_unix_socket(empty_database, tmp_path):
    log = tmp_path / "gunicorn.log"
    service = OnFile(
        empty_database, log, "bookjob_site.wsgi", GUNICORN_CMD_ARGS=f"--bind unix:{log.with_suffix('.sock')}"
    )
    try:
        text = json.dumps(service.make_slot(capacity=9)).encode()
        answer = service.ask(head_of(service, len(text)) + text)
        assert b'"OrderNum":"FU-' in answer
        refused = service.ask(b"GET /a b HTTP/1.1\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 400 ")
        assert b'"error":"invalid_request"' in refused
    finally:
        service.stop()
    assert "Traceback" not in log.read_text()
