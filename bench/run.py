"""`make bench`, `make bench-full`: what a booking and a search cost, here and in the rivals. See bench/README.md."""

import argparse
import contextlib
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

import psycopg

from bench import floor, load, services, world
from tests import postgres

ROUNDS = 7
CONNECTIONS = 8


@dataclass
class Round:
    """One service's share of one round. Milliseconds; processor time is for each request."""

    rate: float
    p50: float
    p99: float
    python: float
    database: float
    answers: load.Answers | None = None

    @property
    def cpu(self) -> float:
        return self.python + self.database


Rounds = dict[str, list[Round]]


class Bench:
    """A database of its own with what is measured on it."""

    def __init__(self, server: postgres.Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        with psycopg.connect(server.url) as connection:
            (data,) = connection.execute("SHOW data_directory").fetchone()
        self.postmaster = int((Path(data) / "postmaster.pid").read_text().splitlines()[0])
        self.pgbench_binary = floor.find_pgbench(os.readlink(f"/proc/{self.postmaster}/exe"))

    def database_cpu(self) -> float:
        return services.cpu_of_tree(self.postmaster)

    def make_database(self, name: str, slots: int, work_orders: int = 0) -> str:
        began = time.monotonic()
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{self.server.url.removesuffix('/postgres')}/{name}"
        services.migrate(url)
        if not slots:
            return url
        world.fill(url, slots, work_orders)
        say(f"{slots:,} slots and {work_orders:,} work orders: made in {time.monotonic() - began:.0f} s")
        return url

    def round(self, service: services.Service, requests: list[bytes], connections: int = CONNECTIONS) -> Round:
        python, database = service.cpu(), self.database_cpu()
        answers = load.send(service.port, requests, connections=connections)
        python, database = service.cpu() - python, self.database_cpu() - database
        count = len(requests)
        return Round(
            rate=count / answers.seconds,
            p50=answers.quantile(0.5) * 1000,
            p99=answers.quantile(0.99) * 1000,
            python=python * 1000 / count,
            database=database * 1000 / count,
            answers=answers,
        )

    def pgbench(self, url: str, script: floor.Script, count: int, number: int) -> Round:
        count -= count % CONNECTIONS
        database = self.database_cpu()
        file = self.folder / "pgbench.sql"
        rate = floor.run(
            self.pgbench_binary, url, script, file, transactions=count, clients=CONNECTIONS, first=number * 1_000_000
        )
        return Round(rate, 0, 0, 0, (self.database_cpu() - database) * 1000 / count)

    def interleaved(
        self,
        runs: dict[str, Callable[[int], Round]],
        rounds: int = ROUNDS,
    ) -> Rounds:
        """A B A B …, each after a round that warms it up and does not count."""
        found: Rounds = {name: [] for name in runs}
        for number in range(rounds + 1):
            for name, run in runs.items():
                result = run(number)
                if number:
                    found[name].append(result)
                refused = result.answers and sum(result.answers.statuses.values()) - result.answers.statuses[200]
                if refused:
                    say(f"{name}: {result.answers.statuses} {result.answers.refusals.most_common(1)}")
        return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def middle(rounds: list[Round], value: str) -> float:
    return statistics.median(getattr(one, value) for one in rounds)


def ratios(rounds: Rounds, ours: str, theirs: str, value: str) -> list[float]:
    """Ours over theirs, round by round."""
    return [getattr(a, value) / getattr(b, value) for a, b in zip(rounds[ours], rounds[theirs], strict=True)]


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def rows(title: str, rounds: Rounds) -> Iterator[str]:
    yield f"| {title} | a second | p50 ms | p99 ms | Python ms | database ms | processor ms |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, found in rounds.items():
        cells = [f"{middle(found, 'rate'):,.0f}"]
        cells += [f"{middle(found, value):.1f}" if found[0].p50 else "" for value in ("p50", "p99")]
        cells += [f"{middle(found, value):.2f}" for value in ("python", "database", "cpu")]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


class Report:
    """The tables, and each target with what was measured."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.targets: list[str] = []
        self.missed = 0

    def table(self, title: str, rounds: Rounds) -> None:
        self.tables += rows(title, rounds)
        say("\n".join(rows(title, rounds)))

    def target(self, text: str, is_met: bool, measured: str) -> None:
        self.missed += not is_met
        line = f"| {text} | {measured} | {'met' if is_met else '**missed**'} |"
        self.targets.append(line)
        say(line)

    def at_most(self, text: str, bound: float, values: list[float]) -> None:
        self.target(f"{text}: at most {bound:g}", statistics.median(values) <= bound, spread(values))

    def at_least(self, text: str, bound: float, values: list[float]) -> None:
        self.target(f"{text}: at least {bound:g}", statistics.median(values) >= bound, spread(values))


def measure(report: Report, bench: Bench, slots: int, options: argparse.Namespace) -> None:
    url = bench.make_database("bench", slots, 10_000)
    with contextlib.ExitStack() as stack:

        def start(name: str, database_url: str = url) -> services.Service:
            log = bench.folder / f"{name.replace(' ', '-')}-{len(os.listdir(bench.folder))}.log"
            return stack.enter_context(services.running(name, database_url, log))

        ours, rival = start("ours"), start("FastAPI")
        bookings, searches = world.Bookings(slots), world.Searches(slots)
        booking, search = floor.make_scripts(
            bench.make_database("captured", 0), services.environment(""), bookings.areas
        )

        def by_http(service: services.Service, source: world.Bookings | world.Searches, count: int, mark: str):
            return lambda number: bench.round(service, source.take(count, f"{mark}-{service.port}-{number}"))

        count = options.requests
        found = bench.interleaved(
            {
                "ours": by_http(ours, bookings, count, "WO"),
                "FastAPI, asyncpg (b)": by_http(rival, bookings, count, "WO"),
                "pgbench, our statements (c)": lambda number: bench.pgbench(url, booking, count * 4, number),
            },
            options.rounds,
        )
        b, c = "FastAPI, asyncpg (b)", "pgbench, our statements (c)"
        report.table(f"booking, {slots:,} slots", found)
        report.at_most("Booking: processor time, ours / (b)", 0.9, ratios(found, "ours", b, "cpu"))
        report.at_least("Booking: throughput, ours / (b)", 1.0, ratios(found, "ours", b, "rate"))
        report.at_most("Booking: database time, ours / (c)", 1.3, ratios(found, "ours", c, "database"))

        found = bench.interleaved(
            {
                "ours": by_http(ours, searches, count, ""),
                b: by_http(rival, searches, count, ""),
                c: lambda number: bench.pgbench(url, search, count * 4, number),
            },
            options.rounds,
        )
        report.table(f"search, {slots:,} slots", found)
        report.at_most("Search: processor time, ours / (b)", 1.3, ratios(found, "ours", b, "cpu"))


def heading(server: postgres.Server) -> list[str]:
    names = ("Django", "djangorestframework", "gunicorn", "psycopg", "pydantic", "fastapi", "uvicorn", "asyncpg")
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in cpuinfo.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        "# What was measured",
        "",
        f"{date.today():%d %B %Y}, {os.cpu_count()} cores ({model}), {memory:.0f} GB of memory,"
        f" {server.version.partition(' (Debian')[0]}, Python {platform.python_version()},"
        f" {', '.join(f'{name} {metadata.version(name)}' for name in names)}.",
        "[README.md](README.md) says how. Medians; of ratios the median and, in brackets, the least and the greatest.",
        "",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="large tables too")
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=1_500, help="of each service in each round")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    report = Report()
    with postgres.running(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        bench = Bench(server, Path(folder))
        measure(report, bench, options.slots, options)
        lines = [*heading(server), *report.tables, "| target | measured | |", "| --- | --- | --- |", *report.targets]
    options.output.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
