"""Three database hosts under Patroni with etcd beside them, each in a network namespace of its own, for tests.

The hosts run deploy/cluster/patroni.yml and members.cfg, with the addresses and folders of the test in their places.
What is frozen, killed or cut off is a namespace that was made here, and the processes in it.
"""

import base64
import contextlib
import fcntl
import json
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from math import inf
from pathlib import Path

import psycopg
import yaml

from tests.support import haproxy, postgres
from tests.support.environment import ROOT

SHIPPED = ROOT / "deploy" / "cluster"
NETWORK = f"10.213.{os.getpid() % 250}"  # two runs at a time do not meet
HOSTS = {"etcd": 10, "db1": 11, "db2": 12, "db3": 13}
DATABASES = ["db1", "db2", "db3"]
# A hardware address that no host has: what is sent there is lost without a word.
NO_HOST = "02:00:00:00:00:ff"
# An environment of its own, which the Makefile makes: its libraries are not those of the service.
PATRONI = Path(os.environ.get("PATRONI", ROOT / "var" / "patroni" / "bin" / "patroni"))
# The last release that writes the leader's key without comparing it, for the control.
CARELESS = PATRONI.parents[1].with_name("patroni-3.0.2") / "bin" / "patroni"
LONGEST = 60  # seconds until a cluster has to have come so far
# What Patroni and PostgreSQL write when a standby takes over.
STEPS = {
    "the lock ran out": "Got response from|Request failed to",
    "elected": "promoted self to leader by acquiring session lock",
    "takes writes": "database system is ready to accept connections",
    "a standby follows": "is now a candidate for quorum synchronous standby",
}


def why_not() -> str:
    """Why there can be no cluster here; empty where there can."""
    if os.geteuid() != 0:
        return "network namespaces are made by root alone"
    needed = {"etcd": "etcd-server", "ip": "iproute2", "setpriv": "util-linux"}
    for program, package in needed.items():
        if not shutil.which(program):
            return f"no {program}: apt-get install {package}"
    if not haproxy.find():
        return "no HAProxy: apt-get install haproxy"
    if not PATRONI.exists():
        return (
            f"no Patroni: python3 -m venv var/patroni, and pip install -r {SHIPPED.relative_to(ROOT)}/requirements.txt"
        )
    return "" if postgres.find_binaries() else "no server binaries of PostgreSQL: apt-get install postgresql"


def wait_for(condition: Callable[[], object], what: str | Callable[[], str], seconds: float = LONGEST) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.1)  # other processes decide


def run(*command: object) -> str:
    return subprocess.check_output([str(word) for word in command], text=True)


class Network:
    """Hosts on one switch. This process reaches them too."""

    def __init__(self) -> None:
        self.name = f"bj{os.getpid()}"
        self.cuts: set[tuple[str, str]] = set()

    def space(self, host: str) -> str:
        return f"{self.name}-{host}"

    def make(self) -> None:
        switch = self.space("switch")
        run("ip", "netns", "add", switch)
        run("ip", "-n", switch, "link", "add", "switch", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "switch", "up")
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "tests", "netns", switch)
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", self.name)
        run("ip", "link", "set", self.name, "up")
        for host in HOSTS:
            space = self.space(host)
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "link", "add", "eth0", "netns", space, "type", "veth", "peer", "name", host, "netns", switch)
            run("ip", "-n", space, "address", "add", f"{address(host)}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
        for port in ("tests", *HOSTS):
            run("ip", "-n", switch, "link", "set", port, "master", "switch", "up")

    def remove(self) -> None:
        subprocess.run(["ip", "link", "delete", self.name], stderr=subprocess.DEVNULL, check=False)
        for host in ("switch", *HOSTS):
            subprocess.run(["ip", "netns", "delete", self.space(host)], stderr=subprocess.DEVNULL, check=False)

    def cut(self, one: str, other: str) -> None:
        """Between these two, nothing arrives any more, and neither is told."""
        for here, there in ((one, other), (other, one)):
            run("ip", "-n", self.space(here), "neigh", "replace", address(there), "lladdr", NO_HOST,
                "nud", "permanent", "dev", "eth0")  # fmt: skip
            self.cuts.add((here, there))

    def unplug(self, host: str, *, plugged: bool = False) -> None:
        run("ip", "-n", self.space("switch"), "link", "set", host, "up" if plugged else "down")

    def heal(self) -> None:
        for here, there in self.cuts:
            run("ip", "-n", self.space(here), "neigh", "delete", address(there), "dev", "eth0")
        self.cuts.clear()

    def processes(self, host: str) -> list[int]:
        return [int(pid) for pid in run("ip", "netns", "pids", self.space(host)).split()]

    def signal(self, host: str, number: signal.Signals) -> None:
        """To each process of a host, those that begin meanwhile too."""
        reached: set[int] = set()
        while new := set(self.processes(host)) - reached:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            reached |= new


def state(process: int) -> str:
    """Its letter in /proc; empty where it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    return ""


def address(host: str) -> str:
    return f"{NETWORK}.{HOSTS[host]}"


class Watchdog:
    """A pipe instead of /dev/watchdog, and what a kernel does: it resets a host that does not write to it in time."""

    def __init__(self, path: Path, reset: Callable[[], None]) -> None:
        os.mkfifo(path)
        shutil.chown(path, 65534)
        self.pipe, self.reset = os.open(path, os.O_RDWR), reset
        self.has_reset, self.over = False, False
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        seconds, fed = inf, time.monotonic()  # until Patroni opens it
        while not self.over:
            if select.select([self.pipe], [], [], 0.1)[0]:
                written, fed = os.read(self.pipe, 4096).decode(), time.monotonic()
                for said in re.findall(r"timeout=(\d+)|V", written):
                    seconds = float(said or inf)  # V: it is closed, and rests
            if time.monotonic() - fed > seconds:
                self.has_reset, seconds = True, inf
                self.reset()

    def stop(self) -> None:
        self.over = True
        self.thread.join()
        os.close(self.pipe)


class Cluster:
    def __init__(self, folder: Path, binaries: Path, patroni: Path, watchdog: dict | None, **settings: object) -> None:
        self.folder, self.binaries, self.patroni, self.settings = folder, binaries, patroni, settings
        self.watchdog, self.watchdogs = watchdog or {}, {}
        self.network = Network()
        self.passwords = {name: secrets.token_urlsafe(16) for name in ("SUPERUSER", "REPLICATION", "RESTAPI")}
        self.started: dict[str, subprocess.Popen] = {}

    # --- Its parts ---

    def start(self) -> None:
        for host in DATABASES:
            self.start_host(host)
        wait_for(self.is_whole, self.said)

    def start_etcd(self) -> None:
        own, every = f"http://{address('etcd')}:2379", "http://0.0.0.0:2379"
        self._spawn("etcd", "etcd", "etcd", "--name", "etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
                    "--listen-client-urls", every, "--advertise-client-urls", own,
                    "--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls",
                    "http://127.0.0.1:2380", "--initial-cluster", "etcd=http://127.0.0.1:2380")  # fmt: skip

    def start_host(self, host: str) -> None:
        members = self.folder / "members.cfg"
        members.write_text((SHIPPED / "members.cfg").read_text().replace("10.0.0.", f"{NETWORK}."))
        self._spawn(host, f"{host}-members", haproxy.find(), "-f", members)
        self.start_patroni(host)

    def start_patroni(self, host: str) -> None:
        python, here = self.patroni.with_name("python"), Path(__file__)
        first, freezing = here.with_name("first_process.py"), here.with_name("freezing_patroni.py")
        self._spawn(host, host, python, first, python, freezing, self._configuration(host))

    def _spawn(self, host: str, name: str, *command: object) -> None:
        """As a user without rights, who may read what root's environment has."""
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+dac_read_search",
                "--ambient-caps=+dac_read_search"]  # fmt: skip
        environment = {key: text for key, text in os.environ.items() if not key.startswith("PG")}
        environment |= {f"PATRONI_{name}_PASSWORD": text for name, text in self.passwords.items()}
        environment |= {
            "PATRONI_RESTAPI_USERNAME": "patroni",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(self.folder),
        }
        environment |= {"FREEZE": str(self.folder / f"{host}.freeze")}
        if before := self.started.get(name):
            before.wait()  # it was killed
        with (self.folder / f"{name}.log").open("ab") as log:
            self.started[name] = subprocess.Popen(
                ["ip", "netns", "exec", self.network.space(host), *user, *map(str, command)],
                stdout=log, stderr=log, cwd=self.folder, env=environment,
            )  # fmt: skip

    def _configuration(self, host: str) -> Path:
        text = (SHIPPED / "patroni.yml").read_text()
        text = text.replace("10.0.0.11", address(host)).replace("10.0.0.0/24", f"{NETWORK}.0/24")
        text = text.replace("127.0.0.11", f"127.0.0.{HOSTS[host]}")
        said = yaml.safe_load(text)
        said["name"] = host
        said["etcd3"]["hosts"] = [f"{address('etcd')}:2379"]
        dynamic = said["bootstrap"]["dcs"]
        dynamic |= self.settings
        # No certificates, less memory, and no wait for the disk: processes die here, machines do not.
        dynamic["postgresql"]["parameters"] |= {"shared_buffers": "128MB", "fsync": "off", "max_wal_size": "1GB"}
        dynamic["postgresql"]["pg_hba"] = [
            line.replace("hostssl", "host").replace("local all all peer", "local all all trust")
            for line in dynamic["postgresql"]["pg_hba"]
        ]
        said["bootstrap"]["initdb"].append("no-sync")
        data = self.folder / host
        said["postgresql"] |= {"data_dir": str(data), "bin_dir": str(self.binaries)}
        said["postgresql"]["pgpass"] = str(self.folder / f"{host}.pgpass")
        said["postgresql"]["parameters"] = {"unix_socket_directories": ""}
        # As shipped `automatic`: these hosts have none, for a device of this machine is root's alone.
        said["watchdog"] |= self.watchdog
        if self.watchdog.get("driver") == "testing":
            device = self.folder / f"{host}.watchdog"
            said["watchdog"]["device"] = str(device)
            if host not in self.watchdogs:
                self.watchdogs[host] = Watchdog(device, lambda: self._cut_power(host))
        file = self.folder / f"{host}.yml"
        file.write_text(yaml.safe_dump(said))
        return file

    def stop(self) -> None:
        for watchdog in self.watchdogs.values():
            watchdog.stop()
        self.network.heal()
        for host in HOSTS:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.network.signal(host, signal.SIGKILL)
        for process in self.started.values():
            process.wait()
        self.network.remove()

    # --- What it is ---

    def url(self, hosts: list[str] = DATABASES, query: str = "", database: str = "postgres") -> str:
        named = ",".join(f"{address(host)}:5432" for host in hosts)
        return f"postgres://postgres:{self.passwords['SUPERUSER']}@{named}/{database}{query and '?' + query}"

    def said(self) -> str:
        """By all Patronis last: why the cluster is not whole."""
        return "\n".join(
            (self.folder / f"{host}.log").read_text()[-1500:] for host in DATABASES if host in self.started
        )

    def took(self, since: float, most: float = inf) -> str:
        """When, in seconds after `since` (as time.time() has it), each step of a failover was done, by all logs.

        What was done more than `most` seconds later belongs to another one.
        """
        lines = "\n".join((self.folder / f"{host}.log").read_text(errors="replace") for host in DATABASES)
        done = []
        for step, words in STEPS.items():
            found = re.findall(rf"^([-\d]+ [:\d]+)[.,](\d+) .*(?:{words})", lines, re.MULTILINE)
            moments = [datetime.fromisoformat(f"{at}.{part}+00:00").timestamp() - since for at, part in found]
            done += [f"{step} {min(later):.1f} s" for later in [[at for at in moments if 0 < at < most]] if later]
        return ", ".join(done)

    def said_of_watchdog(self, host: str) -> str:
        """All that its Patroni wrote of it."""
        lines = (self.folder / f"{host}.log").read_text().splitlines()
        return "\n".join(line for line in lines if "watchdog" in line.lower())

    def ask(self, host: str, path: str, body: dict | None = None) -> dict:
        """Of Patroni's REST API; empty where it does not answer."""
        asked = urllib.request.Request(f"http://{address(host)}:8008/{path}")
        if body is not None:
            asked.data = json.dumps(body).encode()
            asked.add_header("Content-Type", "application/json")
            login = base64.b64encode(f"patroni:{self.passwords['RESTAPI']}".encode()).decode()
            asked.add_header("Authorization", f"Basic {login}")
        try:
            with urllib.request.urlopen(asked, timeout=3 if body is None else 60) as answer:
                text = answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            return {}
        return json.loads(text) if text.startswith("{") else {"text": text}

    def primary(self) -> str:
        """The host that has the lock and takes writes; empty where there is none."""
        for host in DATABASES:
            if self.ask(host, "primary").get("role") in ("primary", "master"):  # so until Patroni 4
                return host
        return ""

    def is_whole(self) -> bool:
        """A primary, and two standbys, of which a commit waits for one."""
        primary = self.primary()
        if not primary:
            return False
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url([primary]), connect_timeout=2) as connection:
            query = (
                "SELECT count(*), bool_or(sync_state IN ('sync', 'quorum')) FROM pg_stat_replication"
                " WHERE state = 'streaming'"
            )
            return connection.execute(query).fetchone() == (2, True)
        return False

    # --- What is done to it ---

    def switch_over(self) -> None:
        """To either standby. Where one is named the other waits two seconds before it follows, and a commit for it."""
        self.ask(self.primary(), "switchover", {"leader": self.primary()})

    def freeze(self, host: str, moment: str = "before", *, kernel: bool = False) -> None:
        """All its processes, at the moment `before` its Patroni renews its lock, or `after`.

        Its kernel goes on to take connections and packets. Not with `kernel`: a virtual machine that is paused.
        """
        self._stop_patroni(host, moment)
        if kernel:
            self.network.unplug(host)
        self.network.signal(host, signal.SIGSTOP)

    def _stop_patroni(self, host: str, moment: str) -> None:
        note = self.folder / f"{host}.freeze"
        draft = note.with_suffix(".draft")
        draft.write_text(moment)
        shutil.chown(draft, 65534)
        draft.rename(note)  # whole from the first look at it
        wait_for(lambda: "T" in map(state, self.network.processes(host)), "Patroni has stopped itself")

    def thaw(self, host: str) -> None:
        self.network.unplug(host, plugged=True)
        self.network.signal(host, signal.SIGCONT)

    def kill_postgresql(self, host: str) -> None:
        os.kill(int((self.folder / host / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def lose(self, primary: str) -> None:
        """As when the power fails: no packet, no process. After Patroni has renewed its lock, the worst moment."""
        self._stop_patroni(primary, "after")
        self._cut_power(primary)

    def _cut_power(self, host: str) -> None:
        self.network.unplug(host)
        self.network.signal(host, signal.SIGKILL)

    def bring_back(self, host: str) -> None:
        self.network.unplug(host, plugged=True)
        self.start_etcd() if host == "etcd" else self.start_host(host)

    def rebuild(self, host: str) -> None:
        """With an empty disk."""
        self.network.signal(host, signal.SIGKILL)
        shutil.rmtree(self.folder / host)
        self.start_host(host)


@contextlib.contextmanager
def prepared(patroni: Path = PATRONI, watchdog: dict | None = None, **settings: object) -> Iterator[Cluster]:
    """Network and etcd, before any database host is started. One cluster at a time: its seconds are measured."""
    with (Path(tempfile.gettempdir()) / "bookjob-cluster.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with _prepared(patroni, watchdog, **settings) as cluster:
            yield cluster


@contextlib.contextmanager
def _prepared(patroni: Path, watchdog: dict | None, **settings: object) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="bookjob-cluster-"))
    shutil.chown(folder, 65534, 65534)
    folder.chmod(0o755)
    cluster = Cluster(folder, postgres.find_binaries(), patroni, watchdog, **settings)
    try:
        cluster.network.make()
        cluster.start_etcd()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(*arguments: object, **settings: object) -> Iterator[Cluster]:
    with prepared(*arguments, **settings) as cluster:
        cluster.start()
        yield cluster
