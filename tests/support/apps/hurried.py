"""`deliver` with short pauses and a short lease, so that tests need not wait, and with other changes by name.

Each is a process of its own, forked from one that has Django loaded (warm.py): those are cheap to start, and to kill.
"""

import os
import signal
import threading
from datetime import timedelta
from multiprocessing.process import BaseProcess

from django.core.management import call_command
from django.db import connection

from bookings.delivery import calls, leader, lease, outcomes, receivers, records, servicemobility, worker
from bookings.models import Delivery, WorkOrder
from tests.support import warm

# Seconds: longer than the simulator holds a call.
LATE = 4


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_the_call():
    outcomes.run = lambda bring, attempt: die()


def die_between_call_and_record():
    leader.Leader._record = lambda self: any(future.done() for future in self.running) and die()


def die_between_record_and_cursor():
    make_due = receivers.make_due
    receivers.make_due = lambda *arguments: (make_due(*arguments), die())


def sleep_before_the_write():
    """Once, and before the newest order's: an earlier one may be due for a second look. Until it is sent SIGCONT."""
    write, step, slept, alone = outcomes.Attempt.write, leader.Leader.step, [], threading.Lock()
    newest = WorkOrder.objects.latest("pk").order_num

    def step_alone(each):
        with alone:
            return step(each)

    def sleep_and_write(attempt, call):
        if not slept and attempt.job.order_num == newest:
            slept.append(True)
            # Outside of any transaction, whose locks would stop the others as well.
            with alone:
                # To this very thread: else it may go on until another one has stopped the process.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return write(attempt, call)

    leader.Leader.step = step_alone
    outcomes.Attempt.write = sleep_and_write


def trust_any_lease():
    """And have time for the call, however slow the machine is."""
    lease.Term.lasts = lambda term, seconds: True
    calls.DEADLINE = 60.0


def look_once():
    """What a call without an answer did later stays."""
    servicemobility.LATE = timedelta(0)


def forget_changes():
    """What became of a call is the last word, also where the order was changed during it."""

    def update(delivery, result, columns):
        Delivery.objects.filter(pk=delivery.pk).update(**result.there.columns(), **columns)

    records._update = update


def wait_for_answers():
    """For as long as `deliver` does: no call is in doubt because the machine is busy."""
    calls.DEADLINE, lease.SECONDS = 10.0, 15


CHANGES = {
    "dies before the call": die_before_the_call,
    "dies between call and record": die_between_call_and_record,
    "dies between record and cursor": die_between_record_and_cursor,
    "sleeps before it writes": sleep_before_the_write,
    "trusts any lease": trust_any_lease,
    "looks once": look_once,
    "forgets changes": forget_changes,
    "waits for answers": wait_for_answers,
}


def deliver(database: str, changes: tuple[str, ...], once: bool) -> None:
    connection.settings_dict["NAME"] = database
    calls.DEADLINE = 1.0
    lease.SECONDS, lease.RENEWED_AFTER = 2.0, 0.2
    records.FIRST, records.MOST_OF_A_RECEIVER, records.MOST_OF_AN_ORDER = 0.05, 0.2, 0.5
    servicemobility.LATE = timedelta(seconds=LATE)
    worker.IDLE, worker.AFTER_AN_ERROR = 0.1, 0.3
    for name in changes:
        CHANGES[name]()
    call_command("deliver", once=once)


def send_stuck_ones_again(database: str) -> None:
    """What a person does who has mended what was wrong at the other side."""
    connection.settings_dict["NAME"] = database
    for delivery in Delivery.objects.stuck().select_related("receiver"):
        receivers.send_again(delivery, by="dispatcher")


def start(database: str, *changes: str, once: bool = False) -> BaseProcess:
    """On the server of the tests; `database` is the name of one of its databases, or SQLite's file."""
    return _start(deliver, database, changes, once)


def send_again(database: str) -> None:
    _start(send_stuck_ones_again, database).join()


def _start(function, *arguments) -> BaseProcess:
    process = warm.context.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process
