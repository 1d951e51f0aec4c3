"""The service goes on while it is upgraded: migrations that neither stop nor break it, and a restart under load."""

import io
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import threading

import psycopg
import pytest
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader

from bookings.access import tokens
from bookings.db import online
from bookings.operations.readiness import known_migrations
from tests.conftest import SERVER, Service, manage
from tests.support.environment import ROOT

# Migrations that were written before the first release, so that no service has ever run beside them. A later one that
# the linter does not like is written anew (docs/operations.md, "Migrations"), or named here with its reason.
BEFORE_THE_FIRST_RELEASE = {
    "0010_add_the_desk": "makes indexes inside of its transaction",
    "0012_require_area_and_visit": "makes columns required",
    "0014_add_log_in_and_feed": "makes indexes inside of its transaction",
    "0015_index_closed_slots_and_parts": "makes indexes inside of its transaction",
    "0020_describe_the_supply": "makes indexes and a constraint inside of its transaction",
}
# What the linter does not like, and what breaks nothing all the same, as the test with the code before shows.
EXCUSED = BEFORE_THE_FIRST_RELEASE | {
    "0041_book_one_after_another": "a unique index on a column that the code before leaves empty",
    "0045_let_folded_codes_name_one_area": "a trigger fills the column as the index of the code before has it",
}
*_, PREVIOUS, LAST = sorted(name for app, name in known_migrations() if app == "bookings")


def lint(database, *ignored, **more):
    return manage(
        database,
        "lintmigrations",
        "--settings=tests.support.lint_settings",
        "--include-apps=bookings",
        "--no-cache",
        "--warnings-as-errors",
        "--quiet=ok",
        *(["--ignore-name", *ignored] if ignored else []),
        **more,
    )


@pytest.mark.skipif(not SERVER, reason="what locks a table is PostgreSQL's to say")
def test_no_migration_stops_or_breaks_the_service_that_runs_beside_it(empty_database):
    linted = lint(empty_database, *EXCUSED)
    assert linted.returncode == 0, linted.stdout
    # The control: without the exceptions it finds them, each of them, and nothing else.
    linted = lint(empty_database)
    assert linted.returncode != 0
    assert set(re.findall(r"\(bookings, (\w+)\)\.\.\. ERR", linted.stdout)) == set(EXCUSED)


def git(*arguments) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture
def code_before(tmp_path):
    """A copy of the code as it was before the last migration was written."""
    try:
        added = (
            git("log", "--diff-filter=A", "--format=%H", "--", f"bookings/migrations/{LAST}.py").split()[-1].decode()
        )
        archive = git("archive", "--format=tar", f"{added}^")
    except (OSError, subprocess.CalledProcessError, IndexError):
        pytest.skip("the history of the code is not here, as in an archive of a release")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
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


@pytest.mark.skipif(LAST in BEFORE_THE_FIRST_RELEASE, reason="the last migration is one from before the first release")
def test_the_code_before_serves_while_the_last_migration_runs_and_afterwards(code_before, empty_database, tmp_path):
    database = empty_database
    assert manage(database, "migrate", "bookings", PREVIOUS).returncode == 0
    migrated = []
    heard = served_meanwhile(
        database, tmp_path / "log", lambda: migrated.append(manage(database, "migrate")), folder=code_before
    )
    assert migrated[0].returncode == 0, migrated[0].stderr
    assert heard == {200}
    assert manage(database, "index_work_orders").returncode == 0
    assert manage(database, "verify_bookings").stdout == ""


def test_the_test_above_would_notice_a_migration_that_breaks_the_code_before(empty_database, tmp_path):
    rename = "ALTER TABLE bookings_workorder RENAME COLUMN postcode TO zip"
    heard = served_meanwhile(empty_database, tmp_path / "log", lambda: empty_database.execute(rename))
    assert heard & {500, 503}


MIGRATION = """
from django.db import migrations, models
from bookings.db import online

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
def code_after(tmp_path):
    """A copy of the code with more migrations, written as docs/operations.md says."""
    folder = tmp_path / "after"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "var", "__pycache__", "bench"))
    before = LAST
    for name, atomic, operation in ADDED:
        text = MIGRATION.format(atomic=atomic, before=before, operation=operation)
        (folder / "bookings" / "migrations" / f"{name}.py").write_text(text)
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


def test_an_index_and_a_constraint_can_be_added_while_the_service_runs(code_after, empty_database, tmp_path):
    database, migrated = empty_database, []
    heard = served_meanwhile(
        database, tmp_path / "log", lambda: migrated.append(manage(database, "migrate", folder=code_after))
    )
    assert migrated[0].returncode == 0, migrated[0].stderr
    assert heard == {200}
    wrong = "UPDATE bookings_workorder SET order_num = '' WHERE id = (SELECT MIN(id) FROM bookings_workorder)"
    with pytest.raises((psycopg.IntegrityError, sqlite3.IntegrityError), match="work_order_has_a_number"):
        database.execute(wrong)
    if SERVER:
        linted = lint(database, *EXCUSED, folder=code_after)
        assert linted.returncode == 0, linted.stdout
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'work_order_by_phone'::regclass"
        assert database.execute(valid) == [(True,)]
        assert database.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []
    # And back.
    assert manage(database, "migrate", "bookings", LAST, folder=code_after).returncode == 0
    database.execute(wrong)


def start_on(listening: socket.socket, database, log) -> subprocess.Popen:
    """gunicorn as systemd starts it: with the socket that deploy/bookjob.socket holds open."""
    become = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.executable, sys.argv[1:])"
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", become, sys.executable, "-m", "gunicorn", "bookjob_site.wsgi"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database.url, "LISTEN_FDS": "1"},
            # systemd passes its sockets from the descriptor 3 on.
            preexec_fn=lambda: os.dup2(listening.fileno(), 3),
            close_fds=False,
            stdout=output,
            stderr=output,
        )


def test_nobody_is_turned_away_by_a_restart(empty_database, tmp_path):
    """Calls that come while nobody serves wait in the socket, which stays open."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        listening.set_inheritable(True)
        service = Socketed(empty_database, listening.getsockname()[1])
        log, process = tmp_path / "log", None
        try:
            process = start_on(listening, empty_database, log)
            with Callers(service) as callers:
                for _ in range(2):
                    callers.wait_for(20)
                    process.send_signal(signal.SIGTERM)
                    process.wait(40)
                    process = start_on(listening, empty_database, log)
                callers.wait_for(20)
        finally:
            process.terminate()
            process.wait(40)
    assert callers.statuses == {200}, log.read_text()[-3000:]
    assert manage(empty_database, "verify_bookings").stdout == ""


class Socketed(Service):
    """A service that somebody else starts and stops, for its calls."""

    def __init__(self, database, port):
        self.database, self.port = database, port
        self.token = tokens.issue_token("tech.jones")


class Callers:
    """Technicians who book one order after the other, until the block ends; `statuses` are what they heard."""

    def __init__(self, service, count=4):
        self.service, self.body = service, service.make_slot(capacity=1_000_000)
        self.over, self.answered, self.calls = threading.Event(), threading.Condition(), 0
        self.statuses: set = set()
        self.threads = [threading.Thread(target=self.call, args=[number]) for number in range(count)]

    def call(self, number):
        step = 0
        while not self.over.is_set():
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
