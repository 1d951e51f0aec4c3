"""`load_demo`: what a stranger sees at first sight, made by the services, around today, and safe to repeat."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from bookings import clock
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, Receiver, Refusal, Schedule, WorkOrder


def load(*arguments) -> str:
    said = StringIO()
    call_command("load_demo", *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture(scope="module")
def demo(django_db_setup, django_db_blocker):
    """Loaded once for all that look at it, and rolled back."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        said = load()
        yield said
        transaction.set_rollback(True)


class TestLoaded:
    def test_bookings_in_every_state(self, demo):
        assert "bookings made" in demo
        events = set(HistoryEntry.objects.filter(work_order__isnull=False).values_list("event", flat=True))
        assert {"booked", "reviewed", "moved", "cancelled", "noted"} <= events
        active = WorkOrder.objects.active()
        assert active.filter(reviewed_at__isnull=True).exists()
        assert {code for (code,) in active.values_list("area__code")} == {"LEEDS", "BOSTON"}
        assert active.filter(slot__worker="ann.smith").exists()
        assert active.filter(account_num="C-9").exists()

    def test_they_lie_in_the_coming_three_weeks(self, demo):
        days = set(WorkOrder.objects.active().dates("visit_start", "day"))
        assert len(days) >= 15
        assert min(days) <= clock.now().date() + timedelta(days=3)
        assert max(days) >= clock.now().date() + timedelta(days=17)

    def test_some_parts_come_after_the_visit(self, demo):
        late = WorkOrder.objects.active().filter(required_parts__estimated_delivery__gt=F("visit_start"))
        assert late.exists()

    def test_a_blackout_and_an_absence_hit_bookings(self, demo):
        assert {blackout.worker != "" for blackout in Blackout.objects.in_force()} == {True, False}
        for blackout in Blackout.objects.in_force():
            assert WorkOrder.objects.active().filter(slot__blackout=blackout).exists()

    def test_refusals_have_their_reasons(self, demo):
        assert {error for (error,) in Refusal.objects.values_list("error")} >= {
            "slot_unavailable",
            "already_booked",
            "slot_not_found",
        }

    def test_each_area_follows_a_schedule(self, demo):
        assert set(Schedule.objects.values_list("area__code", flat=True)) == {"LEEDS", "BOSTON"}
        assert not AppointmentSlot.objects.exclude(source="schedule").exists()

    def test_every_customer_can_be_called(self, demo):
        assert not WorkOrder.objects.filter(phone="").exists()

    def test_no_promise_is_broken(self, demo):
        call_command("verify_bookings")

    def test_again_changes_nothing(self, demo):
        def rows():
            return [model.objects.count() for model in (WorkOrder, Refusal, Blackout, AppointmentSlot, HistoryEntry)]

        before = rows()
        assert "bookings made" not in load()
        assert rows() == before

    def test_a_day_later_the_new_day_is_filled(self, demo, monkeypatch):
        before = WorkOrder.objects.count()
        tomorrow = clock.now() + timedelta(days=2)
        monkeypatch.setattr(clock, "now", lambda: tomorrow)
        load()
        assert before < WorkOrder.objects.count() < before + 30


@pytest.mark.django_db
def test_empty():
    load("--empty")
    assert AppointmentSlot.objects.exists()
    assert not WorkOrder.objects.exists()
    assert not Refusal.objects.exists()


@pytest.mark.django_db
def test_no_booking_gets_to_a_servicemobility_that_is_not_the_simulated_one():
    Receiver.objects.create(
        name="ServiceMobility", kind="servicemobility", url="https://fsm.example.com", is_on=True,
        connected_at=clock.now(),
    )  # fmt: skip
    load()
    assert AppointmentSlot.objects.exists()
    assert not WorkOrder.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "8000.0", "\u0668"])
def test_a_port_that_is_none(port):
    before = AppointmentSlot.objects.count()
    with pytest.raises(CommandError) as refused:
        load("--print", f"--port={port}")
    assert str(refused.value) == f"Error: argument --port: {port!r} is not a whole number from 1 to 65535"
    assert AppointmentSlot.objects.count() == before
