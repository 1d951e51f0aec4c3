"""The lease: one leads, the others stand by, and one that slept past its lease does and records nothing."""

import pytest

from bookings import clock
from bookings.delivery import lease, outcomes
from bookings.delivery.leader import Leader
from bookings.models import Delivery, Receiver
from tests.delivery.test_servicemobility import cancel, move
from tests.support import desk

pytestmark = pytest.mark.django_db


def leaders(deliver):
    key = Receiver.objects.get().pk
    return [Leader(key, holder, deliver.clock) for holder in ("first", "second")]


def expire():
    Receiver.objects.update(lease_until="2020-01-01T00:00:00Z")


def finish(leader):
    for future in leader.running:
        future.exception()
    while leader.step() or leader.running:
        pass


def test_one_leads_and_the_other_stands_by(deliver, slot):
    first, second = leaders(deliver)
    assert first.step() is False  # nothing is to be done, but it leads
    desk.book(slot)
    assert second.step() is False
    assert not Delivery.objects.exists()
    first.step()
    assert Delivery.objects.count() == 1
    first.end()
    assert not Delivery.objects.filter(is_uncertain=True).exists()
    finish(second)
    assert not Delivery.objects.open().exists()
    second.end()


def test_a_call_whose_turn_does_not_come_leaves_no_doubt():
    def lost():
        raise outcomes.Lost

    job = outcomes.Job(delivery=1, wanted=1, order_num="FU-1", state=None)
    attempt = outcomes.Attempt(job, lost, clock.now)
    result = outcomes.run(lambda attempt: attempt.write(pytest.fail), attempt)
    assert (result.event, result.there) == (outcomes.Event.WAITS, job.there)


def test_one_that_slept_past_its_lease_records_nothing(deliver, slot):
    booked = desk.book(slot)
    first, second = leaders(deliver)
    first.step()  # reads the feed and hands the booking out
    assert [future.exception() for future in first.running] == [None]
    expire()
    cancel(booked)
    finish(second)
    assert deliver.there(booked) is None
    first.term.renewed_at -= 60
    first.step()
    assert deliver.of(booked).pushed_rest == ""
    assert first.term is None
    second.end()
    finish(first)  # leads again, and what it slept with is nothing any more
    assert deliver.there(booked) is None
    assert deliver.of(booked).pushed_rest == ""
    first.end()


def test_the_test_above_would_notice_a_missing_guard(deliver, slot, monkeypatch):
    monkeypatch.setattr(lease, "locked", lambda receiver, holder: Receiver.objects.get(pk=receiver))
    monkeypatch.setattr(lease, "hold", lambda receiver, holder, term: term or lease.Term(lease.uptime()))
    booked = desk.book(slot)
    first, second = leaders(deliver)
    first.step()
    assert [future.exception() for future in first.running] == [None]
    cancel(booked)
    finish(second)
    first.step()
    assert deliver.of(booked).pushed_rest != ""  # it says that it stands there, which is not so
    assert deliver.there(booked) is None
    first.end()
    second.end()


def test_no_call_is_begun_that_the_lease_may_not_outlive(deliver, slot):
    booked = desk.book(slot)
    first, _ = leaders(deliver)
    assert first.step()
    first.term.ends_at = lease.uptime() + 1
    for future in list(first.running):
        assert future.exception() is None
    move(booked, desk.slot_in(days=1))
    attempt = outcomes.Attempt(next(iter(first.running.values()), None) or job(), first_call(first), deliver.clock.now)
    assert outcomes.run(lambda attempt: attempt.look(lambda: 1 / 0), attempt).text == ""
    first.end()


def test_a_lease_from_before_the_clock_was_set_back_is_free(deliver):
    key = Receiver.objects.get().pk
    Receiver.objects.update(lease_holder="dead", lease_until="2999-01-01T00:00:00Z")
    assert lease.hold(key, "alive", None)


def test_given_back_at_an_orderly_end(deliver, slot):
    desk.book(slot)
    deliver()
    assert Receiver.objects.get().lease_holder == ""
    assert not Receiver.objects.led().exists()


def job():
    return outcomes.Job(1, 1, "FU-1", None)


def first_call(leader):
    return lambda: leader._before_call(leader.term)
