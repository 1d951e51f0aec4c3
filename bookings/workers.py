"""Who works here, as far as slots and log-ins tell: so that a name that was mistyped is told from one that is new."""

from collections.abc import Iterable
from difflib import get_close_matches

from django.contrib.auth import get_user_model

from bookings.models import AppointmentSlot
from bookings.plans import fold

SHOWN = 3


def is_known(worker: str) -> bool:
    """Whether a worker has slots, in whatever area and time, or a log-in."""
    if AppointmentSlot.objects.filter(worker=worker).exists():
        return True
    return get_user_model().objects.filter(username=worker, is_active=True).exists()


def near_names(worker: str) -> list[str]:
    """Workers with slots whose names are like this one, the nearest first."""
    names = AppointmentSlot.objects.exclude(worker="").order_by("worker").values_list("worker", flat=True).distinct()
    return nearest(worker, names)


def nearest(name: str, names: Iterable[str]) -> list[str]:
    like = {fold(known): known for known in names}
    return [like[found] for found in get_close_matches(fold(name), like, n=SHOWN)]
