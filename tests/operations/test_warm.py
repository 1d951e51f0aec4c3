"""A program that is forked from a loaded process is what it would be if it had been started (tests/support/warm.py)."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import SERVER
from tests.support import warm
from tests.support.environment import ROOT

OTHERS = {
    "ALLOWED_HOSTS": "bookjob.example.org",
    "BOOKJOB_HTTPS": "on",
    "BOOKJOB_NOTICE_MINUTES": "7",
    "BOOKJOB_ORDER_PREFIX": "Q-",
    "SECRET_KEY": "another-secret-key",
}
SETTINGS = ("manage.py", "diffsettings", "--all")


@pytest.fixture
def variables(tmp_path):
    """Another database too; it is not connected to."""
    url = f"{SERVER.rpartition('/')[0]}/another" if SERVER else f"sqlite:///{tmp_path}/another.sqlite3"
    return os.environ | OTHERS | {"DATABASE_URL": url}


def both(*arguments, **more):
    """How it ends, and what it says: forked, and started."""
    started = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=more["environment"], capture_output=True, text=True
    )
    forked = warm.run(*arguments, **more)
    return [(ended.returncode, without_places(ended.stdout), ended.stderr) for ended in (forked, started)]


def without_places(text):
    """What is at which place in memory is another one each time."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def test_it_has_the_settings_of_its_own_environment(variables):
    forked, started = both(*SETTINGS, environment=variables)
    assert forked == started
    assert started[0] == 0
    # The control: those of the process that it was forked from are others.
    assert without_places(warm.run(*SETTINGS, environment=os.environ).stdout) != started[1]


def test_a_wrong_setting_ends_it_alike(variables):
    forked, started = both(*SETTINGS, environment=variables | {"BOOKJOB_NOTICE_MINUTES": "soon"})
    assert forked == started
    assert started[0] == 1
    assert "BOOKJOB_NOTICE_MINUTES is 'soon'" in started[2]


def test_gunicorn_reads_its_own_environment(variables):
    ours = {"WEB_CONCURRENCY": "3", "PORT": "8123", "GUNICORN_CMD_ARGS": "--backlog 7 --graceful-timeout 9"}
    forked, started = both("-m", "gunicorn", "bookjob_site.wsgi", "--print-config", environment=variables | ours)
    assert settings_of(forked) == settings_of(started)
    assert settings_of(started) >= {"workers = 3", "backlog = 7", "graceful_timeout = 9", "bind = ['127.0.0.1:8123']"}


def settings_of(ended):
    status, output, _ = ended
    assert status == 0, ended
    lines = [line.split("=", 1) for line in output.splitlines() if "=" in line]
    return {f"{name.strip()} = {value.strip()}" for name, value in lines}


def test_a_program_that_fails_is_not_taken_for_one_that_answered():
    with pytest.raises(ValueError, match="Expecting value"), warm.talk("tests.support.staff", "") as ask:
        ask({"do": "what no staff does", "request_id": "", "arguments": {}})


def test_two_of_them_share_no_memory(variables):
    """As gunicorn's workers do with what was made before they were forked."""
    count = (
        "from bookings.telemetry import metrics; metrics.table.add((('one more',), {0: 1.0}));"
        "print(metrics.table.read()['one more',][0])"
    )
    counted = [warm.run("-c", count, environment=variables) for _ in range(2)]
    assert [(ended.returncode, ended.stdout, ended.stderr) for ended in counted] == [(0, "1.0\n", "")] * 2
