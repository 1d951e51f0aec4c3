"""Every management command ends in one line and status 1 or 2: without a database, and before it is migrated."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest

import bookings
from bookjob_site import commands
from tests.conftest import SERVER, Database, manage
from tests.support import warm
from tests.support.postgres import free_port

# What each command is called with; a new command gets its line here.
ARGUMENTS = {
    "add_webhook": ["erp", "--url", "https://erp.example.org/hook", "--secret-file", "{folder}/secret"],
    "change_slots": ["open", "--area", "LEEDS", "--from", "2030-01-01", "--until", "2030-01-02"],
    "check_contract": ["http://127.0.0.1:{port}/api/v1", "--token", "a.b.c"],
    "check_time_zones": [],
    "close_slots": ["--area", "LEEDS", "--from", "2030-01-01", "--until", "2030-01-02", "--reason", "snow"],
    "connect_servicemobility": [
        *("--url", "https://fsm.example.org", "--username", "bookjob", "--password-file", "{folder}/secret"),
    ],
    "deliver": ["--once"],
    "doctor": [],
    "drill": ["http://127.0.0.1:{port}/api/v1"],
    "export_schedules": [],
    "export_slots": [],
    "extend_schedules": [],
    "import_areas": ["{folder}/areas.csv"],
    "import_schedules": ["{folder}/plan.toml"],
    "import_slots": ["{folder}/slots.csv"],
    "index_work_orders": [],
    "issue_token": ["api"],
    "load_demo": [],
    "make_key": ["erp", "--scope", "search"],
    "migrate": [],
    "new_epoch": [],
    "open_slots": ["--area", "LEEDS", "--from", "2030-01-01", "--until", "2030-01-02"],
    "purge": ["--before", "2020-01-01"],
    "remove_webhook": ["erp"],
    "revoke_key": ["erp"],
    "seed_slots": [
        "--area",
        "LEEDS",
        "--from",
        "2030-01-01",
        "--days",
        "1",
        "--hours",
        "08:00-12:00",
        "--length",
        "60",
    ],
    "update_numbers": [],
    "verify_bookings": [],
    "verify_delivery": [],
    # Django's own, as far as the documentation names them.
    "createsuperuser": ["--noinput", "--username", "boss", "--email", "boss@example.org"],
    "showmigrations": [],
    "clearsessions": [],
    "changepassword": ["boss"],
    "check": ["--database", "default"],
}
OURS = {path.stem for path in (Path(bookings.__file__).parent / "management" / "commands").glob("[a-z]*.py")}
# These work without a database, or make one.
NEED_NONE = {"check_contract"}


def test_each_command_has_its_line():
    assert ARGUMENTS.keys() >= OURS


def end(name: str, url: str, folder: Path) -> subprocess.CompletedProcess:
    (folder / "areas.csv").write_text("area,name,time_zone\nYORK,York,Europe/London\n")
    (folder / "plan.toml").write_text(
        '[[slots]]\narea = "YORK"\nname = "York"\ntime_zone = "Europe/London"\nfrom = 2030-01-01\ndays = 1\n'
        'hours = "08:00-12:00"\nlength = 60\n'
    )
    (folder / "slots.csv").write_text(
        "external_id,area,start,end,order_type,worker,capacity,open\n"
        "A-1,LEEDS,2030-01-01T08:00:00Z,2030-01-01T10:00:00Z,,,1,yes\n"
    )
    (folder / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    arguments = [text.format(port=free_port(), folder=folder) for text in ARGUMENTS[name]]
    variables = os.environ | {"DATABASE_URL": url, "DJANGO_SUPERUSER_PASSWORD": "long enough for it"}
    return warm.run("manage.py", name, *arguments, environment=variables)


def one_line(ended: subprocess.CompletedProcess) -> str:
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode in (1, 2), ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_without_a_database(name, tmp_path):
    if SERVER:
        url = f"{SERVER.rpartition('/')[0]}/there_is_no_such_database"
    else:
        (tmp_path / "garbage.sqlite3").write_bytes(b"this is no database at all" * 100)
        url = f"sqlite:///{tmp_path}/garbage.sqlite3"
    line = one_line(end(name, url, tmp_path))
    assert name in NEED_NONE or "The database did not do it: " in line


@pytest.mark.parametrize("name", sorted(ARGUMENTS.keys() - {"migrate", "showmigrations", "check"}))
def test_before_it_is_migrated(name, tmp_path):
    database = Database(None, tmp_path)
    try:
        line = one_line(end(name, database.url, tmp_path))
    finally:
        database.drop()
    assert name in NEED_NONE or line == commands.MIGRATE


@pytest.mark.skipif(not SERVER, reason="a file that may not be written is refused with the settings")
@pytest.mark.parametrize("name", ["load_demo", "createsuperuser"])
def test_while_it_takes_no_changes(name, empty_database, tmp_path):
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {empty_database.name} SET default_transaction_read_only = on")
    assert one_line(end(name, empty_database.url, tmp_path)) == commands.READ_ONLY


def test_a_fault_in_the_code_is_one_line_too(monkeypatch, capsys):
    def broken(arguments):
        raise RuntimeError("the first line\nthe second")

    monkeypatch.setattr(commands, "execute_from_command_line", broken)
    with pytest.raises(SystemExit) as ended:
        commands.run(["manage.py", "purge"])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("A fault in the code: RuntimeError: the first line. Run it again with --traceback")
    with pytest.raises(RuntimeError):
        commands.run(["manage.py", "purge", "--traceback"])


def test_the_password_of_the_database_is_in_no_line(empty_database, tmp_path):
    ended = manage(empty_database, "verify_bookings", DATABASE_URL=f"postgres://u:hush-hush@127.0.0.1:{free_port()}/d")
    assert "hush-hush" not in one_line(ended)
