"""What the pages of the desk cost, and how that grows: `python -m bench.desk` prints the table for results.md.

    DATABASE_URL=postgres://… python -m bench.desk                (an empty database of its own; SQLite without it)
    python -m bench.desk --rows 3000,10000,200000,1000000
    python -m bench.desk --filled --rows 1000000                  (once more, what the last run left there)

Forty areas, three hundred workers, sixty days of visits, and a year in which they were booked, whatever the number of
bookings: a small company has as many days as a large one. On PostgreSQL most rows are made in the database, in a minute
or some. Each page is asked for several times over HTTP's own path through Django (its test client), and the fastest
counts: the machine is never idle for us. Then come two hundred searches of each kind, of which the 95th percentile
counts; how much of a processor they take on the average tells what a machine with other work does to that.
It ends with 1 where a page takes too long, or much longer than at ten thousand, or a search too long. The database
stays as it is then: `EXPLAIN` has something to read.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

LIST, SLOTS = "bookings/workorder/", "bookings/appointmentslot/"
PAGES = {
    "board": ("", {}),
    "board, two areas": ("", {"area": ["A7", "A8"]}),
    "numbers": ("numbers/", {}),
    "numbers, by worker and area, two areas": (
        "numbers/",
        {"area": ["A7", "A8"], "utilisation": "worker", "lead": "area", "review": "area", "cancellations": "person"},
    ),
    "numbers, a year": ("numbers/", {"day": "{year}", "until": "{today}", "utilisation": "worker"}),
    "capacity, all areas": (SLOTS + "capacity/", {}),
    "capacity, six weeks of types": (SLOTS + "capacity/", {"area": "A7", "weeks": "6", "rows": "types"}),
    "planner, an area's day": (SLOTS + "planner/", {"area": "A7"}),
    "planner, an area's week": (SLOTS + "planner/", {"area": "A7", "span": "week"}),
    "planner, all areas' week": (SLOTS + "planner/", {"area": [f"A{n}" for n in range(40)], "span": "week"}),
    "ask the rules": (SLOTS + "rules/", {"area": "A7", "order_type": "REPAIR"}),
    "ask the rules of a booking": (SLOTS + "rules/", {"order": "{work_order}"}),
    "ill or snow": ("bookings/blackout/clear/", {}),
    "what needs attention": (LIST, {}),
    "everything": (LIST, {"view": "all"}),
    "page 3": (LIST, {"view": "all", "p": "3"}),
    "a day": (LIST, {"view": "all", "day": "{today}"}),
    "two weeks": (LIST, {"view": "all", "day": "{today}", "until": "{later}"}),
    "an area": (LIST, {"view": "all", "area": "A7"}),
    "a worker": (LIST, {"view": "all", "worker": "tech.7"}),
    "cancelled": (LIST, {"view": "all", "status": "cancelled"}),
    "late parts": (LIST, {"view": "all", "parts": "late"}),
    "in closed slots": (LIST, {"view": "closed"}),
    "search: a number": (LIST, {"q": "RO-"}),
    "search: a name": (LIST, {"q": "rarebird"}),
    "search: a phone": (LIST, {"q": "222 7777"}),
    "search: one in four": (LIST, {"q": "brandt"}),
    "search: a name, misspelled": (LIST, {"q": "rarebidr"}),
    "search: one in four, misspelled": (LIST, {"q": "brnadt"}),
    "a work order": (LIST + "{work_order}/change/", {}),
    "slots": (SLOTS, {}),
    "slots of a day": (SLOTS, {"day": "{today}"}),
    "slots of a worker": (SLOTS, {"worker": "tech.7"}),
    "closed slots": (SLOTS, {"state": "closed"}),
    "days": (SLOTS + "days/", {"area": "A7"}),
    "refusals": ("bookings/refusal/", {}),
    "blackouts": ("bookings/blackout/", {}),
}
BATCH = 5_000
REPEATS = 9
AREAS, WORKERS, WINDOWS_A_DAY, DAYS = 40, 300, 5, 60
BOOKED_IN = timedelta(days=364)
SLOWEST, MOST_GROWTH = 400, 1.5  # milliseconds, times
BASE = 10_000  # of so many growth is counted
SLOWEST_FIND = 200  # milliseconds, at the 95th percentile


def fill(start, stop, rare=False):
    """Rows of the shape that the service writes, straight into the tables: a million bookings would take hours.

    `rare` ones are found by the searches, and are as many in a small table as in a large one.
    """
    from django.utils import timezone

    from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
    from bookings.services import search_terms

    draw = random.Random(start)
    now = timezone.now()
    if not ServiceArea.objects.exists():
        areas = [ServiceArea(code=f"A{n}", name=f"Area {n}", time_zone="Europe/London") for n in range(AREAS)]
        ServiceArea.objects.bulk_create(areas)
        midnight = now.replace(hour=7, minute=0, second=0, microsecond=0)
        AppointmentSlot.objects.bulk_create(
            AppointmentSlot(
                area=areas[number % AREAS],
                start=begin,
                end=begin + timedelta(hours=2),
                worker=f"tech.{number}",
                capacity=1_000_000,
                is_open=day % 10 != 5,
            )
            for number in range(WORKERS)
            for day in range(-DAYS // 2, DAYS // 2)
            for window in range(WINDOWS_A_DAY)
            for begin in [midnight + timedelta(days=day, hours=2 * window)]
        )
    slots = list(AppointmentSlot.objects.select_related("area"))
    for first in range(start, stop, BATCH):
        rows = []
        for number in range(first, min(first + BATCH, stop)):
            slot = draw.choice(slots)
            made = now - BOOKED_IN * (stop - number) / stop
            is_cancelled = draw.random() < 0.05
            # All but the last few hundred were looked at: an office that keeps up with its work.
            is_reviewed = not is_cancelled and number % 40 != 0
            rows.append(
                WorkOrder(
                    order_num=f"{'R' if rare else 'X'}-{number}",
                    original_order=f"{'RO' if rare else 'O'}-{number}",
                    claim=f"{'RO' if rare else 'O'}-{number}",
                    slot=slot,
                    area=slot.area,
                    visit_start=slot.start,
                    status="cancelled" if is_cancelled else "booked",
                    cancelled_at=made if is_cancelled else None,
                    reviewed_at=now if is_reviewed else None,
                    reviewed_by="ann" if is_reviewed else "",
                    account_num=f"C-{number % 5000}",
                    account_name="Rarebird"
                    if rare
                    else draw.choice(["Hannah Brandt", "Amir Aziz", "Ruth Okafor", "Chen Wei"]),
                    postcode=f"LS{number % 99} 1AB",
                    phone=f"+44 {number:02} 222 7777" if rare else f"+44 113 496 {number % 10_000:04}",
                    worker=f"tech.{number % WORKERS}",
                    order_type=draw.choice(["REPAIR", "INSTALL"]),
                    part_count=1,
                    parts_due_at=slot.start + timedelta(hours=1 if number % 200 == 0 else -24),
                    body="{}",
                    fingerprint="",
                    created_at=made,
                    changed_at=now,
                )
            )
        rows = WorkOrder.objects.bulk_create(rows)
        search_terms.rewrite(rows)


RARE = 60


def without_rare():
    from bookings.models import WorkOrder

    WorkOrder.objects.filter(account_name="Rarebird").delete()


def multiply(few, many):
    """On PostgreSQL: the `few` rows again and again until there are `many`, each with numbers of its own."""
    from django.db import connection

    from bookings.models import WorkOrder

    names = [field.column for field in WorkOrder._meta.concrete_fields if field.column != "id"]
    own = {
        name: f"'{letter}-' || (base.n + step.k * {few})"
        for name, letter in {"order_num": "X", "original_order": "O", "claim": "O"}.items()
    }
    # The rows move to the last part of the year, and each copy to the part before.
    times, parts = ("created_at", "cancelled_at"), many // few
    part = f"interval '{BOOKED_IN.days} days' / {parts}"
    own |= {name: f"base.{name} - step.k * {part}" for name in times}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        late = ", ".join(f"{name} = now() - (now() - {name}) / {parts}" for name in times)
        cursor.execute(f"UPDATE bookings_workorder SET {late}")
        cursor.execute("DROP TABLE IF EXISTS base, copy")
        cursor.execute(
            "CREATE TEMP TABLE base AS SELECT *, substring(order_num FROM 3)::bigint AS n FROM bookings_workorder"
        )
        cursor.execute(
            f"INSERT INTO bookings_workorder ({', '.join(names)})"
            f" SELECT {', '.join(own.get(name, f'base.{name}') for name in names)}"
            f" FROM generate_series(1, {many // few - 1}) AS step (k) CROSS JOIN base"
        )
        cursor.execute(
            "CREATE TEMP TABLE copy AS SELECT w.id, w.n, base.id AS base_id, base.n AS base_n FROM"
            " (SELECT id, substring(order_num FROM 3)::bigint AS n FROM bookings_workorder) AS w"
            f" JOIN base ON base.n = w.n % {few} WHERE w.n >= {few}"
        )
        cursor.execute(
            "INSERT INTO bookings_searchdocument (work_order_id, words) SELECT copy.id,"
            " ts_delete(words, ARRAY[base_n::text, 'x' || base_n, 'o' || base_n])"
            " || array_to_tsvector(ARRAY[copy.n::text, 'x' || copy.n, 'o' || copy.n]) FROM copy"
            " JOIN bookings_searchdocument ON work_order_id = base_id ORDER BY copy.id"
        )


def measure():
    """By the name of a page its milliseconds and its kilobytes."""
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from bookings.models import WorkOrder

    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if is_postgresql:
            cursor.execute("SET statement_timeout = 0")
        cursor.execute("ANALYZE")
        cursor.execute(
            "UPDATE bookings_appointmentslot SET booked ="
            " (SELECT count(*) FROM bookings_workorder WHERE slot_id = bookings_appointmentslot.id"
            " AND status = 'booked')"
        )
        if is_postgresql:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("RESET statement_timeout")
    call_command("update_numbers", "--all")
    client = _client()
    today = timezone.now().date()
    names = {
        "today": today,
        "year": today - timedelta(days=365),
        "later": today + timedelta(days=14),
        "work_order": WorkOrder.objects.latest("pk").pk,
    }
    found = {}
    for page, (path, query) in PAGES.items():
        given = {key: value.format(**names) if isinstance(value, str) else value for key, value in query.items()}
        taken = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            answer = client.get("/admin/" + path.format(**names), given)
            size = len(b"".join(answer.streaming_content) if answer.streaming else answer.content)
            taken.append(time.perf_counter() - began)
            assert answer.status_code == 200, (page, answer.status_code)
        found[page] = min(taken) * 1000, size / 1024
    return found


def finds(number):
    """What is typed into the search of the desk, by its kind: of bookings that are there, drawn evenly over all."""
    from bookings.models import WorkOrder

    draw = random.Random(number)
    last = WorkOrder.objects.latest("pk").pk
    rows = WorkOrder.objects.filter(pk__in=draw.sample(range(1, last), number * 2)).defer("body")[:number]
    assert len(rows) == number, "the keys have too many gaps"

    def misspelled(name):
        word = max(name.split(), key=len)
        place = draw.randrange(2, len(word) - 1)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return {
        "phone": [row.phone for row in rows],
        "end of a phone": [row.phone[-8:] for row in rows],
        "name": [draw.choice([row.account_name, "Rarebird"]) for row in rows],
        "order": [row.order_num for row in rows],
        "postcode": [row.postcode for row in rows],
        "name and postcode": [f"{row.account_name} {row.postcode}" for row in rows],
        "near spelling": [misspelled(draw.choice([row.account_name, "Rarebird"])) for row in rows],
        "nothing": ["".join(draw.choices("bcdfgjkqvwxyz", k=7)) for _ in rows],
    }


def measure_finds(number):
    """By the kind of a search: its milliseconds at the median and the 95th percentile, and of a processor, here and
    in the database."""
    client = _client()
    found = {}
    for kind, texts in finds(number).items():
        taken, before = [], _processor_time()
        for text in texts:
            began = time.perf_counter()
            answer = client.get("/admin/" + LIST, {"q": text})
            taken.append(time.perf_counter() - began)
            assert answer.status_code == 200, (kind, answer.status_code)
        here, there = (1000 * (late - early) / number for early, late in zip(before, _processor_time(), strict=True))
        taken.sort()
        found[kind] = 1000 * taken[number // 2], 1000 * taken[number * 95 // 100], here, there
    return found


def _client():
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client


def _processor_time():
    """Seconds of this process, and of its connection's in PostgreSQL where that runs on this machine."""
    from django.db import connection

    there = 0.0
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            file = Path(f"/proc/{cursor.fetchone()[0]}/stat")
        if file.exists():
            user, system = file.read_text().rpartition(")")[2].split()[11:13]
            there = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return time.process_time(), there


def grow(sizes, is_filled):
    """Each size once it is there."""
    from django.db import connection

    before = 0
    for size in sizes:
        if not is_filled:
            without_rare()
            if connection.vendor == "postgresql" and before and size % before == 0:
                multiply(before, size)
            else:
                fill(before, size)
            fill(0, RARE, rare=True)
        yield size
        before = size


def print_pages(found):
    """`found` has by each size what `measure` says; whether a page is too slow or grows too much."""
    sizes = list(found)
    base = max([size for size in sizes if size <= BASE], default=sizes[0])
    heads = [*(f"ms at {size:,}" for size in sizes), f"times since {base:,}", "KB"]
    print(f"| page | {' | '.join(heads)} |\n| --- |{' --- |' * len(heads)}")
    is_slow = False
    for page in PAGES:
        taken = {size: found[size][page][0] for size in sizes}
        early, (late, kilobytes) = taken[base], found[sizes[-1]][page]
        # A page of a few milliseconds grows by what the machine does besides.
        is_slow |= late > SLOWEST or late > MOST_GROWTH * max(early, 50)
        texts = [*(f"{taken[size]:.0f}" for size in sizes), f"{late / early:.2f}", f"{kilobytes:.0f}"]
        print(f"| {page} | {' | '.join(texts)} |")
    return is_slow


def print_finds(number, searches):
    print(f"\n| {number} searches for | p50 ms | p95 ms | processor ms | of the database |")
    print("| --- | --- | --- | --- | --- |")
    for kind, (middle, most, here, there) in searches.items():
        print(f"| {kind} | {middle:.0f} | {most:.0f} | {here:.0f} | {there:.0f} |")
    return any(most > SLOWEST_FIND for _, most, _, _ in searches.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="10000,200000", help="how many bookings, the smallest number first")
    parser.add_argument("--finds", type=int, default=200, help="how many searches of each kind")
    parser.add_argument("--filled", action="store_true", help="the rows are there: of an earlier run")
    options = parser.parse_args()
    sizes = list(map(int, options.rows.split(",")))
    os.environ.setdefault("SECRET_KEY", "only-for-measuring")
    os.environ.setdefault("ALLOWED_HOSTS", "testserver")
    os.environ.setdefault("BOOKJOB_HTTPS", "off")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        began_at = os.getloadavg()[1]  # of five minutes
        found = {size: measure() for size in grow(sizes, options.filled)}
        searches = measure_finds(options.finds)
        print(f"{date.today()}, {connection.vendor}, load {began_at:.1f} to {os.getloadavg()[1]:.1f}\n")
    is_slow = print_pages(found)
    return int(print_finds(options.finds, searches) or is_slow)


if __name__ == "__main__":
    sys.exit(main())
