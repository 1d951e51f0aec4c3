"""/livez and /readyz, without a token and whatever the Host header says."""

import json
import os
import threading
import uuid
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import tzdata
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from bookings.operations import readiness
from bookjob_site.version import VERSION
from tests.conftest import SERVER, manage

ALWAYS = {"version": VERSION, "time_zones": tzdata.IANA_VERSION}
DatabaseOf = namedtuple("DatabaseOf", "url")


def ready() -> tuple[int, dict]:
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()


def test_livez_asks_no_database():
    # Without the mark of pytest-django, touching the database would fail here.
    answer = Client().get("/livez", headers={"Host": "anybody.example"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz():
    answer = Client().get("/readyz", headers={"Host": "anybody.example"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"} | ALWAYS)


@pytest.mark.django_db
def test_readyz_when_a_migration_is_missing():
    MigrationRecorder(connection).migration_qs.filter(app="bookings").last().delete()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "migrations missing"} | ALWAYS)


def test_readyz_without_the_database(settings, monkeypatch):
    def away(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setitem(readiness.PROBLEM_OF, connection.vendor, away)
    assert ready() == (503, {"status": "database not reached"} | ALWAYS)


class TestWhatABookingNeeds:
    @pytest.mark.django_db
    @pytest.mark.skipif(not SERVER, reason="PostgreSQL's own")
    def test_a_server_that_only_reads(self):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        assert ready() == (503, {"status": "database read-only"} | ALWAYS)

    @pytest.mark.skipif(not SERVER, reason="PostgreSQL's own")
    @pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
    def test_an_encoding_that_does_not_keep_every_text(self, encoding):
        name = f"bookjob_{uuid.uuid4().hex[:12]}"
        url = f"{SERVER.rpartition('/')[0]}/{name}"
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
            try:
                problem = f"database encoded in {encoding}, not UTF8: see docs/databases.md"
                done = manage(DatabaseOf(url), "check", "--database", "default")
                assert (done.returncode, problem in done.stderr) == (1, True), done.stderr
                asked = "from django.test import Client; print(Client().get('/readyz').content.decode())"
                done = manage(DatabaseOf(url), "shell", "--no-imports", "--command", asked)
                assert json.loads(done.stdout) == {"status": problem} | ALWAYS
            finally:
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @pytest.mark.skipif(bool(SERVER), reason="SQLite's own")
    def test_a_file_a_folder_and_a_disk(self, empty_database, monkeypatch):
        monkeypatch.setattr(connection, "is_in_memory_db", lambda: False)
        monkeypatch.setitem(connection.settings_dict, "NAME", str(empty_database.file))
        assert readiness.PROBLEM_OF["sqlite"]() == ""
        may = os.access
        log = empty_database.file.with_name(f"{empty_database.file.name}-wal")
        log.touch()
        for path in (empty_database.file, empty_database.file.parent, log):
            # The file system's own no is not heard by root, and root may run this.
            monkeypatch.setattr(os, "access", lambda asked, mode, path=path: asked != path and may(asked, mode))
            assert readiness.PROBLEM_OF["sqlite"]() == "database read-only"
        monkeypatch.setattr(os, "access", may)
        room = os.statvfs(empty_database.file)
        full = os.statvfs_result([*room[:4], readiness.LEAST_ROOM // room.f_frsize - 1, *room[5:]])
        monkeypatch.setattr(os, "statvfs", lambda path: full)
        assert readiness.PROBLEM_OF["sqlite"]() == "disk full"


class TestOneAtATime:
    """However many ask, one thread does the asking."""

    def test_the_others_get_the_last_answer_and_hear_of_a_database_that_does_not_answer(self, monkeypatch):
        asked, may_answer, answers = threading.Event(), threading.Event(), ["", "migrations missing"]

        def ask():
            if len(answers) == 1:
                asked.set()
                assert may_answer.wait(60)
            return answers.pop(0), []

        one = readiness.OneAtATime(ask)
        assert one() == ("", [])
        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(one)
            assert asked.wait(60)
            try:
                assert [one() for _ in range(20)] == [("", [])] * 20
                monkeypatch.setattr(readiness, "PATIENCE", 0)
                assert one() == ("database not reached", [])
            finally:
                may_answer.set()
            assert slow.result(60) == ("migrations missing", [])
        assert one.last == ("migrations missing", [])

    def test_a_fault_is_not_the_end_of_asking(self):
        answers = [0, 1]
        one = readiness.OneAtATime(lambda: (str(1 // answers.pop(0)), []))
        with pytest.raises(ZeroDivisionError):
            one()
        assert one() == ("1", [])
