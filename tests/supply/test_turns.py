"""Commands that change many slots share the database with bookings: few slots a transaction."""

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
