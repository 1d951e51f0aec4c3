"""Reads every coming booking back from ServiceMobility and compares: the last word on what delivery did.

It also finds what delivery cannot prevent: a process that was frozen between its look and its call, and a write that a
proxy delivered late.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q

from bookings.delivery import mapping
from bookings.delivery.leader import Time, Turns
from bookings.delivery.outcomes import Attempt, Job, OrderFault
from bookings.delivery.servicemobility import ServiceMobility
from bookings.models import Delivery, Receiver, WorkOrder
from bookings.services import feed

BATCH = 200


class Difference(NamedTuple):
    work_order: WorkOrder
    text: str


def differences(receiver: Receiver, clock: Time | None = None) -> Iterator[Difference]:
    """Of all coming bookings, and of the cancelled ones that were sent. Raises ReceiverFault where it cannot ask."""
    clock = clock or Time()
    client, turns = ServiceMobility(receiver), Turns(receiver.rate, clock)
    for work_order in _coming(receiver, clock.now()):
        text = _compare(client, turns, clock, receiver, work_order)
        # It may have changed while it was asked for: the second look is the one that counts.
        if text and (text := _compare(client, turns, clock, receiver, _now(work_order.pk))):
            yield Difference(work_order, text)


def _compare(client: ServiceMobility, turns: Turns, clock: Time, receiver: Receiver, work_order: WorkOrder) -> str:
    job = Job(delivery=0, wanted=0, order_num=work_order.order_num, state=None)
    try:
        found = client.look(Attempt(job, turns.wait, clock.now))
    except OrderFault as fault:
        return f"cannot be read there: {fault}"
    state = mapping.state_of(work_order, receiver.template, worker=receiver.worker)
    return "; ".join(mapping.differences(state, found))


def _coming(receiver: Receiver, now: datetime) -> Iterator[WorkOrder]:
    sent = Delivery.objects.filter(Q(is_uncertain=True) | ~Q(pushed_rest="") | Q(pushed_at__isnull=False))
    was_sent = Exists(sent.filter(receiver=receiver, work_order=OuterRef("pk")))
    wanted = WorkOrder.objects.real().filter(
        Q(status=WorkOrder.Status.BOOKED) | was_sent, slot__end__gt=now, purged_at=None
    )
    last = 0
    while page := list(feed.with_everything(wanted.filter(pk__gt=last).order_by("pk"))[:BATCH]):
        yield from page
        last = page[-1].pk


def _now(key: int) -> WorkOrder:
    return feed.with_everything(WorkOrder.objects.all()).get(pk=key)
