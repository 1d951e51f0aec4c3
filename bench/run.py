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
from tests.support import postgres

ROUNDS = 5
CONNECTIONS = 8
WORK_ORDERS = 10_000  # an empty table would be planned for as such
MANY_REQUESTS = 100_000


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
    def refused(self) -> int:
        return len(self.answers.times) - self.answers.statuses[200] if self.answers else 0

    @property
    def cpu(self) -> float:
        return self.python + self.database


Rounds = dict[str, list[Round]]


class Bench:
    """A database of its own with what is measured on it."""

    def __init__(self, server: postgres.Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.marks = 0
        self.generator = 0.0  # the largest share of a core that the load generator took
        with psycopg.connect(server.url) as connection:
            (data,) = connection.execute("SHOW data_directory").fetchone()
        self.data = Path(data)
        self.pgbench_binary = floor.find_pgbench(os.readlink(f"/proc/{self.postmaster}/exe"))

    @property
    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def database_cpu(self) -> float:
        return services.cpu_of_tree(self.postmaster)

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """New tables are written once and without a log; afterwards the server is as it was, and all on the disk."""
        self._restart("SET wal_level = minimal", "SET max_wal_senders = 0", "SET fsync = off")
        yield
        self._restart("RESET ALL")
        os.sync()

    def _restart(self, *settings: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            for setting in settings:
                connection.execute(f"ALTER SYSTEM {setting}")
        self.server.stop("fast")
        self.server.start()

    def make_database(self, name: str, slots: int, work_orders: int = 0) -> str:
        """Before any service is started: the server is, once more."""
        began = time.monotonic()
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{self.server.url.removesuffix('/postgres')}/{name}"
        services.migrate(url)
        if not slots:
            return url
        with self.loading():
            world.fill(url, slots, work_orders)
        say(f"{slots:,} slots and {work_orders:,} work orders: made in {time.monotonic() - began:.0f} s")
        return url

    def slot_updates(self, url: str) -> tuple[int, int]:
        """How many there were, and how many of them heap-only; complete once the connections that made them ended."""
        with psycopg.connect(url) as connection:
            return connection.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'bookings_appointmentslot'"
            ).fetchone()

    def round(self, service: services.Service, requests: list[bytes], connections: int = CONNECTIONS) -> Round:
        python, database = service.cpu(), self.database_cpu()
        answers = load.send(service.port, requests, connections=connections)
        python, database = service.cpu() - python, self.database_cpu() - database
        self.generator = max(self.generator, answers.busy / answers.seconds)
        count = len(requests)
        return Round(
            rate=count / answers.seconds,
            p50=answers.quantile(0.5) * 1000,
            p99=answers.quantile(0.99) * 1000,
            python=python * 1000 / count,
            database=database * 1000 / count,
            answers=answers,
        )

    def by_http(
        self, service: services.Service, source: world.Bookings | world.Searches, count: int
    ) -> Callable[[int], Round]:
        self.marks += 1
        mark = f"WO-{self.marks}"
        return lambda number: self.round(service, source.take(count, f"{mark}-{number}"))

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
                if result.refused:
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
        cells.append(f"{middle(found, 'python'):.2f}" if found[0].python else "")
        cells += [f"{middle(found, value):.2f}" for value in ("database", "cpu")]
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


B, C, NAIVE = "FastAPI, asyncpg (b)", "pgbench, our statements (c)", "naive DRF (a)"


class Services(contextlib.ExitStack):
    """What is started on a database, until the block ends."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench

    def start(self, name: str, url: str) -> services.Service:
        log = self.bench.folder / f"{len(os.listdir(self.bench.folder))}.log"
        return self.enter_context(services.running(name, url, log))


def measure(report: Report, bench: Bench, options: argparse.Namespace) -> None:
    """Booking and search beside the rivals, the crowded slots, memory, heap-only updates."""
    slots, count, rounds = options.slots, options.requests, options.rounds
    url = bench.make_database("bench", slots, WORK_ORDERS)
    captured = bench.make_database("captured", 0)
    spread_out, crowded, searches = world.Bookings(slots), world.Bookings(slots, crowded=True), world.Searches(slots)
    booking, search = floor.make_scripts(captured, services.environment(""), spread_out.areas)
    updates = bench.slot_updates(url)
    with Services(bench) as started:
        ours, rival, naive = (started.start(name, url) for name in ("ours", "FastAPI", "naive DRF"))
        found = bench.interleaved(
            {
                "ours": bench.by_http(ours, spread_out, count),
                B: bench.by_http(rival, spread_out, count),
                C: lambda number: bench.pgbench(url, booking, count * 4, number),
                NAIVE: bench.by_http(naive, spread_out, count // 15),
            },
            rounds,
        )
        report.table(f"booking, {slots:,} slots", found)
        report.at_most("Booking: processor time, ours / (b)", 0.9, ratios(found, "ours", B, "cpu"))
        report.at_least("Booking: throughput, ours / (b)", 1.05, ratios(found, "ours", B, "rate"))
        report.at_least("Booking: throughput, ours / (a)", 10, ratios(found, "ours", NAIVE, "rate"))
        report.at_most("Booking: database time, ours / (c)", 1.3, ratios(found, "ours", C, "database"))

        found = bench.interleaved(
            {
                "ours": bench.by_http(ours, searches, count),
                B: bench.by_http(rival, searches, count),
                C: lambda number: bench.pgbench(url, search, count * 4, number),
            },
            rounds,
        )
        report.table(f"search, 50 offers out of {slots:,} slots", found)
        report.at_most("Search: processor time, ours / (b)", 1.15, ratios(found, "ours", B, "cpu"))

        found = bench.interleaved(
            {"spread": bench.by_http(ours, spread_out, count), "twenty slots": bench.by_http(ours, crowded, count)},
            rounds,
        )
        report.table("booking, all callers on twenty slots", found)
        report.at_least(
            "Twenty slots: throughput, of uncontended", 0.75, ratios(found, "twenty slots", "spread", "rate")
        )
        report.at_most("Twenty slots: p99 / p50", 12, [one.p99 / one.p50 for one in found["twenty slots"]])
        refused = sum(one.refused for one in found["twenty slots"])
        report.target("Twenty slots: no refusal while there are places", not refused, f"{refused} refused")

        if options.full:
            before = ours.megabytes()
            for number in range(MANY_REQUESTS // 2_000):
                source = (searches, spread_out)[number % 2]
                load.send(ours.port, source.take(2_000, f"MANY-{number}"))
            growth = ours.megabytes() / before - 1
            report.target(f"Memory over {MANY_REQUESTS:,} requests: flat", growth < 0.05, f"{growth:+.1%}")
        report.target(
            "A worker: under 100 MB", ours.peak_megabytes() < 100, f"{ours.peak_megabytes():.0f} MB at its peak"
        )
    updates = [after - before for before, after in zip(updates, bench.slot_updates(url), strict=True)]
    share = updates[1] / updates[0]
    report.target("Slot updates: at least 95 % heap-only", share >= 0.95, f"{share:.1%} of {updates[0]:,}")


def measure_start(report: Report, bench: Bench) -> None:
    url = bench.make_database("started", 0)
    found = []
    for _ in range(3):
        with Services(bench) as started:
            found.append(started.start("ours", url).first_answer)
            time.sleep(1)  # until the other worker listens too, and to its end
    report.target("First answer after start: under 2 s", max(found) < 2, f"{max(found):.1f} s at the most")


def measure_sqlite(report: Report, bench: Bench, options: argparse.Namespace) -> None:
    """The product on SQLite, in turns with itself on PostgreSQL."""
    slots, count = 20_000, options.requests
    url = bench.make_database("beside_sqlite", slots, WORK_ORDERS)
    sqlite = f"sqlite:///{bench.folder}/bench.sqlite3"
    services.migrate(sqlite)
    world.fill_sqlite(f"{bench.folder}/bench.sqlite3", slots)
    bookings = world.Bookings(slots)
    with Services(bench) as started:
        on_postgres, on_sqlite = started.start("ours", url), started.start("ours", sqlite)
        runs = {
            "PostgreSQL": bench.by_http(on_postgres, bookings, count),
            "SQLite": bench.by_http(on_sqlite, bookings, count),
        }
        found = bench.interleaved(runs, options.rounds)
        report.table("booking, PostgreSQL and SQLite", found)
        report.at_least("SQLite: throughput, of PostgreSQL", 0.8, ratios(found, "SQLite", "PostgreSQL", "rate"))
        report.at_most("SQLite: p99 / p50", 8, [one.p99 / one.p50 for one in found["SQLite"]])
        answers = bench.round(on_sqlite, bookings.take(count, "SIXTEEN"), connections=16)
        report.target("SQLite: 16 callers, every one served", not answers.refused, f"{answers.refused} refused")


def measure_growth(report: Report, bench: Bench, options: argparse.Namespace) -> None:
    sizes = {"small": (10_000, 10_000), "large": (10_000_000, 1_000_000)}
    urls = {name: bench.make_database(name, *size) for name, size in sizes.items()}
    with Services(bench) as started:
        bookings, searches = {}, {}
        for name, (slots, work_orders) in sizes.items():
            service = started.start("ours", urls[name])
            title = f"{slots:,} slots, {work_orders:,} work orders"
            bookings[title] = bench.by_http(service, world.Bookings(slots), options.requests)
            searches[title] = bench.by_http(service, world.Searches(slots), options.requests)
        small, large = bookings
        for what, runs in (("booking", bookings), ("search", searches)):
            found = bench.interleaved(runs, options.rounds)
            report.table(f"{what}, as the tables grow", found)
            growth = ratios(found, large, small, "cpu")
            report.at_most(f"Growth: processor time of a {what}, large / small", 1.3, growth)


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
    ]


def of_the_desk(file):
    """What `python -m bench.desk` measured stands at the end of the file, and stays there."""
    _, heading, below = file.read_text().partition("\n## The pages of the desk\n") if file.exists() else ("", "", "")
    return heading + below


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="large tables too")
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=800, help="of each service in each round")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    report = Report()
    with postgres.running(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        bench = Bench(server, Path(folder))
        measure_start(report, bench)
        measure(report, bench, options)
        measure_sqlite(report, bench, options)
        if options.full:
            measure_growth(report, bench, options)
        lines = [*heading(server), f"The load generator took {bench.generator:.0%} of a core at the most.", ""]
        lines += [*report.tables, "| target | measured | |", "| --- | --- | --- |", *report.targets]
    options.output.write_text("\n".join(lines) + "\n" + of_the_desk(options.output))
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
