"""Schedules: the slots of an area are those of its rules, always so many days ahead, whatever comes between."""

import contextlib
import io
import re
from datetime import UTC, date, datetime, timedelta
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from bookings import clock, services
from bookings.models import AppointmentSlot, Schedule, ScheduleVersion, ServiceArea
from bookings.refusals import Refused
from bookings.supply import new_slots, turns
from bookings.supply.from_plans import schedule_files, schedules, seeding, seeding_steps
from tests.supply.test_seed_anything import (
    FIRST_DAYS,
    ZONES,
    Killed,
    independently,
    is_contradictory,
    some,
    templates,
    undone,
)
from tests.support.helpers import at_once, booking, clock_stands_at, make_area, make_booking, tomorrow

NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)  # a Tuesday
FIRST = date(2026, 12, 1)
PLAN = '[[slots]]\nfrom = 2026-12-01\nhours = "mon-fri 08:00-12:00"\nlength = 120\n'
LATER = PLAN.replace("08:00-12:00", "10:00-14:00")


def make(rules=PLAN, days_ahead=6, **more) -> Schedule:
    area = ServiceArea.objects.filter(code="LEEDS").first() or make_area()
    schedule = Schedule(area=area, rules=rules, days_ahead=days_ahead, **more)
    schedules.save(schedule, by="sue")
    return schedule


def running(code="LEEDS", rules=PLAN, days_ahead=3) -> Schedule:
    """One with its slots, as the desk meets it."""
    schedule = Schedule(area=make_area(code), rules=rules, days_ahead=days_ahead)
    schedules.save(schedule, by="sue")
    schedules.extend(schedule, by="sue")
    return schedule


def change(schedule, rules) -> None:
    schedule.rules = rules
    schedules.save(schedule, by="sue")


def extend(schedule, **options):
    return schedules.extend(schedule, by="test", **options)


def command(name, *args, **options) -> str:
    out = io.StringIO()
    call_command(name, *args, stdout=out, **options)
    return out.getvalue()


def shown() -> list[tuple]:
    slots = AppointmentSlot.objects.filter(is_withdrawn=False).select_related("area")
    return sorted((slot.area.code, slot.start, slot.end, slot.worker, slot.capacity) for slot in slots)


def starts() -> list[str]:
    return sorted(f"{slot.start:%a %d %H}" for slot in AppointmentSlot.objects.filter(is_withdrawn=False))


# --- Properties ------------------------------------------------------------------------------------------


@st.composite
def rolling(draw):
    """A plan of a template, on weeks and days of the month, from a day that may be weeks ago."""
    (entry, *_) = draw(templates())
    entry |= {
        "_from": entry["from"] - timedelta(weeks=draw(st.integers(0, 5))),
        "every_weeks": draw(st.integers(1, 3)),
        "month_days": draw(st.sampled_from([[], [], ["1-15"], ["last", "22", "25-27"], ["29-31"]])),
    }
    return entry


NAMES = ["_from", "hours", "length", "gap", "capacity", "workers", "exceptions", "every_weeks", "month_days"]


def rules_of(entry) -> str:
    values = {name.strip("_"): entry[name] for name in NAMES if entry.get(name)}
    return schedule_files.plan_text(values)


def slots_of(entry, first) -> list[tuple]:
    """Those of a week, worked out a second time: days that do not count are exceptions without hours."""
    by_day, exceptions = entry["_"]
    weeks = (first - entry["_from"]).days // 7
    closed = {}
    for number in range(7):
        day = first + timedelta(days=number)
        in_month = {
            (): True,
            ("1-15",): day.day <= 15,
            ("last", "22", "25-27"): day.day in (22, 25, 26, 27) or (day + timedelta(days=1)).day == 1,
            ("29-31",): day.day >= 29,
        }[tuple(entry["month_days"])]
        if weeks % entry["every_weeks"] or not in_month:
            closed[day] = []
    return independently([entry | {"from": first, "_": (by_day, closed | exceptions)}])


def make_for(entry, zone, first) -> Schedule:
    area = ServiceArea.objects.filter(code=entry["area"]).first() or make_area(entry["area"], zone)
    schedule = Schedule(area=area, rules=rules_of(entry), days_ahead=6)
    schedules.save(schedule, by="sue")
    return schedule


@pytest.mark.django_db
@given(entry=rolling())
@some
@undone
def test_every_schedule(entry):
    """What is made is what a second calculation makes; a dry run says so and writes nothing; again, all is kept."""
    first, zone = entry["from"], entry["time_zone"]
    with clock_stands_at(clock.moment_of(first, 0, ZoneInfo(zone))):
        schedule = make_for(entry, zone, first)
        expected = sorted(slots_of(entry, first))
        said = extend(schedule, dry_run=True)
        assert shown() == []
        report = extend(schedule)
        if report.faults:
            text = report.faults[0].message
            assert is_contradictory(expected) if "makes no slot" not in text else expected == []
            return
        assert shown() == expected
        assert said.lines() == report.lines()
        assert extend(schedule).counts == {key: number for key, number in _kept(expected).items() if number}
        assert shown() == expected


def _kept(slots):
    return {(slots[0][0], "kept"): len(slots)} if slots else {}


@pytest.mark.django_db
@given(
    first=st.sampled_from(FIRST_DAYS[:3]),
    zone=st.sampled_from(ZONES),
    both=st.tuples(rolling(), rolling()),
    kills=st.lists(st.integers(1, 5), min_size=1, max_size=4),
)
@some
@undone
def test_days_that_pass_changes_and_kills(first, zone, both, kills):
    """Old rules, new rules, runs that are killed at any step, a day that passes: as the new rules alone on that day."""
    before, after = (
        entry
        | {
            "area": "A0",
            "time_zone": zone,
            "from": first,
            "_from": first - timedelta(weeks=2),
            "_": _moved(entry, first),
        }
        | {"exceptions": {}}
        for entry in both
    )
    with clock_stands_at(clock.moment_of(first - timedelta(days=1), 0, ZoneInfo(zone))):
        schedule = make_for(before, zone, first)
        if extend(schedule).faults:
            return
        change(schedule, rules_of(after))
        for number, kill in enumerate(kills):
            _extend_until_killed(schedule, number, kill)
    with clock_stands_at(clock.moment_of(first, 0, ZoneInfo(zone))):
        for number, kill in enumerate(kills):
            _extend_until_killed(schedule, number, kill)
        if extend(schedule).faults:
            return
        to_come = [slot for slot in shown() if slot[1] >= clock.now()]
    expected = [slot for slot in sorted(slots_of(after, first)) if slot[1] >= clock.moment_of(first, 0, ZoneInfo(zone))]
    eve = [slot for slot in to_come if slot not in expected]
    assert [slot for slot in to_come if slot in expected] == expected
    # Hours over midnight of the day before may reach into this one.
    assert all(slot[1].astimezone(ZoneInfo(zone)).date() == first for slot in eve)


def _moved(entry, first):
    by_day, _ = entry["_"]
    return by_day, {}


def _extend_until_killed(schedule, number, kill) -> None:
    module, where = [(seeding_steps, "_what_is_there"), (new_slots, "insert"), (new_slots, "utc_offset")][number % 3]
    real, calls = getattr(module, where), 0

    def until_killed(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls > kill:
            raise Killed
        return real(*args, **kwargs)

    sizes = mock.patch.dict(turns.BATCH, dict.fromkeys(turns.BATCH, 3))
    with sizes, mock.patch.object(module, where, until_killed), contextlib.suppress(Killed):
        extend(schedule)


# --- What a schedule does ---------------------------------------------------------------------------------


@pytest.mark.django_db
class TestExtending:
    def test_a_day_later_there_is_a_day_more(self):
        schedule = make(days_ahead=2)
        with clock_stands_at(NOW):
            extend(schedule)
            assert starts() == ["Thu 03 08", "Thu 03 10", "Tue 01 08", "Tue 01 10", "Wed 02 08", "Wed 02 10"]
        with clock_stands_at(NOW + timedelta(days=1)):
            assert extend(schedule).counts == {("LEEDS", "created"): 2, ("LEEDS", "kept"): 4}
            assert "Fri 04 08" in starts()

    def test_bookings_that_no_longer_fit_stay_ask_for_review_and_are_listed(self):
        with clock_stands_at(NOW):
            schedule = make(days_ahead=1, rules=PLAN + "capacity = 3\n")
            extend(schedule)
            slot = AppointmentSlot.objects.order_by("start").first()
            booked = make_booking("WO-1", booking(slot.start, slot.end))
            services.review(work_order=booked, by="sue")
            before = vars(AppointmentSlot.objects.get(pk=slot.pk))
            change(schedule, LATER)
            report = extend(schedule)
            again = extend(schedule)
        assert report.bookings == again.bookings == [booked]
        booked.refresh_from_db()
        assert (booked.slot, booked.status, booked.reviewed_at) == (slot, "booked", None)
        assert [line.event for line in booked.history.order_by("pk")][-1] == "closed"
        assert "LEEDS: 1 booking no longer fits the schedule. Move or cancel it:" in report.lines()
        after = vars(AppointmentSlot.objects.get(pk=slot.pk))
        # It takes no more bookings.
        assert {**after, "_state": None} == {**before, "_state": None, "is_withdrawn": True}
        assert starts() == ["Tue 01 10", "Tue 01 12", "Wed 02 10", "Wed 02 12"]

    def test_former_rules_can_be_put_back(self):
        with clock_stands_at(NOW):
            schedule = make()
            extend(schedule)
            before = shown()
            change(schedule, LATER)
            extend(schedule)
            assert shown() != before
            first = ScheduleVersion.objects.get(schedule=schedule, version=1)
            change(schedule, first.rules)
            extend(schedule)
        assert shown() == before
        assert list(schedule.versions.values_list("version", "rules")) == [(3, PLAN), (2, LATER), (1, PLAN)]

    def test_a_shorter_horizon_closes_nothing(self):
        with clock_stands_at(NOW):
            schedule = make(days_ahead=6)
            extend(schedule)
            before = shown()
            schedule.days_ahead = 1
            schedules.save(schedule, by="sue")
            extend(schedule)
            assert shown() == before
            # But what the rules no longer want is closed there as well.
            change(schedule, LATER)
            extend(schedule)
        assert {start.hour for _, start, *_ in shown()} == {10, 12}

    def test_slots_of_a_template_are_taken_over_and_all_others_stay(self):
        with clock_stands_at(NOW):
            schedule = make(days_ahead=1)
            options = {"area": "LEEDS", "from": "2026-12-01", "days": "2", "hours": "08:00-12:00", "length": "120"}
            command("seed_slots", **options)
            by_hand = AppointmentSlot.objects.create(
                area=schedule.area, start=NOW + timedelta(hours=11), end=NOW + timedelta(hours=12), capacity=1
            )
            assert extend(schedule).counts == {("LEEDS", "kept"): 4}
            change(schedule, LATER)
            report = extend(schedule)
        assert report.counts["LEEDS", "closed"] == 2
        assert report.lines()[-1] == (
            "LEEDS: 1 slot that was made otherwise stays, though the schedule has no such hours."
        )
        by_hand.refresh_from_db()
        assert not by_hand.is_withdrawn
        assert starts() == ["Tue 01 10", "Tue 01 12", "Tue 01 15", "Wed 02 10", "Wed 02 12"]

    def test_a_template_does_not_close_what_a_schedule_made(self, tmp_path):
        with clock_stands_at(NOW):
            extend(make(days_ahead=1))
            file = tmp_path / "plan.csv"
            file.write_text("area,from,days,hours,length\nLEEDS,2026-12-01,2,20:00-22:00,120\n")
            command("seed_slots", template=file, prune=True)
        assert "Tue 01 08" in starts()

    def test_one_that_is_not_active_does_nothing(self):
        with clock_stands_at(NOW):
            report = extend(make(is_active=False))
        assert report.lines() == ["LEEDS: the schedule is not active. No slot is made or closed."]
        assert shown() == []

    @pytest.mark.parametrize(
        ("rules", "message"),
        [
            ("", "There is no plan in the file."),
            ("x = 1", "'x' is unknown here"),
            ('area = "LEEDS"\n', "'area' is unknown here"),
            (PLAN + 'area = "YORK"\n', "line 5: area is left out: a schedule is of its area."),
            (PLAN.replace("120", "300"), "The plan makes no slot"),
            (PLAN + 'month_days = "32"\n', "'32' is no day of a month"),
            (
                PLAN.replace("2026-12-01", '"x"') + 'until = 2027-01-01\nexceptions = "2026-12-24 closed"\n',
                "from x is not a date",
            ),
            (PLAN + "every_weeks = 0\n", "0 is not a whole number from 1 to 52"),
            (PLAN + 'workers = "anna"\n' + PLAN + 'workers = "anna"\n', "anna would be at two places"),
            # Two that meet next year.
            (
                PLAN + 'workers = "anna"\n' + PLAN.replace("2026-12", "2027-11") + 'workers = "anna"\n',
                "anna would be at two places",
            ),
        ],
    )
    def test_rules_that_cannot_be_followed(self, rules, message):
        with clock_stands_at(NOW):
            found = schedules.faults(Schedule(area=make_area(), rules=rules, days_ahead=10))
        assert message in str(found[0])

    def test_a_plan_that_is_over_and_one_that_is_to_come(self):
        """Neither is a fault, and exceptions of any day are none."""
        over = PLAN + "until = 2026-12-01\n"
        to_come = LATER.replace("2026-12-01", "2026-12-03") + 'exceptions = "2026-11-30 closed; 2030-01-01 closed"\n'
        with clock_stands_at(NOW):
            extend(make(over + to_come, days_ahead=2))
        assert starts() == ["Thu 03 10", "Thu 03 12", "Tue 01 08", "Tue 01 10"]


@pytest.mark.django_db
class TestWeeksAndDaysOfTheMonth:
    def test_of_a_template(self):
        make_area()
        options = {"area": "LEEDS", "hours": "08:00-09:00", "length": "60", "until": "2027-01-31"}
        with clock_stands_at(NOW):
            command("seed_slots", **options, **{"from": "2026-12-01"}, weekdays="mon", month_days="1-7")
            assert starts() == ["Mon 04 08", "Mon 07 08"]
            command("seed_slots", **options, **{"from": "2026-12-09"}, weekdays="sat", every_weeks="3")
            assert [day for day in starts() if "Sat" in day] == ["Sat 02 08", "Sat 12 08", "Sat 23 08"]
            command("seed_slots", **options, **{"from": "2026-12-01"}, month_days="last")
        assert [day for day in starts() if " 31 " in day] == ["Sun 31 08", "Thu 31 08"]

    def test_a_schedule_goes_on_counting_weeks_from_its_first_day(self):
        schedule = make(PLAN + "every_weeks = 2\n", days_ahead=6)
        for day in range(1, 29):
            with clock_stands_at(NOW + timedelta(days=day - 1)):
                extend(schedule)
        weeks = {start.isocalendar().week for _, start, *_ in shown()}
        assert weeks == {49, 51, 53}


@pytest.mark.django_db
class TestChangedMeanwhile:
    def test_a_run_by_former_rules_writes_nothing_more(self, monkeypatch):
        schedule = make(PLAN + 'workers = "anna,bob"\n')
        write, late = seeding.write_piece, Schedule.objects.select_related("area").get(pk=schedule.pk)
        monkeypatch.setitem(turns.BATCH, connection.vendor, 1)

        def saved_before(*args, **options):
            if late.version == schedule.version:
                change(late, LATER)
            return write(*args, **options)

        monkeypatch.setattr(seeding, "write_piece", saved_before)
        with clock_stands_at(NOW):
            with pytest.raises(schedules.OutdatedError):
                extend(schedule)
            assert shown() == []
            schedules.extend_latest(schedule, by="test")
        assert {start.hour for _, start, *_ in shown()} == {10, 12}

    def test_without_that_look_it_would(self, monkeypatch):
        schedule = make()
        change(Schedule.objects.get(pk=schedule.pk), LATER)
        monkeypatch.setattr(schedules, "_check", lambda schedule: None)
        with clock_stands_at(NOW):
            extend(schedule)
        assert {start.hour for _, start, *_ in shown()} == {8, 10}

    def test_two_people_save(self):
        schedule = make()
        change(Schedule.objects.get(pk=schedule.pk), LATER)
        with pytest.raises(Refused, match="The schedule of Leeds was saved meanwhile"):
            change(schedule, PLAN)
        with pytest.raises(Refused, match="The schedule of Leeds was saved meanwhile"):
            make()
        assert Schedule.objects.get().rules == LATER
        assert ScheduleVersion.objects.count() == 2


# --- Commands --------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestCommands:
    def test_a_dry_run_says_the_same_and_writes_nothing(self):
        with clock_stands_at(NOW):
            make()
            said = command("extend_schedules", "--dry-run")
            assert shown() == []
            assert Schedule.objects.get().extended_at is None
            assert said == "LEEDS: 10 slots created, 0 kept, 0 skipped, 0 closed.\n" + (
                "This was a dry run: nothing was written.\n"
            )
            assert command("extend_schedules") == said.splitlines(keepends=True)[0]
            assert Schedule.objects.get().extended_at == NOW
            assert command("extend_schedules") == "LEEDS: 0 slots created, 10 kept, 0 skipped, 0 closed.\n"

    def test_one_that_is_wrong_stops_no_other(self):
        with clock_stands_at(NOW):
            make("wrong")
            other = Schedule(area=make_area("YORK"), rules=PLAN, days_ahead=1)
            schedules.save(other, by="sue")
            out = io.StringIO()
            with pytest.raises(SystemExit) as end:
                call_command("extend_schedules", stdout=out)
        assert end.value.code == 1
        assert "LEEDS: line 1:" in out.getvalue()
        assert "YORK: 4 slots created" in out.getvalue()

    def test_a_template_leaves_out_what_is_wrong_or_not_active_and_names_it(self, capsys):
        make(PLAN.replace("from", "form"))
        for code, is_active in (("YORK", True), ("HULL", False)):
            area = make_area(code)
            schedules.save(Schedule(area=area, rules=PLAN, days_ahead=3, is_active=is_active), by="sue")
        out, err = io.StringIO(), io.StringIO()
        with pytest.raises(CommandError, match=r"LEEDS: line 1: from is missing\.\nLeft out\. Change these rules"):
            call_command("export_schedules", stdout=out, stderr=err)
        assert re.findall('area = "(.*)"', out.getvalue()) == ["YORK"]
        assert err.getvalue() == "HULL is left out: its schedule is not active.\n"

    def test_an_import_asks_before_it_closes_much(self, tmp_path):
        file = tmp_path / "plan.csv"
        file.write_text("area,from,until,hours,length\nLEEDS,2027-12-01,2027-12-31,08:00-12:00,120\n")
        with clock_stands_at(NOW):
            extend(make())
            before = shown()
            asked = "LEEDS: 10 of 10 free slots are in the plan no longer: more than a tenth"
            for more in ([], ["--yes", "9"]):
                with pytest.raises(CommandError, match=f"{asked}.* Nothing was written"):
                    command("import_schedules", str(file), *more)
            assert (shown(), Schedule.objects.get().rules) == (before, PLAN)
            assert asked in command("import_schedules", str(file), "--dry-run")
            assert "10 closed" in command("import_schedules", str(file), "--yes", "10")

    def test_an_import_of_rules_that_are_too_long(self, tmp_path):
        make_area()
        file = tmp_path / "plan.toml"
        days = "; ".join(f"{date(2026, 12, 1) + timedelta(days=number)} closed" for number in range(1_200))
        file.write_text(PLAN + f'until = 2035-12-31\narea = "LEEDS"\nexceptions = "{days}"\n')
        with clock_stands_at(NOW), pytest.raises(CommandError, match="its rules are longer than 20,000 characters"):
            command("import_schedules", str(file))

    def test_a_worker_who_is_spelled_otherwise_is_named(self):
        with clock_stands_at(NOW):
            schedule = make(PLAN + 'workers = "anna"\n')
            extend(schedule)
            change(schedule, PLAN + 'workers = "Anna"\n')
            said = extend(schedule, dry_run=True).lines()
            assert said[0] == "LEEDS: Anna is spelled like anna, and counts as another worker."
            assert extend(schedule).lines() == said
            assert "spelled" not in extend(schedule).lines()[0]

    def test_without_any(self):
        assert command("extend_schedules").startswith("There is no active schedule.")

    @pytest.mark.parametrize("name", ["plan.csv", "plan.toml"])
    def test_templates_become_schedules_and_back(self, tmp_path, name):
        file = tmp_path / name
        if name.endswith("csv"):
            file.write_text(
                "area,name,time_zone,from,until,hours,length,workers,exceptions\n"
                'LEEDS,Leeds,Europe/London,2026-12-01,2026-12-03,08:00-10:00,60,"anna,bob",\n'
                'LEEDS,,,2026-12-04,2026-12-20,10:00-12:00,60,"anna,bob",2026-12-08 closed\n'
            )
        else:
            file.write_text(
                '[[slots]]\narea = "LEEDS"\nname = "Leeds"\ntime_zone = "Europe/London"\nfrom = 2026-12-01\ndays = 3\n'
                'hours = "08:00-10:00"\nlength = 60\nworkers = ["anna", "bob"]\n\n'
                '[[slots]]\narea = "LEEDS"\nfrom = 2026-12-04\nuntil = 2026-12-20\nlength = 60\n'
                'workers = "anna,bob"\nhours = { "mon-sun" = "10:00-12:00" }\n'
                '[slots.exceptions]\n2026-12-08 = "closed"\n'
            )
        with clock_stands_at(NOW):
            said = command("import_schedules", str(file), "--days-ahead", "30")
            assert said.startswith("LEEDS: 120 slots created")
            rules, slots = Schedule.objects.get().rules, shown()
            assert slots[-1][1].date() == date(2026, 12, 31)
            exported = tmp_path / "exported.toml"
            exported.write_text(command("export_schedules"))
            assert command("import_schedules", str(exported)).startswith("LEEDS: 0 slots created, 120 kept")
            schedule = Schedule.objects.get()
            assert (schedule.version, schedule.rules, shown()) == (1, rules, slots)
            # As a template, they make the same slots.
            assert ": 0 slots created, 120 kept, 0 skipped" in command("seed_slots", template=exported)

    @pytest.mark.parametrize(
        "rules",
        [
            "# As agreed in May.\n" + PLAN,
            PLAN + 'exceptions = { 2026-12-02 = "closed", 2027-12-24 = "08:00-10:00" }\n',
            PLAN + "until = 2026-12-02\n\n" + PLAN.replace("2026-12-01", "2026-12-03") + "days = 2\n",
            PLAN.replace("2026-12-01", "2027-03-01"),
        ],
        ids=["a comment", "an exception beyond the horizon", "all plans end", "not begun"],
    )
    def test_an_export_is_imported_as_it_was(self, tmp_path, rules):
        file = tmp_path / "exported.toml"
        with clock_stands_at(NOW):
            schedule = make(rules, days_ahead=17)
            extend(schedule)
            slots = shown()
            file.write_text(command("export_schedules"))
            assert " 0 slots created" in command("import_schedules", str(file))
            there = Schedule.objects.get()
            assert (there.version, there.rules, there.days_ahead) == (schedule.version, rules, 17)
            # Of another installation.
            Schedule.objects.all().delete()
            command("import_schedules", str(file))
            assert (Schedule.objects.get().days_ahead, shown()) == (17, slots)
            exported = command("export_schedules")
            assert exported == file.read_text()
            command("import_schedules", str(file), "--days-ahead", "18")
            assert Schedule.objects.get().days_ahead == 18
            # A template makes the same slots, and those of a plan that begins later from its first day on.
            said = command("seed_slots", "--dry-run", template=file)
            assert f" {len(slots)} kept" in said

    def test_an_area_has_one_number_of_days_ahead(self, tmp_path):
        make_area()
        file = tmp_path / "plan.toml"
        plans = [PLAN + f'area = "LEEDS"\ndays_ahead = {days}\nworkers = "w{days}"\n' for days in (20, 30)]
        file.write_text("\n".join(plans))
        with clock_stands_at(NOW), pytest.raises(CommandError, match="LEEDS: its plans have days_ahead 20 and 30"):
            command("import_schedules", str(file))
        assert not Schedule.objects.exists()

    def test_a_template_that_is_wrong(self, tmp_path):
        file = tmp_path / "plan.csv"
        file.write_text("area,from,until,hours,length\nYORK,2026-12-01,2026-12-03,08:00-10:00,60\n")
        with pytest.raises(CommandError, match="There is no area 'YORK'"):
            command("import_schedules", str(file))
        assert not Schedule.objects.exists()


def test_two_machines_at_once(start_service):
    """They end as one does, however they come between each other."""
    service = start_service(WEB_CONCURRENCY="1")
    service.make_slot(1)
    rules = f'[[slots]]\nfrom = {tomorrow().date()}\nhours = "00:00-24:00"\nlength = 60\nworkers = "a,b,c,d,e,f"\n'
    service.database.execute(
        "INSERT INTO bookings_schedule (area_id, rules, days_ahead, is_active, version)"
        f" SELECT id, '{rules}', 40, {'true' if 'postgres' in service.database.url else 1}, 1 FROM bookings_servicearea"
    )
    done = at_once([lambda: service.manage("extend_schedules") for _ in range(2)])
    assert [run.returncode for run in done] == [0, 0], [run.stderr for run in done]
    made = [int(run.stdout.split()[1]) for run in done]
    # The days are the area's, and the clock may change in them.
    ((count,),) = service.database.execute("SELECT COUNT(*) FROM bookings_appointmentslot WHERE source = 'schedule'")
    assert sum(made) == count
    assert count >= 6 * 24 * 39
    again = service.manage("extend_schedules").stdout.splitlines()
    assert again[0] == f"LEEDS: 0 slots created, {count} kept, 0 skipped, 0 closed."
    assert service.manage("verify_bookings").stdout == ""
