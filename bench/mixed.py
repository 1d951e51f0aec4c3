"""What callers see while everything runs at once: `python -m bench.mixed`, about thirteen minutes on a quiet machine.

    python -m bench.mixed --seconds 60       shorter than ten minutes

A durable PostgreSQL of its own, gunicorn as shipped, `deliver` with the simulated ServiceMobility. Of a hundred calls
98 are of devices: three searches for each booking, and of ten bookings one is sent again and one finds its slot full.
One reads the feed on, one opens a page of the desk. What the machine can do is found first: the same calls, each as
soon as one is answered, over 8, 16 and 32 connections for eight seconds each; the fastest counts.

Then calls come at random moments, whether or not those before are answered, and the time of each begins when it is due.
One that is answered 429 or 503, or not at all, is sent again after `Retry-After`, as a device does. In the end each
number that was answered has a row and was read from the feed, `verify_bookings` is silent, and ServiceMobility was told
of all. It ends with 1 where that is not so, and where a figure misses its goal.

The burst is ten times a mean for ten seconds. Ten times 70 % of the machine is 70 seconds of work, which nothing serves
in thirty: the mean of the burst is a quarter of what the machine can do (--burst-mean), 25 seconds of work.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from bench import load, run, services, world
from bench.load import Call
from tests.support import postgres
from tests.support.desk_over_http import TOKEN

SLOTS = 20_000
RAMP, RAMP_SECONDS = (8, 16, 32), 8
BURST_TIMES, BURST_SECONDS, BURST_LIMIT = 10, 10, 30
CONNECTIONS = 500  # at most: of the proxy to the service
REPEATED = 200  # a repeat is of one of so many last bookings
MOST_GROWTH, LONGEST_START, LONGEST_DELIVERY = 1.05, 1.0, 300
MOST_SENT_AGAIN = 0.001  # of all calls, at the steady rate
SHARES = {"search": 73.5, "booking": 19.6, "repeat": 2.45, "refusal": 2.45, "feed": 1, "page": 1}
USER, PASSWORD = "dispatcher", "only-for-measuring"
PAGES = ("/admin/", "/admin/bookings/workorder/", "/admin/bookings/workorder/?view=all", "/admin/bookings/refusal/",
         "/admin/bookings/workorder/?q=WO-1", "/admin/bookings/appointmentslot/planner/?area=AREA-1")  # fmt: skip


class Mix:
    """The calls of devices, systems and staff, and what they were answered."""

    def __init__(self, cookie: str, key: str) -> None:
        self.draw = random.Random(22)
        self.sources = {
            "search": world.Searches(SLOTS),
            "booking": world.Bookings(SLOTS),
            "refusal": world.Bookings(SLOTS, crowded=True),
        }
        self.cookie, self.key, self.cursor = f"Cookie: {cookie}", f"Authorization: Bearer {key}", ""
        self.numbers: dict[str, str] = {}  # what each order was answered
        self.read: set[str] = set()  # from the feed
        self.has_read_all = False
        self.last: list[tuple[str, bytes]] = []
        self.wrong: Counter[str] = Counter()

    def calls(self, moments: Iterator[float], mark: str) -> Iterator[Call]:
        for number, due in enumerate(moments):
            [kind] = self.draw.choices(list(SHARES), list(SHARES.values()))
            yield self.call(due, kind, f"{mark}-{number}")

    def call(self, due: float, kind: str, mark: str) -> Call:
        if kind == "feed":
            return Call(due, kind, self.feed)
        if kind == "page":
            page = get(self.draw.choice(PAGES), self.cookie)
            return Call(due, kind, lambda: page)
        if kind == "repeat":
            if self.last:
                order, sent = self.draw.choice(self.last)
                return Call(due, kind, lambda: sent, order)
            kind = "booking"
        [request] = self.sources[kind].take(1, mark)
        return Call(due, kind, lambda: request, f"{mark}-000000")

    def feed(self) -> bytes:
        return get(f"/api/v1/workorders?limit=500&cursor={self.cursor}", self.key)

    def take(self, call: Call, status: int, body: bytes) -> None:
        if status != (409 if call.kind == "refusal" else 200):
            self.wrong[f"{call.kind}: {status} {body[:200]!r}"] += 1
        elif call.kind in ("booking", "repeat"):
            number = json.loads(body)["OrderNum"]
            if self.numbers.setdefault(call.order, number) != number:
                self.wrong["an order with two numbers"] += 1
            self.last = [*self.last[1 - REPEATED :], (call.order, call.make())]
        elif call.kind == "feed":
            page = json.loads(body)
            self.cursor, self.has_read_all = page["Next"], not page["More"]
            self.read.update(each["OrderNum"] for each in page["WorkOrders"])


def get(path: str, line: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1\r\nHost: bookjob.example.org\r\nX-Forwarded-Proto: https\r\nAccept: */*\r\n{line}\r\n\r\n"
    )
    return lines.encode()


def at_random(rate: float, seconds: float, draw: random.Random) -> Iterator[float]:
    """Moments of calls that know nothing of each other."""
    moment = draw.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += draw.expovariate(rate)


def log_in(port: int) -> str:
    """The cookie of a dispatcher's session."""
    path, cookie = "/admin/login/", ""
    headers = {"Host": "bookjob.example.org", "X-Forwarded-Proto": "https",
               "Referer": f"https://bookjob.example.org{path}"}  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    token = TOKEN.search(answer.read().decode())[1]
    form = urlencode({"username": USER, "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"})
    headers |= {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, form, headers)
    answer = connection.getresponse()
    cookies = [line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie")]
    connection.close()
    return "; ".join(cookies)


class Scene:
    """What runs, and what it is asked."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.running(durable=True))
        self.url = run.Bench(server, folder).make_database("mixed", SLOTS)
        self.service = stack.enter_context(services.running("ours", self.url, folder / "gunicorn.log"))
        self._connect(stack, folder)
        self._fill_the_crowded_slots()
        arguments = ("make_key", "reader", "--scope", "work_orders:read")
        key = self.manage(*arguments).stdout.strip()
        self.manage(
            "createsuperuser", "--noinput", "--username", USER, "--email", "", DJANGO_SUPERUSER_PASSWORD=PASSWORD
        )
        self.mix = Mix(log_in(self.service.port), key)

    def _fill_the_crowded_slots(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "UPDATE bookings_appointmentslot SET capacity = 1 FROM bookings_servicearea AS area"
                " WHERE area.id = area_id AND code = %s", [world.CROWD],
            )  # fmt: skip
        answers = load.send(self.service.port, world.Bookings(SLOTS, crowded=True).take(200, "FULL"))
        assert answers.statuses[200] == world.CROWDED_SLOTS, answers.statuses

    def _connect(self, stack: contextlib.ExitStack, folder: Path) -> None:
        (folder / "password").write_text(PASSWORD)
        port = postgres.free_port()
        for command in (["-m", "conformance.simulator", "--port", str(port), "--password-file", folder / "password"],
                        ["manage.py", "deliver"]):  # fmt: skip
            process = subprocess.Popen(
                [sys.executable, *command], cwd=services.ROOT, env=services.environment(self.url),
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)
        self.manage("connect_servicemobility", "--url", f"http://127.0.0.1:{port}", "--username", "bookjob",
                    "--password-file", str(folder / "password"), "--rate", "200")  # fmt: skip

    def manage(self, *arguments: str, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=services.ROOT, text=True, check=check, capture_output=True,
            env=services.environment(self.url) | more,
        )  # fmt: skip

    def drive(self, calls: Iterator[Call], *, connections: int, until: float = float("inf")) -> load.Arrivals:
        arrivals = load.Arrivals(self.service.port, calls, self.mix.take, connections=connections)
        arrivals.run(until)
        return arrivals

    def capacity(self) -> float:
        """Calls a second, where each comes as soon as one is answered."""
        rates = {}
        for connections in RAMP:
            calls = self.mix.calls(itertools.repeat(0.0), f"RAMP{connections}")
            rates[connections] = self.drive(calls, connections=connections, until=RAMP_SECONDS).rate
        run.say(f"calls a second by connections: {', '.join(f'{n}: {rate:.0f}' for n, rate in rates.items())}")
        return max(rates.values())

    def at_random(self, rate: float, seconds: float, mark: str) -> load.Arrivals:
        calls = self.mix.calls(at_random(rate, seconds, self.mix.draw), mark)
        return self.drive(calls, connections=CONNECTIONS)

    def one(self, query: str) -> int:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchone()[0]

    def wait_until_delivered(self) -> str:
        """Says how long that took, or how many ServiceMobility was not told of."""
        began, told = time.monotonic(), "SELECT count(*) FROM bookings_delivery WHERE pushed_at IS NOT NULL"
        booked = len(self.mix.numbers) + world.CROWDED_SLOTS
        while (left := booked - self.one(told)) and time.monotonic() - began < LONGEST_DELIVERY:
            time.sleep(0.2)
        return f"{left} missing" if left else f"{time.monotonic() - began:.0f} s after the last call"

    def lost(self) -> list[str]:
        """What was answered and does not stand there, in words."""
        self.mix.has_read_all = False
        while not self.mix.has_read_all:
            self.drive(iter([Call(0.0, "feed", self.mix.feed)]), connections=1)
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT original_order, order_num FROM bookings_workorder WHERE original_order NOT LIKE 'FULL-%'"
            ).fetchall()
        verified = self.manage("verify_bookings", check=False)
        faults = {
            "rows that differ from what was answered": len(set(rows) ^ set(self.mix.numbers.items())),
            "bookings that the feed does not know": len(set(self.mix.numbers.values()) - self.mix.read),
            "lines of verify_bookings": len((verified.stdout + verified.stderr).splitlines()),
        }
        return [f"{count} {what}" for what, count in faults.items() if count]

    def dead_rows(self) -> Iterator[str]:
        """What updates left behind, and what autovacuum did of it with PostgreSQL's own settings."""
        yield "| table | rows | updated | heap-only | dead rows | vacuumed |"
        yield "| --- | --- | --- | --- | --- | --- |"
        with psycopg.connect(self.url) as connection:
            found = connection.execute(
                "SELECT relname, n_live_tup, n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count"
                " FROM pg_stat_user_tables WHERE n_tup_upd > 100 ORDER BY n_tup_upd DESC"
            )
            for name, live, updated, heap_only, dead, times in found:
                yield f"| {name} | {live:,} | {updated:,} | {heap_only / updated:.0%} | {dead:,} | {times} times |"
        yield ""


def used() -> tuple[float, float]:
    """Seconds of all processors since the machine began: busy ones, and all."""
    values = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(values) - values[3] - values[4]) / services.TICKS, sum(values) / services.TICKS


def rows(title: str, arrivals: load.Arrivals) -> Iterator[str]:
    yield f"| {title} | calls | p50 ms | p99 ms | p99.9 ms | longest ms |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind in filter(arrivals.times.get, SHARES):
        answers = load.Answers(times=arrivals.times[kind])
        values = [f"{answers.quantile(share) * 1000:,.0f}" for share in (0.5, 0.99, 0.999, 1)]
        yield f"| {kind} | {len(answers.times):,} | {' | '.join(values)} |"
    again = ", ".join(f"{what} {count} times" for what, count in arrivals.again.items())
    yield f"\n{arrivals.rate:.0f} calls a second. Sent again: {again or 'none'}.\n"


def measure(scene: Scene, options: argparse.Namespace, report: run.Report) -> None:
    service, mix = scene.service, scene.mix
    report.target(
        "First answer after the start: under 1 s", service.first_answer < LONGEST_START, f"{service.first_answer:.2f} s"
    )
    capacity = scene.capacity()
    scene.wait_until_delivered()
    memory = [service.megabytes_of_workers()]
    # What is loaded with the first page, and what is remembered, is there by then.
    middle = threading.Timer(options.seconds / 2, lambda: memory.append(service.megabytes_of_workers()))
    middle.start()
    busy, whole = used()
    steady = scene.at_random(capacity * options.share, options.seconds, "STEADY")
    busy, whole = (after - before for after, before in zip(used(), (busy, whole), strict=True))
    memory.append(service.megabytes_of_workers())
    title = f"{options.seconds:.0f} s at {options.share:.0%} of {capacity:.0f} calls a second"
    report.tables += [*rows(title, steady), f"All processors were busy for {busy / whole:.0%} of the time.", ""]
    report.target("No call was answered wrongly", not mix.wrong, str(mix.wrong.most_common(3) or "none"))
    share = steady.again.total() / sum(map(len, steady.times.values()))
    report.target(
        f"Sent again at the steady rate: at most {MOST_SENT_AGAIN:.1%}",
        share <= MOST_SENT_AGAIN,
        f"{steady.again.total():,} calls, {share:.2%}",
    )
    for pid in memory[0]:
        at_first, half_way, at_last = (megabytes.get(pid, 0.0) for megabytes in memory)
        measured = f"{at_first:.1f} MB at first, {half_way:.1f} half-way, {at_last:.1f} at the end"
        report.target("A worker's memory: flat", 0 < at_last < half_way * MOST_GROWTH, measured)
    rate = BURST_TIMES * capacity * options.burst_mean
    burst = scene.at_random(rate, BURST_SECONDS, "BURST")
    report.tables += rows(f"burst, {rate:.0f} calls a second for {BURST_SECONDS} s", burst)
    longest = max(map(max, burst.times.values()))
    report.target(
        f"Burst: everyone served within {BURST_LIMIT} s",
        longest < BURST_LIMIT,
        f"{longest:.1f} s; all after {burst.now:.1f} s",
    )
    delivered = scene.wait_until_delivered()
    report.target("ServiceMobility was told of each booking", "missing" not in delivered, delivered)
    report.tables += scene.dead_rows()
    lost = scene.lost()
    report.target(
        "Nothing is lost", not lost and not mix.wrong, ", ".join(lost) or f"{len(mix.numbers):,} bookings, each a row"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, metavar="N", help="at a steady rate (%(default)g)")
    parser.add_argument(
        "--share", type=float, default=0.7, metavar="X", help="of what the machine can do (%(default)g)"
    )
    parser.add_argument(
        "--burst-mean", type=float, default=0.25, metavar="X", help="a tenth of the burst (%(default)g)"
    )
    options = parser.parse_args()
    report = run.Report()
    with contextlib.ExitStack() as stack:
        measure(Scene(stack), options, report)
    print("\n".join([*report.tables, "| goal | measured | |", "| --- | --- | --- |", *report.targets]))
    return int(report.missed > 0)


if __name__ == "__main__":
    sys.exit(main())
