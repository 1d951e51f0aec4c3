"""How soon ServiceMobility has a booking, and what receivers cost a booking: `python -m bench.delivery`.

On SQLite, or on a new database of the PostgreSQL of TEST_DATABASE_URL. `deliver` and gunicorn run as they are shipped,
the simulated ServiceMobility in this process. First, 50 bookings a second, each measured from when its request was sent
(so from before its commit) to when its PUT arrived. Then processor seconds of gunicorn for blocks of bookings, in turns
without and with a receiver that `deliver` brings up to date meanwhile.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from bench import check, load, services, world
from conformance.simulator import Simulator

RATE, SECONDS = 50, 30
BLOCK, BLOCKS = 300, 6
SLOTS = 4_000


@contextlib.contextmanager
def database(folder: Path) -> Iterator[str]:
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        url = f"sqlite:///{folder / 'bench.sqlite3'}"
        services.migrate(url)
        world.fill_sqlite(str(folder / "bench.sqlite3"), SLOTS)
        yield url
        return
    name = f"bench_delivery_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        url = f"{server.rpartition('/')[0]}/{name}"
        services.migrate(url)
        world.fill(url, SLOTS)
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(url: str, *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=services.ROOT, env=services.environment(url), check=True, stdout=subprocess.DEVNULL)


def arrivals(simulator: Simulator) -> dict[str, float]:
    """When the PUT of each order arrived."""
    arrived: dict[str, float] = {}

    def note(method: str, order: str) -> None:
        if method == "PUT":
            arrived.setdefault(order, time.perf_counter())

    simulator.when_called = note
    return arrived


def latency(service: services.Service, bookings: world.Bookings, arrived: dict[str, float]) -> list[float]:
    """Seconds of each booking, at a steady rate that waits for no answer."""
    requests, began = bookings.take(RATE * SECONDS, "LATE"), time.perf_counter()
    sent: dict[str, float] = {}

    def send(request: bytes) -> None:
        at = time.perf_counter()
        status, answer = check.book(service.port, request)
        if status == 200 and isinstance(answer, dict):
            sent[answer["OrderNum"]] = at

    with ThreadPoolExecutor(32) as pool:
        for number, request in enumerate(requests):
            time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            pool.submit(send, request)
    deadline = time.perf_counter() + 120
    while sent.keys() - arrived.keys() and time.perf_counter() < deadline:
        time.sleep(0.1)
    if sent.keys() - arrived.keys():
        raise SystemExit(f"{len(sent)} booked, {len(sent.keys() - arrived.keys())} did not arrive")
    if len(sent) != len(requests):
        print(f"{len(requests) - len(sent)} of {len(requests)} were not booked", flush=True)
    return sorted(arrived[order] - at for order, at in sent.items())


def cost(service: services.Service, requests: list[bytes]) -> float:
    """Processor milliseconds of gunicorn for one of these bookings."""
    before = service.cpu()
    answers = load.send(service.port, requests, connections=4)
    return (service.cpu() - before) / answers.statuses[200] * 1000


def main() -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator, url = stack.enter_context(Simulator()), stack.enter_context(database(folder))
        password = folder / "password"
        password.write_text(simulator.password)
        connect = ("connect_servicemobility", "--url", simulator.url, "--username", simulator.username,
                   "--password-file", str(password), "--rate", "200")  # fmt: skip
        service = stack.enter_context(services.running("ours", url, folder / "gunicorn.log"))
        manage(url, *connect)
        deliver = subprocess.Popen(
            [sys.executable, "manage.py", "deliver"], cwd=services.ROOT, env=services.environment(url)
        )
        stack.callback(deliver.wait)
        stack.callback(deliver.terminate)
        arrived, bookings = arrivals(simulator), world.Bookings(SLOTS)
        warm = load.send(service.port, bookings.take(BLOCK, "WARM"))
        print(f"warm: {dict(warm.statuses)} {dict(warm.refusals)}", flush=True)
        while len(arrived) < warm.statuses[200]:
            time.sleep(0.1)
        took = latency(service, bookings, arrived)
        quantiles = ", ".join(f"p{share} {took[len(took) * share // 100]:.2f} s" for share in (50, 95, 99))
        print(f"{RATE} bookings a second for {SECONDS} s: {quantiles}, longest {took[-1]:.2f} s", flush=True)
        without, beside = list[float](), list[float]()
        for block in range(BLOCKS):
            manage(url, "connect_servicemobility", "--off")
            without.append(cost(service, bookings.take(BLOCK, f"OFF{block}")))
            manage(url, *connect)
            beside.append(cost(service, bookings.take(BLOCK, f"ON{block}")))
        said = [f"{name} {statistics.median(found):.2f} ms ({min(found):.2f} to {max(found):.2f})"
                for name, found in (("without a receiver", without), ("with one", beside))]  # fmt: skip
        print(f"Processor time of a booking, {BLOCKS} blocks of {BLOCK}: {', '.join(said)}")


if __name__ == "__main__":
    main()
