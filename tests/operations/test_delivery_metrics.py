"""Delivery in numbers: read from the rows, by receiver, the same on each machine."""

from datetime import timedelta

import pytest

from bookings import clock
from bookings.delivery import receivers
from bookings.models import Counter, Receiver
from tests.admin.test_delivery import connect, deliver
from tests.operations.test_metrics import TOKEN, now, scrape
from tests.support import desk

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _metrics_are_on(settings):
    settings.BOOKJOB_METRICS_TOKEN = TOKEN


def of_delivery():
    return {name: value for name, value in now().items() if name.startswith("bookjob_delivery_")}


def value_of(metric, *labels):
    (value,) = [
        value for name, value in of_delivery().items() if all(part in name for part in (f"{metric}{{", *labels))
    ]
    return value


def test_without_a_receiver_there_are_none():
    assert of_delivery() == {}


def test_what_waits_and_what_needs_a_person():
    receiver = connect()
    slot = desk.slot_in(days=3, capacity=9)
    at = clock.now()
    deliver(receiver, desk.book(slot, "WO-1"))
    deliver(receiver, desk.book(slot, "WO-2"), due_at=at, wanted_at=at - timedelta(seconds=400))
    deliver(receiver, desk.book(slot, "WO-3"), due_at=at)
    deliver(receiver, desk.book(slot, "WO-4"), needs_person="no", wanted_at=at - timedelta(hours=9))
    assert value_of("bookjob_delivery_waiting") == 2
    assert value_of("bookjob_delivery_stuck") == 1
    # What needs a person has an alert of its own.
    assert 400 <= value_of("bookjob_delivery_oldest_seconds") < 3600


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"lease_until": clock.now() + timedelta(hours=1)}, "led"),
        ({"paused_at": clock.now(), "paused_reason": "x"}, "paused"),
        ({"trouble": "503", "probe_at": clock.now()}, "in_trouble"),
    ],
)
def test_how_the_receiver_is(columns, name):
    connect()
    assert value_of(f"bookjob_delivery_{name}") == 0
    Receiver.objects.update(**columns)
    assert value_of(f"bookjob_delivery_{name}") == 1


def test_attempts_by_outcome():
    receiver = connect()
    Counter.objects.create(name=f"delivery {receiver.pk} waits", value=7)
    assert value_of("bookjob_delivery_attempts_total", "waits") == 7
    assert value_of("bookjob_delivery_attempts_total", "accepted") == 0


def test_one_that_is_off_is_silent_and_each_has_its_own():
    first, crm = connect(), connect("crm", "webhook")
    assert len([key for key in of_delivery() if "waiting" in key]) == 2
    receivers.turn_off(first, by="ann")
    assert len([key for key in of_delivery() if "waiting" in key]) == 1
    assert value_of("bookjob_delivery_waiting", crm.name) == 0


def test_the_number_of_statements_does_not_grow(django_assert_max_num_queries):
    slot = desk.slot_in(days=3, capacity=9)
    for number in range(4):
        deliver(connect(f"crm {number}", "webhook"), desk.book(slot, f"WO-{number}"), due_at=clock.now())
    with django_assert_max_num_queries(5):
        scrape()
