"""What a synchronous standby costs a booking: `python -m bench.standby`, two minutes on a quiet machine.

    python -m bench.standby --slots 10000000 --work-orders 1000000

A primary and a standby that both sync to the disk of this machine. Bookings go in turns without a wait for the standby
and with it (`synchronous_standby_names`), eight callers and one; the ratio of each round counts. The standby takes its
share of the same cores, and no network lies between: add the way there and back to each booking's time.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from bench import run, services, world
from tests.support import postgres

NAMES = {"no standby is waited for": "", "one is": "ANY 1 (standby)"}


class Turns:
    """Rounds of bookings, each with the one or the other setting."""

    def __init__(self, bench: run.Bench, service: services.Service, slots: int, count: int) -> None:
        self.bench, self.service, self.count = bench, service, count
        self.bookings = world.Bookings(slots)

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
        return self.bench.round(self.service, self.bookings.take(self.count, mark), connections)


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
            turns = Turns(bench, started.start("ours", url), options.slots, options.requests)
            for callers in (8, 1):
                found = bench.interleaved(turns.runs(callers), options.rounds)
                report.table(f"booking, {callers} at once", found)
                ratios = run.ratios(found, *reversed(NAMES), "rate")
                report.tables.append(f"With the standby, of the rate without: {run.spread(ratios)}.\n")
            turns._round("", "END", 1)  # nothing waits for a standby that ends first
    print("\n".join(report.tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
