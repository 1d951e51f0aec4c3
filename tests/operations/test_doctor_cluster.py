"""A cluster that `doctor` calls safe is one whose Patroni keeps two primaries apart and keeps what was answered."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from bookings.operations.doctor import cluster
from tests.conftest import manage
from tests.operations.test_doctor import ask, sound_installation  # noqa: F401  a fixture
from tests.support.environment import ROOT
from tests.support.postgres import free_port

pytestmark = pytest.mark.django_db
SHIPPED = yaml.safe_load((ROOT / "deploy" / "cluster" / "patroni.yml").read_text())["bootstrap"]["dcs"]


@pytest.fixture
def patroni(settings):
    """A function that lets Patroni answer so, and names it in the settings."""
    servers = []

    def start(version: object = "4.1.5", **rules: object) -> str:
        answers = {"/patroni": {"patroni": {"version": version, "name": "db1"}}, "/config": SHIPPED | rules}

        class Rest(BaseHTTPRequestHandler):
            def do_GET(self):
                text = json.dumps(answers[self.path]).encode()
                # A standby, or one that starts, answers 503 and the same.
                self.send_response(503 if self.path == "/patroni" else 200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                """Silent."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Rest))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{servers[-1].server_port}"
        settings.BOOKJOB_PATRONI = [*(settings.BOOKJOB_PATRONI or []), address]
        return address

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_nothing_is_found_in_what_is_shipped(patroni):
    patroni()
    patroni("3.0.3")
    assert ask() == (0, [])


@pytest.mark.parametrize("version", ["3.0.2", "2.1.4", "3.0", "of one's own", None])
def test_a_release_that_loses_bookings_is_not_called_safe(patroni, version):
    patroni()
    address = patroni(version)
    assert ask() == (
        2,
        [f"urgent: Patroni {version} at {address} can let two primaries take bookings, and acknowledged ones are lost:"
         " this cluster is not safe. Upgrade it to 4.1.5, which was tested; before 3.0.3 none is safe."],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "value", "said"),
    [("synchronous_mode", False, "urgent: Patroni's synchronous_mode is off: "),
     ("synchronous_mode_strict", False, "urgent: Patroni's synchronous_mode_strict is off: ")],
)  # fmt: skip
def test_a_cluster_that_may_lose_what_it_answered(patroni, rule, value, said):
    patroni(**{rule: value})
    status, (line,) = ask()
    assert (status, line[: len(said)]) == (2, said)


def test_one_that_does_not_answer(settings):
    settings.BOOKJOB_PATRONI = [f"http://127.0.0.1:{free_port()}"]
    status, (line,) = ask()
    assert (status, line.startswith("Patroni at http://127.0.0.1:")) == (1, True)


def test_several_hosts_of_which_nothing_is_known(settings, monkeypatch):
    monkeypatch.setitem(cluster.connection.settings_dict, "HOST", "db1,db2")
    assert [found.sentence.partition(":")[0] for found in cluster.patroni(None)] == [
        "DATABASE_URL names several hosts, and BOOKJOB_PATRONI none"
    ]
    settings.BOOKJOB_PATRONI = []  # BOOKJOB_PATRONI=none
    assert list(cluster.patroni(None)) == []


@pytest.mark.parametrize(
    ("text", "is_right"), [("none", True), ("http://db1:8008, http://db2:8008", True), ("db1", False)]
)
def test_the_setting(empty_database, text, is_right):
    done = manage(empty_database, "check", BOOKJOB_PATRONI=text)
    assert (done.returncode == 0, "BOOKJOB_PATRONI" in done.stderr) == (is_right, not is_right)


def test_the_release_that_is_shipped_is_the_one_that_was_tested():
    pinned = (ROOT / "deploy" / "cluster" / "requirements.txt").read_text()
    assert f"patroni[etcd3]=={cluster.TESTED} " in pinned
