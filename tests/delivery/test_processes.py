"""Processes of `deliver` that are killed, sleep or compete, and the real thing from a booking to a device."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from conformance.simulator import Simulator
from tests.conftest import SERVER, Database, Service, manage
from tests.delivery.conftest import connect_to
from tests.support import helpers, histories, postgres, warm
from tests.support.apps import hurried
from tests.support.environment import ROOT

DEATHS = ["dies before the call", "dies between call and record", "dies between record and cursor"]
VERIFY = "from django.core.management import call_command as call; call('deliver', once=True); call('verify_delivery')"


class World:
    """A service with a simulated ServiceMobility connected, and the processes that deliver."""

    def __init__(self, service, simulator, password):
        self.service, self.simulator, self.database = service, simulator, service.database
        self.password, self.orders = password, itertools.count(1)
        self.environment = os.environ | {"DATABASE_URL": self.database.url}
        self.body = service.make_slot(capacity=1000)
        connect_to(service, simulator.url, password)

    def book(self):
        """The numbers of the order and of its booking."""
        order = f"WO-{next(self.orders)}"
        answer = self.service.book(order, self.body)
        assert answer.status == 200, answer
        return order, answer.json()["OrderNum"]

    def manage(self, *arguments):
        return manage(self.database, *arguments)

    def starts(self, *arguments, **more):
        return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=self.environment, **more)

    def delivers(self):
        return warm.start("manage.py", "deliver", environment=self.environment, streams={})

    def altered(self, *changes, once=False):
        """A process of `deliver` with short pauses and these changes."""
        name = self.database.name if SERVER else str(self.database.file)
        return hurried.start(name, *changes, once=once)

    def is_there(self, number):
        return self.simulator.orders.find(number) is not None

    def is_behind(self):
        """Whether a receiver may have another state than the rows."""
        behind = "SELECT 1 FROM bookings_delivery WHERE wanted_at IS NOT NULL OR is_uncertain"
        return bool(self.database.execute(behind))

    def free_the_lease(self):
        """It ends by itself, and the time in which a call may still arrive; here that is not waited for."""
        self.database.execute("UPDATE bookings_receiver SET lease_until = NULL")
        self.database.execute("UPDATE bookings_delivery SET called_at = NULL")

    def settle(self):
        """What a new process does, and what the witness then says."""
        return self.manage("shell", "--no-imports", "-c", VERIFY)


@contextlib.contextmanager
def ended(*processes):
    """However this ends, none of them is left."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait() if isinstance(process, subprocess.Popen | warm.Process) else process.join()


def ends_in_order(process):
    process.terminate()
    process.join(60)
    return process.exitcode == 0


def wait_until(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # the only way to wait for another process


@pytest.fixture(scope="module")
def world(template_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    password = folder / "password"
    password.write_text("simulated")
    database = Database(template_database, folder)
    service = Service(database, folder / "gunicorn.log", "bookjob_site.wsgi", WEB_CONCURRENCY="1")
    try:
        with Simulator() as simulator:
            yield World(service, simulator, password)
    finally:
        service.stop()
        database.drop()


@pytest.fixture(scope="module")
def staff(world):
    with histories.desk(world.database.url) as ask:
        yield lambda do, **arguments: ask(do, "", arguments)


@pytest.mark.parametrize("death", DEATHS)
def test_killed(world, death):
    _, booked = world.book()
    process = world.altered(death, once=True)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    world.free_the_lease()
    settled = world.settle()
    assert (settled.returncode, settled.stdout) == (0, ""), settled.stderr
    assert world.is_there(booked)
    assert not world.is_behind()


def test_a_leader_that_is_killed_is_followed_by_another_one(world):
    """Once its lease has ended; what it had in hand is looked at again."""
    lead = "SELECT lease_holder FROM bookings_receiver"
    before = world.database.execute(lead)
    _, booked = world.book()
    leader = world.altered("dies between call and record")
    leader.join(60)
    assert leader.exitcode == -signal.SIGKILL
    assert world.database.execute(lead) not in (before, [("",)])
    # Not before: one that stands by would lead as soon as a busy machine let the first one sleep.
    with ended(other := world.altered()):
        wait_until(lambda: world.is_there(booked) and not world.is_behind())
        assert ends_in_order(other)


def test_five_processes_then_two_then_one(world):
    first_call, booked = len(world.simulator.calls), []
    processes = [world.altered() for _ in range(5)]
    with ended(*processes):
        for left in (5, 2, 1):
            # Which one leads does not show from outside: it is killed, or it is one of those that are left.
            for process in processes[left:]:
                process.kill()
            booked.append(world.book()[1])
            wait_until(lambda: world.is_there(booked[-1]))
        assert ends_in_order(processes[0])
    # One that was killed between its call and its record leaves a PUT in doubt, which is repeated; so does an answer
    # that is late. If each of them led, there were five.
    put = [call.order for call in world.simulator.calls[first_call:] if call.method == "PUT"]
    assert list(dict.fromkeys(put)) == booked
    assert len(put) < 5 * len(booked)
    assert world.database.execute("SELECT lease_holder FROM bookings_receiver") == [("",)]


@contextlib.contextmanager
def sleep_past_the_lease(world, staff, *changes):
    """A leader has looked, and sleeps before it writes. Meanwhile another one leads, and the order is cancelled.

    Neither looks a second time, which would remove what the first one wrote too late.
    Yields (the number, both processes) once the first one goes on.
    """
    order, booked = world.book()
    sleeper = world.altered("sleeps before it writes", "looks once", *changes)
    with ended(sleeper):
        wait_until(lambda: any(call.order == booked for call in world.simulator.calls))
        with ended(other := world.altered("looks once")):
            wait_until(lambda: world.is_there(booked))  # no call of the sleeper's
            assert staff("cancel", order=order)["ok"]
            wait_until(lambda: not world.is_there(booked))
            os.kill(sleeper.pid, signal.SIGCONT)
            yield booked, sleeper, other


def test_a_leader_that_sleeps_past_its_lease_writes_nothing(world, staff):
    with sleep_past_the_lease(world, staff) as (booked, sleeper, other):
        assert ends_in_order(other)
        # Now the one that slept leads again.
        _, second = world.book()
        wait_until(lambda: world.is_there(second))
        assert ends_in_order(sleeper)
    assert not world.is_there(booked)


def test_the_test_above_would_notice_a_missing_guard_and_so_does_the_witness(world, staff):
    with sleep_past_the_lease(world, staff, "trusts any lease") as (booked, _, _):
        wait_until(lambda: world.is_there(booked))
    world.free_the_lease()
    found = world.manage("verify_delivery", "--repair")
    assert (found.returncode, found.stdout) == (1, f"{booked} is cancelled here, but still there.\n")
    settled = world.settle()
    assert (settled.returncode, settled.stdout) == (0, ""), settled.stderr
    assert not world.is_there(booked)


def test_from_a_booking_to_a_device_and_off_it(world, staff):
    """The service, `deliver` and the simulator as they are shipped, each in processes of its own."""
    arguments = ("-m", "conformance.simulator", "--port", "0", "--password-file", str(world.password))
    simulator = world.starts(*arguments, stdout=subprocess.PIPE, text=True)
    with ended(simulator, deliver := world.delivers()):
        url = simulator.stdout.readline().split()[2].rstrip("/")
        connect_to(world.service, url, world.password)
        try:
            order, booked = world.book()
            wait_until(lambda: booked in state(url)["Orders"])
            there = state(url)["Orders"][booked]
            assert datetime_of(there["PlannedStartDate"]) == world.body["TimeConstraints"][0]["Period"]["Start"]
            slot = world.service.make_slot(capacity=1, start=helpers.tomorrow(15), worker="ann")
            assert staff("move", order=order, slot=slot_at(world, slot))["ok"]
            wait_until(lambda: state(url)["Devices"] == {"ann": [booked]})
            assert staff("cancel", order=order)["ok"]
            wait_until(lambda: booked not in state(url)["Orders"])
            writes = [(method, what, status) for method, what, _, status in state(url)["Calls"] if method != "GET"]
            assert writes[1:] == [("PUT", "WorkOrder", 200), ("PUT", "Dispatch", 200), ("DELETE", "WorkOrder", 200)]
            deliver.terminate()
            assert deliver.wait(60) == 0
        finally:
            connect_to(world.service, world.simulator.url, world.password)
        simulator.terminate()
        assert simulator.wait(60) == 0
        simulator.stdout.close()


def state(url):
    with urllib.request.urlopen(f"{url}/state", timeout=10) as answer:
        return json.load(answer)


def datetime_of(text):
    return text.replace(".000Z", "+00:00")


def slot_at(world, body):
    """The primary key of the slot that this body takes."""
    start = helpers.datetime.fromisoformat(body["TimeConstraints"][0]["Period"]["Start"])
    ((key,),) = world.database.execute(
        "SELECT id FROM bookings_appointmentslot WHERE start = %s", world.service.instant(start)
    )
    return key


@pytest.mark.skipif(not SERVER, reason="a fault of PostgreSQL")
def test_postgresql_dies_during_a_call_and_comes_back(migrated_server, tmp_path):
    """The process lives on, and records what became of the call once the database is back."""
    password = tmp_path / "password"
    password.write_text("simulated")
    files, name = migrated_server
    with postgres.running(like=files) as server, Simulator() as simulator:
        database = Database(None, tmp_path, server.url, there=name)
        service = Service(database, tmp_path / "gunicorn.log", "bookjob_site.wsgi", WEB_CONCURRENCY="1")
        try:
            world = World(service, simulator, password)
            died = []

            def die(method, number):
                if method == "PUT" and not died:
                    died.append(number)
                    server.stop("immediate")

            simulator.when_called = die
            _, booked = world.book()
            with ended(deliver := world.delivers()):
                wait_until(lambda: world.is_there(booked))
                assert died == [booked]
                server.start()
                _, second = world.book()
                wait_until(lambda: world.is_there(second))
                wait_until(lambda: not world.is_behind())
                assert deliver.poll() is None
                deliver.terminate()
                assert deliver.wait(60) == 0
            assert [call.order for call in simulator.calls if call.method == "PUT"] in (
                [booked, second],
                [second, booked],
            )
            verified = world.manage("verify_delivery")
            assert (verified.returncode, verified.stdout) == (0, "")
        finally:
            service.stop()
