"""Workers, what they can do, and absences: one set of rules for search, booking, moves and explanations."""

from datetime import date, timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from bookings import offers, services
from bookings.admin.planning import planner_closing
from bookings.models import Ability, AppointmentSlot, Blackout, OrderType, ServiceArea, Worker, WorkOrder
from bookings.offers import rulebook
from bookings.refusals import Refused
from bookings.services import changes
from bookings.supply import first_sight, new_slots, slots
from bookings.supply.closing import blackouts
from tests.support.helpers import (
    END,
    START,
    booking,
    clock_stands_at,
    make_area,
    make_booking,
    make_slot,
    post,
    search,
)
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

DAY = date(2026, 12, 4)
HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


def absent(worker="jo", first=DAY, last=DAY, reason="Ill", **more) -> blackouts.Closed:
    absence = Blackout.absence(worker, first, last)
    given = {"area": None, "worker": worker, "start": absence.start, "end": absence.end}
    return blackouts.close_slots(**given, reason=reason, by="anna", **more)


def offered(area="LEEDS", **body) -> int:
    return len(search({"Location": {"ServiceAreaID": area}, **body}).json()["TimeConstraints"])


def open_slots() -> set[int]:
    return set(AppointmentSlot.objects.filter(blackout=None).values_list("pk", flat=True))


class TestAbsences:
    def test_it_hides_the_slots_of_the_worker_in_all_areas(self):
        make_area("BOSTON", "America/New_York")
        here, there = make_slot(worker="jo"), make_slot("BOSTON", START + 4 * HOUR, worker="jo")
        other = make_slot(start=START + 2 * HOUR, worker="al")
        closed = absent()
        assert (closed.slots, closed.bookings) == (2, [])
        assert open_slots() == {other.pk}
        assert offered() == 1
        refused = post("WO-1", booking()).json()["detail"]["params"]
        assert (refused["error"], refused["reason"]) == ("slot_unavailable", "closed")
        assert blackouts.reopen(blackout=closed.blackout, by="anna") == 2
        assert open_slots() == {here.pk, there.pk, other.pk}

    def test_its_days_are_read_on_the_clock_of_each_slot(self):
        """The same instant is the 4th in Leeds and still the 3rd in Boston."""
        make_area("BOSTON", "America/New_York")
        early = START.replace(hour=1)
        make_slot(start=early, end=early + HOUR, worker="jo")
        still_thursday = make_slot("BOSTON", early + 2 * HOUR, early + 3 * HOUR, worker="jo")
        late = make_slot("BOSTON", early + 27 * HOUR, early + 28 * HOUR, worker="jo")  # 23:00 on the 4th in Boston
        absent()
        assert open_slots() == {still_thursday.pk}
        late.refresh_from_db()
        assert late.blackout

    def test_it_hides_what_is_made_later_too_by_hand_and_in_bulk(self):
        absent()
        area = make_area()
        given = {"area": area, "start": START, "end": END, "capacity": 1}
        slots.add(**given, worker="jo", by="anna")
        wanted = [new_slots.Wanted(area, START + hours * HOUR, END + hours * HOUR, "", "jo", 1) for hours in (3, 24)]
        new_slots.insert([*wanted, new_slots.Wanted(area, START, END, "", "al", 1)], "anna")
        hidden = AppointmentSlot.objects.exclude(blackout=None).values_list("worker", "start__day")
        assert sorted(hidden) == [("jo", 4), ("jo", 4)]

    def test_each_reason_hides_by_itself(self):
        slot = make_slot(worker="jo")
        in_area = blackouts.close_slots(area=slot.area, start=START, end=END, reason="Stocktaking", by="anna").blackout
        absence = absent().blackout
        slots.close(slot=slot, by="anna", reason="Meeting")
        assert blackouts.reopen(blackout=in_area, by="anna") == 0
        slot.refresh_from_db()
        assert slot.blackout == absence
        assert blackouts.reopen(blackout=absence, by="anna") == 1
        assert offered() == 0
        slots.reopen(slot=slot, by="anna")
        assert offered() == 1
        call_command("verify_bookings")

    def test_opening_an_area_leaves_what_an_absence_hides(self):
        slot = make_slot(worker="jo")
        blackouts.close_slots(area=slot.area, start=START, end=END, reason="Stocktaking", by="anna")
        absent()
        given = {"area": slot.area, "start": START, "end": END}
        assert (blackouts.would_open(**given), blackouts.open_slots(**given, by="anna")) == (0, 0)
        slot.refresh_from_db()
        assert slot.blackout.is_absence
        call_command("verify_bookings")

    def test_bookings_ask_for_review(self):
        make_slot(worker="jo")
        work_order = make_booking()
        services.review(work_order=work_order, by="anna")
        (found,) = absent().bookings
        work_order.refresh_from_db()
        assert (found, work_order.reviewed_at) == (work_order, None)

    def test_an_absence_has_a_worker(self):
        with pytest.raises(IntegrityError):
            absent("")

    def test_who_sees_it(self):
        make_slot(worker="jo")
        make_slot("BOSTON", worker="al")
        absent("jo")
        leeds, boston = (ServiceArea.objects.get(code=code).pk for code in ("LEEDS", "BOSTON"))
        seen = [Blackout.objects.in_areas(areas).count() for areas in (None, [leeds], [boston], [])]
        assert seen == [1, 1, 0, 0]

    def test_the_last_word_of_an_external_id_counts(self):
        friday, saturday = make_slot(worker="jo"), make_slot(start=START + 24 * HOUR, worker="jo")
        first = absent(external_id="HR-1").blackout
        again = absent(external_id="HR-1", reason="Holiday")
        assert (again.is_new, again.blackout) == (False, first)
        later = absent(first=DAY + DAYS, last=DAY + DAYS, external_id="HR-1").blackout
        first.refresh_from_db()
        assert (first.opened_at is not None, first.reason) == (True, "Holiday")
        assert open_slots() == {friday.pk}
        saturday.refresh_from_db()
        assert saturday.blackout == later

    def test_of_two_who_say_other_days_at_once_the_later_one_counts(self, monkeypatch):
        """Each would lift what the other has just said, and none would be in force."""
        friday, saturday = make_slot(worker="jo"), make_slot(start=START + DAYS, worker="jo")
        touched_by = blackouts.touched_by

        def meanwhile(blackout):
            monkeypatch.undo()
            absent(first=DAY + DAYS, last=DAY + DAYS, external_id="HR-1")
            return touched_by(blackout)

        monkeypatch.setattr(blackouts, "touched_by", meanwhile)
        absent(external_id="HR-1")
        assert [found.days[0] for found in Blackout.objects.in_force()] == [DAY + DAYS]
        assert open_slots() == {friday.pk}
        saturday.refresh_from_db()
        assert saturday.blackout
        call_command("verify_bookings")

    def test_the_planner_shows_it_and_plans_what_stands_in_it(self, admin_client):
        make_slot(worker="jo")
        make_slot("HULL", START + 3 * HOUR, worker="jo")
        make_slot("YORK", START, worker="al")
        work_order = make_booking()
        absence = absent().blackout
        page = admin_client.get("/admin/bookings/appointmentslot/planner/?day=2026-12-04").content.decode()
        assert page.count("planner-closing") == 2
        plan = admin_client.get(planner_closing.plan_address([absence.pk])).content.decode()
        assert work_order.order_num in plan

    def test_pages_of_the_desk(self, admin_client):
        absence = absent().blackout
        for address in ("", f"{absence.pk}/change/"):
            page = admin_client.get(f"/admin/bookings/blackout/{address}").content.decode()
            assert "all areas" in page
            assert "Fri 4 Dec" in page


class TestWhatWorkersCanDo:
    @pytest.fixture(autouse=True)
    def _pump(self):
        first_sight.note(workers=["jo"], order_types=["pump", "boiler"])
        Ability.objects.create(worker_id="jo", order_type_id="pump")

    @pytest.mark.parametrize(
        ("worker", "order_type", "is_offered"),
        [
            ("jo", "pump", True),
            ("jo", "boiler", False),
            ("jo", "", False),
            ("al", "boiler", True),
            ("", "boiler", True),
        ],
    )
    def test_search_booking_and_explanation_say_the_same(self, worker, order_type, is_offered):
        make_slot(worker=worker)
        assert offered(OrderType=order_type) == is_offered
        body = {"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": order_type}
        (slot,) = call("POST", "/api/v1/appointments/explain", body, key=make_key()).json()["Slots"]
        verdicts = {verdict["rule"]: verdict["kept"] for verdict in slot["Verdicts"]}
        assert (slot["IsOffered"], verdicts["worker"]) == (is_offered, is_offered)
        answer = post("WO-1", booking(OrderType=order_type))
        assert answer.status_code == (200 if is_offered else 404)

    def test_another_worker_of_the_period_is_taken(self):
        make_slot(worker="jo")
        other = make_slot(worker="al")
        assert make_booking(body=booking(OrderType="boiler")).slot == other

    def test_one_who_is_not_active_takes_nothing(self):
        make_slot(worker="jo")
        Worker.objects.update(is_active=False)
        assert offered(OrderType="pump") == 0
        assert post("WO-1", booking(OrderType="pump")).status_code == 404

    def test_no_move_goes_there(self):
        make_slot()
        to = make_slot(start=START + 3 * HOUR, worker="jo")
        work_order = make_booking(body=booking(OrderType="boiler"))
        with pytest.raises(Refused, match="jo is not active, or cannot do"):
            services.move(work_order=work_order, slot=to, by="anna")
        answer = call("GET", f"/api/v1/workorders/{work_order.order_num}/alternatives", key=make_key())
        assert answer.json()["TimeConstraints"] == []

    def test_the_booking_path_has_no_statement_more(self):
        make_slot(worker="jo", capacity=9)
        with CaptureQueriesContext(connection) as restricted:
            post("WO-1", booking(OrderType="pump"))
        Ability.objects.all().delete()
        with CaptureQueriesContext(connection) as free:
            post("WO-2", booking(OrderType="pump"))
        assert len(restricted) == len(free)


class TestBetweenLookAndWrite:
    """A worker who loses the ability after the slot was read: the guard of the taking refuses."""

    @pytest.fixture(autouse=True)
    def _lost_after_the_look(self, monkeypatch):
        first_sight.note(workers=["jo", "al"], order_types=["pump", "boiler"])
        preferred, lost = offers.preferred, []

        def lose(slots, worker):
            found = preferred(slots, worker)
            if not lost:
                lost.append(Ability.objects.create(worker_id="jo", order_type_id="boiler"))
            return found

        monkeypatch.setattr(offers, "preferred", lose)

    def test_a_booking(self):
        make_slot(worker="jo")
        assert post("WO-1", booking(OrderType="pump")).json()["code"] == 404
        assert AppointmentSlot.objects.get().booked == 0

    def test_another_worker_takes_it(self):
        make_slot(worker="jo", capacity=2)
        other = make_slot(worker="al")
        assert post("WO-1", booking(OrderType="pump")).status_code == 200
        assert WorkOrder.objects.get().slot == other

    def test_without_it_in_the_guard_it_is_booked(self, monkeypatch):
        monkeypatch.setattr(rulebook, "still_suits", lambda slot, order_type: ("1 = 1", []))
        make_slot(worker="jo")
        assert post("WO-1", booking(OrderType="pump")).status_code == 200

    def test_a_move(self, monkeypatch):
        make_slot(worker="al")
        work_order = make_booking(body=booking(OrderType="pump"))
        slot = make_slot(worker="jo", start=START + timedelta(hours=3))
        check = changes._check_fits

        def lose(*arguments):
            check(*arguments)
            monkeypatch.setattr(changes, "_check_fits", check)
            Ability.objects.create(worker_id="jo", order_type_id="boiler")

        monkeypatch.setattr(changes, "_check_fits", lose)
        with pytest.raises(Refused) as refused:
            services.move(work_order=work_order, slot=slot, by="anna")
        assert refused.value.error == "slot_not_found"
        assert WorkOrder.objects.get().slot.worker == "al"


class TestFirstSight:
    def test_a_slot_makes_the_records(self):
        area = make_area()
        slots.add(area=area, start=START, end=END, capacity=1, worker="jo", order_type="pump", by="anna")
        new_slots.insert([new_slots.Wanted(area, START, END, "boiler", worker, 1) for worker in ("al", "")], "anna")
        assert sorted(Worker.objects.values_list("code", flat=True)) == ["al", "jo"]
        assert sorted(OrderType.objects.values_list("code", flat=True)) == ["boiler", "pump"]

    def test_what_bookings_name_is_noted_nightly(self):
        make_slot()
        make_booking(body=booking(OrderType="pump"))
        assert (first_sight.note_all(), first_sight.note_all()) == (1, 0)
        assert OrderType.objects.get().code == "pump"

    def test_codes_that_differ_in_case_alone_are_named(self):
        first_sight.note(workers=["jo", "Jo", "al"], order_types=["jo"])
        assert first_sight.same_but_for_case() == [["Jo", "jo"]]
