"""What a synchronous standby costs a booking: `python -m bench.standby`, two minutes on a quiet machine.

    python -m bench.standby --slots 10000000 --work-orders 1000000

A primary and a standby that both sync to the disk of this machine. Bookings go in turns without a wait for the standby
and with it (`synchronous_standby_names`), eight callers and one; the ratio of each round counts. The standby takes its
share of the same cores, and no network lies between: add the way there and back to each booking's time.

Then what all these bookings left: log, with the whole pages that follow a checkpoint, disk, and what VACUUM takes.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from bench import run, services, world
from tests.support import postgres

NAMES = {"no standby is waited for": "", "one is": "ANY 1 (standby)"}
WRITTEN = "SELECT pg_current_wal_insert_lsn() - '0/0', wal_fpi, pg_database_size(current_database()) FROM pg_stat_wal"
LARGEST = """
    SELECT relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables
    ORDER BY pg_total_relation_size(relid) DESC LIMIT 6
"""


class Turns:
    """Rounds of bookings, each with the one or the other setting."""

    def __init__(self, bench: run.Bench, service: services.Service, slots: int, count: int) -> None:
        self.bench, self.service, self.count = bench, service, count
        self.bookings, self.made = world.Bookings(slots), 0

    def runs(self, connections: int) -> dict[str, Callable[[int], run.Round]]:
        def of(name: str) -> Callable[[int], run.Round]:
            mark = f"{connections}-{len(NAMES[name])}"
            return lambda number: self._round(NAMES[name], f"{mark}-{number}", connections)

        return {name: of(name) for name in NAMES}

    def _round(self, names: str, mark: str, connections: int) -> run.Round:
        with psycopg.connect(self.bench.server.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            connection.execute("SELECT pg_reload_conf()")
            waits = "SELECT bool_or(sync_state = 'quorum') FROM pg_stat_replication"
            while connection.execute(waits).fetchone()[0] != bool(names):
                connection.execute("SELECT pg_sleep(0.05)")  # the standby says its state with each of its reports
        self.made += self.count
        return self.bench.round(self.service, self.bookings.take(self.count, mark), connections)


def written(url: str) -> tuple[float, ...]:
    """Bytes of log and whole pages in it since the server was made, and bytes of the database."""
    with psycopg.connect(url) as connection:
        return tuple(map(float, connection.execute(WRITTEN).fetchone()))


def vacuumed(url: str) -> Iterator[str]:
    """A table of the largest tables, and how long VACUUM took for each."""
    yield "| table | rows | dead | MB | VACUUM, s |"
    yield "| --- | --- | --- | --- | --- |"
    with psycopg.connect(url, autocommit=True) as connection:
        for name, rows, dead, size in connection.execute(LARGEST).fetchall():
            began = time.monotonic()
            connection.execute(f"VACUUM {name}")
            yield f"| {name} | {rows:,} | {dead:,} | {size / 2**20:,.0f} | {time.monotonic() - began:.1f} |"


def stop_unless_durable(*servers: postgres.Server) -> None:
    """A server that does not sync to the disk would be waited for less than one of production."""
    for server in servers:
        with psycopg.connect(server.url) as connection:
            if connection.execute("SHOW fsync").fetchone() != ("on",):
                raise SystemExit(f"The server on port {server.port} does not sync to the disk.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1_000_000)
    parser.add_argument("--work-orders", type=int, default=run.WORK_ORDERS)
    parser.add_argument("--rounds", type=int, default=run.ROUNDS)
    parser.add_argument("--requests", type=int, default=800, help="of each setting in each round")
    options = parser.parse_args()
    report = run.Report()
    with postgres.running(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        bench = run.Bench(server, Path(folder))
        url = bench.make_database("bench", options.slots, options.work_orders)
        with postgres.replica_of(server, durable=True) as standby, run.Services(bench) as started:
            stop_unless_durable(server, standby)
            os.sync()  # what the standby was made of
            turns = Turns(bench, started.start("ours", url), options.slots, options.requests)
            before, began = written(url), time.monotonic()
            for callers in (8, 1):
                found = bench.interleaved(turns.runs(callers), options.rounds)
                report.table(f"booking, {callers} at once", found)
                ratios = run.ratios(found, *reversed(NAMES), "rate")
                report.tables.append(f"With the standby, of the rate without: {run.spread(ratios)}.\n")
            turns._round("", "END", 1)  # nothing waits for a standby that ends first
            seconds = time.monotonic() - began
        log, pages, disk = ((after - earlier) / turns.made for after, earlier in zip(written(url), before, strict=True))
        report.tables.append(
            f"{turns.made:,} bookings in {seconds:.0f} s. A booking: {log / 1024:.1f} KB of log with {pages:.1f} whole"
            f" pages, {disk / 1024:.1f} KB of disk.\n"
        )
        report.tables += vacuumed(url)
    print("\n".join(report.tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
