"""What `make run` says before anything is installed."""

import os
import socket
import subprocess
import sys

import pytest

from tests.support.environment import ROOT
from tests.support.postgres import free_port


def first_run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bookjob_site.first_run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_port_that_is_free():
    ended = first_run("port", str(free_port()))
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = first_run("port", str(port))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line == f"make: port {port} is taken by another program. Take another one: PORT={port % 65_535 + 1} make run"


@pytest.mark.parametrize("port", ["0", "70000", "http", ""])
def test_a_port_that_is_none(port):
    ended = first_run("port", port)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)


def test_a_package_index_that_is_away(tmp_path):
    (tmp_path / "requirements.txt").write_text("a-package-of-no-index==1.0\n")
    index = f"http://127.0.0.1:{free_port()}/simple"
    ended = first_run(
        "install", sys.executable, "--target", str(tmp_path / "here"), "--retries", "0", "--isolated",
        "--index-url", index, "-r", str(tmp_path / "requirements.txt"),
    )  # fmt: skip
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("make: the package index cannot be reached")


def make(*arguments: str) -> subprocess.CompletedProcess:
    """As a person calls it, also where `make test` runs this."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")
    }
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_make_run_looks_at_the_port_first_and_says_that_it_migrates():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = make("run", f"PORT={port}", f"PYTHON={sys.executable}")
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[0].startswith(f"make: port {port} is taken")
    assert ended.stdout == ""
    plan = make("--dry-run", "run").stdout
    assert plan.index("first_run port") < plan.index("Migrating the database.") < plan.index("migrate --verbosity 0")


def test_make_test_passes_on_to_pytest():
    plan = make("--dry-run", "test", "ARGS=-k tokens").stdout
    assert plan.splitlines()[-1].endswith("-m tests.run -k tokens")
