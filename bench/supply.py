"""Callers beside each command that fills or changes the supply: `python -m bench.supply`.

On SQLite, or on the PostgreSQL of TEST_DATABASE_URL. Prints a table: how long the command took, how many rows it wrote
a second, how many callers it had beside it, the longest that one of them waited, and how many were answered 503.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests import environment  # noqa: F401  before Django reads its settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")

import django

django.setup()

from tests.conftest import Database, Service, manage  # noqa: E402
from tests.helpers import booking, path_of, request, tomorrow  # noqa: E402

WORKERS, DAYS = 60, 125
CALLERS = 4


@dataclass
class Beside:
    """What callers met while a command ran."""

    command: str
    seconds: float = 0.0
    rows: int = 0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def line(self) -> str:
        rate = f"{self.rows / self.seconds:,.0f}" if self.rows else "-"
        return (
            f"| `{self.command}` | {self.rows:,} | {self.seconds:.1f} s | {rate} | {len(self.waits):,}"
            f" | {max(self.waits, default=0):.2f} s | {self.statuses[503]} |"
        )


def call(service: Service, over: threading.Event, beside: Beside, seed: int) -> None:
    """Book and search in turn until the command is over."""
    body = booking(tomorrow(3 * seed), tomorrow(3 * seed + 2))
    number = 0
    while not over.is_set():
        number += 1
        order = f"{beside.command[:20]}-{seed}-{number}"
        headers = {"x-access-token": service.token, "Content-Type": "application/json"}
        for path, asked in (
            (path_of(order), body),
            ("/api/v1/appointments/search", {"Location": {"ServiceAreaID": "LEEDS"}}),
        ):
            began = time.monotonic()
            answer = request(service.port, "POST", path, json.dumps(asked), headers)
            beside.waits.append(time.monotonic() - began)
            beside.statuses[answer.status] += 1


def measure(service: Service, rows: int, *command: str) -> Beside:
    """Run one command with callers beside it. Raises where it fails."""
    said = " ".join(part for part in command if "=" not in part and "/" not in part)
    beside, over = Beside(said, rows=rows), threading.Event()
    callers = [threading.Thread(target=call, args=(service, over, beside, seed)) for seed in range(CALLERS)]
    for caller in callers:
        caller.start()
    began = time.monotonic()
    done = manage(service.database, *command)
    beside.seconds = time.monotonic() - began
    over.set()
    for caller in callers:
        caller.join()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return beside


def all_commands(service: Service, folder: Path, workers: int, days: int) -> Iterator[Beside]:
    for seed in range(CALLERS):
        service.make_slot(10_000, start=tomorrow(3 * seed))
    first = tomorrow().date()
    plan = 'area,name,time_zone,workers,from,days,hours,length\nNORTH,North,Europe/London,"{}",{},{},"{}",120\n'
    names = ",".join(f"worker-{number}" for number in range(workers))
    old, new = folder / "old.csv", folder / "new.csv"
    old.write_text(plan.format(names, first, days, "08:00-12:00,13:00-17:00"))
    new.write_text(plan.format(names, first, days, "09:00-13:00,14:00-18:00"))
    many = workers * days * 4
    yield measure(service, many, "seed_slots", f"--template={old}")
    yield measure(service, many, "seed_slots", f"--template={old}", "--dry-run")
    yield measure(service, 2 * many, "seed_slots", f"--template={new}", "--prune", "--yes")
    period = ["--area=NORTH", f"--from={first}", f"--until={first.replace(year=first.year + 1)}"]
    yield measure(service, 2 * many, "close_slots", *period, "--reason=Fair")
    yield measure(service, 2 * many, "open_slots", *period)
    file = folder / "import.csv"
    rows = many // 3
    hours = [(day, hour) for day in range(days) for hour in range(8, 16, 2)]
    file.write_text(
        "external_id,area,start,end,worker\n"
        + "".join(
            f"P-{number},NORTH,{moment(*hours[number % len(hours)])},worker-x{number // len(hours)}\n"
            for number in range(rows)
        )
    )
    yield measure(service, rows, "import_slots", str(file), "--dry-run")
    yield measure(service, rows, "import_slots", str(file))


def moment(day: int, hour: int) -> str:
    """Begin and end, two hours apart."""
    begins = tomorrow(hour) + timedelta(days=day)
    return f"{begins:%Y-%m-%dT%H:%MZ},{begins + timedelta(hours=2):%Y-%m-%dT%H:%MZ}"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(None, folder)
        manage(database, "migrate", "--verbosity", "0")
        service = Service(database, folder / "gunicorn.log", "bookjob_site.wsgi", WEB_CONCURRENCY="2")
        try:
            print("| command | rows | took | rows a second | callers' requests beside it | longest wait | 503 |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            refused = 0
            for beside in all_commands(service, folder, WORKERS, DAYS):
                print(beside.line(), flush=True)
                refused += beside.statuses[503]
        finally:
            service.stop()
            database.drop()
    return int(refused > 0)


if __name__ == "__main__":
    sys.exit(main())
