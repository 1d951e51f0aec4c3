"""`make test`: the suite on SQLite and on PostgreSQL, both at the same time. Arguments go to pytest:

    python -m tests.run -k race

What does not depend on the database runs in one of them (the markers `once` and `once_on_postgresql`). Each run writes
to a file of its own, and the two are printed one after the other. However this ends (Ctrl-C, a closed terminal,
`kill`), it ends the runs, their servers and PostgreSQL too.

`python -m tests.run --both`: each test on both databases, the browser's too.
`make check`, or `python -m tests.run --quick`: what is quick, on SQLite alone, for between two edits; no pages.
`--brief`: what is quick, on both; `--postgresql`: on PostgreSQL alone. Both are for `make elsewhere`.
`make torture`, or `python -m tests.run --torture`: the long form of histories, faults and properties.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Set
from pathlib import Path
from typing import NoReturn

from tests.support import postgres
from tests.support.browser import find_chromium

TORTURE = {"TORTURE_OPERATIONS": "10000"}
# What marks a file that has a long form: its number of operations, or of the examples of a property.
LONG_FORM = re.compile(r"TORTURE_OPERATIONS|\bexamples\(")
# Two processes of pytest a database, so that the cores have work while some wait. Each takes the next tests in their
# order (conftest.py), which `--dist worksteal` would not keep: a few at a time, since the first ones take long, and one
# process would otherwise begin with an eighth of them all.
SPREAD = ["-n", "2", "--dist", "load", "--maxschedchunk", "3"]
QUICK = "not slow"  # conftest.py leaves more files out then
NO_TESTS = 5  # pytest's exit status where nothing was selected: `-k` may name tests that run on one database alone


class Run:
    """pytest on one database, in a process group of its own, so that nothing of it stays behind."""

    def __init__(self, title: str, url: str, arguments: list[str], folder: Path, **environment: str) -> None:
        self.title, self.began, self.took = title, time.monotonic(), 0.0
        self.log = folder / f"{title.split()[0]}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                # Compiled files are kept, or each process would compile the whole house, and all tests, for itself.
                env=os.environ | {"TEST_DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": ""} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Whether it has ended; prints what it said, once."""
        if self.took or self.process.poll() is None:
            return bool(self.took)
        self.took = time.monotonic() - self.began
        print(f"\n=== The suite on {self.title} ({self.took:.0f} s) ===", flush=True)
        with self.log.open(encoding="utf-8", errors="replace") as said:
            shutil.copyfileobj(said, sys.stdout)
        sys.stdout.flush()
        return True

    def stop(self) -> None:
        """Let each process of pytest take its servers down (conftest.py), and end what is left of the group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def long_forms() -> list[str]:
    """The files of tests that do more in `make torture`."""
    return sorted(str(file) for file in Path("tests").rglob("test_*.py") if LONG_FORM.search(file.read_text("utf-8")))


def databases(stack: contextlib.ExitStack, modes: Set[str] = frozenset()) -> list[tuple[str, str, list[str]]]:
    """(title, URL, further arguments of pytest) of each run. Raises where there is no PostgreSQL to be had."""
    if "--quick" in modes:
        return [("SQLite", "", [*SPREAD, "-m", QUICK])]
    brief = " and not slow" if "--brief" in modes else ""
    if url := os.environ.get("TEST_DATABASE_URL", ""):
        title = "PostgreSQL of TEST_DATABASE_URL"
    else:
        url, title = stack.enter_context(postgres.server())
        title = f"PostgreSQL ({title})"
    if "--both" in modes:
        return [("SQLite", "", SPREAD), (title, url, SPREAD)]
    on_sqlite = ("SQLite", "", [*SPREAD, "-m", f"not once_on_postgresql{brief}"])
    on_postgresql = (title, url, [*SPREAD, "-m", f"not once{brief}"])
    return [on_postgresql] if "--postgresql" in modes else [on_sqlite, on_postgresql]


def main() -> int:
    began, arguments = time.monotonic(), sys.argv[1:]
    modes = {"--torture", "--quick", "--both", "--brief", "--postgresql"} & set(arguments)
    arguments = [argument for argument in arguments if argument not in modes]
    environment = TORTURE if "--torture" in modes else {}
    if environment and not arguments:
        arguments = long_forms()
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), end)
    with contextlib.ExitStack() as stack:
        try:
            wanted = databases(stack, modes)
        except Exception as fault:
            print(
                f"No PostgreSQL for the tests: {fault}\nInstall its server (apt-get install postgresql)"
                " or set TEST_DATABASE_URL to one whose user may create databases.",
                file=sys.stderr,
            )
            return 1
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bookjob-tests-")))
        runs = []
        for title, url, more in wanted:
            runs.append(Run(title, url, [*more, *arguments], folder, **environment))
            stack.callback(runs[-1].stop)
        print(f"pytest runs on {' and on '.join(run.title for run in runs)}; its output follows.", flush=True)
        while [run for run in runs if not run.ended()]:
            time.sleep(0.2)  # two processes are waited for at once
    print()
    codes = [run.process.returncode for run in runs]
    if all(code == NO_TESTS for code in codes):
        print("no test was selected")
        return NO_TESTS
    for run, code in zip(runs, codes, strict=True):
        print(f"{'passed' if code in (0, NO_TESTS) else 'FAILED'} on {run.title}, {run.took:.0f} s")
    browser_tests = "" if find_chromium() else "; the browser tests were skipped: apt-get install chromium"
    pgbouncer_tests = (
        "" if postgres.find_pgbouncer() else "; those of PgBouncer were skipped: apt-get install pgbouncer"
    )
    print(f"{time.monotonic() - began:.0f} s in all{browser_tests}{pgbouncer_tests}")
    return next((code for code in codes if code not in (0, NO_TESTS)), 0)


if __name__ == "__main__":
    sys.exit(main())
