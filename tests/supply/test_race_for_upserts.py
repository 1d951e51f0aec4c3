"""Two planning systems at once: each row is written or refused, and no worker gets two things to do at one time."""

from datetime import timedelta
from itertools import product

import pytest

from bookings.models import AppointmentSlot
from bookings.supply import turns
from bookings.supply.from_systems import slot_imports, slot_rows, upserts
from tests.support.helpers import START, at_once, clock_stands_at, make_area, tomorrow

HOUR = timedelta(hours=1)
WORKERS, DAYS = 12, 40


def file_of(folder, system: str, minutes: int):
    """A slot for each worker on each day; those of two systems overlap."""
    rows = []
    for worker, day in product(range(WORKERS), range(DAYS)):
        start = tomorrow() + timedelta(days=day, minutes=minutes)
        period = f"{start.isoformat()},{(start + HOUR).isoformat()}"
        rows.append(f"{system}-{worker}-{day},LEEDS,{period},w{worker}\n")
    file = folder / f"{system}.csv"
    file.write_text("external_id,area,start,end,worker\n" + "".join(rows))
    return str(file)


def test_two_files_at_once(start_service, tmp_path):
    """Of two rows that clash, one is written, whichever came first."""
    service = start_service(WEB_CONCURRENCY="1")
    service.make_slot(1)
    files = [file_of(tmp_path, "A", 0), file_of(tmp_path, "B", 30)]
    done = at_once([lambda file=file: service.manage("import_slots", file) for file in files])
    created = [int(run.stdout.splitlines()[-1].split()[0]) for run in done]
    assert sum(created) == WORKERS * DAYS, [run.stderr for run in done]
    assert [run.returncode for run in done] == [int(number < WORKERS * DAYS) for number in created]
    assert service.manage("verify_bookings").stdout == ""


def upsert(system: str, minutes: int) -> upserts.Report:
    start = START + timedelta(minutes=minutes)
    row = {"ExternalID": system, "ServiceAreaID": "LEEDS", "Worker": "anna"}
    row |= {"Start": start.isoformat(), "End": (start + HOUR).isoformat()}
    return upserts.upsert_slots(slot_rows.read_objects([row]), by=system)


@pytest.mark.django_db
class TestTheOtherOneWritesFirst:
    """It does so when this one has planned all of its rows, and writes none yet."""

    @pytest.fixture(autouse=True)
    def _other_one(self, monkeypatch):
        write = turns.write

        def after_the_other(step):
            monkeypatch.setattr(turns, "write", write)
            assert upsert("B", 30).created == 1
            return write(step)

        make_area()
        monkeypatch.setattr(turns, "write", after_the_other)
        with clock_stands_at():
            yield

    def test_what_clashes_is_refused(self):
        report = upsert("A", 0)
        assert (report.created, report.refused_count) == (0, 1)
        assert report.refused[0].message.startswith("anna is busy Fri 4 Dec 2026, 13:30-14:30")
        assert AppointmentSlot.objects.get().external_id == "B"

    def test_the_one_above_would_notice_a_plan_that_is_not_looked_at_again(self, monkeypatch):
        planned, plan = [], slot_imports.plan

        def remembered(rows, author):
            planned.append(plan(rows, author))
            return planned[-1]

        monkeypatch.setattr(slot_imports, "plan", remembered)
        # As it was when the rows were planned.
        monkeypatch.setattr(
            slot_imports,
            "_slots_for",
            lambda rows, look=slot_imports._slots_for: (
                planned[1].slots.values() if len(planned) > 1 and rows is planned[1].rows else look(rows)
            ),
        )
        assert upsert("A", 0).created == 1
        assert AppointmentSlot.objects.count() == 2
