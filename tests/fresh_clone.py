"""`make run` in a fresh clone, as a stranger uses it: the printed lines are pasted, the second run keeps the data.

    python -m tests.fresh_clone

Prints what was seen; ends with exit status 1 where something is not as the README says.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.postgres import free_port

LIMIT = 900  # seconds for `make run`, which installs all that the service needs, until it serves
END_SECONDS = 60  # longer than the service gives what it has begun


@contextlib.contextmanager
def make_run(clone: Path, environment: dict, limit: float = LIMIT) -> Iterator[str]:
    """What `make run` prints until it serves. It is ended with the block, or where it does not serve in time."""
    process = subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    late = threading.Timer(limit, end, [process])
    try:
        late.start()
        printed = ""
        for line in process.stdout:
            printed += line
            if "Booting worker" in line:
                break
        else:
            raise SystemExit(f"make run ended, or did not serve within {limit} s:\n{printed}")
        late.cancel()
        yield printed
    finally:
        late.cancel()
        end(process)
        process.wait(END_SECONDS)
        process.stdout.close()


def end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def end_with_sigterm() -> None:
    """What was started is ended too."""

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)


def paste(line: str) -> dict:
    return json.loads(subprocess.check_output(["bash", "-c", line], text=True, timeout=60))


def use(clone: Path, environment: dict) -> str:
    """Paste what is printed; returns the number of the booking."""
    with make_run(clone, environment) as printed:
        assert "Warning" not in printed, printed
        search, book = re.findall(r"^curl .*$", printed, re.MULTILINE)
        offers = paste(search)["TimeConstraints"]
        first = paste(book)
        again = paste(book)
        assert offers, "the search offers nothing"
        assert first["OrderNum"], first
        assert again == first, (first, again)
        print(f"search: {len(offers)} offers; booking: {first}; again: the same")
    return first["OrderNum"]


def main() -> None:
    end_with_sigterm()
    # No setting of this checkout may help the clone.
    kept = {name: value for name, value in os.environ.items() if value and not name.startswith("BOOKJOB_")}
    environment = {
        name: value
        for name, value in kept.items()
        if name not in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "DEBUG", "DJANGO_SETTINGS_MODULE")
    }
    environment["PORT"] = str(free_port())
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "bookjob"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        numbers = [use(clone, environment) for _ in range(2)]
        assert numbers[0] != numbers[1], "the second run names an order of its own"
        verified = subprocess.run(
            [clone / ".venv/bin/python", "manage.py", "verify_bookings"],
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert verified.stdout == "", verified.stdout
    print("make run works from a fresh clone, twice")


if __name__ == "__main__":
    sys.exit(main())
