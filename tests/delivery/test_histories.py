"""Whatever happens to delivery while bookings change, in the end ServiceMobility has what the rows say.

Processes of `deliver` are killed at random, the simulator does wrong what its faults by name can do wrong, and each
second PUT arrives just before its booking is cancelled. Then the faults end, a person sends again what was refused, and
the two are compared.
"""

import os
import random
import threading
import time
from collections import Counter

import pytest

from conformance.simulator import FAULTS, Simulator
from tests.conftest import SERVER
from tests.delivery.conftest import connect_to
from tests.support import histories
from tests.support.apps import hurried

# Ten thousand in `make torture`.
OPERATIONS = int(os.environ.get("TORTURE_OPERATIONS") or 300)
# So many calls are made before the next process is killed: else hardly anything is under way on a machine that is busy.
CALLS_BETWEEN = 10
# So many faults wait for a call that they fit, at the most: else no call succeeds where there are few.
MOST_FAULTS = 4
# So many bookings are cancelled during their PUT at the least.
OVERTAKEN = max(1, OPERATIONS // 1000)
POLICIES = ["single", "move"] if "TORTURE_OPERATIONS" in os.environ else ["move"]
SETTLES_WITHIN = 300 + OPERATIONS / 20

ROWS = """
    SELECT w.order_num, s.start, s."end", s.worker, SUM(p.quantity)
    FROM bookings_workorder w JOIN bookings_appointmentslot s ON s.id = w.slot_id
    JOIN bookings_requiredpart p ON p.work_order_id = w.id
    WHERE w.status = 'booked' GROUP BY w.order_num, s.start, s."end", s.worker
"""


@pytest.fixture
def simulator():
    with Simulator() as running:
        yield running


class Harm:
    """What goes wrong meanwhile: two processes deliver, and each is killed sooner or later. Without faults nothing."""

    def __init__(self, database, simulator, faults, changes=()):
        self.name = database.name if SERVER else str(database.file)
        self.simulator, self.faults, self.changes = simulator, faults, changes
        self.killed, self.caused = 0, Counter()

    def __call__(self, over):
        draw, called = random.Random(7), 0
        processes = [hurried.start(self.name, *self.changes) for _ in range(2)]
        try:
            while not over.wait(0.2):
                if not self.faults:
                    continue
                if draw.random() < 0.15 and len(self.simulator.calls) >= called + CALLS_BETWEEN:
                    called = len(self.simulator.calls)
                    one = draw.randrange(2)
                    processes[one].kill()
                    processes[one].join()
                    processes[one] = hurried.start(self.name, *self.changes)
                    self.killed += 1
                if draw.random() < 0.5 and len(self.simulator.faults.on) < MOST_FAULTS:
                    fault, method = draw.choice(self.faults), draw.choice(["GET", "PUT", "DELETE", ""])
                    self.simulator.add_fault(fault, method=method, times=draw.randint(1, 3), seconds=0.4)
                    self.caused[fault] += 1
        finally:
            for process in processes:
                process.kill()
                process.join()


class Faster:
    """A dispatcher who cancels a booking while its PUT is under way; it ends when `deliver` has read of that."""

    def __init__(self, database, ask):
        self.database, self.ask, self.lock = database, ask, threading.Lock()
        self.puts, self.cancelled, self.noticed = 0, 0, 0

    def __call__(self, method, number):
        """Raises OSError, which ends the connection, where the call waited for so long that no other looks at it."""
        came = time.monotonic()
        self._cancel(method, number)
        if time.monotonic() > came + hurried.LATE - 1:
            raise ConnectionAbortedError

    def _cancel(self, method, number):
        with self.lock:
            self.puts += method == "PUT"
            if method != "PUT" or self.puts % 2 == 0:
                return
            booked = "SELECT original_order FROM bookings_workorder WHERE order_num = %s AND status = 'booked'"
            orders = self.database.execute(booked, number)
            is_cancelled = any("ok" in self.ask("cancel", "", {"order": order}) for (order,) in orders)
            self.cancelled += is_cancelled
        read = """SELECT 1 FROM bookings_workorder w, bookings_receiver r
                  WHERE w.order_num = %s AND w.change_num <= r.place"""
        deadline = time.monotonic() + 0.6
        while not (read_of_it := self.database.execute(read, number)) and time.monotonic() < deadline:
            time.sleep(0.02)  # the only way to wait for another process
        self.noticed += bool(is_cancelled and read_of_it)


def settle(service, harm):
    """All is well again: what waits is sent, and a person sends again what was refused. No answer is late any more."""
    harm.simulator.faults.clear()
    deadline = time.monotonic() + SETTLES_WITHIN
    while True:
        hurried.start(harm.name, *harm.changes, "waits for answers", once=True).join()
        hurried.send_again(harm.name)
        behind = "SELECT count(*) FROM bookings_delivery WHERE wanted_at IS NOT NULL OR is_uncertain"
        led = "SELECT count(*) FROM bookings_receiver WHERE lease_holder <> ''"  # by one that was killed
        if service.database.execute(behind) == service.database.execute(led) == [(0,)]:
            return
        assert time.monotonic() < deadline, service.database.execute(behind)


def differences(service, simulator):
    """Between the rows and what the simulator has, by hand and not by the mapping that is tested."""
    rows = {number: (text(start), text(end), worker, int(quantity))
            for number, start, end, worker, quantity in service.database.execute(ROWS)}  # fmt: skip
    there = {number: (order["PlannedStartDate"], order["PlannedEndDate"], order["UserName"],
                      sum(part["Qty"] for part in order["RequiredParts"]))
             for number, order in simulator.orders.all().items()}  # fmt: skip
    return {number: (rows.get(number), there.get(number))
            for number in rows.keys() | there.keys() if rows.get(number) != there.get(number)}  # fmt: skip


def forgotten(service):
    """Cancelled orders of which `deliver` has read, and believes that it has done all."""
    rows = service.database.execute(
        """SELECT w.order_num FROM bookings_workorder w JOIN bookings_receiver r ON w.change_num <= r.place
           JOIN bookings_delivery d ON d.work_order_id = w.id AND d.receiver_id = r.id
           WHERE w.status = 'cancelled' AND d.wanted_at IS NULL AND NOT d.is_uncertain"""
    )
    return {number for (number,) in rows}


def text(instant):
    return f"{str(instant)[:19].replace(' ', 'T')}.000Z"


def live(start_service, simulator, tmp_path, faults, *changes, operations=OPERATIONS, policy="single"):
    """All of it, until each harm was done that is meant, and bookings were cancelled during their PUT.

    Without faults: until `deliver` has forgotten a cancellation, which a process that is killed would look at again.
    """
    password = tmp_path / "password"
    password.write_text("simulated")
    service = start_service(BOOKJOB_FOLLOWUP_POLICY=policy)
    make_slot = service.make_slot
    service.make_slot = lambda capacity, start: make_slot(capacity, start, worker=f"worker-{start.hour}")
    connect_to(service, simulator.url, password)
    harm = Harm(service.database, simulator, faults, changes)
    with histories.desk(service.database.url) as ask:
        simulator.when_called = faster = Faster(service.database, ask)

        def was_harmed(history):
            if not faults:
                return bool(forgotten(service) & simulator.orders.all().keys())
            return faster.noticed >= OVERTAKEN and harm.killed and harm.caused

        history = histories.run(service, operations=operations, policy=policy, disturb=harm, until=was_harmed)
        simulator.when_called = lambda method, number: None
    settle(service, harm)
    return service, harm, faster, history


@pytest.mark.parametrize("policy", POLICIES)
def test_in_the_end_servicemobility_has_what_the_rows_say(start_service, simulator, tmp_path, figures, policy):
    service, harm, faster, history = live(start_service, simulator, tmp_path, FAULTS, policy=policy)
    assert differences(service, simulator) == {}
    for command in ("verify_delivery", "verify_bookings"):
        verified = service.manage(command)
        assert (verified.returncode, verified.stdout) == (0, ""), command
    ((orders,),) = service.database.execute("SELECT count(*) FROM bookings_workorder")
    figures(
        f"delivery, {policy}: {len(history.calls)} operations, {orders} work orders, {len(simulator.calls)} calls,"
        f" {sum(harm.caused.values())} faults of {len(harm.caused)} kinds, deliver killed {harm.killed} times,"
        f" {faster.cancelled} cancelled during their PUT;"
        " ServiceMobility has what the rows say"
    )


def test_the_test_above_would_notice_a_missing_guard(start_service, simulator, tmp_path):
    # No more than what it is about: a call that is in doubt, or a process that is killed, is looked at again.
    changes = ("forgets changes", "waits for answers")
    service, *_ = live(start_service, simulator, tmp_path, [], *changes, operations=100)
    assert differences(service, simulator) != {}
