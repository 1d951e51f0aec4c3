"""Saving a schedule on the desk when something is in the way: a second click, a lock, an area that is not seen."""

import io
from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import OperationalError, transaction

from bookings.models import AppointmentSlot, Schedule, ScheduleVersion
from bookings.refusals import Refused
from bookings.supply import turns
from bookings.supply.from_plans import schedules
from tests.supply.test_schedules import LATER, NOW, PLAN, shown
from tests.support import desk
from tests.support.helpers import clock_stands_at, make_area

pytestmark = pytest.mark.django_db

ADD = "/admin/bookings/schedule/add/"
ADD_SLOT = "/admin/bookings/appointmentslot/add/"
SECOND = ["Saved. The second click changed nothing."]


@pytest.fixture(autouse=True)
def _now():
    with clock_stands_at(NOW):
        yield


def given(rules=PLAN, **more) -> dict:
    return {"rules": rules, "days_ahead": 3, "is_active": "yes", "do": "perform"} | more


class TestASecondClick:
    def test_on_a_new_schedule(self):
        supervisor, area = desk.person("supervisor"), make_area()
        supervisor.post(ADD, given(area=area.pk))
        assert desk.said(supervisor.post(ADD, given(area=area.pk), follow=True))[-1:] == SECOND
        assert Schedule.objects.get().version == ScheduleVersion.objects.get().version == 1

    def test_on_a_change(self):
        supervisor, area = desk.person("supervisor"), make_area()
        supervisor.post(ADD, given(area=area.pk))
        edit = f"/admin/bookings/schedule/{Schedule.objects.get().pk}/edit/"
        supervisor.post(edit, given(LATER, seen_version=1))
        assert desk.said(supervisor.post(edit, given(LATER, seen_version=1), follow=True))[-1:] == SECOND
        assert Schedule.objects.get().version == 2
        other = desk.person("supervisor")
        assert "was saved meanwhile" in desk.said(other.post(edit, given(LATER, seen_version=1), follow=True))[-1]

    def test_another_one_for_the_same_area_is_refused_at_the_area(self):
        supervisor, area = desk.person("supervisor"), make_area()
        supervisor.post(ADD, given(area=area.pk))
        for rules, who in ((LATER, supervisor), (PLAN, desk.person("supervisor"))):
            page = who.post(ADD, given(rules, area=area.pk))
            assert page.context["form"].errors["area"] == ["This area has a schedule already. Change that one."]
        assert Schedule.objects.get().rules == PLAN


class TestATryThatIsRepeated:
    @pytest.fixture(autouse=True)
    def _second_try(self, monkeypatch):
        """The first try is rolled back at its end, as a database does that has no lock to give."""

        def write(step):
            with transaction.atomic():
                step()
                transaction.set_rollback(True)
            with transaction.atomic():
                return step()

        monkeypatch.setattr(turns, "write", write)

    def test_counts_the_version_once(self):
        schedule = Schedule(area=make_area(), rules=PLAN, days_ahead=3)
        assert schedules.save(schedule, by="sue")
        assert schedule.pk == Schedule.objects.get().pk
        schedule.rules = LATER
        assert schedules.save(schedule, by="sue")
        assert (schedule.version, Schedule.objects.get().version) == (2, 2)
        assert list(ScheduleVersion.objects.values_list("version", flat=True)) == [2, 1]


class TestSlotsThatCannotBeWrittenNow:
    @pytest.mark.parametrize("fault", [schedules.OutdatedError(), OperationalError("database is locked")])
    def test_follow_tonight(self, monkeypatch, fault):
        supervisor, area = desk.person("supervisor"), make_area()
        monkeypatch.setattr(schedules, "_check", mock.Mock(side_effect=fault))
        done = supervisor.post(ADD, given(area=area.pk), follow=True)
        assert done.status_code == 200
        assert desk.said(done) == ["Saved. Its slots follow tonight."]
        assert Schedule.objects.get().rules == PLAN

    @pytest.mark.parametrize("fault", [schedules.OutdatedError(), OperationalError("database is locked")])
    def test_keep_no_other_area_from_its_slots(self, monkeypatch, fault):
        for code in ("LEEDS", "YORK"):
            schedules.save(Schedule(area=make_area(code), rules=PLAN, days_ahead=1), by="sue")
        real = schedules._check

        def check(schedule):
            if schedule.area.code == "LEEDS":
                raise fault
            real(schedule)

        monkeypatch.setattr(schedules, "_check", check)
        out = io.StringIO()
        with pytest.raises(SystemExit) as end:
            call_command("extend_schedules", stdout=out)
        assert end.value.code == 1
        said = out.getvalue().splitlines()
        assert said[0].startswith("LEEDS: ")
        assert said[0].endswith("Run this again.")
        assert said[1] == "YORK: 4 slots created, 0 kept, 0 skipped, 0 closed."
        assert {area for area, *_ in shown()} == {"YORK"}


class TestAnAreaThatIsNotSeen:
    """Of its workers' time only that they have none."""

    @pytest.fixture(params=["one area", "all"])
    def sees_all(self, request) -> bool:
        return request.param == "all"

    @pytest.fixture
    def supervisor(self, sees_all):
        hidden, self.area = make_area("YORK"), make_area()
        start = NOW + timedelta(hours=5)
        AppointmentSlot.objects.create(area=hidden, start=start, end=start + timedelta(hours=1), worker="bob")
        return desk.person("supervisor", *([] if sees_all else [self.area]))

    def test_a_schedule(self, supervisor, sees_all):
        page = supervisor.post(ADD, given(PLAN + 'workers = "bob"\n', area=self.area.pk, do="look"))
        when = "Tue 1 Dec 2026, 09:00-10:00 (Europe/London)" if sees_all else "then in another area"
        assert page.context["lines"][0].endswith(f" is skipped: bob is busy {when}.")

    def test_a_slot(self, supervisor, sees_all):
        times = {"day": "2026-12-01", "begins": "08:00", "ends": "10:00", "capacity": 1, "worker": "bob"}
        page = supervisor.post(ADD_SLOT, times | {"area": self.area.pk, "order_type": "", "do": "perform"})
        (said,) = page.context["form"].non_field_errors()
        assert ("YORK" in said) is ("09:00" in said) is sees_all
        assert said.startswith("bob is busy")
        if not sees_all:
            assert said == "bob is busy then in another area. Choose another time."


def test_the_refusal_stays_where_no_one_clicked_twice():
    schedule = Schedule(area=make_area(), rules=PLAN, days_ahead=3)
    schedules.save(schedule, by="sue")
    with pytest.raises(Refused, match="was saved meanwhile"):
        schedules.save(Schedule(area=schedule.area, rules=LATER, days_ahead=3), by="sue")
