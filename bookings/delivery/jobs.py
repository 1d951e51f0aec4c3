"""From deliveries that are due to jobs for the threads; and those that need no call."""

import logging
from typing import Any

from bookings.delivery import mapping, webhooks
from bookings.delivery.outcomes import Event, Job, Result, Standing
from bookings.models import Delivery, Receiver, WorkOrder
from bookings.services import feed

logger = logging.getLogger("bookings")


def make(receiver: Receiver, deliveries: list[Delivery]) -> tuple[list[Job], list[Result]]:
    """In a transaction of the caller; in as many statements for many as for one."""
    wanted = WorkOrder.objects.filter(pk__in=[delivery.work_order_id for delivery in deliveries])
    work_orders = {work_order.pk: work_order for work_order in feed.with_everything(wanted)}
    jobs, settled = list[Job](), list[Result]()
    for delivery in deliveries:
        work_order = work_orders[delivery.work_order_id]
        try:
            job = job_of(receiver, delivery, work_order)
            is_settled = needs_no_call(receiver, work_order, job)
        except Exception:  # one odd order must not stop the others
            logger.exception("A work order could not be put into the receiver's form")
            job = Job(delivery.pk, delivery.wanted, work_order.order_num, None, Standing.of(delivery))
            text = "It cannot be written in the receiver's form."
            settled.append(Result(job, Event.NEEDS_PERSON, text, job.there))
            continue
        if is_settled:
            settled.append(Result(job, Event.ACCEPTED, "", job.there))
        else:
            jobs.append(job)
    return jobs, settled


def job_of(receiver: Receiver, delivery: Delivery, work_order: WorkOrder) -> Job:
    """Of a work order with all that belongs to it."""
    state: Any = None
    message_id = ""
    if receiver.is_servicemobility:
        state = mapping.state_of(work_order, receiver.template, worker=receiver.worker)
    else:
        state = webhooks.body_of(work_order)
        # The same for each try of the same state, so that the receiver knows it again; another one after a restore.
        message_id = f"msg_{receiver.epoch}_{delivery.pk}_{delivery.wanted}_{webhooks.digest(state)[:16]}"
    return Job(
        delivery=delivery.pk,
        wanted=delivery.wanted,
        order_num=work_order.order_num,
        state=state,
        there=Standing.of(delivery),
        message_id=message_id,
    )


def needs_no_call(receiver: Receiver, work_order: WorkOrder, job: Job) -> bool:
    """An emptied order is never sent. Else: what was taken last is what is wanted, and no call's end is unknown."""
    if work_order.purged_at:
        return True
    there = job.there
    if there.is_uncertain:
        return False
    if not receiver.is_servicemobility:
        return there.rest == webhooks.digest(job.state)
    if job.state is None:
        # An order from before the connection may stand there whatever we have sent.
        return not there.rest and work_order.pk > receiver.last_order_before
    return (there.plan, there.rest) == (job.state.plan_digest, job.state.rest_digest)
