"""Policy `move` while others move, repeat and cancel: the order never has none or two, the places always add up."""

import pytest

from tests.support.helpers import at_once, tomorrow


@pytest.fixture
def moving(start_service):
    """Bodies that come again are wishes here, not late copies: each of them moves the booking."""
    return start_service("tests.support.apps.forgetful", BOOKJOB_FOLLOWUP_POLICY="move")


def state(service):
    """(active bookings of WO-1, places taken in all)."""
    execute = service.database.execute
    ((active,),) = execute(
        "SELECT COUNT(*) FROM bookings_workorder WHERE status = 'booked' AND original_order = 'WO-1'"
    )
    ((taken,),) = execute("SELECT SUM(booked) FROM bookings_appointmentslot")
    return active, taken


def test_many_moves_of_one_order_at_once(moving):
    bodies = [moving.make_slot(capacity=1, start=tomorrow(hour)) for hour in range(8)]
    number = moving.book("WO-1", bodies[0]).json()["OrderNum"]
    for _ in range(5):
        answers = at_once([lambda body=body: moving.book("WO-1", body) for body in bodies * 2])
        assert {answer.status for answer in answers} == {200}
        assert {answer.json()["OrderNum"] for answer in answers if answer.status == 200} == {number}
        assert state(moving) == (1, 1)
    verified = moving.manage("verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")


def test_two_orders_that_cross_each_other(moving):
    """Each moves to where the other is: no two wait for each other, and a full slot refuses."""
    first, second = (moving.make_slot(capacity=2, start=tomorrow(hour)) for hour in (8, 12))
    moving.book("WO-1", first)
    moving.book("WO-2", second)
    for _ in range(10):
        answers = at_once(
            [
                lambda: moving.book("WO-1", second),
                lambda: moving.book("WO-2", first),
                lambda: moving.book("WO-1", first),
                lambda: moving.book("WO-2", second),
            ]
        )
        assert {answer.status for answer in answers} == {200}
        assert state(moving) == (1, 2)
    assert moving.manage("verify_bookings").stdout == ""


def test_a_move_and_a_cancellation_meet(moving):
    """The cancellation runs in another process, as staff's does. Whichever wins, the order has one booking or none."""
    first, second = (moving.make_slot(capacity=1, start=tomorrow(hour)) for hour in (8, 12))
    cancel = (
        "from bookings import services; from bookings.models import WorkOrder\n"
        "for work_order in WorkOrder.objects.active():\n"
        "    try: services.cancel(work_order=work_order, by='dispatcher', reason='')\n"
        "    except services.BookingError as error: assert error.error in ('changed_meanwhile', 'already_cancelled')\n"
    )
    moving.book("WO-1", first)
    happened = set()
    for number in range(40):
        answers = at_once(
            [
                lambda: moving.manage("shell", "--no-imports", "--command", cancel),
                *[lambda body=body: moving.book("WO-1", body) for body in (first, second) * 4],
            ]
        )
        assert answers[0].returncode == 0, answers[0].stderr
        active, taken = state(moving)
        assert active == taken <= 1
        happened |= {event for (event,) in moving.database.execute("SELECT event FROM bookings_historyentry")}
        if number >= 3 and {"moved", "cancelled"} <= happened:
            break
    assert {"moved", "cancelled"} <= happened
    assert moving.manage("verify_bookings").stdout == ""
