"""What the calls that a phone waits for cost the database, in numbers that do not depend on the machine.

Statements that are sent; rows that are inserted, changed or deleted (on SQLite those of its full-text index, too);
bytes by which the write-ahead log grows. Each is the least of some calls.

The log is of all databases of a server, and a page that is written for the first time after a checkpoint stands in it
whole: other work makes a call seem dearer, and never cheaper. So calls are made until one costs what is kept.

`python -m tests.support.costs` measures in the database of DATABASE_URL, which has to be migrated and empty, and prints
what it found. costs.json keeps that for both databases, and tests/services/test_costs.py compares.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.core.signals import request_started
from django.db import close_old_connections, connection, transaction
from django.test import RequestFactory

from bench import world
from bookjob_site.wsgi import application

KEPT = json.loads(Path(__file__).with_name("costs.json").read_text())
TOLERANCE = 1.05
CALLS = 3
MOST_CALLS = {"postgresql": 300, "sqlite": 20}  # SQLite's log is of this database alone
SLOTS = world.SLOTS_OF_AN_AREA
# Slots that begin before are full when refusals are measured.
FULL_UNTIL = world.TODAY + timedelta(days=world.FIRST_BOOKABLE + world.BOOKABLE_DAYS // 2)

Call = Callable[[], None]
Costs = dict[str, dict[str, int]]


class Calls:
    """Calls by their names: each makes one that can be sent once."""

    def __init__(self) -> None:
        # As ServiceMobility signs it: of a token of ours the user is looked up every few seconds.
        world.KEY = next(iter(settings.BOOKJOB_JWT_KEYS.values()))
        self.token = world.token()
        self.bookings, self.searches = world.Bookings(SLOTS), world.Searches(SLOTS)
        self.orders = map("WO-{}".format, itertools.count())

    def booking(self) -> Call:
        order = next(self.orders)
        body = self.bookings.body(order)
        return lambda: self._book(order, body)

    def repeat(self) -> Call:
        call = self.booking()
        call()
        return call

    def search(self) -> Call:
        body = self.searches.template.replace("@AREA@", "AREA-1")
        return lambda: self._send("/api/v1/appointments/search", body)

    def refusal(self) -> Call:
        """Last, for it fills slots."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE bookings_appointmentslot SET booked = capacity WHERE start < %s AND booked < capacity",
                [FULL_UNTIL],
            )
        order = next(self.orders)
        bodies = (self.bookings.body(order) for _ in itertools.count())
        body = next(body for body in bodies if _start_of(body) < FULL_UNTIL.isoformat())
        return lambda: self._book(order, body, "409")

    def _book(self, order: str, body: str, status: str = "200") -> None:
        self._send(f"/api/v1/workorders/{order}/followup", body, status)

    def _send(self, path: str, body: str, status: str = "200") -> None:
        headers = {"x-access-token": self.token, "host": "localhost"}
        request = RequestFactory().generic("POST", path, body, content_type="application/json", headers=headers)
        statuses: list[str] = []
        answer = b"".join(application(request.environ, lambda line, headers, fault=None: statuses.append(line)))
        assert statuses[0].startswith(status), (statuses, answer)


def _start_of(body: str) -> str:
    return json.loads(body)["TimeConstraints"][0]["Period"]["Start"]


def measure() -> Costs:
    if connection.vendor == "postgresql":
        world.fill(os.environ["DATABASE_URL"], SLOTS)
    else:
        world.fill_sqlite(str(connection.settings_dict["NAME"]), SLOTS)
    calls = Calls()
    return {make.__name__: _cost(make) for make in (calls.booking, calls.repeat, calls.search, calls.refusal)}


def _cost(make: Callable[[], Call]) -> dict[str, int]:
    return {
        "statements": min(_statements(make()) for _ in range(CALLS)),
        "rows": min(_rows(make()) for _ in range(CALLS)),
        "log_bytes": _least(lambda: _log_bytes(make()), KEPT[connection.vendor][make.__name__]["log_bytes"]),
    }


def _least(cost: Callable[[], int], kept: int) -> int:
    least = cost()
    for _ in range(MOST_CALLS[connection.vendor]):
        if least <= kept * TOLERANCE:
            break
        least = min(least, cost())
    return least


def _statements(call: Call) -> int:
    sent = []

    def count(execute, text, values, many, context):
        sent.append(text)
        return execute(text, values, many, context)

    with connection.execute_wrapper(count):
        call()
    return len(sent)


def _log_bytes(call: Call) -> int:
    if connection.vendor == "sqlite":
        _value("PRAGMA wal_checkpoint(TRUNCATE)")
        call()
        return Path(f"{connection.settings_dict['NAME']}-wal").stat().st_size
    with connection.cursor() as cursor:
        # Who reads a page tidies up after those who changed it, and writes that down.
        cursor.execute("VACUUM bookings_appointmentslot")
    began = _value("SELECT pg_current_wal_insert_lsn()")
    call()
    return int(_value(f"SELECT pg_current_wal_insert_lsn() - '{began}'::pg_lsn"))


def _rows(call: Call) -> int:
    if connection.vendor == "sqlite":
        before = connection.connection.total_changes
        call()
        return connection.connection.total_changes - before
    changed = "SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables"
    # It would close the connection, for it is in a transaction.
    request_started.disconnect(close_old_connections)
    with transaction.atomic():
        before = _value(changed)
        call()
        return int(_value(changed) - before)


def _value(text: str):
    with connection.cursor() as cursor:
        return cursor.execute(text).fetchone()[0]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
