"""Processes of `deliver` that are killed, sleep, or compete: nothing lost, nothing sent twice in a wrong order."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bookings.delivery import lease, outcomes
from bookings.delivery.leader import Leader
from bookings.models import Delivery, Receiver
from tests.delivery.test_servicemobility import cancel, move
from tests.support import desk, helpers
from tests.support.environment import ROOT

# Where the process dies: what is replaced by an end without a word.
DEATHS = {
    "before the call": "outcomes.run = lambda bring, attempt: die()",
    "between call and record": "leader.Leader._record = lambda self: any(f.done() for f in self.running) and die()",
    "between record and cursor": "receivers.make_due = lambda *_, make_due=receivers.make_due: (make_due(*_), die())",
}
DYING = """if True:
    import os, signal, sys
    import django
    django.setup()
    from bookings.delivery import leader, outcomes, receivers
    from django.core.management import call_command
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)
    {death}
    call_command("deliver", once=True)
"""


@pytest.fixture
def booked(service, simulator, tmp_path):
    """A service with ServiceMobility connected, and one booking that it was not told of."""
    password = tmp_path / "password"
    password.write_text("simulated")
    done = service.manage(
        *("connect_servicemobility", "--url", simulator.url, "--username", "bookjob"),
        *("--password-file", str(password), "--rate", "1000"),
    )
    assert done.returncode == 0, done.stderr
    answer = service.book("WO-1", service.make_slot(capacity=9))
    return answer.json()["OrderNum"]


@pytest.mark.parametrize("death", DEATHS)
def test_killed(service, simulator, booked, death):
    environment = os.environ | {"DATABASE_URL": service.database.url, "DJANGO_SETTINGS_MODULE": "bookjob_site.settings"}
    dying = subprocess.run([sys.executable, "-c", DYING.format(death=DEATHS[death])], cwd=ROOT, env=environment)
    assert dying.returncode == -signal.SIGKILL
    # Its lease ends by itself; here it is not waited for.
    service.database.execute("UPDATE bookings_receiver SET lease_until = NULL")
    done = service.manage("deliver", "--once")
    assert done.returncode == 0, done.stderr
    assert simulator.orders.find(booked)
    open_ones = "SELECT count(*) FROM bookings_delivery WHERE wanted_at IS NOT NULL OR is_uncertain"
    assert service.database.execute(open_ones) == [(0,)]
    assert service.manage("verify_delivery").stdout == ""


def test_five_processes_and_one_is_killed(service, simulator, booked):
    environment = os.environ | {"DATABASE_URL": service.database.url}
    processes = [
        subprocess.Popen([sys.executable, "manage.py", "deliver"], cwd=ROOT, env=environment) for _ in range(5)
    ]
    try:
        wait_until(lambda: simulator.orders.find(booked))
        # Which one leads does not show from outside: it is killed, or it is the one that is left.
        for process in processes[:4]:
            process.kill()
        service.database.execute("UPDATE bookings_receiver SET lease_until = NULL")
        second = service.book("WO-2", service.make_slot(capacity=9, start=helpers.tomorrow(15))).json()["OrderNum"]
        wait_until(lambda: simulator.orders.find(second))
        processes[4].terminate()
        assert processes[4].wait(30) == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    # One that was killed between its call and its record leaves a PUT in doubt, which is repeated.
    put = [call.order for call in simulator.calls if call.method == "PUT"]
    assert list(dict.fromkeys(put)) == [booked, second]
    assert len(put) <= 3
    assert service.database.execute("SELECT lease_holder FROM bookings_receiver") == [("",)]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the only way to wait for another process


@pytest.mark.django_db
class TestTheLease:
    def leaders(self, deliver):
        key = Receiver.objects.get().pk
        return [Leader(key, holder, deliver.clock) for holder in ("first", "second")]

    def expire(self):
        Receiver.objects.update(lease_until="2020-01-01T00:00:00Z")

    def finish(self, leader):
        for future in leader.running:
            future.exception()
        while leader.step() or leader.running:
            pass

    def test_one_leads_and_the_other_stands_by(self, deliver, slot):
        first, second = self.leaders(deliver)
        assert first.step() is False  # nothing is to be done, but it leads
        desk.book(slot)
        assert second.step() is False
        assert not Delivery.objects.exists()
        first.step()
        assert Delivery.objects.count() == 1
        first.end()
        self.finish(second)
        assert not Delivery.objects.open().exists()
        second.end()

    def test_one_that_slept_past_its_lease_records_nothing(self, deliver, slot):
        booked = desk.book(slot)
        first, second = self.leaders(deliver)
        first.step()  # reads the feed and hands the booking out
        assert [future.exception() for future in first.running] == [None]
        self.expire()
        cancel(booked)
        self.finish(second)
        assert deliver.there(booked) is None
        first.term.renewed_at -= 60
        first.step()
        assert deliver.of(booked).pushed_rest == ""
        assert first.term is None
        second.end()
        self.finish(first)  # leads again, and what it slept with is nothing any more
        assert deliver.there(booked) is None
        assert deliver.of(booked).pushed_rest == ""
        first.end()

    def test_the_test_above_would_notice_a_missing_guard(self, deliver, slot, monkeypatch):
        monkeypatch.setattr(lease, "locked", lambda receiver, holder: Receiver.objects.get(pk=receiver))
        monkeypatch.setattr(lease, "hold", lambda receiver, holder, term: term or lease.Term(lease.uptime()))
        booked = desk.book(slot)
        first, second = self.leaders(deliver)
        first.step()
        assert [future.exception() for future in first.running] == [None]
        cancel(booked)
        self.finish(second)
        first.step()
        assert deliver.of(booked).pushed_rest != ""  # it says that it stands there, which is not so
        assert deliver.there(booked) is None
        first.end()
        second.end()

    def test_no_call_is_begun_that_the_lease_may_not_outlive(self, deliver, slot):
        booked = desk.book(slot)
        first, _ = self.leaders(deliver)
        assert first.step()
        first.term.ends_at = lease.uptime() + 1
        for future in list(first.running):
            assert future.exception() is None
        move(booked, desk.slot_in(days=1))
        attempt = outcomes.Attempt(
            next(iter(first.running.values()), None) or job(), first_call(first), deliver.clock.now
        )
        assert outcomes.run(lambda attempt: attempt.look(lambda: 1 / 0), attempt) is None
        first.end()

    def test_a_lease_from_before_the_clock_was_set_back_is_free(self, deliver):
        key = Receiver.objects.get().pk
        Receiver.objects.update(lease_holder="dead", lease_until="2999-01-01T00:00:00Z")
        assert lease.hold(key, "alive", None)

    def test_given_back_at_an_orderly_end(self, deliver, slot):
        desk.book(slot)
        deliver()
        assert Receiver.objects.get().lease_holder == ""
        assert not Receiver.objects.led().exists()


def job():
    return outcomes.Job(1, 1, "FU-1", None, pushed_plan="", pushed_rest="")


def first_call(leader):
    return lambda: leader._before_call(leader.term)
