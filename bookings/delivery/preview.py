"""What would be sent, as `deliver --dry-run` prints it. It calls nothing and writes nothing."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.db.models import Q

from bookings import clock
from bookings.delivery import jobs
from bookings.delivery.outcomes import Job
from bookings.delivery.servicemobility import WHOLE, path_of, writes
from bookings.models import Delivery, Receiver, WorkOrder
from bookings.services import feed


def lines(receiver: Receiver, order_num: str) -> Iterator[str]:
    """Of this work order, else of all that are due or have changed."""
    changed = Q(change_num__gt=receiver.place) | Q(change_num=None)
    waiting = Q(deliveries__in=Delivery.objects.filter(receiver=receiver).waiting())
    wanted = Q(order_num=order_num) if order_num else changed | waiting
    for work_order in feed.with_everything(
        WorkOrder.objects.real().filter(wanted).order_by("visit_start", "pk").distinct()
    ):
        there = Delivery.objects.filter(receiver=receiver, work_order=work_order).first()
        delivery = there or Delivery(receiver=receiver, work_order=work_order)
        job = jobs.job_of(receiver, delivery, work_order)
        if jobs.needs_no_call(receiver, work_order, job):
            if order_num:
                yield f"# {work_order} needs no call to {receiver}."
            continue
        for method, url, body in _calls(receiver, job):
            yield f"{method} {url}" + (f"\n{body.decode()}" if body else "")


def _calls(receiver: Receiver, job: Job) -> Iterator[tuple[str, str, bytes]]:
    """As if it stood there as it was left."""
    if not receiver.is_servicemobility:
        yield "POST", receiver.url, job.state
        return
    url, now = f"{receiver.url}{path_of(job.order_num)}", clock.now()
    yield "GET", url, b""
    if job.state is None:
        yield "DELETE", url, b""
        return
    is_moved = job.there.plan != job.state.plan_digest
    for method, end in writes(receiver.move, job.there, job.state, is_moved=is_moved):
        body = job.state.whole(now) if (method, end) == WHOLE else job.state.dispatch(now)
        yield method, f"{url}{end}", _text(body)


def _text(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
