"""The sums of the days: a rerun, a kill, two at once and a purge come to what one undisturbed run comes to."""

import io
import random
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bookings.management import counting
from bookings.models import AppointmentSlot, DailySum, Refusal, WorkOrder
from bookings.services import daily_sums
from bookings.supply import turns
from tests.conftest import manage
from tests.support import helpers
from tests.support.weeks import make_world

DAY = timedelta(days=1)
AHEAD = daily_sums.AHEAD


@pytest.fixture
def world(db, monkeypatch):
    monkeypatch.setattr(daily_sums, "AHEAD", 3)  # days on which nothing is
    with helpers.clock_stands_at(helpers.NOW):
        yield make_world(random.Random(11))


def run(*arguments):
    out = io.StringIO()
    call_command("update_numbers", *arguments, stdout=out)
    return out.getvalue()


def sums():
    columns = "day", "kind", "area", "order_type", "key", "number", "places"
    return sorted(map(str, DailySum.objects.values_list(*columns)))


class Killed(Exception):
    pass


@pytest.mark.usefixtures("world")
class TestUpdate:
    def test_a_rerun_writes_nothing(self):
        assert run() != "0 days counted anew.\n"
        before = sums()
        with CaptureQueriesContext(connection) as found:
            assert run("--all") == "0 days counted anew.\n"
        assert not [query for query in found if '"bookings_dailysum"' in query["sql"] and "SELECT" not in query["sql"]]
        assert sums() == before

    @pytest.mark.parametrize("steps", [0, 1, 7])
    def test_one_that_is_killed_is_run_again(self, monkeypatch, steps):
        write, done = turns.write, []

        def until_killed(step):
            if len(done) == steps:
                raise Killed
            done.append(write(step))

        with monkeypatch.context() as killing:
            killing.setattr(turns, "write", until_killed)
            with pytest.raises(Killed):
                run()
        assert daily_sums.counted_at() is None
        run()
        killed = sums()
        DailySum.objects.all().delete()
        run("--all")
        assert sums() == killed

    def test_another_machine_in_between(self, monkeypatch):
        """It ends, after this one has looked and before it writes, and more happens; three times."""
        write, inside, times = turns.write, [], iter(range(3))

        def behind_another(step):
            if not inside and next(times, None) is not None:
                inside.append(step)
                run("--all")
                WorkOrder.objects.filter(status="booked").order_by("pk").first().delete()
                inside.clear()
            return write(step)

        with monkeypatch.context() as disturbing:
            disturbing.setattr(turns, "write", behind_another)
            counting.update(everything=False)
        run("--all")
        disturbed = sums()
        DailySum.objects.all().delete()
        run("--all")
        assert sums() == disturbed

    def test_the_test_above_would_notice_one_that_writes_what_it_counted_before(self):
        order = WorkOrder.objects.filter(area__is_practice=False).latest("pk")
        (one,) = (one for one in daily_sums.clocks() if order.area_id in one.areas)
        day = order.created_at.astimezone(one.zone).date()
        early = daily_sums.count(one, day)
        daily_sums.write_day(one, day)
        with pytest.raises(IntegrityError), transaction.atomic():
            daily_sums._insert(day, early)

    def test_the_last_days_each_time_and_all_in_the_first_run_of_a_day(self):
        run()
        old = helpers.NOW - 20 * DAY
        slot = AppointmentSlot.objects.filter(area__is_practice=False).first()
        Refusal.objects.create(at=old, error="late", original_order="R", area=slot.area)
        assert run() == "0 days counted anew.\n"
        with helpers.clock_stands_at(helpers.NOW + DAY):
            run()
        assert DailySum.objects.get(kind="refusals", key="late").number == 1

    def test_slots_of_the_coming_weeks_are_counted_too(self, monkeypatch):
        monkeypatch.setattr(daily_sums, "AHEAD", AHEAD)
        helpers.make_slot("A0", helpers.NOW + 80 * DAY, worker="later", capacity=4, booked=1)
        run()
        assert DailySum.objects.values_list("number", "places").get(key="later") == (1, 4)

    def test_what_staff_typed_is_not_kept(self):
        run()
        assert not DailySum.objects.filter(key__contains="dog").exists()
        assert DailySum.objects.filter(kind="reasons", key="Other").exists()


@pytest.mark.usefixtures("world")
class TestPurge:
    def test_what_is_removed_stays_counted(self):
        """Also what was never counted before, and whatever is asked afterwards."""
        run()
        before = sums()
        DailySum.objects.filter(day__lt=helpers.NOW.date() - 20 * DAY).exclude(kind="free").delete()
        removed = AppointmentSlot.objects.count(), Refusal.objects.count()
        call_command("purge", before=str(helpers.NOW.date() - 5 * DAY), stdout=io.StringIO())
        after = AppointmentSlot.objects.count(), Refusal.objects.count()
        assert all(left < there for left, there in zip(after, removed, strict=True))
        assert sums() == before
        run("--all")
        assert sums() == before

    def test_a_dry_run_counts_nothing(self):
        call_command("purge", "--dry-run", before=str(helpers.NOW.date() - 5 * DAY), stdout=io.StringIO())
        assert not DailySum.objects.exists()

    def test_it_goes_on_where_nothing_can_be_counted(self, monkeypatch):
        """And what was counted before is not counted anew from what is left."""
        run()
        before, there = sums(), Refusal.objects.count()
        with monkeypatch.context() as failing:
            failing.setattr(daily_sums, "is_right", lambda *arguments: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                call_command("purge", before=str(helpers.NOW.date() - 5 * DAY), stdout=io.StringIO())
        assert Refusal.objects.count() < there
        run("--all")
        assert sums() == before

    def test_days_are_never_counted_again_once_they_are_frozen(self):
        daily_sums.freeze(helpers.NOW - 5 * DAY)
        daily_sums.freeze(helpers.NOW - 9 * DAY)
        for one in daily_sums.clocks():
            assert daily_sums.is_right(one, helpers.NOW.date() - 7 * DAY)
            daily_sums.write_day(one, helpers.NOW.date() - 7 * DAY)
        assert not DailySum.objects.exists()


MAKE = """
import random
from tests.support import helpers, weeks
with helpers.clock_stands_at(helpers.NOW):
    weeks.make_world(random.Random(11))
"""
KEPT = "SELECT kind, day, area_id, order_type, key, number, places FROM bookings_dailysum WHERE kind <> 'free'"


def test_two_machines_at_once(empty_database):
    assert manage(empty_database, "shell", "--no-imports", "--command", MAKE).returncode == 0
    done = helpers.at_once([lambda: manage(empty_database, "update_numbers", "--all") for _ in range(2)])
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 2
    both = sorted(map(str, empty_database.execute(KEPT)))
    assert both
    empty_database.execute("DELETE FROM bookings_dailysum")
    assert manage(empty_database, "update_numbers", "--all").returncode == 0
    assert sorted(map(str, empty_database.execute(KEPT))) == both
