"""What is in the database before a measurement, and the requests that are sent.

Every area has four workers, each with five slots of two hours a day, from fifty days ago until fifty days ahead:
2,000 slots. The rows are made in the database, so that ten million take minutes.
"""

import contextlib
import json
import os
import random
import secrets
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import psycopg

HERE = Path(__file__).parent
SLOTS_OF_AN_AREA = 2_000
DAYS, PERIODS, WORKERS, PLACES = 100, 5, 4, 1_000
FIRST_BOOKABLE, BOOKABLE_DAYS = 2, 18  # within notice and horizon, whatever the hour is now
CROWD, CROWDED_SLOTS = "CROWD", 20
KEY = os.environ.get("BENCH_KEY") or secrets.token_urlsafe(36)  # the process that captures statements gets it
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def token() -> str:
    """As ServiceMobility makes it: `iat`, `exp` and who is logged in."""
    now = int(time.time())
    claims = {"iat": now, "exp": now + 8 * 3600, "sub": "tech.jones", "name": "Sam Jones", "email": "jones@example.com"}
    return jwt.encode(claims, KEY, algorithm="HS256")


def fill(url: str, slots: int, work_orders: int = 0) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        # With the triggers, which keep the codes of the areas.
        connection.execute(
            "INSERT INTO bookings_servicearea (code, name, time_zone)"
            " SELECT 'AREA-' || n, 'Area ' || n, 'Europe/London' FROM generate_series(1, %s) AS n",
            [max(1, slots // SLOTS_OF_AN_AREA)],
        )
        connection.execute(
            "INSERT INTO bookings_servicearea (code, name, time_zone) VALUES (%s, 'Crowd', 'Europe/London')", [CROWD]
        )
        with connection.transaction():
            # What this transaction has emptied needs no log, where the server may go without one (run.Bench.loading).
            connection.execute("TRUNCATE bookings_appointmentslot, bookings_workorder CASCADE")
            # The rows are right by themselves: no foreign key is looked up, and indexes are made of all rows at once.
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
            connection.execute("SET LOCAL work_mem = '256MB'")
            tables = _switch_indexes_off(connection)
            _fill_slots(connection)
            if work_orders:
                _fill_work_orders(connection, work_orders)
            for table in tables:
                connection.execute(f"REINDEX TABLE {table}")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _switch_indexes_off(connection: psycopg.Connection) -> list[str]:
    """Until REINDEX makes them, as those that CREATE INDEX CONCURRENTLY has only begun. Returns their tables."""
    connection.execute(
        "UPDATE pg_index SET indisready = false, indisvalid = false"
        " WHERE indrelid IN (SELECT oid FROM pg_class WHERE relname LIKE 'bookings\\_%')"
    )
    found = connection.execute("SELECT DISTINCT indrelid::regclass::text FROM pg_index WHERE NOT indisready").fetchall()
    return [table for (table,) in found]


def _fill_slots(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        INSERT INTO bookings_appointmentslot
            (id, area_id, start, "end", order_type, worker, capacity, booked, is_open)
        SELECT (area.id - 1) * %(slots)s + (day * %(periods)s + period) * %(workers)s + worker,
               area.id, begin, begin + interval '2 hours', '', 'worker-' || area.id || '-' || worker, %(places)s, 0,
               true
        FROM bookings_servicearea AS area,
             generate_series(0, %(days)s - 1) AS day,
             generate_series(0, %(periods)s - 1) AS period,
             generate_series(1, %(workers)s) AS worker,
             LATERAL (SELECT %(today)s + make_interval(days => day - %(days)s / 2, hours => 8 + 2 * period)
                      AS begin) AS at
        WHERE area.code <> %(crowd)s
        """,
        {
            "slots": SLOTS_OF_AN_AREA,
            "periods": PERIODS,
            "workers": WORKERS,
            "places": PLACES,
            "days": DAYS,
            "today": TODAY,
            "crowd": CROWD,
        },
    )
    connection.execute("SELECT setval('bookings_appointmentslot_id_seq', max(id)) FROM bookings_appointmentslot")
    connection.execute(
        """
        INSERT INTO bookings_appointmentslot
            (area_id, start, "end", order_type, worker, capacity, booked, is_open)
        SELECT area.id, begin, begin + interval '30 minutes', '', '', 1000000, 0, true
        FROM bookings_servicearea AS area,
             generate_series(0, %s) AS step,
             LATERAL (SELECT %s + make_interval(days => %s, mins => 30 * step) AS begin) AS at
        WHERE area.code = %s
        """,
        [CROWDED_SLOTS - 1, TODAY, FIRST_BOOKABLE, CROWD],
    )


def fill_sqlite(file: str, slots: int) -> None:
    """The same slots, without any booking."""
    areas = range(1, max(1, slots // SLOTS_OF_AN_AREA) + 1)
    rows = [
        (area, str(begin)[:19], str(begin + timedelta(hours=2))[:19], f"worker-{area}-{worker}", PLACES)
        for area in areas
        for day in range(DAYS)
        for period in range(PERIODS)
        for begin in [TODAY + timedelta(days=day - DAYS // 2, hours=8 + 2 * period)]
        for worker in range(1, WORKERS + 1)
    ]
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            "INSERT INTO bookings_servicearea (id, code, name, time_zone) VALUES (?, ?, ?, 'Europe/London')",
            [(area, f"AREA-{area}", f"Area {area}") for area in areas],
        )
        connection.executemany(
            "INSERT INTO bookings_appointmentslot (area_id, start, end, order_type, worker, capacity, booked, is_open)"
            " VALUES (?, ?, ?, '', ?, ?, 0, 1)",
            rows,
        )
        connection.execute("ANALYZE")


def _fill_work_orders(connection: psycopg.Connection, count: int) -> None:
    """Bookings of the size of those that are measured, spread over all slots that can be booked."""
    body = (HERE / "booking.json").read_text()
    values = {"body": body, "count": count}
    statements = [
        # A slot of each booking: by turns of those that can be booked, whose keys count up within their area.
        """
        CREATE TEMP TABLE turn AS
        SELECT row_number() OVER () AS step, id, area_id, start FROM bookings_appointmentslot
        WHERE start >= now() + interval '1 day' AND worker <> ''
        """,
        "CREATE UNIQUE INDEX turn_by_step ON turn (step)",
        "ANALYZE turn",
        """
        INSERT INTO bookings_workorder
            (order_num, original_order, claim, slot_id, area_id, visit_start, status, account_num, account_name,
             location_num, location_name, address, postcode, phone, order_type, worker, part_count, body, fingerprint,
             caller, created_at, changed_at, version, reviewed_by, reviewed_at, cancelled_by, cancel_reason)
        SELECT 'X-' || n, 'OLD-' || n, 'OLD-' || n, turn.id, turn.area_id, turn.start, 'booked', 'C-' || n %% 50000,
               'Hannah Brandt', 'L-' || n %% 50000, 'Home', '14 Mill Lane, Flat 2, Leeds', 'LS' || n %% 99 || ' 1AB',
               '+44 113 496 ' || n %% 10000, '1001', 'tech.' || n %% 50, 3, %(body)s || n, md5(n::text),
               'tech.jones', now() - n * interval '10 seconds', now(), 1,
               CASE WHEN n %% 40 = 0 THEN '' ELSE 'ann' END, CASE WHEN n %% 40 = 0 THEN NULL ELSE now() END, '', ''
        FROM generate_series(1, %(count)s) AS n
        JOIN turn ON turn.step = 1 + n %% (SELECT count(*) FROM turn)
        """,
        """
        UPDATE bookings_appointmentslot AS slot SET booked = taken.count
        FROM (SELECT slot_id, count(*) FROM bookings_workorder GROUP BY slot_id) AS taken WHERE slot.id = taken.slot_id
        """,
        """
        INSERT INTO bookings_partorder (work_order_id, part_order_num, is_issued_here, ship_to_location, urgency)
        SELECT id, 'X-' || id, true, '1001', '1001' FROM bookings_workorder
        """,
        """
        INSERT INTO bookings_requiredpart
            (work_order_id, part_order_id, position, prod_num, replaces, description, quantity, price, part_status,
             ship_to_location, urgency)
        SELECT work_order_id, id, position, 'PUMP-' || position, '', 'Drain pump', 1, 48.5, 'on order', '1001', '1001'
        FROM bookings_partorder, generate_series(0, 2) AS position
        """,
        """
        INSERT INTO bookings_historyentry (work_order_id, event, at, by, via, request_id, reason, details)
        SELECT id, 'booked', created_at, caller, 'api', md5(id::text), '', '{"after": {"slot": 1}}'
        FROM bookings_workorder
        """,
        """
        INSERT INTO bookings_searchdocument (work_order_id, words)
        SELECT id, concat_ws(' ', lower(order_num), lower(original_order), lower(account_num), lower(location_num),
                             lower(postcode), 'hannah', 'brandt', 'home', 'pump', '#' || reverse(right(phone, 10))
                            )::tsvector
        FROM bookings_workorder
        """,
    ]
    for statement in statements:
        connection.execute(statement, values)


class Bookings:
    """Requests to book, each for another order, spread over the slots of all areas, or over the crowded twenty."""

    def __init__(self, slots: int, *, crowded: bool = False) -> None:
        self.areas = max(1, slots // SLOTS_OF_AN_AREA)
        self.crowded = crowded
        # As a program sends it: without white space.
        self.template = json.dumps(json.loads((HERE / "booking.json").read_text()), ensure_ascii=False)
        self.head = _head("POST", "/api/v1/workorders/@ORDER@/followup")
        self.draw = random.Random(20)

    def take(self, count: int, mark: str) -> list[bytes]:
        """The next `count`; the orders' numbers begin with `mark`."""
        return [self._request(f"{mark}-{number:06}") for number in range(count)]

    def body(self, order: str) -> str:
        if self.crowded:
            area, length = CROWD, timedelta(minutes=30)
            start = TODAY + timedelta(days=FIRST_BOOKABLE, minutes=30 * self.draw.randrange(CROWDED_SLOTS))
        else:
            area, length = f"AREA-{self.draw.randint(1, self.areas)}", timedelta(hours=2)
            day = FIRST_BOOKABLE + self.draw.randrange(BOOKABLE_DAYS)
            start = TODAY + timedelta(days=day, hours=8 + 2 * self.draw.randrange(PERIODS))
        values = {"@ORDER@": order, "@AREA@": area, "@START@": _text(start), "@END@": _text(start + length)}
        return _put(self.template, values)

    def _request(self, order: str) -> bytes:
        return _whole(self.head.replace("@ORDER@", order), self.body(order))


class Searches:
    """Requests for the offers of one area after another."""

    def __init__(self, slots: int) -> None:
        self.areas = max(1, slots // SLOTS_OF_AN_AREA)
        self.template = json.dumps(json.loads((HERE / "search.json").read_text()), ensure_ascii=False)
        self.head = _head("POST", "/api/v1/appointments/search")
        self.draw = random.Random(21)

    def take(self, count: int, mark: str = "") -> list[bytes]:
        return [self._request() for _ in range(count)]

    def _request(self) -> bytes:
        return _whole(self.head, _put(self.template, {"@AREA@": f"AREA-{self.draw.randint(1, self.areas)}"}))


def _head(method: str, path: str) -> str:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: bookjob.example.org\r\nX-Forwarded-Proto: https\r\n"
        f"x-access-token: {token()}\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
    )


def _put(template: str, values: dict[str, str]) -> str:
    for mark, value in values.items():
        template = template.replace(mark, value)
    return template


def _whole(head: str, body: str) -> bytes:
    encoded = body.encode()
    return f"{head}Content-Length: {len(encoded)}\r\n\r\n".encode() + encoded


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
