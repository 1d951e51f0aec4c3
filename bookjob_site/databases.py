"""DATABASE_URL and DATABASE_REPLICA_URL as Django's DATABASES; docs/databases.md has it for people.

What a URL says wrongly is refused as everything else is (environment/), each option by itself. PostgreSQL's own
library is asked about the options that it knows: it reads them all before it looks for a server.
"""

import contextlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
import psycopg

from bookjob_site import environment
from bookjob_site.environment import VAR_DIR, switch, whole

# How long PostgreSQL itself lets a session wait: shorter than the server's patience with a request, so that a caller
# hears "try again" and not nothing.
TIME_LIMITS = "-c lock_timeout=8000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=20000"
# Each statement sees what is committed when it begins, whatever the database's own default is: a booking relies on it.
ISOLATION = r"-c default_transaction_isolation=read\ committed"
# A host that vanished without a word is given up after as long, not after the quarter of an hour that TCP takes.
TCP_LIMITS = {"tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}
# What Django and not the driver understands of the options in a URL.
DJANGO_OPTIONS = {"pool", "isolation_level", "assume_role", "server_side_binding", "prepare_threshold"}
# Options that the library reads only when it connects, or never itself.
NUMBERS = {
    "connect_timeout": (1, 25),  # seconds; gunicorn gives a worker 30
    "keepalives": (0, 1),
    "keepalives_idle": (0, 3600),
    "keepalives_interval": (0, 3600),
    "keepalives_count": (0, 100),
    "tcp_user_timeout": (0, 3_600_000),
    "prepare_threshold": (0, 1_000_000),
    "isolation_level": (1, 4),
}
FILES = {"sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile"}
REPLICA = "DATABASE_REPLICA_URL"
FORM = "postgres://user:password@host:port/name or sqlite:///path"


def configured() -> dict[str, dict[str, Any]]:
    """What settings.DATABASES is. Each fault of the URLs is noted; `environment.stop_if_refused` tells them."""
    text = environment.value("DATABASE_URL")
    default = _read("DATABASE_URL", text) if text else _default()
    if not default:
        return {"default": _default()}
    databases = {"default": default}
    is_sqlite = "sqlite" in default["ENGINE"]
    (_prepare_sqlite if is_sqlite else _prepare_postgresql)("DATABASE_URL", default)
    if replica := _read(REPLICA, environment.value(REPLICA)):
        if is_sqlite or "sqlite" in replica["ENGINE"]:
            wrong(REPLICA, "names SQLite, or DATABASE_URL does", "a PostgreSQL, and DATABASE_URL too")
            return databases
        _prepare_replica(replica)
        databases["replica"] = replica
    return databases


def wrong(name: str, read: str, right: str) -> None:
    environment.refuse(name, read, right, environment.BY_NAME[name].broken)


def _default() -> dict[str, Any]:
    with contextlib.suppress(OSError):  # what is missing then is said with the rest
        VAR_DIR.mkdir(mode=0o700, exist_ok=True)  # secrets, and every customer's address
    return {"ENGINE": "bookjob_site.sqlite", "NAME": str(VAR_DIR / "bookjob.sqlite3"), "OPTIONS": {}}


def _read(name: str, text: str) -> dict[str, Any]:
    """What django-environ makes of a URL; empty where that is nothing."""
    if not text:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # django-environ only warns of a URL that it cannot read
        try:
            return {"OPTIONS": {}, **environ.Env.db_url_config(text)}
        except (UserWarning, ValueError):  # their words may hold a piece of the password
            wrong(name, environment.shown(name, text), FORM)
            return {}


def _prepare_sqlite(name: str, found: dict[str, Any]) -> None:
    options = found["OPTIONS"]
    for option in sorted(options.keys() - {"timeout"}):
        wrong(name, f"has the option {option} with SQLite", f"without {option}")
    found["ENGINE"] = "bookjob_site.sqlite"  # Django's own, with a queue for all who write
    path = Path(found["NAME"])
    if found["NAME"] == ":memory:":
        wrong(name, "names no file", "sqlite:///path: each thread would have a database of its own")
    elif not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        wrong(name, f"is in the folder {path.parent}", "in a folder that is there and that this user may write to")
    elif path.is_dir() or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        wrong(name, f"names {path}", "a file that this user may read and write")
    _numbers(name, options, {"timeout": (1, 25)})  # seconds; gunicorn gives a worker 30
    # A transaction that reads and then writes takes the lock at once: waiting works, upgrading does not.
    options["transaction_mode"] = "IMMEDIATE"
    # FULL: what was answered with 200 survives a power cut; WAL's usual NORMAL may lose the last commits.
    # legacy_alter_table: a migration changes a table by putting a new one in its place; the triggers of the history,
    # which name that table, are not looked at while it is missing (tests/operations/test_upgrades.py).
    # wal_autocheckpoint: a booking writes some sixty pages, and each checkpoint makes its caller wait (16 MB).
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA legacy_alter_table=ON"
    options["init_command"] = f"{pragmas}; PRAGMA wal_autocheckpoint=4000;"
    options.setdefault("timeout", 20)  # seconds that a caller waits for the one writer
    found["CONN_MAX_AGE"] = None  # one connection a thread, kept


def _prepare_replica(found: dict[str, Any]) -> None:
    # The primary is asked where the replica is away: no request waits long for it.
    found["OPTIONS"].setdefault("connect_timeout", 2)
    if "pgbouncer" not in found["OPTIONS"]:
        found["OPTIONS"].setdefault("options", "-c statement_timeout=2000 -c default_transaction_read_only=on")
    _prepare_postgresql(REPLICA, found)
    found |= {"LONGEST_WAIT": 3, "CONN_HEALTH_CHECKS": False, "TEST": {"MIRROR": "default"}}


def connections_in_pool(text: str) -> int:
    """`true` means four a worker, half of its threads; 0 is no pool."""
    return whole(0, 100)(text) if text.isdecimal() else 4 * switch(text)


def _prepare_postgresql(name: str, found: dict[str, Any]) -> None:
    found["ENGINE"] = "bookjob_site.postgresql"  # Django's own, with an end to waiting
    options = found["OPTIONS"]
    _look_at_names(name, found)
    through_pgbouncer = _option(name, options, "pgbouncer", switch, "true or false")
    pool = _option(name, options, "pool", connections_in_pool, "true or a number of connections up to 100")
    if through_pgbouncer:
        # One server connection serves many sessions in turn: nothing may be kept in it beyond a transaction.
        for option in sorted(({"options", "prepare_threshold"} & options.keys()) | ({"pool"} if pool else set())):
            wrong(name, f"has both pgbouncer and {option}", "with one of the two alone")
        options["prepare_threshold"] = None
        found["DISABLE_SERVER_SIDE_CURSORS"] = True
        found["LIMITS_BY_ROLE"] = True  # bookings/operations/health.py looks whether the role has them
    # What booking and search send again and again is planned once for each connection (sql.py).
    options.setdefault("prepare_threshold", 5)
    # Of several hosts the next one is tried soon: the first may be frozen, and take connections all the same.
    options.setdefault("connect_timeout", 2 if "," in str(found["HOST"]) else 5)
    for option, number in TCP_LIMITS.items():
        options.setdefault(option, number)
    if not through_pgbouncer:
        options["options"] = f"{options.get('options', TIME_LIMITS)} {ISOLATION}"
    # Longer than PostgreSQL's own limits: what is not answered by then has no server behind it.
    found["LONGEST_WAIT"] = 18
    # A connection is looked at before a request uses it: after a restart of the database no caller gets an error.
    found["CONN_HEALTH_CHECKS"] = True
    if pool:
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": 8}
    else:
        found["CONN_MAX_AGE"] = None  # one connection a thread, kept
    hosts, ports = str(found["HOST"]).split(","), str(found["PORT"]).split(",")
    if len(hosts) > 1:
        if len(ports) not in (len(hosts), int(ports == [""])):
            wrong(name, f"has {len(hosts)} hosts and {len(ports)} ports", "a port for each host, or none")
        # Of a primary and its replicas, whichever takes bookings right now, or the first that takes none.
        first, other = ("prefer-standby", "standby") if name == REPLICA else ("read-write", "primary")
        if options.setdefault("target_session_attrs", first) not in (first, other):
            wrong(name, f"has several hosts and target_session_attrs={options['target_session_attrs']}",
                  f"{first} or {other} there")  # fmt: skip
    _numbers(name, options, NUMBERS)
    for option in sorted(FILES & options.keys()):
        if options[option] != "system" and not os.access(options[option], os.R_OK):
            wrong(name, f"has {option}={options[option]}", "a file that this user may read")
    if complaint := _what_libpq_says(options):
        wrong(name, f"has an option that PostgreSQL does not know ({complaint})", "an option as its manual has it")


def _look_at_names(name: str, found: dict[str, Any]) -> None:
    if not found["NAME"] or "/" in found["NAME"]:
        database = found["NAME"].rpartition("@")[2]  # before it may stand the end of a password
        wrong(name, f"names the database {database!r}", f"one with the name of a database at its end: {FORM}")
    if "%" in found["HOST"]:
        wrong(name, f"names the host {found['HOST']!r}", "a host name; a socket's folder is an option: ?host=/run/…")


def _option(name: str, options: dict[str, Any], option: str, convert: Callable[[str], int], right: str) -> int:
    """Take an option of our own out of those for the driver; 0 where it is not set, or wrong."""
    text = str(options.pop(option, "off"))
    try:
        return convert(text)
    except ValueError:
        wrong(name, f"has {option}={text}", f"{option}= {right}")
        return 0


def _numbers(name: str, options: dict[str, Any], limits: dict[str, tuple[int, int]]) -> None:
    for option in sorted(limits.keys() & options.keys()):
        least, most = limits[option]
        try:
            if options[option] is not None:  # prepare_threshold: never
                whole(least, most)(str(options[option]))
        except ValueError:
            wrong(name, f"has {option}={options[option]}", f"{option}= a number, {least} to {most}")


def _what_libpq_says(options: dict[str, Any]) -> str:
    """A word that PostgreSQL's library does not take, in its own words; it looks for no server of anybody's."""
    asked = {key: option for key, option in options.items() if key not in DJANGO_OPTIONS}
    try:
        text = psycopg.conninfo.make_conninfo(**{**asked, "host": "/nowhere", "hostaddr": "", "port": "5432"})
    except psycopg.Error as fault:
        return str(fault).strip()
    answer = psycopg.pq.PGconn.connect_start(text.encode()).get_error_message()
    return "" if answer.startswith("connection to server") else answer.strip()
