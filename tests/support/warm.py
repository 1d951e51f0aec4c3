"""Python programs of the service that are there in a tenth of the time: forked from a process that has Django loaded.

`start("-m", "gunicorn", app, …)` is what `subprocess.Popen([sys.executable, "-m", "gunicorn", app], …)` would be, for
tests that are not about the start. The child reads the settings again, from the environment that it is given. A module
that keeps at import what the settings say would keep it from before; test_warm.py compares the settings and what
gunicorn reads with those of a process that was started.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import runpy
import shlex
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import socket

from tests.support.environment import ROOT

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__, "tests.support.loaded"])


class Process:
    """As much of `subprocess.Popen` as tests use."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(*arguments: str, environment: dict[str, str], streams: dict[int, Path | Connection | socket]) -> Process:
    """Python with these arguments: `-m` and a module, `-c` and a text, or a file.

    What it writes to 1 and 2 goes to files or pipes; 0 is empty where it is not a pipe. A socket may have a number too,
    as systemd hands on its own. What is not named goes where that of the tests goes.
    """
    arguments_of_it = (arguments, dict(environment), streams)
    process = context.Process(target=become, args=arguments_of_it, name=" ".join(arguments), daemon=True)
    process.start()
    return Process(process)


def run(*arguments: str, environment: dict[str, str], timeout: float = 120) -> subprocess.CompletedProcess:
    """To its end; `timeout` in seconds, as of `subprocess.run`."""
    with tempfile.TemporaryDirectory(prefix="bookjob-warm-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = start(*arguments, environment=environment, streams={1: output, 2: errors})
        try:
            process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(arguments, process.returncode, output.read_text(), errors.read_text())


@contextlib.contextmanager
def talk(module: str, database_url: str) -> Iterator[Callable[[dict], dict]]:
    """With a module that answers each line of JSON with one: a function that sends a line and returns the answer."""
    environment = os.environ | {"DATABASE_URL": database_url}
    (hears, to_it), (from_it, says) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    with to_it, from_it:
        with hears, says:
            process = start("-m", module, environment=environment, streams={0: hears, 1: says})
        try:
            with open(to_it.fileno(), "w", closefd=False) as asked, open(from_it.fileno(), closefd=False) as answers:

                def ask(line: dict) -> dict:
                    asked.write(json.dumps(line) + "\n")
                    asked.flush()
                    return json.loads(answers.readline())

                yield ask
            to_it.close()
            assert process.wait(60) == 0, process.returncode
        finally:
            process.kill()
            process.wait()


# Sends what it was called with, and its environment; says what it is told, and ends so. It loads next to nothing.
CALLER = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    with server.makefile("rw") as lines:
        lines.write(json.dumps([sys.argv[2:], dict(os.environ)]) + "\\n")
        lines.flush()
        status, output, errors = json.loads(lines.readline())
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(status)
"""


class Calls(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        arguments, environment = json.loads(self.rfile.readline())
        ended = run(*arguments, environment=environment)
        self.wfile.write(json.dumps([ended.returncode, ended.stdout, ended.stderr]).encode() + b"\n")


@contextlib.contextmanager
def for_a_shell() -> Iterator[str]:
    """What commands of a shell may say in place of `python`, for programs that read nothing from 0."""
    with tempfile.TemporaryDirectory(prefix="bookjob-warm-") as folder:
        address, caller = f"{folder}/socket", Path(folder, "caller.py")
        caller.write_text(CALLER)
        with socketserver.ThreadingUnixStreamServer(address, Calls) as server:
            serving = threading.Thread(target=server.serve_forever, args=(0.05,))
            serving.start()
            try:
                yield shlex.join([sys.executable, "-IS", str(caller), address])
            finally:
                server.shutdown()
                serving.join()


def become(
    arguments: tuple[str, ...], variables: dict[str, str], streams: dict[int, Path | Connection | socket]
) -> None:
    from tests.support import loaded

    os.environ.clear()
    os.environ.update({"DJANGO_SETTINGS_MODULE": "bookjob_site.settings"} | variables)
    os.chdir(ROOT)
    tempfile.tempdir = None
    for number, stream in streams.items():
        redirect(number, stream)
    read_the_settings_again()
    loaded.share_nothing()
    loaded.check_nothing()
    if arguments[0] == "-m":
        sys.argv = [*arguments[1:]]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
    else:
        sys.argv = [*arguments]
        runpy.run_path(arguments[0], run_name="__main__")


def redirect(number: int, stream: Path | Connection | socket) -> None:
    if isinstance(stream, Path):
        file = os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    else:
        with stream:
            copy = os.dup(stream.fileno())  # it may have that number already
        os.dup2(copy, number)
        os.close(copy)
    if number == 0:
        sys.stdin = open(0)  # noqa: SIM115  for as long as the process lives


def read_the_settings_again() -> None:
    from django.conf import empty, settings
    from django.db import connections

    import bookjob_site.settings
    from bookjob_site import databases, environment

    for module in (environment, databases, bookjob_site.settings):
        importlib.reload(module)
    settings._wrapped = empty
    connections.__dict__.pop("settings", None)
    connections.__init__()
    connections.settings  # noqa: B018  as after the start: the defaults are filled in
