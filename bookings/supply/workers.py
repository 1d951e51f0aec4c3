"""Who works here, as far as slots and log-ins tell: so that a name that was mistyped is told from one that is new."""

from collections.abc import Iterable
from difflib import get_close_matches

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from bookings.models import AppointmentSlot
from bookings.sentences import isolated, say
from bookings.supply.from_plans.plans import fold

SHOWN = 3
# What is said of a worker's time in an area that the author may not see.
ELSEWHERE = "then in another area"


def is_known(worker: str) -> bool:
    """Whether a worker has slots, in whatever area and time, or a log-in."""
    if AppointmentSlot.objects.filter(worker=worker).exists():
        return True
    return get_user_model().objects.filter(username=worker, is_active=True).exists()


def names(slots: QuerySet[AppointmentSlot]) -> QuerySet[AppointmentSlot, str]:
    """The workers of these slots, each once."""
    return slots.exclude(worker="").order_by("worker").values_list("worker", flat=True).distinct()


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """That there is no such worker or area, with the known names that are nearest."""
    like = {fold(other): other for other in known}
    near = [like[found] for found in get_close_matches(fold(name), like, n=SHOWN)]
    hint = f"Did you mean {' or '.join(map(isolated, near))}?" if near else "Check the name."
    return say("There is no {what} {name}. ", what=what, name=repr(name)) + hint
