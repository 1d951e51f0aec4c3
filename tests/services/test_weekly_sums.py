"""The sums of the weeks: whatever is done to those of the days, after a run they are what the days come to."""

from collections import Counter as Bag
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Concat

from bookings.models import DailySum, Refusal, WeeklySum, WorkOrder
from bookings.models.sums import Level
from bookings.services import daily_sums, weekly_sums
from bookings.supply import turns
from tests.services.test_daily_sums import DAY, Killed, purge, run, world  # noqa: F401  fixture
from tests.support import helpers

pytestmark = pytest.mark.usefixtures("world")


def made_of_days():
    """By the level of each row and its names: how many, and how many places, added up in the plainest way."""
    found = Bag()
    for row in DailySum.objects.all():
        week, where = row.day - row.day.weekday() * DAY, (row.area_id, row.order_type)
        told = {Level.EACH: where, Level.AREAS: (row.area_id, ""), Level.ALL: (None, "")}
        for level in [Level.EACH] if row.kind == "free" else Level:
            name = week, level, row.kind, *told[level], row.key
            found[name, "number"] += row.number
            found[name, "places"] += row.places
    return found


def kept():
    found = Bag()
    for row in WeeklySum.objects.all():
        name = row.week, row.level, row.kind, row.area_id, row.order_type, row.key
        assert (name, "number") not in found
        found[name, "number"], found[name, "places"] = row.number, row.places
    return found


def test_they_are_what_the_days_come_to():
    run("--all")
    assert len({name[0] for name, _ in kept()}) > 2
    assert {name[1] for name, _ in kept()} == set(Level)
    assert kept() == made_of_days()


def test_a_rerun_writes_nothing(monkeypatch):
    written, write = [], weekly_sums.write
    monkeypatch.setattr(weekly_sums, "write", lambda week: written.append(week) or write(week))
    run("--all")
    assert len(set(written)) == len(written) > 2
    written.clear()
    run("--all")
    assert written == []


def test_what_changes_is_summed_anew():
    run("--all")
    WorkOrder.objects.filter(status="booked").first().delete()
    Refusal.objects.filter(error="already_booked").delete()
    before = kept()
    run("--all")
    assert kept() != before
    assert kept() == made_of_days()


def test_the_first_free_appointment_is_summed_by_the_run_that_finds_it():
    """Also where nothing else happened on the days around it."""
    with helpers.clock_stands_at(helpers.NOW + 60 * DAY):
        run("--all")
    assert "free" in {name[2] for name, _ in kept()}
    assert kept() == made_of_days()


def test_a_run_that_is_killed_before_the_weeks_is_made_good_by_the_next(monkeypatch):
    with monkeypatch.context() as killing:
        killing.setattr(weekly_sums, "write", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            run()
    assert DailySum.objects.exists()
    assert not WeeklySum.objects.exists()
    assert daily_sums.counted_at() is None
    run()
    assert kept() == made_of_days()


@pytest.mark.parametrize("change", ["more", "moved", "gone"])
def test_what_another_release_wrote_is_put_right(change):
    """It knows of days alone. Also where a total stays the same, and of days that are counted no more."""
    run("--all")
    daily_sums.freeze(helpers.NOW - 5 * DAY)
    old = DailySum.objects.filter(kind="lead", day__lt=helpers.NOW.date() - 7 * DAY)
    assert old.exists()
    if change == "more":
        old.update(number=9)
    elif change == "moved":
        old.update(key=Concat(Value("9"), "key"))
    else:
        old.delete()
    assert kept() != made_of_days()
    run("--all")
    assert kept() == made_of_days()


def test_a_week_of_which_no_day_is_left_is_emptied():
    helpers.make_slot("A0", helpers.NOW - 90 * DAY)
    week = weekly_sums.monday_of(helpers.NOW.date() - 70 * DAY)
    assert not DailySum.objects.filter(day__range=(week, week + 7 * DAY)).exists()
    WeeklySum.objects.create(week=week, level=Level.ALL, kind="lead", key="9", number=1)
    run("--all")
    assert kept() == made_of_days()


def test_who_cancelled_is_forgotten_at_once(settings, monkeypatch):
    """Not by the next run, which may be far off."""
    settings.BOOKJOB_PURGE_PERSONAL_DATA = True
    run("--all")
    old = {"kind": "people", "week__lt": helpers.NOW.date() - 12 * DAY}
    assert WeeklySum.objects.filter(**old).exclude(key="").exists()
    monkeypatch.setattr("bookings.management.counting.freeze", lambda *_, **__: None)
    purge(5)
    assert WeeklySum.objects.filter(**old).exists()
    assert not WeeklySum.objects.filter(**old).exclude(key="").exists()
    assert kept() == made_of_days()


def test_they_are_written_by_one_machine_at_a_time(monkeypatch):
    inside, write, written = [], turns.write, []

    def in_turn(step):
        inside.append(step)
        try:
            return write(step)
        finally:
            inside.pop()

    write_week = weekly_sums.write
    monkeypatch.setattr(turns, "write", in_turn)
    monkeypatch.setattr(weekly_sums, "write", lambda week: written.append(bool(inside)) or write_week(week))
    run("--all")
    assert written
    assert all(written)


def test_the_migration_makes_the_same():
    run("--all")
    made = kept()
    migration = import_module("bookings.migrations.0024_fill_weekly_sums")
    for _ in range(2):  # safe to repeat
        WeeklySum.objects.filter(level=Level.ALL).delete()
        migration.fill(apps, SimpleNamespace(connection=connection))
        assert kept() == made
    DailySum.objects.all().delete()
    WeeklySum.objects.all().delete()
    migration.fill(apps, None)
    assert not WeeklySum.objects.exists()
