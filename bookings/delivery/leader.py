"""One receiver in the hands of its one leader: reads our feed, has sent what is due, records what became of it.

All of the database is touched here, in one thread; the threads that call out get a `Job` and give back a `Result`, so
that no call is made inside of a transaction. Every write asks, in its own transaction, whether the lease is still held.

Killed at any point, nothing is lost and nothing is sent in a wrong order:
before the call                the delivery is due, and marked as uncertain: the next leader looks before it writes
between call and record        the same; what a call without an answer did later is found a minute after it
between record and cursor      the cursor moves in the transaction that makes deliveries due; to do it twice is no harm
"""

import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from bookings import clock
from bookings.delivery import calls, jobs, lease, outcomes, receivers, records
from bookings.delivery.outcomes import Attempt, Job, Lost, Result
from bookings.delivery.records import ORDER_WITHIN, RECEIVER_WITHIN
from bookings.delivery.servicemobility import ServiceMobility
from bookings.delivery.webhooks import Webhooks
from bookings.models import Counter, Delivery, DeliveryEntry, Receiver, WorkOrder
from bookings.services import feed

BATCH = 500
MOST_THREADS = 32


class Time:
    """What the pace of delivery goes by; tests have three days of it in a second."""

    sleep = staticmethod(time.sleep)

    @staticmethod
    def now() -> datetime:
        return clock.now()

    @staticmethod
    def passed() -> float:
        return clock.ticks()


class Turns:
    """So many calls a second, whichever thread makes them."""

    def __init__(self, rate: float, clock: Time) -> None:
        self.pause, self.clock = 1 / rate, clock
        self.lock, self.next = threading.Lock(), 0.0

    def wait(self) -> None:
        with self.lock:
            now = self.clock.passed()
            turn = max(self.next, now)
            self.next = turn + self.pause
        if turn > now:
            self.clock.sleep(turn - now)


class Leader:
    """Stands by until the lease is free; `step` does what can be done now and says whether that was anything."""

    def __init__(self, receiver: int, holder: str, clock: Time | None = None) -> None:
        self.receiver, self.holder, self.clock = receiver, holder, clock or Time()
        self.running: dict[Future[Result], Job] = {}
        self.probes: set[int] = set()
        self.term: lease.Term | None = None
        self.is_ending = False
        self.settings: tuple[Any, ...] = ()
        self.threads: ThreadPoolExecutor | None = None

    def step(self) -> bool:
        if not self._holds_the_lease():
            return False
        recorded = self._record()
        receiver = Receiver.objects.filter(pk=self.receiver, is_on=True).first()
        if receiver is None:
            return recorded
        read = self._read_feed(receiver)
        sent = self._can_reach(receiver) and self._send(receiver)
        return recorded or read or sent

    def end(self) -> None:
        """In order: what is under way ends with its present call, is recorded, and the lease is given back."""
        self.is_ending = True
        if self.threads:
            self.threads.shutdown()
        if self._holds_the_lease():
            self._record()
        lease.give_back(self.receiver, self.holder)

    def leave(self) -> None:
        """The receiver is off or was removed: what is under way goes on to no further call, and is not recorded."""
        self.is_ending = True
        if self.threads:
            self.threads.shutdown(wait=False)

    def _holds_the_lease(self) -> bool:
        term, self.term = self.term, lease.hold(self.receiver, self.holder, self.term)
        if self.term is not term:
            # Another one has led meanwhile: what comes back now is older than what it did.
            self.running.clear()
            self.probes.clear()
        return self.term is not None

    def _before_call(self, term: lease.Term) -> None:
        self.turns.wait()
        if self.is_ending or not term.lasts(calls.DEADLINE):
            raise Lost

    def _can_reach(self, receiver: Receiver) -> bool:
        """What calls it is made anew where its settings have changed, once nothing is under way."""
        settings = (receiver.url, receiver.username, receiver.secret_files, receiver.rate, receiver.move)
        if settings == self.settings:
            return True
        if self.running:
            return False
        if self.threads:
            self.threads.shutdown()
        self.settings = settings
        self.size = min(MOST_THREADS, max(2, math.ceil(receiver.rate)))
        self.threads = ThreadPoolExecutor(self.size)
        self.turns = Turns(receiver.rate, self.clock)
        self.client = ServiceMobility(receiver) if receiver.is_servicemobility else Webhooks(receiver)
        return True

    # What has changed here.

    def _read_feed(self, receiver: Receiver) -> bool:
        feed.number_changes()
        try:
            feed.checked(feed.Cursor(receiver.epoch, receiver.place))
        except feed.OtherEpoch:
            return self._begin_anew()
        changed = WorkOrder.objects.real().filter(change_num__gt=receiver.place).order_by("change_num")
        found = list(changed.values_list("pk", "change_num")[:BATCH])
        if not found:
            return False
        with transaction.atomic():
            if held := lease.locked(self.receiver, self.holder):
                receivers.make_due(held, [key for key, _ in found])
                Receiver.objects.filter(pk=held.pk).update(place=found[-1][1])
        return True

    def _begin_anew(self) -> bool:
        """The database is an earlier one: what stands there may be ahead of it, and is looked at before each write."""
        epoch = Counter.objects.filter(name="epoch").values_list("value", flat=True).first() or 0
        with transaction.atomic():
            if held := lease.locked(self.receiver, self.holder):
                now = self.clock.now()
                known = Delivery.objects.filter(receiver=held)
                known.update(is_uncertain=True)
                known.filter(work_order__slot__end__gt=now, work_order__purged_at=None).update(**receivers.due(now))
                Receiver.objects.filter(pk=held.pk).update(epoch=epoch, last_order_before=receivers.ALL_ORDERS)
                receivers.write_line(held, DeliveryEntry.Event.NEW_EPOCH)
        return True

    # What is due.

    def _send(self, receiver: Receiver) -> bool:
        now, room = self.clock.now(), self.size - len(self.running)
        if receiver.paused_at or self.is_ending or room < 1:
            return False
        if receiver.probe_at:
            if self.running or now < receiver.probe_at <= now + RECEIVER_WITHIN:
                return False
            room = 1
        due = self._due(now, is_probe=bool(receiver.probe_at))
        keys = list(due.values_list("pk", flat=True)[:room])
        return bool(keys) and self._hand_out(keys, is_probe=bool(receiver.probe_at))

    def _due(self, now: datetime, *, is_probe: bool) -> QuerySet[Delivery]:
        """Cancellations first, then by the start of the visit. A probe is not always made with the same order."""
        due = Delivery.objects.filter(Q(due_at__lte=now) | Q(due_at__gt=now + ORDER_WITHIN), receiver=self.receiver)
        due = due.exclude(pk__in=[job.delivery for job in self.running.values()])
        first = Case(When(work_order__status=WorkOrder.Status.CANCELLED, then=Value(0)), default=Value(1))
        if is_probe:
            return due.order_by(F("failed_at").asc(nulls_first=True), first, "work_order__visit_start", "pk")
        return due.order_by(first, "work_order__visit_start", "pk")

    def _hand_out(self, keys: list[int], *, is_probe: bool) -> bool:
        with transaction.atomic():
            receiver = lease.locked(self.receiver, self.holder)
            if receiver is None or self.threads is None or self.term is None:
                return False
            made, settled = jobs.make(receiver, list(Delivery.objects.filter(pk__in=keys)))
            now = self.clock.now()
            records.write(receiver, settled, now)
            # Before the call, so that the one that finds it after a kill knows that a call may have arrived.
            Delivery.objects.filter(pk__in=[job.delivery for job in made]).update(is_uncertain=True, called_at=now)
        order = {key: place for place, key in enumerate(keys)}
        for job in sorted(made, key=lambda job: order[job.delivery]):
            attempt = Attempt(job, partial(self._before_call, self.term), self.clock.now)
            self.running[self.threads.submit(outcomes.run, self.client.bring, attempt)] = job
            if is_probe:
                self.probes.add(job.delivery)
        return True

    # What became of it.

    def _record(self) -> bool:
        done = [future for future in self.running if future.done()]
        if not done:
            return False
        results = [future.result() for future in done]
        with transaction.atomic():
            if receiver := lease.locked(self.receiver, self.holder):
                records.write(receiver, results, self.clock.now(), probes=self.probes)
        for future in done:
            self.probes.discard(self.running.pop(future).delivery)
        return True
