"""Schedules beside what people did to the same slots: their places stay, and so do bookings of days that close."""

from datetime import UTC, datetime, timedelta

import pytest

from bookings.models import AppointmentSlot
from bookings.supply import slots
from tests.supply.test_schedules import NOW, PLAN, change, command, extend, make, starts
from tests.support.helpers import booking, clock_stands_at, make_booking

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _now():
    with clock_stands_at(NOW):
        yield


def places() -> list[int]:
    return list(AppointmentSlot.objects.order_by("start").values_list("capacity", flat=True))


def first() -> AppointmentSlot:
    return AppointmentSlot.objects.order_by("start").first()


def one_by_one(capacity):
    slots.resize(slot=first(), capacity=capacity, by="sue", reason="Ill.")


def many(capacity):
    slots.resize_each([first()], capacity=capacity, by="sue")


def by_command(capacity):
    days = ["--from", "2026-12-01", "--until", "2026-12-01"]
    command("change_slots", "resize", "--area", "LEEDS", "--hours", "08:00-09:00", "--capacity", str(capacity), *days)


class TestPlacesThatPeopleSet:
    @pytest.mark.parametrize("resize", [one_by_one, many, by_command])
    def test_stay_and_are_named(self, resize):
        schedule = make(PLAN + "capacity = 3\n", days_ahead=1)
        extend(schedule)
        resize(1)
        report = extend(schedule)
        assert places() == [1, 3, 3, 3]
        assert report.counts == {("LEEDS", "kept"): 4}
        assert report.lines()[0] == (
            "LEEDS: Tue 1 Dec 2026, 08:00-10:00 (Europe/London) has 1 place and is kept, but the plan says 3,"
            " and a person changed them."
        )
        # So under other rules, and until they are what the rules say.
        change(schedule, PLAN + "capacity = 5\n")
        extend(schedule)
        assert places() == [1, 5, 5, 5]
        resize(3)
        extend(schedule)
        assert places()[0] == 5

    def test_rules_resize_what_they_wrote_and_what_a_template_wrote(self):
        options = {"area": "LEEDS", "from": "2026-12-01", "days": "2", "hours": "08:00-12:00", "length": "120"}
        schedule = make(PLAN + "capacity = 4\n", days_ahead=1)
        command("seed_slots", **options)
        extend(schedule)
        assert places() == [4, 4, 4, 4]
        change(schedule, PLAN + "capacity = 2\n")
        extend(schedule)
        assert places() == [2, 2, 2, 2]

    def test_a_template_that_is_told_to_resize_does(self, tmp_path):
        options = {"area": "LEEDS", "from": "2026-12-01", "days": "1", "hours": "08:00-12:00", "length": "120"}
        make(is_active=False)
        command("seed_slots", **options)
        one_by_one(4)
        command("seed_slots", **options, resize=True)
        assert places() == [1, 1]


class TestADayThatIsClosed:
    CLOSED = PLAN + 'capacity = 5\nexceptions = "2026-12-02 closed"\n'

    @pytest.fixture
    def schedule(self):
        schedule = make(PLAN + "capacity = 5\n", days_ahead=1)
        extend(schedule)
        begin = datetime(2026, 12, 2, 8, tzinfo=UTC)
        make_booking("WO-1", booking(begin, begin + timedelta(hours=2)))
        return schedule

    def test_takes_no_more_bookings(self, schedule):
        change(schedule, self.CLOSED)
        said = extend(schedule, dry_run=True)
        report = extend(schedule)
        assert said.lines() == report.lines()
        assert report.counts["LEEDS", "closed"] == 2
        assert starts() == ["Tue 01 08", "Tue 01 10"]
        slot = AppointmentSlot.objects.get(booked=1)
        assert (slot.is_withdrawn, slot.capacity, slot.free) == (True, 5, 0)

    def test_is_opened_again_with_its_bookings(self, schedule):
        change(schedule, self.CLOSED)
        extend(schedule)
        change(schedule, PLAN + "capacity = 5\n")
        extend(schedule)
        assert len(starts()) == 4

    def test_a_worker_who_is_booked_is_opened_again(self):
        rules = PLAN + 'workers = "anna"\n'
        schedule = make(rules, days_ahead=1)
        extend(schedule)
        begin = datetime(2026, 12, 2, 8, tzinfo=UTC)
        make_booking("WO-1", booking(begin, begin + timedelta(hours=2)))
        change(schedule, rules + 'exceptions = "2026-12-02 closed"\n')
        extend(schedule)
        assert len(starts()) == 2
        change(schedule, rules)
        assert extend(schedule).counts["LEEDS", "reopened"] == 2
        assert len(starts()) == 4

    def test_of_a_template_stays_open(self, tmp_path):
        make(is_active=False)
        file = tmp_path / "plan.csv"
        head = "area,from,days,hours,length,capacity\n"
        file.write_text(head + "LEEDS,2026-12-02,1,08:00-10:00,120,5\n")
        command("seed_slots", template=file)
        begin = datetime(2026, 12, 2, 8, tzinfo=UTC)
        make_booking("WO-1", booking(begin, begin + timedelta(hours=2)))
        file.write_text(head + "LEEDS,2026-12-02,1,12:00-14:00,120,5\n")
        command("seed_slots", template=file, prune=True, yes=9)
        assert starts() == ["Wed 02 08", "Wed 02 12"]
