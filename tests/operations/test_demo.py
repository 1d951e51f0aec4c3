"""`make run`: the simulator of ServiceMobility and `deliver` beside gunicorn, and none is left when one ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from tests.support.postgres import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what is left is looked up in /proc"),
]
SERVE = "import sys; from pathlib import Path; from bookjob_site import demo; sys.exit(demo.main(Path(sys.argv[1])))"
# Without load_demo, which has ended before the three are there.
SERVE_EMPTY = SERVE.replace("sys.exit", "demo._manage = print; sys.exit")


def descendants(pid):
    """Each process that this one started, and what those started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def is_there(pid):
    """A zombie is gone: it waits for init alone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")


class Demo:
    def __init__(self, database, folder, serve):
        self.port = free_port()
        self.log = folder / "log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", serve, str(folder)],
                cwd=ROOT,
                env=os.environ | {"DATABASE_URL": database.url, "PORT": str(self.port), "WEB_CONCURRENCY": "1"},
                stdout=output,
                stderr=output,
            )
        self.wait_for(lambda: "Booting worker" in self.log.read_text())
        self.wait_for(lambda: any("manage.py deliver" in command_of(pid) for pid in descendants(self.process.pid)))
        self.started = descendants(self.process.pid)

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)  # the only way to wait for another process

    def pid_of(self, words):
        return next(pid for pid in self.started if words in command_of(pid))


@contextlib.contextmanager
def running(*arguments):
    demo = Demo(*arguments)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()
        for pid in filter(is_there, demo.started):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def demo(empty_database, tmp_path):
    with running(empty_database, tmp_path, SERVE) as demo:
        yield demo


@pytest.fixture
def empty_demo(empty_database, tmp_path):
    with running(empty_database, tmp_path, SERVE_EMPTY) as demo:
        yield demo


def serves(demo):
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/livez", timeout=60) as answer:
        return answer.status == 200


def ends_with_all_of_its_own(demo):
    demo.process.wait(60)
    demo.wait_for(lambda: not any(map(is_there, demo.started)))
    return True


def test_it_serves_all_three_tells_of_one_that_ends_and_ends_in_order(demo, empty_database):
    """One after the other, since each start is three programs."""
    (line,) = [line for line in demo.log.read_text().splitlines() if line.startswith("ServiceMobility, simulated: ")]
    url = line.split()[2]
    with urllib.request.urlopen(url, timeout=60) as page:
        assert b"ServiceMobility, simulated" in page.read()
    assert [url.rstrip("/")] == [row[0] for row in empty_database.execute("SELECT url FROM bookings_receiver")]
    # deliver is started next: a word of it would send the reader after nothing.
    assert "No process delivers" not in demo.log.read_text()
    assert serves(demo)
    os.kill(demo.pid_of("manage.py deliver"), signal.SIGKILL)
    demo.wait_for(lambda: "manage.py deliver has ended (-9)." in demo.log.read_text())
    assert serves(demo)
    demo.process.send_signal(signal.SIGTERM)
    assert ends_with_all_of_its_own(demo)
    assert demo.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_them_all(empty_demo, number):
    empty_demo.process.send_signal(number)
    assert ends_with_all_of_its_own(empty_demo)
    assert empty_demo.process.returncode == (0 if number == signal.SIGINT else -signal.SIGKILL)


def test_a_second_signal_does_not_cut_the_ending_short():
    """`make run` at a terminal: its group is told, and `make` hands the signal on to its child."""
    twice = (
        "import os, signal, sys; from bookjob_site import demo\n"
        "tell = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "demo._serve = demo._end_all = tell\n"
        "sys.exit(demo.main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", twice], cwd=ROOT, env=os.environ | {"PORT": "8000"}, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_they_end_when_gunicorn_does(empty_demo):
    os.kill(empty_demo.pid_of("-m gunicorn"), signal.SIGKILL)
    assert ends_with_all_of_its_own(empty_demo)
