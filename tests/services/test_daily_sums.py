"""The sums of the days: a rerun, a kill, two at once and a purge come to what one undisturbed run comes to."""

import io
import random
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from bookings.management import counting
from bookings.models import AppointmentSlot, Counter, DailySum, EmptySearch, Refusal, ServiceArea, WorkOrder
from bookings.services import daily_sums
from bookings.supply import turns
from tests.conftest import manage
from tests.support import helpers
from tests.support.weeks import make_order, make_world

DAY = timedelta(days=1)
AHEAD = daily_sums.AHEAD


@pytest.fixture
def world(db, monkeypatch):
    monkeypatch.setattr(daily_sums, "AHEAD", 3)  # days on which nothing is
    with helpers.clock_stands_at(helpers.NOW):
        # Each day is counted many times over, on the clock of each zone.
        yield make_world(random.Random(11), days=8, zones=["Pacific/Honolulu", "Pacific/Auckland"])


def run(*arguments):
    out = io.StringIO()
    call_command("update_numbers", *arguments, stdout=out)
    return out.getvalue()


def sums():
    columns = "day", "kind", "area", "order_type", "key", "number", "places"
    return sorted(map(str, DailySum.objects.values_list(*columns)))


def sums_of(kind):
    columns = "day", "area", "order_type", "key", "number"
    return sorted(map(str, DailySum.objects.filter(kind=kind).values_list(*columns)))


def sums_but(kind, day=None):
    columns = "day", "kind", "area", "order_type", "key", "number", "places"
    return sorted(map(str, DailySum.objects.exclude(kind=kind).exclude(day=day).values_list(*columns)))


def keys_of(kind):
    return set(DailySum.objects.filter(kind=kind).values_list("key", flat=True))


def total_of(kind):
    return DailySum.objects.filter(kind=kind).aggregate(all=Sum("number"))["all"]


def purge(days):
    out = io.StringIO()
    call_command("purge", before=str(helpers.NOW.date() - days * DAY), stdout=out)
    return out.getvalue()


def locked(*arguments):
    raise OperationalError("database is locked")


class Killed(BaseException):
    pass


@pytest.mark.usefixtures("world")
class TestUpdate:
    def test_a_rerun_writes_nothing(self):
        assert run() != "0 days counted anew.\n"
        before = sums()
        with CaptureQueriesContext(connection) as found:
            assert run("--all") == "0 days counted anew.\n"
        texts = [query["sql"] or "" for query in found]  # those of sql.py come without a text
        assert not [text for text in texts if '"bookings_dailysum"' in text and "SELECT" not in text]
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
            counting.update(everything=False, say=print)
        run("--all")
        disturbed = sums()
        DailySum.objects.all().delete()
        run("--all")
        assert sums() == disturbed

    def test_the_test_above_would_notice_one_that_writes_what_it_counted_before(self):
        order = WorkOrder.objects.filter(area__is_practice=False).latest("pk")
        (one,) = (one for one in daily_sums.clocks() if order.area_id in one.areas)
        day = order.created_at.astimezone(one.zone).date()
        early = daily_sums.change_of(one, day, [])
        assert daily_sums.write_day(one, day, early)
        assert not daily_sums.write_day(one, day, early)
        with pytest.raises(IntegrityError), transaction.atomic():
            daily_sums._insert(day, early.counted)

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
        DailySum.objects.filter(day__lt=helpers.NOW.date() - 7 * DAY).exclude(kind="free").delete()
        removed = AppointmentSlot.objects.count(), Refusal.objects.count()
        purge(5)
        after = AppointmentSlot.objects.count(), Refusal.objects.count()
        assert all(left < there for left, there in zip(after, removed, strict=True))
        assert sums() == before
        run("--all")
        assert sums() == before

    def test_a_dry_run_counts_nothing(self):
        call_command("purge", "--dry-run", before=str(helpers.NOW.date() - 5 * DAY), stdout=io.StringIO())
        assert not DailySum.objects.exists()

    @pytest.mark.parametrize("step", ["change_of", "freeze"])
    def test_what_could_not_be_counted_or_frozen_stays_and_personal_data_goes(self, monkeypatch, settings, step):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True
        run()
        before, there = sums(), (AppointmentSlot.objects.count(), Refusal.objects.count(), EmptySearch.objects.count())
        Refusal.objects.update(body='{"Name": "Ada Mill"}')
        with monkeypatch.context() as failing:
            failing.setattr(daily_sums, step, locked)
            with pytest.raises((OperationalError, CommandError), match="locked"):
                purge(5)
        assert (AppointmentSlot.objects.count(), Refusal.objects.count(), EmptySearch.objects.count()) == there
        assert not Refusal.objects.filter(at__lt=helpers.NOW - 6 * DAY).exclude(body="").exists()
        assert WorkOrder.objects.filter(purged_at__isnull=False).exists()
        run("--all")
        assert sums() == before
        purge(5)
        assert Refusal.objects.count() < there[1]
        run("--all")
        assert [one for one in sums() if "'people'" not in one] == [one for one in before if "'people'" not in one]

    def test_frozen_days_are_never_counted_again(self):
        daily_sums.freeze(helpers.NOW - 5 * DAY)
        daily_sums.freeze(helpers.NOW - 9 * DAY)
        for one in daily_sums.clocks():
            assert daily_sums.change_of(one, helpers.NOW.date() - 7 * DAY, []) is None
            late = daily_sums.Change({}, {daily_sums.Name("places", None, "", ""): (1, 1)})
            assert not daily_sums.write_day(one, helpers.NOW.date() - 7 * DAY, late)
        assert not DailySum.objects.exists()

    def test_why_it_was_cancelled_after_the_visit_stays_counted(self, settings):
        """The visit is old, the cancellation is not: its day is counted again after the purge."""
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True
        slot = helpers.make_slot("A0", helpers.NOW - 10 * DAY, capacity=9)
        for number, reason in enumerate(["Customer cancelled: Ada Mill", "Ada Mill moved"]):
            order = make_order(random.Random(1), slot, f"late{number}-2")
            WorkOrder.objects.filter(pk=order.pk).update(
                status="cancelled", cancelled_at=helpers.NOW - 2 * DAY, cancel_reason=reason
            )
        run()
        before = sums_of("reasons")
        purge(5)
        found = WorkOrder.objects.filter(order_num__startswith="FU-late").order_by("pk")
        assert list(found.values_list("cancel_reason", flat=True)) == ["Customer cancelled", ""]
        run("--all")
        assert sums_of("reasons") == before

    def test_a_day_that_still_runs_somewhere_is_neither_frozen_nor_emptied(self):
        """In Tokyo, today began before midnight UTC."""
        today = helpers.NOW.astimezone(ZoneInfo("Asia/Tokyo")).date()
        begins = datetime.combine(today, time(), ZoneInfo("Asia/Tokyo"))
        assert begins < datetime.combine(helpers.NOW.date(), time(), UTC)
        helpers.make_area("TOKYO", "Asia/Tokyo")
        helpers.make_slot("TOKYO", begins + timedelta(hours=1), worker="early")
        purge(0)
        Refusal.objects.create(
            at=helpers.NOW, error="late", original_order="R", area=ServiceArea.objects.get(code="TOKYO")
        )
        run("--all")
        assert DailySum.objects.get(kind="refusals", key="late").day == today
        assert DailySum.objects.get(kind="places", key="early").places == 1

    def test_who_cancelled_is_forgotten_with_personal_data(self, settings):
        run()
        named = DailySum.objects.filter(kind="people").exclude(key="")
        old = named.filter(day__lt=helpers.NOW.date() - 5 * DAY)
        total, recent, others = total_of("people"), named.count() - old.count(), sums_but("people")
        purge(5)
        assert old.exists()
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True
        purge(5)
        assert not old.exists()
        assert recent
        assert named.count() == recent
        assert total_of("people") == total
        assert sums_but("people") == others
        run("--all")
        assert not old.exists()


@pytest.mark.usefixtures("world")
class TestFaults:
    def test_an_area_whose_zone_is_not_known_here_is_left_out_and_named(self, settings):
        ServiceArea.objects.filter(code="A1").update(time_zone="Europe/Nowhere")
        assert "Not counted, because their time zone is not known: A1." in run("--all")
        counted = {code for code in DailySum.objects.values_list("area__code", flat=True) if code}
        assert counted == {"A0", "A2", "A3"}
        assert daily_sums.counted_at()
        there = Refusal.objects.count()
        assert "A1" in purge(5)
        assert Refusal.objects.count() < there

    def test_a_day_that_fails_does_not_keep_the_others_from_being_counted(self, monkeypatch):
        run("--all")
        before, bad = sums(), helpers.NOW.date() - 3 * DAY
        DailySum.objects.all().delete()
        Counter.objects.all().delete()
        change_of = daily_sums.change_of

        def but_one(one, day, reasons):
            return locked() if day == bad and one.zone.key == "UTC" else change_of(one, day, reasons)

        with monkeypatch.context() as failing:
            failing.setattr(daily_sums, "change_of", but_one)
            with pytest.raises(CommandError, match=f"1 step of counting failed, the first {bad}"):
                run("--all")
        assert daily_sums.counted_at() is None
        assert sums_but("x", bad) == [one for one in before if repr(bad) not in one]
        run("--all")
        assert sums() == before

    def test_where_all_fails_it_ends_soon(self, monkeypatch):
        tries = []
        monkeypatch.setattr(daily_sums, "change_of", lambda *arguments: tries.append(1) or locked())
        with pytest.raises(CommandError):
            run("--all")
        assert len(tries) == counting.MOST_FAULTS

    def test_other_reasons_to_choose_from_do_not_change_what_was_counted(self, settings):
        run("--all")
        before = sums()
        settings.BOOKJOB_CANCEL_REASONS = ["The customer called it off"]
        assert run("--all") == "0 days counted anew.\n"
        WorkOrder.objects.filter(cancel_reason="").update(cancel_reason="The customer called it off")
        run("--all")
        assert sums() != before
        assert {"Customer cancelled", "The customer called it off"} <= keys_of("reasons")

    def test_nothing_is_counted_nor_looked_for_while_bookings_wait(self, monkeypatch):
        inside, write = [], turns.write

        def in_the_lock(step):
            inside.append(step)
            try:
                return write(step)
            finally:
                inside.clear()

        def outside(function):
            def checked(*arguments, **more):
                assert not inside
                done.append(function.__name__)
                return function(*arguments, **more)

            return checked

        done = []
        monkeypatch.setattr(turns, "write", in_the_lock)
        for module, name in ((daily_sums, "count"), (daily_sums.offers, "open_for")):
            monkeypatch.setattr(module, name, outside(getattr(module, name)))
        run("--all")
        assert {"count", "open_for"} <= set(done)


def test_years_between_two_days_cost_nothing(db):
    for days in (1, -9 * 365):
        helpers.make_slot(start=helpers.tomorrow() + timedelta(days=days))
    # Each with its neighbours, which are a part of it on another clock.
    assert len(daily_sums.days_to_count(everything=True)) == 6


def test_what_an_earlier_release_removed_is_not_counted(db):
    """Ten slots of two places, one booked, 40 days ago; a purge that counted nothing left the one."""
    then = helpers.NOW - 40 * DAY
    slot = helpers.make_slot(start=then, capacity=2, booked=1)
    make_order(random.Random(1), slot, "old-2")
    first = helpers.make_slot(start=helpers.NOW - 3 * DAY, worker="first").start
    helpers.make_slot(start=helpers.NOW - DAY, worker="kept")
    migration = import_module("bookings.migrations.0011_add_daily_sums")
    migration.note_what_was_removed(apps, None)
    with helpers.clock_stands_at(helpers.NOW):
        run("--all")
    assert daily_sums.begins() == (None, first.replace(microsecond=0))
    assert list(DailySum.objects.filter(kind="places").values_list("key", flat=True)) == ["kept"]
    # What is left of that time without slots is counted: nothing removed it.
    assert DailySum.objects.filter(day__lt=helpers.NOW.date() - 30 * DAY, kind__in=["lead", "reasons"]).exists()


def test_what_an_earlier_release_emptied_is_not_counted(db):
    slot = helpers.make_slot(start=helpers.NOW - 40 * DAY, capacity=2, booked=1)
    make_order(random.Random(1), slot, "old-2")
    until = helpers.NOW - 10 * DAY
    Counter.objects.create(name="purged_until", value=int(until.timestamp()))
    migration = import_module("bookings.migrations.0011_add_daily_sums")
    migration.note_what_was_removed(apps, None)
    with helpers.clock_stands_at(helpers.NOW):
        run("--all")
    assert daily_sums.begins()[0] == until.replace(microsecond=0)
    assert not DailySum.objects.exclude(kind="free").exists()


def test_a_new_installation_has_nothing_to_note(db):
    migration = import_module("bookings.migrations.0011_add_daily_sums")
    migration.note_what_was_removed(apps, None)
    assert daily_sums.begins() == (None, None)
    assert not Counter.objects.filter(name=daily_sums.FROZEN_UNTIL).exists()


MAKE = """
import random
from tests.support import helpers, weeks
with helpers.clock_stands_at(helpers.NOW):
    weeks.make_world(random.Random(11), days=8)
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
