"""What becomes of a delivery and its receiver after an attempt (contract, section 6, "Errors").

Of the order: it waits 5 s to 2 h between tries, over 72 hours, where it may pass by itself, else it needs a person.
Of the receiver: nothing is marked, all wait, and one call at a time is tried after 5 s to 2 min. An order that fails
like that while others pass is counted as its own failure: it must not hold up the others for good.
"""

import random
from collections import Counter as Tally
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from bookings.delivery.outcomes import Event, Result
from bookings.delivery.receivers import NO_TROUBLE, write_line
from bookings.models import Counter, Delivery, DeliveryEntry, Receiver

FIRST, MOST_OF_AN_ORDER, MOST_OF_A_RECEIVER = 5.0, 7200.0, 120.0
# Its tries, each after its pause, take 72 hours: 5 s doubled up to 2 h, which eleven pauses are below.
TRIES = 47
# A `Retry-After` is obeyed up to a day.
MOST_RETRY_AFTER = 86_400.0
# No further ahead is a receiver put off, and an order: what lies further was written before the clock was set back.
RECEIVER_WITHIN = timedelta(seconds=MOST_RETRY_AFTER)
ORDER_WITHIN = timedelta(seconds=1.2 * MOST_OF_AN_ORDER)


def pause(failures: int, most: float) -> float:
    return float(min(most, FIRST * 2 ** min(failures - 1, 20)))


def in_order(failures: int, now: datetime) -> datetime:
    """When an order is tried again. Those that failed together do not come back together."""
    return now + timedelta(seconds=pause(failures, MOST_OF_AN_ORDER) * random.uniform(0.8, 1.2))


def write(receiver: Receiver, results: list[Result], now: datetime, *, probes: Collection[int] = ()) -> None:
    """In the transaction in which the lease was found to be held."""
    if not results:
        return
    deliveries = Delivery.objects.in_bulk([result.job.delivery for result in results])
    before = receiver.trouble
    entries, tally = list[DeliveryEntry](), Tally[str]()
    for result in results:
        delivery = deliveries[result.job.delivery]
        columns = _columns(receiver, delivery, result, now)
        _update(delivery, result, columns)
        if not result.text:
            continue  # nothing was called
        _update_health(receiver, result, now, is_probe=delivery.pk in probes)
        event = Event.WAITS if columns["due_at"] and result.event == Event.NEEDS_PERSON else result.event
        tally[event] += 1
        entries.append(DeliveryEntry(receiver=receiver, delivery=delivery, event=event, at=now, text=result.text))
    DeliveryEntry.objects.bulk_create(entries)
    for name, count in tally.items():
        _count(receiver, name, count)
    if tally:
        receiver.save(update_fields=["trouble", "trouble_since", "failures", "probe_at", "answered_at"])
    if before and not receiver.trouble:
        write_line(receiver, Event.ANSWERS_AGAIN)


def _columns(receiver: Receiver, delivery: Delivery, result: Result, now: datetime) -> dict[str, Any]:
    """Those that say what is done next with it."""
    if result.event == Event.ACCEPTED:
        # Where nothing was called it has been as it is for longer, or was never there.
        called = {"pushed_at": now} if result.text else {}
        in_step = {} if result.again_at else {"wanted_at": None}
        return {"due_at": result.again_at, "needs_person": "", "attempts": 0, "failed_at": None} | in_step | called
    if not result.text:
        return {}
    attempts, waits = delivery.attempts + 1, result.may_pass
    if result.event == Event.UNREACHABLE:
        others_pass = delivery.failed_at and receiver.answered_at and receiver.answered_at > delivery.failed_at
        attempts, waits = delivery.attempts + bool(others_pass), True
    columns = {"attempts": attempts, "failed_at": now}
    if waits and attempts < TRIES:
        return columns | {"due_at": in_order(max(attempts, 1), now), "needs_person": ""}
    return columns | {"due_at": None, "needs_person": result.text}


def _update(delivery: Delivery, result: Result, columns: dict[str, Any]) -> None:
    there = result.there.columns() | ({"outcome": result.text} if result.text else {})
    row = Delivery.objects.filter(pk=delivery.pk)
    # Wanted anew meanwhile: it stays due.
    if not row.filter(wanted=result.job.wanted).update(**there, **columns):
        row.update(**there)


def _update_health(receiver: Receiver, result: Result, now: datetime, *, is_probe: bool) -> None:
    if result.event != Event.UNREACHABLE:
        receiver.answered_at = now
        for name, value in NO_TROUBLE.items():
            setattr(receiver, name, value)
        return
    if receiver.trouble and not is_probe:
        return  # it was under way when another one found out
    receiver.trouble, receiver.failures = result.text, receiver.failures + 1
    receiver.trouble_since = receiver.trouble_since or now
    seconds = pause(receiver.failures, MOST_OF_A_RECEIVER)
    if result.retry_after is not None:
        seconds = min(max(result.retry_after, 1.0), MOST_RETRY_AFTER)
    receiver.probe_at = now + timedelta(seconds=seconds)


def _count(receiver: Receiver, event: str, count: int) -> None:
    """For the metrics; the log is purged, these only grow."""
    name = receiver.counter_name(event)
    if not Counter.objects.filter(name=name).update(value=F("value") + count):
        Counter.objects.create(name=name, value=count)
