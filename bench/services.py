"""Starts the services that are measured, and reads what they and PostgreSQL cost from /proc."""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import world
from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
COMMANDS = {
    "ours": ["-m", "gunicorn", "bookjob_site.wsgi"],
    "FastAPI": ["-m", "uvicorn", "bench.rival_fastapi:app", "--workers", "2", "--no-access-log", "--log-level=warning"],
    "naive DRF": ["-m", "gunicorn", "bench.rival_drf:application"],
}


def environment(database_url: str) -> dict[str, str]:
    """Production's, whatever stands in `.env`; limits of requests are off, for there is one caller here."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    defaults = {line.partition("=")[0]: "" for line in lines if "=" in line and not line.startswith("#")}
    return (
        {name: value for name, value in os.environ.items() if not name.startswith(("BOOKJOB_", "DJANGO_", "PG"))}
        | defaults
        | {
            "DATABASE_URL": database_url,
            "BENCH_KEY": world.KEY,
            "SECRET_KEY": "only-for-measuring-0123456789-0123456789-0123456789",
            "ALLOWED_HOSTS": "bookjob.example.org",
            "BOOKJOB_JWT_KEYS": f"bench:{world.KEY} old:{'x' * 40}",
            "BOOKJOB_CALLER_LIMIT": "0",
            "BOOKJOB_ADDRESS_LIMIT": "0",
            "WEB_CONCURRENCY": "2",  # gunicorn itself reads it first, and takes no empty one
        }
    )


def migrate(database_url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment(database_url), check=True)


@dataclass
class Service:
    name: str
    port: int
    process: subprocess.Popen[bytes]
    first_answer: float  # seconds after the start

    def cpu(self) -> float:
        """Processor seconds of all of its processes since they began."""
        return cpu_of_tree(self.process.pid)

    def peak_megabytes(self) -> float:
        return max(_status(pid, "VmHWM") for pid in _tree(self.process.pid)[1:]) / 1024

    def megabytes(self) -> float:
        return max(self.megabytes_of_workers().values())

    def megabytes_of_workers(self) -> dict[int, float]:
        return {pid: _status(pid, "VmRSS") / 1024 for pid in _tree(self.process.pid)[1:]}


@contextlib.contextmanager
def running(name: str, database_url: str, log: Path) -> Iterator[Service]:
    port = postgres.free_port()
    command = [sys.executable, *COMMANDS[name]]
    if "uvicorn" in command:
        command += ["--port", str(port)]
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(database_url) | {"PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() - began > 60:
                raise SystemExit(f"{name} does not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.01)
        yield Service(name, port, process, time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(60)  # gunicorn itself waits half a minute for a worker that was still starting


def cpu_of_tree(pid: int) -> float:
    """Of a process, its children that run, and those of them that have ended."""
    root, *children = _tree(pid)
    return sum(_times(child)[0] for child in children) + sum(_times(root))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"Host": "bookjob.example.org", "X-Forwarded-Proto": "https"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = file.read_text().rpartition(") ")[2].split()[1]
            children.setdefault(int(parent), []).append(int(file.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def _times(pid: int) -> tuple[float, float]:
    """Processor seconds of a process, and of its children that have ended."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0, 0.0
    user, system, waited_user, waited_system = (int(value) for value in values[11:15])
    return (user + system) / TICKS, (waited_user + waited_system) / TICKS


def _status(pid: int, name: str) -> int:
    """In kilobytes."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
