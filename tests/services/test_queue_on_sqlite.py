"""All who write to SQLite stand in one line, callers and commands alike; see bookjob_site/sqlite/base.py."""

import fcntl
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.db.backends.sqlite3 import base

from bookjob_site.sqlite.base import Connection, DatabaseWrapper, Line

pytestmark = pytest.mark.django_db  # for connections of any kind

OTHER_PROCESS = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("first", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def connect(tmp_path):
    """A function that opens connections to one database; `keeps_place` as a caller's, else as a command's."""
    opened = []

    def open_one(*, keeps_place=False, timeout=20.0):
        wrapper = DatabaseWrapper(
            {"NAME": str(tmp_path / "queue.sqlite3"), "OPTIONS": {"timeout": timeout, "transaction_mode": "IMMEDIATE"}}
            | {"TIME_ZONE": None, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False, "AUTOCOMMIT": True},
            alias="default",
        )
        wrapper.inc_thread_sharing()
        wrapper.ensure_connection()
        wrapper.connection.keeps_place = keeps_place
        opened.append(wrapper)
        return wrapper

    first = open_one()
    write(first, "PRAGMA journal_mode=WAL")
    write(first, "CREATE TABLE line (who text)")
    yield open_one
    for one in opened:
        one.close()


def write(wrapper, text, *values):
    with wrapper.cursor() as cursor:
        cursor.execute(text, values or None)


def begin(wrapper):
    wrapper.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def end(wrapper):
    wrapper.commit()
    wrapper.set_autocommit(True)


def step(wrapper, who):
    begin(wrapper)
    write(wrapper, "INSERT INTO line VALUES (%s)", who)
    end(wrapper)


def in_line(wrapper):
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT who FROM line ORDER BY rowid")
        return [who for (who,) in cursor.fetchall()]


def steps_beside_a_caller(connect, stands_in_line):
    """A command writes twice, at once after another; a caller comes during the first. Who wrote, one after another."""
    command, caller = connect(), connect(keeps_place=True)
    begin(command)
    write(command, "INSERT INTO line VALUES ('command')")
    with ThreadPoolExecutor(1) as pool:
        booked = pool.submit(step, caller, "caller")
        stands_in_line(caller)
        end(command)
        step(command, "command")
        booked.result(30)
    return in_line(command)


def test_a_command_lets_the_callers_pass_who_came_meanwhile(connect):
    def until_first(caller):
        while not caller.connection.is_first:
            pass

    assert steps_beside_a_caller(connect, until_first) == ["command", "caller", "command"]


def test_without_the_line_the_command_would_be_first_again(connect, monkeypatch):
    asked = Event()

    def no_line(line, patience):
        asked.set()
        return 0.0

    monkeypatch.setattr(Line, "wait", no_line)
    # Which of the two is first is chance then: until it is the command.
    for _ in range(200):
        asked.clear()
        if steps_beside_a_caller(connect, lambda caller: asked.wait(30))[-2:] == ["command", "caller"]:
            return
    raise AssertionError("the caller was first each time")


def test_a_caller_keeps_the_place_to_the_end_of_the_transaction(connect):
    caller, command = connect(keeps_place=True), connect()
    for wrapper, is_kept in ((caller, True), (command, False)):
        begin(wrapper)
        assert wrapper.connection.is_first == is_kept
        end(wrapper)
        assert not wrapper.connection.is_first
        begin(wrapper)
        wrapper.rollback()
        wrapper.set_autocommit(True)
        assert not wrapper.connection.is_first


@pytest.mark.parametrize("text", ["INSERT INTO line VALUES ('a')", "UPDATE line SET who = 'b'", "DELETE FROM line"])
def test_a_write_outside_of_a_transaction_stands_in_line(connect, text, monkeypatch):
    waits, wait = [], Line.wait
    monkeypatch.setattr(Line, "wait", lambda line, patience: waits.append(line) or wait(line, patience))
    wrapper = connect(keeps_place=True)
    write(wrapper, text)
    assert waits == [wrapper.connection.line]
    assert not wrapper.connection.is_first
    in_line(wrapper)
    assert len(waits) == 1, "a read waits for no writer"


def test_a_write_that_fails_leaves_the_line(connect):
    wrapper = connect(keeps_place=True)
    with pytest.raises(OperationalError):
        write(wrapper, "INSERT INTO nothing VALUES (1)")
    assert not wrapper.connection.is_first


def test_the_time_in_the_line_counts_as_time_that_was_waited(connect, monkeypatch):
    holder, caller = connect(), connect(keeps_place=True)
    begin(holder)
    patience = caller.connection.patience
    monkeypatch.setattr(Line, "wait", lambda line, patience: patience)
    with pytest.raises(OperationalError, match="locked"):
        begin(caller)
    end(holder)
    with caller.cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (patience * 1000,)


@contextmanager
def first_elsewhere(path):
    """Another process that is first in the line, until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "first\n"
        try:
            yield other
        finally:
            other.kill()


def test_a_process_that_is_killed_gives_its_place_to_the_next(connect):
    wrapper = connect(keeps_place=True)
    write(wrapper, "INSERT INTO line VALUES ('before')")  # so that the file is there
    path = wrapper.connection.line.path
    with first_elsewhere(path) as other:
        file = os.open(path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)
        other.kill()
        step(wrapper, "next")
    assert in_line(wrapper) == ["before", "next"]


def test_where_another_process_stops_while_it_is_first_only_one_thread_waits_for_it(connect):
    late, impatient = connect(keeps_place=True, timeout=0.1), connect(keeps_place=True, timeout=0.1)
    line = late.connection.line
    write(late, "INSERT INTO line VALUES ('before')")
    with ThreadPoolExecutor(1) as pool, first_elsewhere(line.path) as other:
        waiting = pool.submit(begin, late)
        while not line.lock.locked():
            pass
        with pytest.raises(OperationalError, match="locked"):
            begin(impatient)
        assert not waiting.done()
        other.kill()
        with pytest.raises(OperationalError, match="locked"):  # its caller has left
            waiting.result(30)
    impatient.set_autocommit(True)
    step(impatient, "next")
    assert in_line(impatient) == ["before", "next"]


def test_a_process_that_is_forked_stands_in_the_line_by_itself(connect):
    parent = connect(keeps_place=True)
    begin(parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has threads
        child = os.fork()
    if not child:
        line = parent.connection.line
        is_free = not line.lock.locked() and line.file < 0
        line.leave()  # of the parent's place nothing is here
        os._exit(0 if is_free else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    file = os.open(parent.connection.line.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(file)
    end(parent)


def test_where_no_file_can_be_made_sqlite_alone_keeps_writers_apart(connect, tmp_path):
    wrapper = connect(keeps_place=True)
    wrapper.connection.line = Line(str(tmp_path / "nowhere" / "queue"))
    step(wrapper, "alone")
    assert in_line(wrapper) == ["alone"]


def test_callers_of_the_service_keep_their_place():
    from bookjob_site import wsgi  # noqa: F401  it says so as it is imported

    assert Connection.keeps_place


def test_a_text_that_comes_again_is_read_once(connect, monkeypatch):
    texts, convert = [], base.SQLiteCursorWrapper.convert_query

    def note(cursor, query, **names):
        texts.append(query)
        return convert(cursor, query, **names)

    monkeypatch.setattr(base.SQLiteCursorWrapper, "convert_query", note)
    new = f"a{uuid4().hex}"  # whatever was sent before in this process
    by_place, by_name = f"SELECT %s, '100%%' AS {new}", f"SELECT %(who)s, '100%%' AS {new}"
    with connect().cursor() as cursor:
        for who in ("first", "second"):
            assert cursor.execute(by_place, [who]).fetchone() == (who, "100%")
            assert cursor.execute(by_name, {"who": who}).fetchone() == (who, "100%")
        assert cursor.execute("SELECT '100%%'").fetchone() == ("100%%",), "without parameters it is no pattern"
    assert texts == [by_place, by_name, by_name]
