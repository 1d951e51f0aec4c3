"""The environment of the tests, loaded as a pytest plugin before Django reads its settings.

Whatever a developer has in `.env` or in `var/` must not decide a test: every documented variable is set here.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

KEY = "current-key-of-the-tests-0123456789abcdef"
OLD_KEY = "previous-key-of-the-tests-0123456789abcdef"

# What Python and pytest write before they rename it: it may be gone again while a folder is copied.
HALF_COMPILED = "*.pyc.*"


def settings_of(folder: Path) -> set[str]:
    """The names of all settings that the release in a folder has."""
    lines = [line.partition("=") for line in (folder / ".env.example").read_text().splitlines()]
    return {name for name, equals, _ in lines if equals and not name.startswith("#")}


os.environ |= dict.fromkeys(settings_of(ROOT), "")  # the defaults
os.environ["WEB_CONCURRENCY"] = "2"  # gunicorn itself reads it first, and takes no empty one
os.environ["SECRET_KEY"] = "only-for-tests"
os.environ["BOOKJOB_JWT_KEYS"] = f"current:{KEY} previous:{OLD_KEY}"
os.environ["ALLOWED_HOSTS"] = "testserver 127.0.0.1 localhost"
os.environ["BOOKJOB_HTTPS"] = "off"
# Counted, but never reached: one caller sends what in life comes from thousands.
os.environ["BOOKJOB_CALLER_LIMIT"] = os.environ["BOOKJOB_ADDRESS_LIMIT"] = "10000000"
# Empty, so that the pages look as the code says and not as the files were collected last.
os.environ["STATIC_ROOT"] = tempfile.mkdtemp(prefix="bookjob-static-")
atexit.register(shutil.rmtree, os.environ["STATIC_ROOT"], ignore_errors=True)
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")


def of_release(folder: Path) -> dict[str, str]:
    """This environment, without the settings that the release in a folder does not have yet: it would not start."""
    later = set() if folder == ROOT else settings_of(ROOT) - settings_of(folder)
    return {name: text for name, text in os.environ.items() if name not in later}


def examples(everyday: int, torture: int = 0) -> int:
    """How many examples a property tries: in `make torture` so many, or twenty times as many."""
    return (torture or everyday * 20) if "TORTURE_OPERATIONS" in os.environ else everyday


def pytest_configure():
    """Whatever ends the run ends what it started: the fixtures take their servers down on the way out."""
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable():
    """Half a character in a test's output or log would end the run: a process of xdist cannot send it to another."""
    return whole((yield))


def whole(told: Any) -> Any:
    """The same with each lone surrogate as its escape."""
    match told:
        case str():
            return told.encode("utf-8", "backslashreplace").decode()
        case list() | tuple():
            return type(told)(map(whole, told))
        case dict():
            return {whole(key): whole(value) for key, value in told.items()}
    return told
