"""Commands that timers start on every machine at the same time do what one of them would do."""

import os

import pytest

from tests.conftest import SERVER, Database, manage
from tests.support import warm
from tests.support.helpers import at_once

MACHINES = 3
# What is old: bookings that were moved and cancelled, with the customer in all places; slots that were never booked.
OLD = """
import django
django.setup()
from datetime import timedelta
from django.conf import settings
settings.ALLOWED_HOSTS = ["*"]
from tests.services.test_purge import THEN, book_in_june
from tests.support.helpers import make_slot
for number in range(12):
    book_in_june(f"WO-{number}")
for number in range(300):
    make_slot(start=THEN + timedelta(days=1, minutes=number))
"""
SEED = ["seed_slots", "--area", "HULL", "--name", "Hull", "--time-zone", "UTC", "--from", "2030-01-01", "--days", "30",
        "--hours", "08:00-18:00", "--length", "60"]  # fmt: skip
COMMANDS = [
    ["purge", "--before", "2026-07-01"],
    ["verify_bookings"],
    ["verify_delivery"],
    ["deliver", "--once"],
    ["index_work_orders"],
    ["check_time_zones", "--apply"],
    SEED,
]


@pytest.fixture(scope="module")
def old(template_database, tmp_path_factory):
    database = Database(template_database, tmp_path_factory.mktemp("old"))
    made = warm.run("-c", OLD, environment=os.environ | {"DATABASE_URL": database.url})
    assert made.returncode == 0, made.stderr
    yield database
    database.drop()


@pytest.fixture
def copies(old, tmp_path):
    """Two databases with the same in them."""
    made = [Database(old, tmp_path) for _ in range(2)]
    yield made
    for database in made:
        database.drop()


def counts(database: Database) -> dict[str, int]:
    catalogue = (
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE %s"
        if SERVER
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE %s"
    )
    tables = sorted(name for (name,) in database.execute(catalogue, "bookings%"))
    return {table: database.execute(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables if "search" not in table}


def bodies(database: Database) -> list[tuple]:
    return database.execute("SELECT original_order, body, location_num FROM bookings_workorder ORDER BY id")


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_several_machines_do_what_one_does(copies, command):
    by_one, by_several = copies
    environment = {"BOOKJOB_PURGE_PERSONAL_DATA": "on"}
    alone = manage(by_one, *command, **environment)
    together = at_once([lambda: manage(by_several, *command, **environment)] * MACHINES)
    assert {done.returncode for done in together} == {alone.returncode}, [done.stderr for done in together]
    assert {done.stderr for done in together} == {alone.stderr}
    assert counts(by_several) == counts(by_one)
    assert bodies(by_several) == bodies(by_one)
    assert manage(by_several, "verify_bookings").stdout == ""
