"""`make run` in a fresh clone, as a stranger uses it: the printed lines are pasted, the second run keeps the data.

    python -m tests.fresh_clone

Prints what was seen; ends with exit status 1 where something is not as the README says.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.postgres import free_port


def make_run(clone: Path, environment: dict) -> tuple[subprocess.Popen, str]:
    """Start `make run` and read what it prints until it serves."""
    process = subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    printed = ""
    for line in process.stdout:
        printed += line
        if "Booting worker" in line:
            return process, printed
    raise SystemExit(f"make run ended:\n{printed}")


def paste(line: str) -> dict:
    return json.loads(subprocess.check_output(["bash", "-c", line], text=True, timeout=60))


def use(clone: Path, environment: dict) -> str:
    """Paste what is printed; returns the number of the booking."""
    process, printed = make_run(clone, environment)
    try:
        assert "Warning" not in printed, printed
        search, book = re.findall(r"^curl .*$", printed, re.MULTILINE)
        offers = paste(search)["TimeConstraints"]
        first = paste(book)
        again = paste(book)
        assert offers, "the search offers nothing"
        assert first["OrderNum"], first
        assert again == first, (first, again)
        print(f"search: {len(offers)} offers; booking: {first}; again: the same")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    return first["OrderNum"]


def main() -> None:
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
