"""Callers beside each command that fills, changes or forgets the supply: `python -m bench.supply [WORKERS]`.

On SQLite, or on the PostgreSQL of TEST_DATABASE_URL. Prints two tables. Alone: how many rows a second the commands
write that write many, by the clock with and without the start of Python and Django, and by the processor's time, which
depends less on what else runs. Beside callers, half of which book in the area that is changed: how long the command
took, how many rows it wrote a second, its longest transaction and the processor's time in it (bench/held.py), how many
requests it had beside it, the longest that one of them took, and how many were answered 503.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import tests.support.environment  # noqa: F401  before Django reads its settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")

import django

django.setup()

from bench.held import MARK  # noqa: E402
from tests.conftest import SERVER, Database, Service, manage  # noqa: E402
from tests.support.environment import ROOT  # noqa: E402
from tests.support.helpers import booking, path_of, request, tomorrow  # noqa: E402

WORKERS, DAYS = 60, 125
CALLERS = 4
CODES = ["LEEDS", "NORTH"]  # where they book; NORTH is changed


@dataclass
class Beside:
    """What callers met while a command ran."""

    command: str
    seconds: float = 0.0
    rows: int = 0
    held: float = 0.0
    held_used: float = 0.0
    used: float = 0.0
    started: float = 0.0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    @property
    def longest(self) -> str:
        return f"{self.held:.2f} s | {self.held_used:.2f} s"

    def line_alone(self) -> str:
        return (
            f"| `{self.command}` | {self.rows:,} | {self.seconds:.1f} s | {self.rate:,.0f}"
            f" | {self.rows / self.started:,.0f} | {self.rows / self.used:,.0f} | {self.longest} |"
        )

    def line(self) -> str:
        return (
            f"| `{self.command}` | {self.rows:,} | {self.seconds:.1f} s | {self.rate:,.0f} | {self.longest}"
            f" | {len(self.waits):,} | {max(self.waits, default=0):.2f} s | {self.statuses[503]} |"
        )


def call(service: Service, over: threading.Event, beside: Beside, seed: int) -> None:
    """Book and search in turn until the command is over."""
    code = CODES[seed % len(CODES)]
    place = {"LocationNum": "L-1", "ServiceAreaID": code}
    body = booking(tomorrow(3 * seed), tomorrow(3 * seed + 2), Location=place)
    number = 0
    while not over.is_set():
        number += 1
        order = f"{beside.command[:20]}-{seed}-{number}"
        headers = {"x-access-token": service.token, "Content-Type": "application/json"}
        for path, asked in (
            (path_of(order), body),
            ("/api/v1/appointments/search", {"Location": {"ServiceAreaID": code}}),
        ):
            began = time.monotonic()
            answer = request(service.port, "POST", path, json.dumps(asked), headers)
            beside.waits.append(time.monotonic() - began)
            beside.statuses[answer.status] += 1


def run(*command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As operators start it. (Tests fork it from a process that has Django loaded.)"""
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


def measure(service: Service, rows: int, *command: str, callers: int = CALLERS) -> Beside:
    """Run one command with callers beside it. Raises where it fails."""
    said = " ".join(part for part in command if "=" not in part and "/" not in part)
    beside, over = Beside(said, rows=rows), threading.Event()
    threads = [threading.Thread(target=call, args=(service, over, beside, seed)) for seed in range(callers)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    settings = {"DATABASE_URL": service.database.url, "BOOKJOB_PURGE_PERSONAL_DATA": "on"}
    done = run("-m", "bench.held", *command, environment=os.environ | settings)
    beside.seconds = time.monotonic() - began
    over.set()
    for thread in threads:
        thread.join()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    beside.held, beside.held_used, beside.used, beside.started = map(float, done.stderr.rpartition(MARK)[2].split())
    return beside


def make_room(service: Service) -> None:
    """For the callers: the area NORTH, and there and in LEEDS slots that are never full."""
    for seed in range(CALLERS):
        service.make_slot(10_000, start=tomorrow(3 * seed))
    service.database.execute(
        "INSERT INTO bookings_servicearea (code, name, time_zone) VALUES ('NORTH', 'North', 'Europe/London')"
    )
    service.database.execute(
        'INSERT INTO bookings_appointmentslot (area_id, start, "end", order_type, worker, capacity, booked, is_open,'
        " source) SELECT north.id, start, \"end\", order_type, worker, capacity, 0, is_open, 'hand'"
        " FROM bookings_appointmentslot, bookings_servicearea north WHERE north.code = 'NORTH' AND capacity = 10000"
    )


def all_commands(service: Service, folder: Path, workers: int, days: int) -> Iterator[Beside]:
    make_room(service)
    many, first = workers * days * 4, tomorrow().date()
    old, new = (template(folder, "NORTH", workers, days, hours) for hours in (EARLY, LATE))
    yield measure(service, many, "seed_slots", f"--template={old}")
    yield measure(service, many, "seed_slots", f"--template={old}", "--dry-run")
    yield measure(service, 2 * many, "seed_slots", f"--template={new}", "--prune", "--yes")
    period = ["--area=NORTH", f"--from={first}", f"--until={first + timedelta(days=365)}"]
    yield measure(service, 2 * many, "close_slots", *period, "--reason=Fair")
    yield measure(service, 2 * many, "open_slots", *period)
    rows = many // 3
    file = import_file(folder, rows, days, hour=8)
    yield measure(service, rows, "import_slots", str(file), "--dry-run")
    yield measure(service, rows, "import_slots", str(file))
    yield measure(service, rows, "import_slots", str(import_file(folder, rows, days, hour=9)))
    yield measure(service, 2 * many + 2 * rows, "export_slots")
    make_past(service, many)
    yield measure(service, many, "purge", "--before=2024-01-01")


def alone(service: Service, folder: Path, workers: int, days: int) -> Iterator[Beside]:
    """What writes many rows, with the service idle beside it."""
    many = workers * days * 4
    plan = template(folder, "SOUTH", workers, days, EARLY)
    yield measure(service, many, "seed_slots", f"--template={plan}", callers=0)
    file = import_file(folder, many, days, hour=8, area="SOUTH")
    yield measure(service, many, "import_slots", str(file), callers=0)
    file = import_file(folder, many, days, hour=9, area="SOUTH")
    yield measure(service, many, "import_slots", str(file), callers=0)
    yield measure(service, many, "import_slots", str(file), callers=0)


EARLY, LATE = "08:00-12:00,13:00-17:00", "09:00-13:00,14:00-18:00"


def template(folder: Path, code: str, workers: int, days: int, hours: str) -> Path:
    file = folder / f"{code}-{hours[:2]}.csv"
    names = ",".join(f"{code}-{number}" for number in range(workers))
    file.write_text(
        "area,name,time_zone,workers,from,days,hours,length\n"
        f'{code},{code},Europe/London,"{names}",{tomorrow().date()},{days},"{hours}",120\n'
    )
    return file


def import_file(folder: Path, rows: int, days: int, *, hour: int, area: str = "NORTH") -> Path:
    """Four slots a day for each of the workers that these rows need, the first at `hour`."""
    file = folder / f"import-{area}-{hour}.csv"
    hours = [(day, hour + 2 * number) for day in range(days) for number in range(4)]
    lines = (
        f"{area}-{number},{area},{moment(*hours[number % len(hours)])},{area}-x{number // len(hours)}\n"
        for number in range(rows)
    )
    file.write_text("external_id,area,start,end,worker\n" + "".join(lines))
    return file


def make_past(service: Service, rows: int) -> None:
    """Slots that are over and were never booked, an hour after each other."""
    start, end = (
        f"timestamptz '{first}Z' + n * interval '1 hour'" if SERVER else f"datetime('{first}', n || ' hours')"
        for first in ("2020-01-01 00:00", "2020-01-01 00:30")
    )
    service.database.execute(
        f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
        ' INSERT INTO bookings_appointmentslot (area_id, start, "end", order_type, worker, capacity, booked, is_open)'
        f" SELECT a.id, {start}, {end}, '', '', 1, 0, is_open FROM numbers, bookings_servicearea a,"
        " (SELECT is_open FROM bookings_appointmentslot LIMIT 1) AS any_slot WHERE a.code = 'NORTH'"
    )


def moment(day: int, hour: int) -> str:
    """Begin and end, two hours apart."""
    begins = tomorrow(hour) + timedelta(days=day)
    return f"{begins:%Y-%m-%dT%H:%MZ},{begins + timedelta(hours=2):%Y-%m-%dT%H:%MZ}"


def main() -> int:
    workers = int(sys.argv[1]) if sys.argv[1:] else WORKERS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(None, folder)
        manage(database, "migrate", "--verbosity", "0")
        service = Service(database, folder / "gunicorn.log", "bookjob_site.wsgi", WEB_CONCURRENCY="2")
        try:
            print("| command, alone | rows | took | rows a second | without its start", end="")
            print(" | a second of the processor | longest transaction | of the processor |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
            for each in alone(service, folder, workers, DAYS):
                print(each.line_alone(), flush=True)
            print("\n| command, beside callers | rows | took | rows a second | longest transaction", end="")
            print(" | of the processor | callers' requests | longest wait | 503 |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
            refused = 0
            for beside in all_commands(service, folder, workers, DAYS):
                print(beside.line(), flush=True)
                refused += beside.statuses[503]
        finally:
            service.stop()
            database.drop()
    return int(refused > 0)


if __name__ == "__main__":
    sys.exit(main())
