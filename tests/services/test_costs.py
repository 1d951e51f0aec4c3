"""What a booking, a repeat, a refusal and a search cost the database does not grow unnoticed: costs.json keeps it."""

import json
import os

import pytest
from psycopg import _queries

from bookings.models import ServiceArea
from tests.conftest import SERVER
from tests.support import warm
from tests.support.environment import ROOT
from tests.support.helpers import booking, clock_stands_at, make_slot, post

KEPT = json.loads((ROOT / "tests/support/costs.json").read_text())["postgresql" if SERVER else "sqlite"]
TOLERANCE = 1.05  # as in tests/support/costs.py


def measure(database):
    done = warm.run("-m", "tests.support.costs", environment=os.environ | {"DATABASE_URL": database.url})
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def dearer(costs, than):
    """Each number that is larger by more than the tolerance, as a line for the one who made it so."""
    return [
        f"{call}: {cost} {what}, and {than[call][what]} before"
        for call, found in costs.items()
        for what, cost in found.items()
        if cost > than[call][what] * TOLERANCE
    ]


def test_no_call_costs_more_than_before(empty_database):
    costs = measure(empty_database)
    assert costs.keys() == KEPT.keys()
    assert not dearer(costs, KEPT), f"Where that has to be, write it into costs.json: {json.dumps(costs)}"
    # A number that has become much less is written down, too, or it may grow again unnoticed.
    assert not dearer(KEPT, costs), f"Some of it is less now. Write it into costs.json: {json.dumps(costs)}"


def test_it_would_notice_indexes_that_nothing_needs(empty_database):
    for number in range(3):  # on SQLite each is one page of forty
        empty_database.execute(f"CREATE INDEX useless_{number} ON bookings_workorder (substr(body, 1, 1500))")
    lines = dearer(measure(empty_database), KEPT)
    assert [line.partition(": ")[0] for line in lines] == ["booking"], lines
    assert "log_bytes" in lines[0]


@pytest.mark.skipif(not SERVER, reason="SQLite's driver reads each text once")
@pytest.mark.django_db
def test_psycopg_reads_the_texts_of_a_booking_once(monkeypatch):
    """Of a text that is too long, or has too many parameters, it looks for the parameters each time."""
    read_anew = []
    read = _queries._query2pg_nocache

    def note(text, encoding):
        read_anew.append(text)
        return read(text, encoding)

    monkeypatch.setattr(_queries, "_query2pg_nocache", note)
    make_slot(capacity=9, worker="ann")
    ServiceArea.objects.update(safety_percent=90, cutoff_days=1, cutoff_time="16:00")
    with clock_stands_at():
        answer = post("WO-1", booking(RequiredParts=[{"ProdNum": "PUMP", "Qty": 1}]))
    assert answer.status_code == 200, answer.json()
    assert not read_anew, [len(text) for text in read_anew]
