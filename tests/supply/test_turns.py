"""Commands that change many slots share the database with bookings: few slots a transaction, and pauses on SQLite."""

from types import SimpleNamespace

import pytest
from django.db import connection

from bookings.supply import turns
from tests.services.test_reasons_stay import BEFORE, WRITERS, _every_state, all_slots  # noqa: F401
from tests.support.helpers import clock_stands_at

BATCH = 16


@pytest.mark.django_db
@pytest.mark.usefixtures("_every_state")
@pytest.mark.parametrize(
    "name",
    [
        *("seed", "prune", "resize", "import", "import with staff columns", "a scope", "close", "open"),
        *("change closes", "change opens", "change resizes"),
    ],
)
def test_a_transaction_touches_few_slots(name, tmp_path, monkeypatch):
    """However many there are."""
    monkeypatch.setitem(turns.BATCH, connection.vendor, BATCH)
    once, touched = turns._write_once, []

    def counted(step):
        before = all_slots()
        done = once(step)
        touched.append(sum(before.get(pk) != slot for pk, slot in all_slots().items()))
        return done

    monkeypatch.setattr(turns, "_write_once", counted)
    write, _ = WRITERS[name]
    with clock_stands_at(BEFORE):
        write(tmp_path)
    assert 0 < max(touched) <= BATCH
    assert len(touched) > 1


@pytest.mark.django_db
def test_the_lock_is_left_free_for_longer_while_others_write(monkeypatch, tmp_path):
    mine, other = connection.copy(), connection.copy()
    if connection.vendor == "sqlite":
        mine.settings_dict["NAME"] = other.settings_dict["NAME"] = str(tmp_path / "shared.sqlite3")
    pauses, now = [], [100.0]
    monkeypatch.setattr(turns, "connection", mine)
    monkeypatch.setattr(turns, "time", SimpleNamespace(sleep=pauses.append, monotonic=lambda: now[0]))
    monkeypatch.setattr(turns, "_others", turns._Others())

    def write():
        turns.write(lambda: None)
        return pauses[-1:]

    alone, beside = ([turns.PAUSE], [turns.PAUSE_BESIDE_OTHERS]) if connection.vendor == "sqlite" else ([], [])
    assert write() == alone
    assert write() == alone
    with other.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE x (y int)" if mine.vendor == "postgresql" else "CREATE TABLE x (y int)")
    assert write() == beside
    assert write() == beside
    now[0] += turns.REMEMBERED
    assert write() == alone
    mine.close()
    other.close()
