"""How many rows a command writes in one transaction: as many as are written in the time that one should take."""

import gc
from contextlib import nullcontext

import pytest
from django.db import connection

from bookings.supply import turns

pytestmark = pytest.mark.django_db
GOAL = turns.GOAL


@pytest.fixture(autouse=True)
def _first(monkeypatch):
    monkeypatch.setitem(turns.BATCH, connection.vendor, 100)


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [
        (GOAL, 400),
        (2 * GOAL, 200),
        # At the most twice as many as before, and never so few that nothing gets done.
        (GOAL / 10, 800),
        (0, 800),
        (1_000, turns.LEAST),
    ],
)
def test_a_slow_transaction_makes_the_next_ones_smaller(monkeypatch, seconds, rows):
    monkeypatch.setitem(turns.BATCH, connection.vendor, 400)
    pace = turns.Pace()
    pace.took(400, seconds)
    assert pace.rows == rows


def test_a_few_rows_say_little():
    pace = turns.Pace()
    pace.took(1, GOAL / 2)
    assert pace.rows == 200


@pytest.mark.parametrize("fault", [None, ValueError])
def test_no_step_looks_for_garbage(fault):
    """To go through all objects takes longer than many a step."""
    seen = []

    def step():
        seen.append(gc.isenabled())
        if fault:
            raise fault

    with pytest.raises(fault) if fault else nullcontext():
        turns.write(step)
    assert seen == [False]
    assert gc.isenabled()


def test_it_ends_where_a_transaction_is_large_anyway():
    pace = turns.Pace()
    for _ in range(10):
        pace.took(pace.rows, 0)
    assert pace.rows == turns.MOST


def test_what_is_measured_ends_with_the_commit(monkeypatch, django_capture_on_commit_callbacks):
    now = [0.0]
    monkeypatch.setattr("bookings.clock.ticks", lambda: now[-1])
    pace = turns.Pace()
    with django_capture_on_commit_callbacks(execute=True):
        assert pace.write(lambda: "done", 1_000) == "done"
        now.append(5 * GOAL)
        assert pace.rows == 100
    assert pace.rows == 200


def test_heavy_rows_fill_a_batch():
    pace = turns.Pace()
    weights = [60, 40, 1, 500, 99, 1, 1]
    assert list(pace.batches(weights, lambda weight: weight)) == [[60, 40], [1], [500], [99, 1], [1]]
    assert list(pace.batches([])) == []
