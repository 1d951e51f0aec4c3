"""Rules of few characters that would make very much, or cannot be read at all, are refused before that is tried."""

from datetime import timedelta

import pytest

from bookings.models import AppointmentSlot, Schedule
from bookings.supply.from_plans import plans, schedules
from tests.supply.test_schedules import NOW, PLAN, change, extend, make
from tests.support import desk
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking

pytestmark = pytest.mark.django_db

DENSE = PLAN.replace("mon-fri 08:00-12:00", "00:00-24:00").replace("120", "1")
UNREADABLE = ["x = " + "[" * 9_000, "x = " + "{a=" * 4_000, PLAN + "capacity = " + "9" * 5_000]


@pytest.fixture(autouse=True)
def _now():
    with clock_stands_at(NOW):
        yield


def unsaved(rules, days_ahead=60) -> Schedule:
    return Schedule(area=make_area(), rules=rules, days_ahead=days_ahead)


@pytest.fixture
def looks(monkeypatch) -> list:
    """The days whose periods are worked out."""
    found, real = [], plans.slots_of_day
    monkeypatch.setattr(plans, "slots_of_day", lambda day, *args: found.append(day) or real(day, *args))
    return found


class TestTooMany:
    @pytest.mark.parametrize(
        "rules",
        [
            DENSE + f'workers = "{",".join(f"w{number}" for number in range(20))}"\n',
            DENSE + f'order_type = "{",".join(f"t{number}" for number in range(20))}"\n',
            PLAN.replace("mon-fri 08:00-12:00", "mon-sun 00:00-24:00").replace("120", "1") * 2,
        ],
    )
    def test_is_refused_before_any_day_is_looked_at(self, looks, rules):
        (fault,) = schedules.faults(unsaved(rules))
        assert "and 50,000 are the most. Take fewer days ahead" in str(fault)
        assert len(looks) <= 2  # of each plan a first slot
        (fault,) = extend(unsaved(rules), dry_run=True).faults
        assert "50,000 are the most" in str(fault)

    def test_the_bound_is_never_below_what_is_made(self):
        for more in ("", "gap = 7\n", "every_weeks = 3\n", 'exceptions = "2026-12-05 00:00-24:00"\n'):
            found = schedules._read(unsaved(PLAN + 'workers = "a,b"\n' + more), schedules._window(unsaved(PLAN)))
            (plan,) = found.plans
            made = sum(2 for _ in plan.periods(found.areas["LEEDS"].zone))
            assert made <= plan.most_slots() <= 2 * made + 200

    def test_a_working_year_of_fifty_is_not_too_many(self):
        workers = ",".join(f"w{number}" for number in range(50))
        rules = f'[[slots]]\nfrom = 2026-12-01\nhours = "08:00-16:00"\nlength = 60\nworkers = "{workers}"\n'
        assert schedules.faults(unsaved(rules, 90)) == []

    def test_what_is_there_already_counts_as_well(self):
        """A horizon that was long once is looked at up to its end."""
        schedule = make(days_ahead=1)
        start = NOW + timedelta(days=700)
        AppointmentSlot.objects.create(
            area=schedule.area, start=start, end=start + timedelta(hours=1), capacity=1, source="schedule"
        )
        change(schedule, DENSE)
        (fault,) = extend(schedule, dry_run=True).faults
        assert "100,000 are the most" in str(fault)

    def test_plans_that_are_dense_are_checked_less_far(self, looks):
        assert schedules.faults(unsaved(DENSE + 'workers = "a"\n' + DENSE + 'workers = "b,a"\n', 5)) != []
        assert len(looks) < 100

    def test_hours_that_are_too_short_are_not_tried_for_ever(self, looks, monkeypatch):
        """Half a million steps take three seconds; a twentieth of them is as good here."""
        assert plans.MAX_STEPS == 500_000
        monkeypatch.setattr(plans, "MAX_STEPS", 25_000)
        windows = ",".join(f"{minute // 60:02}:{minute % 60:02}-{(minute + 2) // 60:02}:{(minute + 2) % 60:02}"
                           for minute in range(0, 1_400, 2))  # fmt: skip
        rules = PLAN.replace("mon-fri 08:00-12:00", windows).replace("120", "3").replace("2026-12-01", "2000-01-01")
        area = make_area("DUBAI", "Asia/Dubai")  # where the clocks never change
        (fault,) = schedules.faults(Schedule(area=area, rules=rules + "until = 2199-12-31\n", days_ahead=60))
        assert "The plan makes no slot" in str(fault)
        assert 700 < (len(looks) - 1) * 700 <= plans.MAX_STEPS  # and the day on which the last step falls

    def test_what_is_told_is_kept_up_to_what_is_shown(self, monkeypatch):
        monkeypatch.setattr(schedules, "SHOWN", 2)
        monkeypatch.setattr(schedules, "SHOWN_BOOKINGS", 1)
        schedule = make(PLAN + "capacity = 2\n", days_ahead=1)
        extend(schedule)
        for number, slot in enumerate(AppointmentSlot.objects.order_by("start")[:2]):
            make_booking(f"WO-{number}", booking(slot.start, slot.end))
        AppointmentSlot.objects.update(source="api")
        change(schedule, PLAN)
        report = extend(schedule)
        assert (len(report.told["with other places"]), report.told_counts["with other places"]) == (2, 4)
        assert "2 more with other places." in report.lines()
        AppointmentSlot.objects.update(source="schedule")
        change(schedule, PLAN.replace("08:00-12:00", "14:00-16:00"))
        report = extend(schedule)
        assert (len(report.bookings), report.booking_count) == (1, 2)
        assert report.lines()[-1] == "1 more booking."


class TestTextThatCannotBeRead:
    @pytest.mark.parametrize("rules", UNREADABLE)
    def test_is_a_fault(self, rules):
        assert "The text is not like a template" in str(schedules.faults(unsaved(rules))[0])

    @pytest.mark.parametrize("rules", [*UNREADABLE, "wrong"])
    @pytest.mark.parametrize("is_active", ["yes", "no"])
    def test_is_never_saved(self, rules, is_active):
        schedule, supervisor = make(), desk.person("supervisor")
        given = {"rules": rules, "days_ahead": 3, "is_active": is_active, "seen_version": 1, "do": "perform"}
        page = supervisor.post(f"/admin/bookings/schedule/{schedule.pk}/edit/", given)
        assert page.status_code == 200
        assert page.context["form"].errors["rules"]
        assert Schedule.objects.get().version == 1

    def test_what_was_saved_before_can_be_switched_off(self):
        schedule, supervisor = make("wrong"), desk.person("supervisor")
        given = {"rules": "wrong", "days_ahead": 3, "is_active": "no", "seen_version": 1, "do": "perform"}
        supervisor.post(f"/admin/bookings/schedule/{schedule.pk}/edit/", given)
        assert not Schedule.objects.get().is_active
