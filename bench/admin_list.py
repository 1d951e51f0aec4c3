"""How the list of work orders grows: its time at a million rows over its time at ten thousand.

    DATABASE_URL=postgres://… python -m bench.admin_list          (an empty database of its own; SQLite without it)
    python -m bench.admin_list --rows 10000,100000

On PostgreSQL the million is made in the database, in a few minutes. Each page is asked for several times over HTTP's
own path through Django (its test client), and the fastest counts:
the machine is never idle for us. What must hold is the last column: no more than 1.5.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from datetime import timedelta

PAGES = {
    "what needs attention": {},
    "everything": {"view": "all"},
    "page 3": {"view": "all", "p": "3"},
    "a day": {"view": "all", "day": "{day}"},
    "an area": {"view": "all", "area": "A7"},
    "a worker": {"view": "all", "worker": "tech.7"},
    "cancelled": {"view": "all", "status": "cancelled"},
    "late parts": {"view": "all", "parts": "late"},
    "search: a number": {"q": "RO-"},
    "search: a name": {"q": "rarebird"},
    "search: a phone": {"q": "222 7777"},
    "search: one in four": {"q": "brandt"},
    "search: a name, misspelled": {"q": "rarebidr"},
    "search: one in four, misspelled": {"q": "brnadt"},
    "board": None,
}
BATCH = 5_000
REPEATS = 7
AREAS, SLOTS_A_DAY, DAYS = 10, 20, 60


def fill(start, stop, rare=False):
    """Rows of the shape that the service writes, straight into the tables: nobody waits for a million bookings.

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
            AppointmentSlot(area=area, start=begin, end=begin + timedelta(minutes=30), capacity=1_000_000)
            for area in areas
            for day in range(-DAYS // 2, DAYS // 2)
            for step in range(SLOTS_A_DAY)
            for begin in [midnight + timedelta(days=day, minutes=30 * step)]
        )
    slots = list(AppointmentSlot.objects.select_related("area"))
    for first in range(start, stop, BATCH):
        rows = []
        for number in range(first, min(first + BATCH, stop)):
            slot = draw.choice(slots)
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
                    cancelled_at=now if is_cancelled else None,
                    reviewed_at=now if is_reviewed else None,
                    reviewed_by="ann" if is_reviewed else "",
                    account_num=f"C-{number % 5000}",
                    account_name="Rarebird"
                    if rare
                    else draw.choice(["Hannah Brandt", "Amir Aziz", "Ruth Okafor", "Chen Wei"]),
                    postcode=f"LS{number % 99} 1AB",
                    phone=f"+44 {number:02} 222 7777" if rare else f"+44 113 496 {number % 10_000:04}",
                    worker=f"tech.{number % 50}",
                    order_type=draw.choice(["REPAIR", "INSTALL"]),
                    part_count=1,
                    parts_due_at=slot.start + timedelta(hours=1 if number % 200 == 0 else -24),
                    body="{}",
                    fingerprint="",
                    created_at=now - timedelta(minutes=stop - number),
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
    """On PostgreSQL: the first `few` rows again and again until there are `many`, each with numbers of its own."""
    from django.db import connection

    from bookings.models import WorkOrder

    names = [field.column for field in WorkOrder._meta.concrete_fields if field.column != "id"]
    own = {
        name: f"'{letter}-' || (base.n + step.k * {few})"
        for name, letter in {"order_num": "X", "original_order": "O", "claim": "O"}.items()
    }
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
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
            " JOIN bookings_searchdocument ON work_order_id = base_id"
        )


def measure():
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.utils import timezone

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    times = {}
    for name, query in PAGES.items():
        address = "/admin/" if query is None else "/admin/bookings/workorder/"
        given = {key: value.format(day=timezone.now().date()) for key, value in (query or {}).items()}
        taken = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            answer = client.get(address, given)
            assert answer.status_code == 200, name
            taken.append(time.perf_counter() - began)
        times[name] = min(taken) * 1000
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="10000,1000000")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    few, many = map(int, options.rows.split(","))
    os.environ.setdefault("SECRET_KEY", "only-for-measuring")
    os.environ.setdefault("ALLOWED_HOSTS", "testserver")
    os.environ.setdefault("BOOKJOB_HTTPS", "off")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        fill(0, few)
        fill(0, RARE, rare=True)
        before = measure()
        without_rare()
        if os.environ["DATABASE_URL"].startswith("postgres"):
            multiply(few, many)
        else:
            fill(few, many)
        fill(0, RARE, rare=True)
        after = measure()
    if options.json:
        print(json.dumps({"few": before, "many": after}))
        return 0
    print(f"{'page':<24}{few:>12,}{many:>12,}   times")
    for name in PAGES:
        print(f"{name:<24}{before[name]:>9.1f} ms{after[name]:>9.1f} ms   {after[name] / before[name]:.2f}")
    # The board counts what it shows, up to a bound; the promise is about the list.
    return int(any(after[name] > 1.5 * before[name] for name in PAGES if name != "board"))


if __name__ == "__main__":
    sys.exit(main())
