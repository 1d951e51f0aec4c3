"""What a booking, a repeat, a refusal and a search cost the database does not grow unnoticed: costs.json keeps it."""

import json
import os
import subprocess
import sys

from tests.conftest import SERVER
from tests.support.environment import ROOT

KEPT = json.loads((ROOT / "tests/support/costs.json").read_text())["postgresql" if SERVER else "sqlite"]
TOLERANCE = 1.05  # as in tests/support/costs.py


def measure(database):
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.costs"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database.url, "DJANGO_SETTINGS_MODULE": "bookjob_site.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
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
