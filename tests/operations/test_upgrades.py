"""The service goes on while it is upgraded: migrations that neither stop nor break it, and a restart under load."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader

from bookings.access import tokens
from bookings.db import migrating, online
from bookings.operations.readiness import known_migrations
from tests.conftest import SERVER, Service, manage
from tests.operations.test_database_shapes import wait_for
from tests.support import manage_more, old_database, warm
from tests.support.environment import ROOT, of_release

# Migrations that the linter does not like, each with the reason why no service is stopped or broken by it all the same.
# Any other is written anew (docs/operations.md, "Migrations").
EXCUSED: dict[str, str] = {
    "0011_add_daily_sums": "the index is on a table that is made in the same transaction",
    "0019_index_orders_by_what_was_booked_before": "what is unique there was so before, by other indexes",
    "0022_leave_what_has_no_place_out_of_the_feed": "the index of a unique column goes with a lock of a moment",
    "0023_add_weekly_sums": "the index is on a table that is made in the same transaction",
}
*_, PREVIOUS, LAST = sorted(name for app, name in known_migrations() if app == "bookings")
# The last of those that replace the many of before the first release.
SQUASHED = "0007_roles"


def with_more(database, folder: Path | str, *arguments: str) -> subprocess.CompletedProcess:
    """manage.py with the migrations of a folder beside ours, and with the linter."""
    environment = os.environ | {"DATABASE_URL": database.url}
    return warm.run("-m", "tests.support.manage_more", str(folder), *arguments, environment=environment)


def lint(database, folder: Path | str = "", names=()) -> subprocess.CompletedProcess:
    """Of all migrations, or of those with these names; those of a folder among them."""
    return with_more(
        database,
        folder,
        "lintmigrations",
        "--include-apps=bookings",
        "--no-cache",
        "--warnings-as-errors",
        "--quiet=ok",
        *(["--include-name", *names] if names else []),
    )


@pytest.mark.skipif(not SERVER, reason="what locks a table is PostgreSQL's to say")
def test_no_migration_stops_or_breaks_the_service_that_runs_beside_it(empty_database):
    linted = lint(empty_database)
    assert found_in(linted) == set(EXCUSED), linted.stdout


PLAIN = "LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"


@pytest.mark.skipif(not SERVER, reason="SQLite has one lock")
@pytest.mark.parametrize(("lock", "deadlocks"), [(migrating.LOCKED, 0), (PLAIN, 1)], ids=["locked", "control"])
def test_tables_are_locked_beside_statements_that_name_them_in_another_order(empty_database, lock, deadlocks):
    """A migration ended because of it, beside bookings."""
    url, faults = empty_database.url, []

    def run(connection, statement: str) -> None:
        try:
            connection.execute(statement)
            connection.commit()
        except psycopg.errors.DeadlockDetected as fault:
            connection.rollback()
            faults.append(fault)

    empty_database.execute("CREATE TABLE first (); CREATE TABLE second ()")
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'second'::regclass"
    with psycopg.connect(url) as service, psycopg.connect(url) as migration, ThreadPoolExecutor(1) as other:
        service.execute("SELECT FROM second")  # until it commits
        migrated = other.submit(run, migration, lock.format(tables="first, second"))
        wait_for(lambda: empty_database.execute(waiting), "the migration has the first one and waits for the second")
        run(service, "SELECT FROM first")
        migrated.result(60)
    assert len(faults) == deadlocks


def test_no_migration_locks_tables_otherwise():
    migrations = Path(online.__file__).parents[1] / "migrations"
    assert [file.name for file in migrations.glob("*.py") if "LOCK TABLE" in file.read_text()] == []


def found_in(linted) -> set[str]:
    return set(re.findall(r"\(bookings, (\w+)\)\.\.\. ERR", linted.stdout))


def git(*arguments) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def code_before(migration: str, folder: Path) -> Path:
    """A copy of the code as it was before that migration was written."""
    try:
        file = f"bookings/migrations/{migration}.py"
        added = git("log", "--diff-filter=A", "--format=%H", "--", file).split()[-1].decode()
        archive = git("archive", "--format=tar", f"{added}^", ":!tests", ":!docs", ":!bench")
    except (OSError, subprocess.CalledProcessError, IndexError):
        pytest.skip("the history of the code is not here, as in an archive of a release")
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--file", "-"], cwd=folder, input=archive, check=True)
    return folder


def served_meanwhile(database, log, change, **more) -> set:
    """What callers hear before, while and after something changes under the service that serves them."""
    service = Service(database, log, "bookjob_site.wsgi", **more)
    try:
        with Callers(service) as callers:
            callers.wait_for(10)
            change()
            callers.wait_for(10)
    finally:
        service.stop()
    return callers.statuses


@pytest.mark.skipif(LAST == SQUASHED, reason="the next test has this one")
def test_the_code_before_serves_while_the_last_migration_runs_and_afterwards(empty_database, tmp_path):
    database, folder = empty_database, code_before(LAST, tmp_path / "before")
    assert manage(database, "migrate", "bookings", PREVIOUS).returncode == 0
    migrated = []
    heard = served_meanwhile(
        database, tmp_path / "log", lambda: migrated.append(manage(database, "migrate")), folder=folder
    )
    assert migrated[0].returncode == 0, migrated[0].stderr
    assert heard == {200}
    assert manage(database, "index_work_orders").returncode == 0
    assert manage(database, "verify_bookings").stdout == ""


def test_callers_are_answered_all_through_the_upgrade_from_the_last_old_migration(tmp_path):
    """As docs/operations.md has it: the old code serves, the tables change under it, the new code takes its socket."""
    folder, database = code_before(SQUASHED, tmp_path / "before"), old_database.load(tmp_path)
    try:
        with restarting(database, tmp_path / "log", folder) as (callers, restart):
            callers.wait_for(20)
            migrated = manage(database, "migrate")
            callers.wait_for(20)
            restart(ROOT)
            callers.wait_for(20)
        assert migrated.returncode == 0, migrated.stderr
        assert callers.statuses == {200}, (tmp_path / "log").read_text()[-3000:]
        assert manage(database, "index_work_orders").returncode == 0
        assert manage(database, "verify_bookings").stdout == ""
        booked = database.execute("SELECT COUNT(*) FROM bookings_workorder WHERE original_order LIKE 'WO-_-%%'")
        assert booked == [(callers.calls,)]
    finally:
        database.drop()


def test_no_migration_gives_numbers_again(tmp_path):
    """On SQLite a table that Django makes anew begins behind its last row: what was removed would come again."""
    database, last_numbers = old_database.load(tmp_path), {"bookings_workorder": 500, "bookings_partorder": 700}
    set_to, read = (
        ("SELECT setval('{}_id_seq', {})", "SELECT last_value FROM {}_id_seq")
        if SERVER
        else (
            "UPDATE sqlite_sequence SET seq = {1} WHERE name = '{0}'",
            "SELECT seq FROM sqlite_sequence WHERE name = '{}'",
        )
    )
    try:
        for table, number in last_numbers.items():
            database.execute(set_to.format(table, number))
        for last in (LAST, SQUASHED, LAST):
            assert manage(database, "migrate", "bookings", last).returncode == 0
            assert {table: database.execute(read.format(table)) for table in last_numbers} == {
                table: [(number,)] for table, number in last_numbers.items()
            }
    finally:
        database.drop()


def test_the_test_above_would_notice_a_migration_that_breaks_the_code_before(empty_database, tmp_path):
    rename = "ALTER TABLE bookings_workorder RENAME COLUMN postcode TO zip"
    heard = served_meanwhile(empty_database, tmp_path / "log", lambda: empty_database.execute(rename))
    assert heard & {500, 503}


MIGRATION = """
from django.db import migrations, models
from bookings.db import migrating, online

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("bookings", "{before}")]
    operations = [{operation}]
"""
# Name, whether in a transaction, operation.
ADDED = [
    (
        "9997_index",
        False,
        'online.AddIndexOnline("workorder", models.Index(fields=["phone"], name="work_order_by_phone"))',
    ),
    (
        "9998_check",
        True,
        'online.AddConstraintOnline("workorder", models.CheckConstraint(condition=~models.Q(order_num=""),'
        ' name="work_order_has_a_number"))',
    ),
    (
        "9999_validate",
        True,
        'online.ValidateConstraintOnline(model_name="workorder", name="work_order_has_a_number")',
    ),
]


@pytest.fixture
def added(tmp_path):
    """A folder with more migrations, written as docs/operations.md says."""
    folder = tmp_path / "added"
    folder.mkdir()
    (folder / "__init__.py").write_text(manage_more.BESIDE_OURS)
    before = LAST
    for name, atomic, operation in ADDED:
        text = MIGRATION.format(atomic=atomic, before=before, operation=operation)
        (folder / f"{name}.py").write_text(text)
        before = name
    return folder


def test_without_a_transaction_there_are_only_indexes_or_rows():
    """On SQLite Django makes most changes by copying the table: what is booked between copy and swap would be lost."""
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app == "bookings" and not migration.atomic:
            kinds = {type(operation) for operation in migration.operations}
            indexes = (
                {online.AddIndexOnline},
                {online.AddUniqueIndexOnline},
                {online.RemoveFieldIndexOnline},
                {online.RemoveIndexOnline},
                {online.RemoveUniqueIndexOnline},
            )
            assert kinds in (*indexes, {RunPython}), name


def test_an_index_and_a_constraint_can_be_added_while_the_service_runs(added, empty_database, tmp_path):
    database, migrated = empty_database, []
    heard = served_meanwhile(database, tmp_path / "log", lambda: migrated.append(with_more(database, added, "migrate")))
    assert migrated[0].returncode == 0, migrated[0].stderr
    assert heard == {200}
    wrong = "UPDATE bookings_workorder SET order_num = '' WHERE id = (SELECT MIN(id) FROM bookings_workorder)"
    with pytest.raises((psycopg.IntegrityError, sqlite3.IntegrityError), match="work_order_has_a_number"):
        database.execute(wrong)
    if SERVER:
        linted = lint(database, added, [name for name, *_ in ADDED])
        assert (linted.returncode, found_in(linted)) == (0, set()), linted.stdout
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'work_order_by_phone'::regclass"
        assert database.execute(valid) == [(True,)]
        assert database.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []
    # And back.
    assert with_more(database, added, "migrate", "bookings", LAST).returncode == 0
    database.execute(wrong)


@pytest.mark.skipif(not SERVER, reason="what locks a table is PostgreSQL's to say")
def test_the_linter_notices_a_migration_that_breaks_the_code_before(added, empty_database):
    rename = 'migrations.RenameField("workorder", "postcode", "zip")'
    text = MIGRATION.format(atomic=True, before=ADDED[-1][0], operation=rename)
    (added / "99999_rename.py").write_text(text)
    names = [*(name for name, *_ in ADDED), "99999_rename"]
    assert found_in(lint(empty_database, added, names)) == {"99999_rename"}


# systemd passes its sockets from the descriptor 3 on, and says to which process.
WITH_A_SOCKET = """
import os, runpy, sys
os.environ["LISTEN_PID"] = str(os.getpid())
sys.argv = ["gunicorn", "bookjob_site.wsgi"]
runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)
"""


def start_on(listening: socket.socket, database, log, folder: Path) -> subprocess.Popen | warm.Process:
    """gunicorn as systemd starts it: with the socket that deploy/bookjob.socket holds open."""
    environment = of_release(folder) | {"DATABASE_URL": database.url, "LISTEN_FDS": "1"}
    if folder == ROOT:
        return warm.start("-c", WITH_A_SOCKET, environment=environment, streams={1: log, 2: log, 3: listening})
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", WITH_A_SOCKET],
            cwd=folder,
            env=environment,
            preexec_fn=lambda: os.dup2(listening.fileno(), 3),
            close_fds=False,
            stdout=output,
            stderr=output,
        )


@contextlib.contextmanager
def restarting(database, log, folder: Path = ROOT):
    """Callers of a service, and a function that restarts it: calls that come meanwhile wait in its socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        listening.set_inheritable(True)
        process = start_on(listening, database, log, folder)

        def restart(folder: Path) -> None:
            nonlocal process
            process.send_signal(signal.SIGTERM)
            process.wait(120)
            process = start_on(listening, database, log, folder)

        try:
            with Callers(Socketed(database, listening.getsockname()[1])) as callers:
                yield callers, restart
        finally:
            process.terminate()
            process.wait(120)


def test_nobody_is_turned_away_by_a_restart(empty_database, tmp_path):
    log = tmp_path / "log"
    with restarting(empty_database, log) as (callers, restart):
        for _ in range(2):
            callers.wait_for(20)
            restart(ROOT)
        callers.wait_for(20)
    assert callers.statuses == {200}, log.read_text()[-3000:]
    assert manage(empty_database, "verify_bookings").stdout == ""


class Socketed(Service):
    """A service that another starts and stops, for its calls."""

    def __init__(self, database, port):
        self.database, self.port = database, port
        self.token = tokens.issue_token("tech.jones")


# Seconds between two calls of one technician: else they take the processor from what is done under them.
PACE = 0 if "TORTURE_OPERATIONS" in os.environ else 0.05


class Callers:
    """Technicians who book one order after the other, until the block ends; `statuses` are what they heard."""

    def __init__(self, service, count=4):
        self.service, self.body = service, service.make_slot(capacity=1_000_000)
        self.over, self.answered, self.calls = threading.Event(), threading.Condition(), 0
        self.statuses: set = set()
        self.threads = [threading.Thread(target=self.call, args=[number]) for number in range(count)]

    def call(self, number):
        step = 0
        while not self.over.wait(PACE):
            step += 1
            try:
                self.statuses.add(self.service.book(f"WO-{number}-{step}", self.body).status)
            except Exception as fault:
                self.statuses.add(repr(fault))
            with self.answered:
                self.calls += 1
                self.answered.notify_all()

    def wait_for(self, calls: int):
        """Until so many more calls were answered, beside those that are under way now."""
        with self.answered:
            enough = self.calls + len(self.threads) + calls
            assert self.answered.wait_for(lambda: self.calls >= enough, timeout=120)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
