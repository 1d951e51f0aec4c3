"""A copy of a body that was taken already, but comes after its booking was moved or cancelled (contract, section 5)."""

from datetime import timedelta

import pytest
from django.db import transaction

from bookings import services
from bookings.db import sql
from bookings.models import HistoryEntry, WorkOrder
from bookings.services import booking as booking_service
from tests.support.helpers import (
    END,
    NOW,
    START,
    at_once,
    booking,
    clock_stands_at,
    error,
    make_booking,
    make_slot,
    post,
    tomorrow,
)

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PERIODS = [{"Start": f"2026-12-04T{hour}:00:00.000Z", "End": f"2026-12-04T{hour + 2}:00:00.000Z"} for hour in (13, 14)]
HERE, THERE = booking(), booking(START + HOUR, END + HOUR)


@pytest.fixture
def clock():
    with clock_stands_at() as clock:
        yield clock


@pytest.fixture(autouse=True)
def places(db):
    return make_slot(capacity=3), make_slot(start=START + HOUR, capacity=3)


def later(clock, minutes):
    clock.now = lambda: NOW + minutes * MINUTE


def where(order="WO-1"):
    """Each booking of the order: (number, status, start)."""
    return list(WorkOrder.objects.filter(original_order=order).values_list("order_num", "status", "slot__start"))


class TestAfterAMove:
    @pytest.fixture(autouse=True)
    def _policy(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"

    def test_it_does_not_move_the_booking_back(self, clock):
        number = make_booking(body=HERE).order_num
        later(clock, 5)
        assert post("WO-1", THERE).json()["OrderNum"] == number
        later(clock, 9)
        message = f"The order has a follow-up already: {number}, Fri 4 Dec 2026, 14:00-16:00 (Europe/London)."
        found = {"OrderNum": number, "Status": "booked", "Period": PERIODS[1]}
        refusal = error(409, "already_booked", f"{message} Ask dispatch to move it.", **found)
        assert post("WO-1", HERE).json() == refusal
        assert where() == [(number, "booked", START + HOUR)]
        assert post("WO-1", THERE).json()["OrderNum"] == number

    def test_ten_minutes_later_it_is_a_wish(self, clock):
        """Counted from its own arrival: the newer body is still no wish then."""
        number = make_booking(body=HERE).order_num
        later(clock, 5)
        post("WO-1", THERE)
        later(clock, 10)
        assert post("WO-1", HERE).json()["OrderNum"] == number
        assert where() == [(number, "booked", START)]
        later(clock, 14)
        assert post("WO-1", THERE).status_code == 409
        later(clock, 15)
        assert post("WO-1", THERE).status_code == 200
        # The wish of minute 10 has copies as well.
        later(clock, 19)
        assert post("WO-1", HERE).status_code == 409
        assert where() == [(number, "booked", START + HOUR)]

    def test_a_body_that_was_never_taken_is_a_wish_at_once(self, clock):
        make_booking(body=HERE)
        assert post("WO-1", THERE).status_code == 200
        assert post("WO-1", HERE | {"UserName": "else"}).status_code == 200
        assert where()[0][2] == START

    def test_another_orders_bodies_do_not_count(self, clock):
        make_booking("WO-2", HERE)
        make_booking("WO-1", THERE)
        assert post("WO-1", HERE).status_code == 200

    def test_staff_do_not_see_the_fingerprint(self, clock):
        work_order = make_booking(body=HERE)
        assert [entry.details_for(None).keys() for entry in HistoryEntry.objects.all()] == [{"after"}]
        assert HistoryEntry.objects.get().details["fingerprint"] == work_order.fingerprint


class TestAfterACancellation:
    @pytest.mark.parametrize("policy", ["single", "multiple", "move"])
    def test_it_books_no_second_visit(self, clock, settings, policy):
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        first = make_booking(body=HERE)
        services.cancel(work_order=first, by="dispatcher", reason="")
        later(clock, 9)
        message = (
            f"{first.order_num} was booked for this order and then cancelled. Ask dispatch, or search and book again"
        )
        found = {"OrderNum": first.order_num, "Status": "cancelled", "Period": PERIODS[0]}
        refusal = error(409, "cancelled_meanwhile", f"{message} later.", **found)
        assert post("WO-1", HERE).json() == refusal
        assert where() == [(first.order_num, "cancelled", START)]
        later(clock, 10)
        assert make_booking(body=HERE).order_num != first.order_num

    @pytest.mark.parametrize("policy", ["single", "move"])
    def test_it_hears_of_the_booking_that_came_instead(self, clock, settings, policy):
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        services.cancel(work_order=make_booking(body=HERE), by="dispatcher", reason="")
        second = make_booking(body=THERE)
        detail = post("WO-1", HERE).json()["detail"]
        found = {"error": "already_booked", "OrderNum": second.order_num, "Status": "booked", "Period": PERIODS[1]}
        assert detail["params"] == found

    def test_a_body_that_was_moved_before(self, clock, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        make_booking(body=HERE)
        services.cancel(work_order=make_booking(body=THERE), by="dispatcher", reason="")
        for body in (HERE, THERE):
            assert post("WO-1", body).json()["detail"]["params"]["error"] == "cancelled_meanwhile"

    def test_what_staff_moved_is_repeated_as_ever(self, clock, places):
        work_order = make_booking(body=HERE)
        services.move(work_order=work_order, slot=places[1], by="dispatcher")
        assert post("WO-1", HERE).json()["OrderNum"] == work_order.order_num
        assert where() == [(work_order.order_num, "booked", START + HOUR)]


@pytest.mark.parametrize("moves_back", [False, True])
def test_copies_at_the_same_instant(start_service, moves_back):
    """Twelve copies of the older body and of the newer one. Without the look into the history they move it back."""
    service = start_service(
        "tests.support.apps.forgetful" if moves_back else "bookjob_site.wsgi", BOOKJOB_FOLLOWUP_POLICY="move"
    )
    older, newer = (service.make_slot(capacity=1, start=tomorrow(hour)) for hour in (8, 12))
    number = service.book("WO-1", older).json()["OrderNum"]
    assert service.book("WO-1", newer).json()["OrderNum"] == number
    answers = at_once([lambda body=body: service.book("WO-1", body) for body in (older, newer) * 12])
    statuses = {answer.status for answer in answers[::2]}
    events = service.database.execute("SELECT event FROM bookings_historyentry")
    assert {answer.status for answer in answers[1::2]} == {200}
    if moves_back:
        assert statuses == {200}
        assert events.count(("moved",)) > 1
    else:
        assert statuses == {409}
        assert {answer.json()["detail"]["params"]["OrderNum"] for answer in answers[::2]} == {number}
        assert events.count(("moved",)) == 1
    assert service.manage("verify_bookings").stdout == ""


class TestWhileItWaits:
    """A copy has decided and waits for a lock; what another copy books is undone meanwhile."""

    @pytest.fixture
    def meanwhile(self, monkeypatch):
        """Runs the steps, one each time that the booking has decided and not yet written."""
        choose = booking_service.best_of
        # The test's own transaction goes on after a conflict.
        monkeypatch.setattr(sql, "alone", transaction.atomic)

        def run(*steps):
            left = list(steps)

            def chosen(*arguments):
                slot = choose(*arguments)
                monkeypatch.setattr(booking_service, "best_of", choose)
                if left:
                    left.pop(0)()
                monkeypatch.setattr(booking_service, "best_of", chosen)
                return slot

            monkeypatch.setattr(booking_service, "best_of", chosen)

        return run

    @pytest.mark.parametrize("policy", ["single", "multiple", "move"])
    @pytest.mark.parametrize("before", [0, 1])
    def test_cancelled(self, clock, settings, meanwhile, policy, before):
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        for _ in range(before):
            services.cancel(work_order=make_booking(body=THERE), by="dispatcher", reason="")
        meanwhile(lambda: services.cancel(work_order=make_booking(body=HERE), by="dispatcher", reason=""))
        assert post("WO-1", HERE).json()["detail"]["params"]["error"] == "cancelled_meanwhile"
        assert [status for _, status, _ in where()] == ["cancelled"] * (before + 1)

    def test_moved_where_an_order_may_have_several(self, clock, settings, meanwhile, places):
        settings.BOOKJOB_FOLLOWUP_POLICY = "multiple"
        meanwhile(lambda: services.move(work_order=make_booking(body=HERE), slot=places[1], by="dispatcher"))
        number = post("WO-1", HERE).json()["OrderNum"]
        assert where() == [(number, "booked", START + HOUR)]

    def test_other_bodies_of_the_order(self, clock, settings, meanwhile):
        """More than the conflicts that are a fault: with each, another body got something."""
        settings.BOOKJOB_FOLLOWUP_POLICY = "multiple"
        others = []
        for step in range(1, booking_service.MAX_CONFLICTS + 3):
            start = START - 10 * HOUR + step * HOUR / 2
            make_slot(start=start, end=start + HOUR / 2)
            others.append(booking(start, start + HOUR / 2))
        meanwhile(*[lambda body=body: make_booking(body=body) for body in others])
        assert post("WO-1", HERE).status_code == 200
        assert len(where()) == len(others) + 1
