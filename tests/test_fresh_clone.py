"""The run of a fresh clone leaves nothing behind, and waits for nothing for ever."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from tests import fresh_clone
from tests.support.environment import ROOT

# In the place of a service: says its process id, and stays.
STAYS = "run:\n\t@echo $$$$; {}; exec sleep 600\n"
HOLDS = """
import signal, sys
from pathlib import Path
from tests import fresh_clone

fresh_clone.end_with_sigterm()
with fresh_clone.make_run(Path(sys.argv[1]), None) as printed:
    print(printed.split()[0], flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def _not_below_make(monkeypatch):
    """`make test` runs this too, and a `make` below another one says more."""
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)


def is_gone(printed):
    with pytest.raises(ProcessLookupError):
        os.kill(int(printed.split()[0]), 0)
    return True


def test_one_that_never_serves_is_ended(tmp_path, monkeypatch):
    """The time is over once it has begun, however long that takes here."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)

    class Timer(threading.Thread):
        def __init__(self, limit, does, arguments):
            super().__init__(target=lambda: begun.read_text() and does(*arguments))

        def cancel(self):
            self.join(60)

    monkeypatch.setattr(threading, "Timer", Timer)
    (tmp_path / "Makefile").write_text(STAYS.format("echo Migrating; echo yes >begun"))
    with pytest.raises(SystemExit, match="did not serve within 7 s") as end, fresh_clone.make_run(tmp_path, None, 7):
        pass
    printed = str(end.value).partition("\n")[2]
    assert "Migrating" in printed
    assert is_gone(printed)


def test_what_was_started_ends_with_a_signal(tmp_path):
    (tmp_path / "Makefile").write_text(STAYS.format("echo Booting worker"))
    command = [sys.executable, "-c", HOLDS, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        printed = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert is_gone(printed)
