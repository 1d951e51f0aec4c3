"""Receivers that are turned off, removed, connected again, or share an address, while calls are under way."""

import threading

import pytest

from bookings.delivery import calls, receivers
from bookings.delivery.worker import Worker
from bookings.models import Delivery, Receiver
from tests.delivery.conftest import Delivering
from tests.delivery.test_servicemobility import cancel
from tests.support import desk

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("end", [lambda receiver: receivers.turn_off(receiver, by="ann"), receivers.remove])
def test_a_receiver_that_goes_while_a_call_is_under_way(add_webhook, hooks, slot, monkeypatch, end):
    """The process neither waits for that call nor looks at it again and again, and ends in order."""
    receiver, called, goes_on = add_webhook(), threading.Event(), threading.Event()
    call = calls.Channel.call

    def call_late(*arguments, **more):
        called.set()
        assert goes_on.wait(60)
        return call(*arguments, **more)

    monkeypatch.setattr(calls.Channel, "call", call_late)
    desk.book(slot)
    worker = Worker()
    while not called.is_set():
        worker.turn()
    end(receiver)
    goes_on.set()
    assert worker.turn() is False
    assert worker.leaders == {}
    worker.run(threading.Event(), once=True)
    assert not Delivery.objects.open().exists()


def test_what_was_under_way_when_it_was_turned_off_is_not_overtaken(deliver, slot):
    """Connected again at once, it waits until the lease of the leader before has ended."""
    desk.book(slot)
    worker = Worker("", deliver.clock)
    worker.turn()
    assert [future.exception() for future in worker._under_way()] == [None]
    receiver = Receiver.objects.get()
    receivers.turn_off(receiver, by="ann")
    receivers.connect(receiver.name, receiver.kind, by="ann")
    desk.book(slot, "WO-2")
    count = len(deliver.simulator.calls)
    deliver()
    assert len(deliver.simulator.calls) == count
    Receiver.objects.update(lease_until=None)
    deliver()
    assert not Delivery.objects.open().exists()


def test_two_receivers_with_one_address(add_webhook, hooks, slot):
    deliver = Delivering(None)
    add_webhook("erp")
    add_webhook("crm")
    booked = desk.book(slot)
    deliver()
    cancel(booked)
    deliver()
    ids = [headers["webhook-id"] for headers, _ in hooks.got]
    assert len(ids) == len(set(ids)) == 4
    assert [document["Status"] for document in hooks.documents()] == ["booked", "booked", "cancelled", "cancelled"]
