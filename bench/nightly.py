"""A planning system that replaces its next four weeks in one call, while bookings go on.

`python -m bench.nightly [SLOTS]`, on SQLite or on the PostgreSQL of TEST_DATABASE_URL. Prints for each night how long
the call took, what became of the rows, and how its callers fared; ends with 1 where a caller was answered 503 or a
night took over two minutes.
"""

import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bench.supply import CALLERS, Beside, call, make_room
from tests.conftest import Database, Service, manage
from tests.support.helpers import tomorrow

SLOTS, DAYS, A_DAY = 200_000, 28, 8
MOST_SECONDS = 120


def plan(slots: int, night: int) -> Iterator[dict]:
    """The rows of a night: of those of the night before each twentieth has other places, and each fiftieth is gone."""
    draw = random.Random(1)
    for number in range(slots):
        lot = draw.random()
        if night and lot < 0.02:
            continue
        worker, place = divmod(number, DAYS * A_DAY)
        day, hour = divmod(place, A_DAY)
        start = tomorrow(8 + hour) + timedelta(days=day)
        yield {
            "ExternalID": f"N-{number}",
            "ServiceAreaID": "NORTH",
            "Start": start.isoformat(),
            "End": (start + timedelta(hours=1)).isoformat(),
            "Worker": f"worker-{worker}",
            "Capacity": 2 if night and lot > 0.95 else 1,
        }


def send(service: Service, key: str, rows: bytes) -> dict:
    begin = tomorrow(0)
    period = f"from={begin:%Y-%m-%dT%H:%MZ}&until={begin + timedelta(days=DAYS):%Y-%m-%dT%H:%MZ}"
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=600)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    connection.request("PUT", f"/api/v1/slots?area=NORTH&{period}", rows, headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {body}")
    return body


def measure(service: Service, key: str, name: str, rows: list[dict]) -> bool:
    """One night, printed; whether all is well."""
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    beside, over = Beside(name), threading.Event()
    threads = [threading.Thread(target=call, args=(service, over, beside, seed)) for seed in range(CALLERS)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    try:
        report = send(service, key, text)
    finally:
        seconds = time.monotonic() - began
        over.set()
        for thread in threads:
            thread.join()
    counts = ", ".join(f"{report[what]:,} {what.lower()}" for what in ("Created", "Changed", "Kept", "Withdrawn"))
    print(
        f"| {name} | {len(rows):,} ({len(text) / 2**20:.0f} MiB) | {seconds:.0f} s"
        f" | {counts}, {report['RefusedCount']} refused"
        f" | {len(beside.waits):,} | {max(beside.waits):.2f} s | {beside.statuses[503]} |",
        flush=True,
    )
    return seconds <= MOST_SECONDS and not beside.statuses[503]


def main() -> int:
    slots = int(sys.argv[1]) if sys.argv[1:] else SLOTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(None, folder)
        manage(database, "migrate", "--verbosity", "0")
        service = Service(database, folder / "gunicorn.log", "bookjob_site.wsgi", WEB_CONCURRENCY="2")
        try:
            make_room(service)
            key = service.manage("make_key", "planning", "--scope=supply:write").stdout.strip()
            print("| night | rows | took | what became of them | callers' requests | longest wait | 503 |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            nights = [("the first", 0), ("the same again", 0), ("a twentieth changed, a fiftieth gone", 1)]
            well = [measure(service, key, name, list(plan(slots, night))) for name, night in nights]
            return int(not all(well))
        finally:
            service.stop()
            database.drop()


if __name__ == "__main__":
    sys.exit(main())
