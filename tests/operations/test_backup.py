"""The commands of docs/operations.md for backup and restore, run as they stand there, while bookings come in."""

import os
import re
import shutil
import subprocess
import sys
import uuid
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conftest import SERVER, Database, Service, manage
from tests.operations.test_upgrades import Callers
from tests.support import postgres, warm
from tests.support.environment import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text().partition("## Backup and restore\n")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
DUMP, LOAD, COPY, COPY_BACK, CHECK, PASS_ON_POSTGRESQL, PASS_ON_SQLITE, NEW_EPOCH = COMMANDS
BACK_UP, RESTORE, PASS = (DUMP, LOAD, PASS_ON_POSTGRESQL) if SERVER else (COPY, COPY_BACK, PASS_ON_SQLITE)


@pytest.fixture(scope="module")
def python():
    with warm.for_a_shell() as command:
        yield command


@pytest.fixture
def role(template_database, tmp_path):
    """The service's own role as the page demands it, without any right but on its database; and that database."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of-the-test' NOSUPERUSER NOCREATEDB NOCREATEROLE")
    database = Database(None, tmp_path)
    server = urlsplit(SERVER)
    try:
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {database.name} OWNER TO {name}")
        database.url = f"postgres://{name}:of-the-test@{server.hostname}:{server.port}/{database.name}"
        migrated = manage(database, "migrate", "--verbosity", "0")
        assert migrated.returncode == 0, migrated.stderr
        yield name, database
    finally:
        database.drop()
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database.name}_restored WITH (FORCE)")
            connection.execute(f"DROP ROLE {name}")


@pytest.mark.skipif(not SERVER, reason="SQLite has no roles")
def test_the_role_without_rights_that_the_page_demands_backs_up_and_restores(role, tmp_path, python):
    name, database = role
    loaded = manage(database, "load_demo", "--empty")
    assert loaded.returncode == 0, loaded.stderr
    environment = os.environ | {"DATABASE_URL": database.url, "RESTORED_URL": f"{database.url}_restored"}
    if binaries := postgres.find_binaries():
        environment["PATH"] = f"{binaries}:{environment['PATH']}"
    if not shutil.which("pg_dump", path=environment["PATH"]):
        pytest.skip("there is no pg_dump on this machine")
    asked_of_postgres = "runuser -u postgres -- createdb --owner=bookjob bookjob_restored"
    assert asked_of_postgres in LOAD
    # This server's superuser has no user of the system: its address is what `postgres` is elsewhere.
    here = {
        asked_of_postgres: f"createdb --maintenance-db='{SERVER}' --owner={name} {database.name}_restored",
        "runuser -u bookjob -- ": "",
        ".venv/bin/python manage.py": f"{python} {ROOT}/manage.py",
    }
    commands = "\n".join([DUMP, LOAD, CHECK, PASS_ON_POSTGRESQL])
    for theirs, ours in here.items():
        commands = commands.replace(theirs, ours)
    ended = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    # The control: the same role may make no database by itself.
    refused = subprocess.run(
        ["createdb", f"--maintenance-db={database.url}", f"{database.name}_more"],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert "permission denied to create database" in refused.stderr


@pytest.fixture
def restored(tmp_path):
    """The database that the commands restore into; they make it themselves."""
    database = Database(None, tmp_path)
    database.drop()
    yield database
    if SERVER:
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


@pytest.fixture
def run(empty_database, restored, tmp_path, python):
    """A function that runs commands of the page in an empty folder; says how they ended."""
    environment = os.environ | {"DATABASE_URL": empty_database.url, "RESTORED_URL": restored.url}
    if binaries := postgres.find_binaries():
        environment["PATH"] = f"{binaries}:{environment['PATH']}"
    if SERVER and not shutil.which("pg_dump", path=environment["PATH"]):
        pytest.skip("there is no pg_dump on this machine")
    # This test's server has no `postgres` of the system: its superuser's address is what that is elsewhere.
    here = {
        "runuser -u postgres -- createdb --owner=bookjob": f"createdb --maintenance-db='{SERVER}'",
        "bookjob_restored": restored.name,
        "install -o bookjob -m 600 var/": "cp ",
        "INTO 'var/": "INTO '",
        "var/restored.sqlite3": restored.url.removeprefix("sqlite:///"),
        "var/bookjob.sqlite3": empty_database.url.removeprefix("sqlite:///"),
        "runuser -u bookjob -- ": "",  # tests/operations/test_install.py has that user
        ".venv/bin/python manage.py": f"{python} {ROOT}/manage.py",
        ".venv/bin/python -c": f"{sys.executable} -c",
    }

    def run(commands: str) -> subprocess.CompletedProcess:
        for theirs, ours in here.items():
            commands = commands.replace(theirs, ours)
        return subprocess.run(
            ["bash", "-e", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )

    return run


def numbers(database) -> dict[str, int]:
    """The numbers of all bookings by their order."""
    return dict(database.execute("SELECT original_order, id FROM bookings_workorder"))


def test_what_is_backed_up_under_load_can_be_restored_and_booked_on(
    service, run, restored, empty_database, tmp_path, figures
):
    with Callers(service) as callers:
        callers.wait_for(40)
        backed_up = run(BACK_UP)
        callers.wait_for(40)
    assert backed_up.returncode == 0, backed_up.stderr
    assert callers.statuses == {200}

    loaded = run(RESTORE)
    assert loaded.returncode == 0, loaded.stderr
    checked = run(CHECK)
    assert (checked.returncode, "Slot" in checked.stdout) == (0, False), checked.stdout + checked.stderr
    before, after = numbers(empty_database), numbers(restored)
    assert 40 <= len(after) < len(before)
    assert after.items() <= before.items()

    # What was answered after the backup keeps its numbers for itself.
    assert run(PASS).returncode == 0
    assert "Its readers begin anew." in run(NEW_EPOCH).stdout
    again = Service(restored, tmp_path / "restored.log", "bookjob_site.wsgi")
    try:
        order, number = next(iter(after.items()))
        assert again.book(order, callers.body).json()["OrderNum"] == f"FU-{number}"
        answers = [again.book(f"WO-restored-{step}", callers.body) for step in range(3)]
    finally:
        again.stop()
    assert {answer.status for answer in answers} == {200}
    assert min(int(answer.json()["OrderNum"].removeprefix("FU-")) for answer in answers) > max(before.values())
    assert run(CHECK).returncode == 0
    figures(f"backup under load: {len(after)} of {len(before)} bookings in it, each whole; booked on after the restore")


def test_without_passing_over_them_numbers_would_be_given_out_again(service, run, restored, empty_database, tmp_path):
    """The control of the test above, and why the page says so."""
    body = service.make_slot(capacity=99)
    service.book("WO-before", body)
    assert run(BACK_UP).returncode == 0
    after = service.book("WO-after", body).json()["OrderNum"]
    assert run(RESTORE).returncode == 0
    again = Service(restored, tmp_path / "restored.log", "bookjob_site.wsgi")
    try:
        assert again.book("WO-another", body).json()["OrderNum"] == after
    finally:
        again.stop()


def test_the_check_would_notice_a_restore_that_is_not_whole(service, run, restored):
    service.book("WO-1", service.make_slot(capacity=9))
    assert run(BACK_UP).returncode == 0
    assert run(RESTORE).returncode == 0
    assert run(CHECK).returncode == 0
    restored.execute("UPDATE bookings_appointmentslot SET booked = booked + 1")
    assert "Slot" in run(CHECK).stdout
    restored.execute("UPDATE bookings_appointmentslot SET booked = booked - 1")
    assert run(CHECK).returncode == 0
    restored.execute("DELETE FROM django_migrations WHERE app = 'bookings'")
    assert run(CHECK).returncode != 0
