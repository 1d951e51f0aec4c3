"""The kit's reports for machines and people, its own cleaning up, and its installation as a package."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from conformance import cleaning, kit, reports
from conformance.client import Implementation
from conformance.plan import Plan
from tests.conformance.test_check_contract import check_contract, token
from tests.support.environment import ROOT
from tests.support.stand_in import StandIn

pytestmark = pytest.mark.once


def run_with(*results) -> kit.Run:
    run = kit.Run(Implementation("http://127.0.0.1:1/api", "secret-token"), Plan())
    run.results = [kit.Result(*result) for result in results]
    run.bookings = {("FU-1", "CHECK-1"): "Mon", ("FU-2", "CHECK-2"): "Tue"}
    return run


RESULTS = [
    ("search", "PASS", "a search", "200", ""),
    ("repeat", "FAIL", "the same <body> again", "200", "booked as FU-1, and now as FU-2 & more"),
    ("race", "SKIP", "forty at once", "", "needs repeat"),
]


class TestReports:
    def test_junit(self):
        suite = ElementTree.fromstring(reports.as_junit(run_with(*RESULTS)))
        assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
            "tests": "3",
            "failures": "1",
            "skipped": "1",
        }
        assert [(case.get("name"), [child.tag for child in case]) for case in suite.iter("testcase")] == [
            ("search", []),
            ("repeat", ["failure"]),
            ("race", ["skipped"]),
        ]
        assert suite.find("testcase/failure").get("message") == RESULTS[1][4]
        assert "FU-2" in suite.find("system-out").text

    def test_html_shows_all_and_runs_nothing(self):
        page = reports.as_html(run_with(*RESULTS, ("odd", "FAIL", "", "", "<script>alert(1)</script>")))
        assert "1 passed, 2 failed, 1 skipped." in page
        assert "the same &lt;body&gt; again" in page
        assert "<script" not in page
        assert "FU-2" in page

    @pytest.mark.parametrize(("name", "begins"), [("r.XML", "<?xml"), ("r.html", "<!doctype"), ("r.json", "{"),
                                                  ("r.txt", "http://")])  # fmt: skip
    def test_the_ending_decides(self, tmp_path, name, begins):
        reports.write(run_with(*RESULTS), tmp_path / name)
        assert (tmp_path / name).read_text().startswith(begins)

    def test_the_command_writes_it(self, tmp_path):
        with StandIn() as right:
            check_contract(right.url, token=token(), callers=8, report=tmp_path / "report.xml")
        assert ElementTree.fromstring((tmp_path / "report.xml").read_text()).get("failures") == "0"


@contextmanager
def back_end(statuses: dict[str, int]) -> Iterator[SimpleNamespace]:
    """Answers a cancellation with the status of its path."""
    calls = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calls.append((self.path, self.headers["Authorization"], self.headers["x-access-token"], body))
            self.send_response(statuses[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/api", calls=calls)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestClean:
    PATH = "workorders/{0}/cancel"

    def clean(self, statuses, key=""):
        run = run_with()
        run.bookings = {("FU/1", "CHECK-1"): "Mon", ("FU-2", "CHECK-2"): "Tue"}
        with back_end(statuses) as there:
            run.target = Implementation(there.url, "secret-token")
            return run, list(cleaning.cancel_all(run, self.PATH, key)), there.calls

    def test_all_are_cancelled(self):
        run, lines, calls = self.clean(
            {"/api/workorders/FU%2F1/cancel": 200, "/api/workorders/FU-2/cancel": 404}, key="the-key"
        )
        assert lines == ["Cancelled 2 of 2 bookings."]
        assert (run.bookings, run.closing_lines()) == ({}, [])
        assert calls[0] == (
            "/api/workorders/FU%2F1/cancel", "Bearer the-key", None, {"Reason": "check_contract has ended"}
        )  # fmt: skip

    def test_what_stays_is_named_and_listed(self):
        run, lines, calls = self.clean({"/api/workorders/FU%2F1/cancel": 403, "/api/workorders/FU-2/cancel": 204})
        assert lines == ["FU/1 was not cancelled: 403", "Cancelled 1 of 2 bookings."]
        assert [number for number, _ in run.bookings] == ["FU/1"]
        assert calls[0][1:3] == (None, "secret-token")

    def test_the_command_does_it(self):
        with StandIn() as right:
            output, status = check_contract(right.url, token=token(), callers=8, clean=True)
            assert (status, right.bookings) == (0, [])
        assert "PASS  late_copy_cancelled " in output
        assert f"Cancelled {len(right.cancelled) - 1} of {len(right.cancelled) - 1} bookings." in output


class TestPackage:
    def test_it_names_every_folder_of_the_kit_and_no_dependency(self):
        project = tomllib.loads((ROOT / "conformance" / "pyproject.toml").read_text())
        folders = {path.parent for path in (ROOT / "conformance").rglob("*.py")}
        assert set(project["tool"]["setuptools"]["packages"]) == {
            ".".join(folder.relative_to(ROOT).parts) for folder in folders
        }
        assert project["project"]["dependencies"] == []

    def test_it_can_be_installed_and_runs_elsewhere(self, tmp_path):
        (tmp_path / "build").mkdir()
        copied = ["cp", "-r", str(ROOT / "conformance"), str(tmp_path / "source")]
        subprocess.run(copied, check=True)
        installed = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps",
             "--target", str(tmp_path / "there"), str(tmp_path / "source")],
            capture_output=True, text=True,
        )  # fmt: skip
        assert installed.returncode == 0, installed.stderr
        helped = subprocess.run(
            [str(tmp_path / "there" / "bin" / "check-contract"), "--help"],
            cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "there"), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True,
        )  # fmt: skip
        assert "Play ServiceMobility" in helped.stdout, helped.stderr
