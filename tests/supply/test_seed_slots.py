import io
import os
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea
from bookings.supply import areas
from tests.conftest import manage
from tests.support import warm
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock():
    """Before all days of the plans."""
    with clock_stands_at(BEFORE):
        yield


BEFORE = datetime(2026, 9, 1, tzinfo=UTC)

# 30 November 2026 is a Monday.
PLAN = {"from": "2026-11-30", "days": "7", "hours": "08:00-12:00,13:00-17:00", "length": "120", "weekdays": "mon-fri"}


def seed(*flags, **options) -> str:
    """Run the command for LEEDS, with PLAN where the options say nothing; None leaves an option out."""
    options = {"area": "LEEDS"} | PLAN | options
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
    output = io.StringIO()
    call_command("seed_slots", *arguments, *flags, stdout=output)
    return output.getvalue()


def refusal(*flags, **options) -> str:
    """What the command says when it refuses; nothing may have been written."""
    before = everything()
    with pytest.raises(CommandError) as refused:
        seed(*flags, **options)
    assert everything() == before
    return str(refused.value)


def everything() -> list:
    return [
        *ServiceArea.objects.order_by("pk").values(),
        *AppointmentSlot.objects.order_by("pk").values(),
    ]


def starts(**conditions) -> list[str]:
    slots = AppointmentSlot.objects.filter(**conditions).order_by("start").select_related("area")
    return [f"{slot.start.astimezone(slot.area.zone):%d.%m. %H:%M}" for slot in slots]


class TestItWorks:
    def test_a_week(self):
        assert seed(name="Leeds", time_zone="Europe/London", capacity="3") == (
            "LEEDS: 20 slots created, 0 kept, 0 skipped.\n"
        )
        area = ServiceArea.objects.get()
        assert (area.code, area.name, area.time_zone) == ("LEEDS", "Leeds", "Europe/London")
        assert starts() == [
            f"{day} {hour}"
            for day in ("30.11.", "01.12.", "02.12.", "03.12.", "04.12.")
            for hour in ("08:00", "10:00", "13:00", "15:00")
        ]
        first = AppointmentSlot.objects.earliest("start")
        assert first.end - first.start == timedelta(hours=2)
        assert (first.capacity, first.booked, first.is_open, first.worker, first.order_type) == (3, 0, True, "", "")

    def test_a_second_run_changes_nothing(self):
        make_area()
        seed()
        before = everything()
        assert seed() == "LEEDS: 0 slots created, 20 kept, 0 skipped.\n"
        assert everything() == before

    def test_a_dry_run_says_the_same_and_changes_nothing(self):
        new = {"name": "Leeds", "time_zone": "Europe/London"}
        before = everything()
        told = seed("--dry-run", **new)
        assert everything() == before == []
        assert told == seed(**new) + "This was a dry run: nothing was written.\n"

    def test_until_is_the_last_day(self):
        make_area()
        seed(days=None, until="2026-12-01")
        assert starts()[-1] == "01.12. 15:00"

    def test_workers_each_get_their_own(self):
        make_area()
        assert seed(workers="anna, bob,anna", days="1") == "LEEDS: 8 slots created, 0 kept, 0 skipped.\n"
        assert starts(worker="anna") == starts(worker="bob") == [f"30.11. {hour}:00" for hour in ("08", "10", 13, 15)]

    def test_an_order_type(self):
        make_area()
        seed(order_type="INSTALL", days="1")
        assert seed(days="1") == "LEEDS: 4 slots created, 0 kept, 0 skipped.\n"
        assert starts(order_type="INSTALL") == starts(order_type="")

    def test_public_holidays_are_left_out(self):
        make_area()
        seed(**{"from": "2026-12-24", "days": "6", "hours": "08:00-10:00"}, holidays="GB-ENG")
        # Christmas, and Boxing Day, which falls on a Saturday and is observed on the Monday.
        assert starts() == ["24.12. 08:00", "29.12. 08:00"]

    def test_holidays_of_a_whole_country(self):
        make_area()
        seed(**{"from": "2026-10-02", "days": "2", "hours": "08:00-10:00"}, holidays="DE", weekdays="mon-sun")
        assert starts() == ["02.10. 08:00"]

    def test_over_midnight_on_the_evenings_of_the_weekdays(self):
        make_area()
        seed(hours="22:00-02:00", weekdays="fri")
        assert starts() == ["04.12. 22:00", "05.12. 00:00"]

    def test_hours_are_the_areas_clock(self):
        make_area("TOKYO", "Asia/Tokyo")
        seed(area="TOKYO", days="1")
        assert AppointmentSlot.objects.earliest("start").start == datetime(2026, 11, 29, 23, tzinfo=UTC)

    def test_the_skipped_hour_is_not_there_and_the_doubled_one_is_there_once(self):
        make_area()
        night = {"hours": "00:00-04:00", "length": "60", "weekdays": "sun", "days": "1"}
        seed(**night | {"from": "2027-03-28"})
        in_spring = ["28.03. 00:00", "28.03. 02:00", "28.03. 03:00"]
        assert starts() == in_spring
        seed(**night | {"from": "2027-10-31"})
        assert starts() == [*in_spring, "31.10. 00:00", "31.10. 01:00", "31.10. 02:00", "31.10. 03:00"]
        assert seed(**night | {"from": "2027-10-31"}) == "LEEDS: 0 slots created, 4 kept, 0 skipped.\n"


class TestWhatIsThereAlready:
    def test_a_booked_slot_is_never_touched(self):
        make_area()
        seed(length="60", capacity="2")
        slot = AppointmentSlot.objects.get(start=datetime(2026, 12, 4, 13, tzinfo=UTC))
        with clock_stands_at():
            make_booking(body=booking(slot.start, slot.end))
        before = everything()
        assert seed(length="60", capacity="9").splitlines()[-1] == "LEEDS: 0 slots created, 40 kept, 0 skipped."
        assert everything() == before

    def test_a_closed_slot_stays_closed(self):
        slot = make_slot(start=datetime(2026, 11, 30, 8, tzinfo=UTC), is_open=False)
        assert seed(days="1") == "LEEDS: 3 slots created, 1 kept, 0 skipped.\n"
        slot.refresh_from_db()
        assert not slot.is_open

    def test_what_overlaps_a_slot_of_the_worker_is_skipped(self):
        make_slot(start=datetime(2026, 11, 30, 9, tzinfo=UTC), worker="anna")
        assert seed(days="1", workers="anna,bob").endswith("LEEDS: 6 slots created, 0 kept, 2 skipped.\n")
        assert starts(worker="anna") == ["30.11. 09:00", "30.11. 13:00", "30.11. 15:00"]

    def test_a_worker_is_at_one_place_at_a_time_whatever_the_order_type(self):
        make_area()
        seed(days="1", workers="anna", order_type="INSTALL")
        assert seed(days="1", workers="anna").endswith("LEEDS: 0 slots created, 0 kept, 4 skipped.\n")

    def test_pools_may_overlap(self):
        make_slot(start=datetime(2026, 11, 30, 9, tzinfo=UTC))
        assert seed(days="1") == "LEEDS: 4 slots created, 0 kept, 0 skipped.\n"


class TestWhatARunDidNotDo:
    """It is said, and of each kind no more than the first ten unless all are asked for."""

    def test_the_first_ten_that_are_skipped_then_a_count(self):
        for day in range(5):
            start = datetime(2026, 11, 30, tzinfo=UTC) + timedelta(days=day)
            make_slot(start=start, end=start + timedelta(days=1), worker="anna")
        told = seed(workers="anna").splitlines()
        assert [line.count(" is skipped: anna is busy ") for line in told] == [1] * 10 + [0, 0]
        assert told[10:] == [
            "10 more skipped: --verbose names all.",
            "LEEDS: 0 slots created, 0 kept, 20 skipped.",
        ]
        assert [line.count(" is skipped: ") for line in seed("--verbose", workers="anna").splitlines()] == [1] * 20 + [
            0
        ]

    def test_other_places_than_the_plan_says(self):
        make_area()
        seed(days="1", capacity="2")
        before = everything()
        told = seed("--dry-run", days="1", capacity="3").splitlines()
        assert told[0] == (
            "LEEDS: Mon 30 Nov 2026, 08:00-10:00 (Europe/London) has 2 places and is kept, but the plan says 3."
        )
        assert told[4] == "LEEDS: 0 slots created, 4 kept, 0 skipped."
        assert seed(days="1", capacity="3").splitlines() == told[:-1]
        assert everything() == before

    def test_the_plans_places_are_taken_over_where_nothing_forbids_it(self):
        make_area()
        seed(days="1", capacity="3")
        first, *others = AppointmentSlot.objects.order_by("start")
        AppointmentSlot.objects.filter(pk=first.pk).update(booked=2)
        AppointmentSlot.objects.filter(pk=others[0].pk).update(source="hand")
        told = seed("--resize", days="1", capacity="1")
        assert told.splitlines() == [
            "LEEDS: Mon 30 Nov 2026, 08:00-10:00 (Europe/London) has 3 places and is kept, but the plan says 1,"
            " and 2 are booked.",
            "LEEDS: Mon 30 Nov 2026, 10:00-12:00 (Europe/London) has 3 places and is kept, but the plan says 1,"
            " and it was made by hand.",
            "LEEDS: 0 slots created, 4 kept, 0 skipped, 2 resized.",
        ]
        assert list(AppointmentSlot.objects.order_by("start").values_list("capacity", flat=True)) == [3, 3, 1, 1]
        entry = HistoryEntry.objects.filter(slot=others[2].pk).last()
        assert (entry.event, entry.by, entry.details) == (
            "resized",
            "seed_slots",
            {"before": {"capacity": 3}, "after": {"capacity": 1}},
        )
        assert seed("--resize", days="1", capacity="1").endswith("4 kept, 0 skipped.\n")

    def test_what_is_over_is_never_made_again(self):
        make_area()
        with clock_stands_at(datetime(2026, 12, 2, 10, tzinfo=UTC)):
            assert seed() == "LEEDS: 11 slots created, 0 kept, 0 skipped, 9 past.\n"
            assert starts()[0] == "02.12. 10:00"
        with clock_stands_at(datetime(2026, 12, 9, tzinfo=UTC)):
            assert seed() == "LEEDS: 0 slots created, 11 kept, 0 skipped, 9 past.\n"
            make_area("YORK")  # as after `purge`, which the history lets remove what is over by the real clock alone
            with pytest.raises(CommandError, match=r"All days of the plan are over: it makes no slot\."):
                seed(area="YORK")
            assert not AppointmentSlot.objects.filter(area__code="YORK").exists()

    def test_another_spelling_of_a_worker(self):
        make_slot(worker="anna", start=datetime(2026, 10, 1, 8, tzinfo=UTC))
        assert seed(workers="Anna,anna,bob,BOB ", days="1").splitlines() == [
            "Anna is spelled like anna, and counts as another worker.",
            "BOB is spelled like bob, and counts as another worker.",
            "LEEDS: 16 slots created, 0 kept, 0 skipped.",
        ]
        assert "spelled" not in seed(workers="Anna,anna", days="1")

    @pytest.mark.parametrize("name", [None, "Leeds"])
    def test_another_spelling_of_an_area(self, name):
        make_area()
        told = refusal(area="leeds", name=name, time_zone=name and "Europe/London")
        assert told == (
            "The area leeds would be a second LEEDS: write it as it is there."
            if name
            else "There is no area 'leeds'. There is LEEDS."
        )

    @pytest.mark.parametrize(
        "options", [{"length": "300"}, {"weekdays": "sat", "days": "5"}, {"hours": "sun 8:00-9:00"}]
    )
    def test_a_plan_that_makes_no_slot(self, options):
        make_area()
        assert refusal(**options) == (
            "The plan makes no slot: its hours are too short for its length, or all of its days are left out."
        )


class TestTwoRunsAtOnce:
    """The look for areas comes before another run makes the same one."""

    @pytest.fixture(autouse=True)
    def _another_run(self, monkeypatch):
        add_areas = areas.add_areas

        def late(template):
            make_area("LEEDS", self.zone)
            add_areas(template)

        monkeypatch.setattr(areas, "add_areas", late)

    zone = "Europe/London"

    def test_that_make_the_same_area(self):
        assert seed(name="Leeds", time_zone="Europe/London") == "LEEDS: 20 slots created, 0 kept, 0 skipped.\n"

    def test_that_make_unlike_ones(self):
        self.zone = "Asia/Tokyo"
        with pytest.raises(CommandError, match="LEEDS names another area, or one was made at this moment"):
            seed(name="Leeds", time_zone="Europe/London")
        assert not AppointmentSlot.objects.exists()

    def test_that_make_one_in_two_spellings(self, monkeypatch):
        make = make_area
        monkeypatch.setattr("tests.supply.test_seed_slots.make_area", lambda code, zone: make("Leeds ", zone))
        with pytest.raises(CommandError, match="LEEDS names another area, or one was made at this moment"):
            seed(name="Leeds", time_zone="Europe/London")
        assert not AppointmentSlot.objects.exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"area": "YORK"}, "There is no area 'YORK'. To make it, give --name and --time-zone."),
            (
                {"area": "YORK", "time_zone": "Asia/Tokyo"},
                "There is no area 'YORK'. To make it, give --name and --time-zone.",
            ),
            ({"area": "YORK", "name": "York"}, "--name goes with --time-zone."),
            (
                {"area": "YORK", "name": "York", "time_zone": "Europe/York"},
                "'Europe/York' is not an IANA time zone. Europe/London and America/New_York are.",
            ),
            ({"time_zone": "Asia/Tokyo"}, "The area LEEDS is in Europe/London, not in Asia/Tokyo."),
            (
                {"area": "LEEDS,YORK", "name": "York", "time_zone": "Europe/London"},
                "--time-zone goes with one area, not with several.",
            ),
            ({"area": "LEEDS,"}, "--area 'LEEDS,' holds an empty name."),
            ({"from": "1.12.2026"}, "--from 1.12.2026 is not a date such as 2026-12-01."),
            ({"from": "20261201"}, "--from 20261201 is not a date such as 2026-12-01."),
            ({"from": "2026-W49-2"}, "--from 2026-W49-2 is not a date such as 2026-12-01."),
            ({"from": "9999-12-31"}, "--from 9999-12-31 is not in the years 2000 to 2199."),
            ({"days": None}, "--until is missing."),
            ({"days": "0"}, "--days 0 is not a whole number from 1 to 3660."),
            ({"days": "3661"}, "--days 3661 is not a whole number from 1 to 3660."),
            ({"days": "x"}, "--days x is not a whole number from 1 to 3660."),
            ({"until": "2026-12-24"}, "--days goes without --until: give one of the two."),
            ({"days": None, "until": "2026-11-28"}, "--until 2026-11-28 is before --from 2026-11-30."),
            (
                {"days": None, "until": "2046-11-30"},
                "--from 2026-11-30 --until 2046-11-30 are 7306 days. 3660 at most can be filled at once.",
            ),
            ({"hours": "8-12"}, "--hours '8-12' is not like 08:00-12:00."),
            ({"hours": "mon-fri"}, "--hours '' is not like 08:00-12:00."),
            ({"hours": "mon-fri 08:00-12:00; fri 09:00-10:00"}, "--hours names fri twice."),
            ({"weekdays": "monday"}, "--weekdays 'monday' is not like mon or mon-fri."),
            ({"length": "0"}, "--length 0 is not a whole number from 1 to 1440."),
            ({"length": "1441"}, "--length 1441 is not a whole number from 1 to 1440."),
            ({"length": "1.5"}, "--length 1.5 is not a whole number from 1 to 1440."),
            ({"gap": "-1"}, "--gap -1 is not a whole number from 0 to 1440."),
            ({"capacity": "0"}, "--capacity 0 is not a whole number from 1 to 10000."),
            ({"capacity": "10001"}, "--capacity 10001 is not a whole number from 1 to 10000."),
            ({"workers": "a" * 201}, "--workers is longer than 200 characters."),
            ({"workers": "a,\udc80"}, "--workers '\\udc80' holds a character that cannot be printed."),
            ({"order_type": "a" * 201}, "--order-type is longer than 200 characters."),
            (
                {"workers": "anna", "order_type": "INSTALL,REPAIR"},
                "anna would be at two places on Mon 30 Nov 2026 at 08:00.",
            ),
            (
                {"workers": "anna", "hours": "mon 22:00-04:00; tue 02:00-06:00", "weekdays": "mon-sun"},
                "anna would be at two places on Tue 1 Dec 2026 at 02:00.",
            ),
            (
                {"hours": "mon 22:00-04:00; tue 02:00-06:00", "weekdays": "mon-sun"},
                "LEEDS would have the same slot twice on Tue 1 Dec 2026 at 02:00.",
            ),
        ]
        + [({name: None}, f"--{name} is missing.") for name in ("area", "from", "hours", "length")]
        + [
            (
                {"holidays": place},
                f"--holidays {place!r}: no public holidays are known for it. GB-ENG, DE-BY and US are known.",
            )
            for place in ("XX", "GB-XX", "GB-", "-ENG", "gb", "utils", "HolidayBase")
        ],
    )
    def test_one_line_and_nothing_is_written(self, options, message):
        make_area()
        assert refusal(**options) == message

    @pytest.mark.parametrize("arguments", [["--area", "YORK"], ["--colour", "red"]])
    def test_the_shell_sees_a_status_and_no_traceback(self, empty_database, arguments):
        plan = [f"--{name}={value}" for name, value in PLAN.items()]
        done = manage(empty_database, "seed_slots", *plan, *arguments)
        assert done.returncode in (1, 2)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith(("CommandError: There is no", "manage.py seed_slots: error: "))

    def test_help_has_an_example(self):
        done = warm.run("manage.py", "seed_slots", "--help", environment=os.environ)
        assert done.returncode == 0
        assert "python manage.py seed_slots --area LEEDS" in done.stdout
