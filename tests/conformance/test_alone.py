"""The kit as a package of its own: nothing of this service and no other package is needed."""

import ast
import os
import socket
import subprocess
import sys
import threading

import pytest

from conformance import client
from conformance.client import Implementation
from tests.conformance.test_check_contract import token
from tests.support.environment import ROOT
from tests.support.stand_in import StandIn

pytestmark = pytest.mark.once
# In this process neither can be imported, wherever it is installed.
WITHOUT = "import sys, runpy; sys.modules.update(django=None, bookings=None, bookjob_site=None);"
RUN = "sys.argv[0] = 'conformance'; runpy.run_module('conformance', run_name='__main__')"


def python(code, *arguments, flags=(), **environment):
    return subprocess.run(
        [sys.executable, *flags, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestWithoutDjango:
    # -S: no package but the standard library.
    @pytest.mark.parametrize("flags", [[], ["-S"]])
    def test_it_runs(self, flags):
        with StandIn() as right:
            done = python(f"{WITHOUT} {RUN}", right.url, "--callers=8", flags=flags, CHECK_CONTRACT_TOKEN=token())
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(" 0 failed, 1 skipped.\n")

    def test_every_module_can_be_imported(self):
        names = [
            ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "conformance").rglob("*.py")
        ]
        assert "conformance.simulator.server" in names
        done = python(f"{WITHOUT} import importlib; [importlib.import_module(name) for name in sys.argv[1:]]", *names)
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_test_above_would_notice_an_import(self):
        done = python(f"{WITHOUT} import bookings.refusals")
        assert "ModuleNotFoundError" in done.stderr

    def test_it_imports_the_standard_library_alone(self):
        for path in (ROOT / "conformance").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                for name in names:
                    assert name.split(".")[0] in {"conformance", *sys.stdlib_module_names}, (path, name)

    def test_wrong_arguments_end_in_one_line(self):
        done = python(f"{WITHOUT} {RUN}", "ftp://127.0.0.1/api", "--token=x")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "'ftp://127.0.0.1/api' is no base URL. It looks like https://host/api/v1, without a question mark.\n"  # fmt: skip  # noqa: E501


class TestOneDeadline:
    """Looking up the host, connecting and TLS are within the deadline of the call."""

    def search(self, url, seconds=0.2):
        answer = Implementation(url, "t", timeout=seconds).search({})
        assert answer.status == 0
        return answer.text

    def test_a_resolver_that_never_answers(self, monkeypatch):
        def never(*arguments, **options):
            ended.wait()
            raise socket.gaierror

        ended = threading.Event()
        monkeypatch.setattr(client.socket, "getaddrinfo", never)
        try:
            assert self.search("http://backend.example") == "the address of the host was not found in time"
        finally:
            ended.set()

    def test_a_host_that_does_not_exist(self, monkeypatch):
        def unknown(*arguments, **options):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(client.socket, "getaddrinfo", unknown)
        assert "Name or service not known" in self.search("http://backend.example", 30)

    def test_several_addresses_share_it(self, monkeypatch):
        waited = []

        class Deaf(socket.socket):
            def connect(self, address):
                waited.append(self.gettimeout())
                raise TimeoutError

        address = socket.getaddrinfo("127.0.0.1", 9, type=socket.SOCK_STREAM)
        monkeypatch.setattr(client.socket, "getaddrinfo", lambda *arguments, **options: address * 4)
        monkeypatch.setattr(client.socket, "socket", Deaf)
        assert self.search("http://backend.example", 30) == "the connection was not there in time"
        assert len(waited) == 4
        # None of them took any of it here, so each share may be the rest of what the others left.
        assert waited[0] <= 30 / 4
        assert all(seconds <= 30 / (4 - index) for index, seconds in enumerate(waited))

    def test_the_second_address_is_tried_where_the_first_is_away(self, monkeypatch):
        with StandIn() as right:
            port = int(right.url.split(":")[2].split("/")[0])
            good = socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
            with socket.create_server(("127.0.0.1", 0)) as closed:
                away = socket.getaddrinfo(*closed.getsockname(), type=socket.SOCK_STREAM)
            monkeypatch.setattr(client.socket, "getaddrinfo", lambda *arguments, **options: away + good)
            assert Implementation(right.url, token()).search({}).status == 200

    def test_a_handshake_that_never_ends(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            # On a machine that is busy the time may be over before there is a connection: until there is one.
            said = (self.search(f"https://127.0.0.1:{port}") for _ in range(50))
            assert any("timed out" in text for text in said)
