"""Exactly one process leads a receiver: the one that holds the lease on its row, by the clock of the database."""

import time
from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from bookings.models import Receiver

# Longer than a call (calls.DEADLINE), so that none outlives it.
SECONDS = 15
RENEWED_AFTER = 2


class Term:
    """From taking the lease until another one has it. What was begun in one term is nothing to the next one's."""

    def __init__(self, began: float) -> None:
        self.ends_at, self.renewed_at = began + SECONDS, began

    def lasts(self, seconds: float) -> bool:
        return uptime() + seconds < self.ends_at

    def end(self) -> None:
        self.ends_at = 0.0


def hold(receiver: int, holder: str, term: Term | None) -> Term | None:
    """The same term if the lease was never another's since; a new one; None where another one holds it."""
    began = uptime()
    if term and began - term.renewed_at < RENEWED_AFTER:
        return term
    row = Receiver.objects.filter(pk=receiver)
    end: Any = ExpressionWrapper(Now() + timedelta(seconds=SECONDS), output_field=DateTimeField())
    if term:
        if row.filter(lease_holder=holder).update(lease_until=end):
            term.ends_at, term.renewed_at = began + SECONDS, began
            return term
        term.end()
    # One that ends later than any lease can was given before the clock was set back.
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=Now()) | Q(lease_until__gt=end)
    return Term(began) if row.filter(free).update(lease_holder=holder, lease_until=end) else None


def locked(receiver: int, holder: str) -> Receiver | None:
    """The row, held until the transaction ends; None where another one leads, or may by now."""
    held = Receiver.objects.select_for_update().filter(pk=receiver, lease_holder=holder, lease_until__gt=Now())
    return held.first()


def give_back(receiver: int, holder: str) -> None:
    Receiver.objects.filter(pk=receiver, lease_holder=holder).update(lease_holder="", lease_until=None)


def uptime() -> float:
    """Seconds that also pass while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
