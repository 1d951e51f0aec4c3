"""verify_delivery: the witness reads everything back."""

import io

import pytest
from django.core.management import CommandError, call_command

from bookings.delivery import witness
from bookings.models import Delivery
from tests.delivery.test_servicemobility import cancel, move
from tests.support import desk

pytestmark = pytest.mark.django_db


def verify(**options):
    """(exit status, what is printed)."""
    out = io.StringIO()
    try:
        call_command("verify_delivery", stdout=out, **options)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_silent_when_all_agree(deliver, slot):
    for number in range(3):
        desk.book(slot, f"WO-{number}")
    cancelled = desk.book(slot, "WO-9")
    deliver()
    cancel(cancelled)
    deliver()
    assert verify() == (0, "")


def test_each_difference_is_a_line_and_repair_makes_it_due(deliver, slot):
    orders = deliver.simulator.orders
    missing, shifted, given, left, closed = (desk.book(slot, f"WO-{number}") for number in range(5))
    deliver()
    cancel(left)
    deliver()
    orders.delete(missing.order_num)
    orders.dispatch(shifted.order_num, {"PlannedStartDate": "2026-01-01T10:00:00.000Z"})
    orders.dispatch(given.order_num, {"UserName": "bob"})
    orders.put(left.order_num, {"UserName": "ann"})  # a late PUT
    deliver.simulator.add_fault("unprocessable", method="GET", order=closed.order_num)
    start = f"{slot.start:%Y-%m-%dT%H:%M:%S}.000Z"
    lines = [
        f"{missing} is missing there.",
        f"{shifted} starts {start} here, but 2026-01-01T10:00:00.000Z there.",
        f"{given} is ann's here, but bob's there.",
        f"{left} is cancelled here, but still there.",
        f"{closed} cannot be read there: 422 for GET WorkOrder: The work order cannot be processed.",
    ]
    assert verify() == (1, "\n".join(lines) + "\n")
    assert not Delivery.objects.open().exists()
    assert verify(repair=True)[0] == 1
    deliver.simulator.faults.clear()
    deliver()
    assert verify() == (0, "")


def test_it_asks_at_the_rate_of_the_receiver(connect, deliver, slot):
    for number in range(10):
        desk.book(slot, f"WO-{number}")
    deliver()
    receiver, began, count = connect(rate=5.0), deliver.clock.gone, len(deliver.simulator.calls)
    assert list(witness.differences(receiver, deliver.clock)) == []
    assert len(deliver.simulator.calls) - count == 11  # one of them the log-in
    assert deliver.clock.gone - began >= 10 / 5 - 0.01


def test_bookings_from_before_the_connection(connect, slot, simulator):
    earlier = desk.book(slot)
    connect()
    assert verify(repair=True) == (1, f"{earlier} is missing there.\n")
    call_command("deliver", once=True)
    assert verify() == (0, "")


def test_a_pool_leaves_the_worker_to_servicemobility(deliver, slot):
    booked = desk.book(slot)
    deliver()
    move(booked, desk.slot_in(days=1))
    deliver()
    deliver.simulator.orders.dispatch(booked.order_num, {"UserName": "cleo", "DispatchStatus": 3})
    assert verify() == (0, "")


@pytest.mark.parametrize("fault", ["unauthorized", "unavailable", "html", "redirect", "reset", "drip"])
def test_where_it_cannot_be_asked(request, deliver, slot, fault):
    desk.book(slot)
    deliver()
    if fault == "drip":
        request.getfixturevalue("short_deadline")
    deliver.simulator.add_fault(fault)
    with pytest.raises(CommandError, match="ServiceMobility cannot be asked") as end:
        verify()
    assert end.value.returncode == 2


def test_without_a_connection(db):
    with pytest.raises(CommandError, match="is not connected") as end:
        verify()
    assert end.value.returncode == 2
