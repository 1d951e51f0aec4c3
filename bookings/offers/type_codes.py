"""Says in the log which `Type` codes customers' times come with while BOOKJOB_UNAVAILABLE_TYPES is empty.

Without the setting a customer who cannot be visited on a day is offered that day alone, and nothing else shows it.
"""

import logging
from datetime import date

from django.conf import settings

from bookings import wire

logger = logging.getLogger("bookings")

MOST_CODES = 100  # a day
SHOWN_LENGTH = 40

_told: dict[date, set[str]] = {}


def tell_once_a_day(job: wire.Search, today: date) -> None:
    """Each code once a day from each process."""
    if settings.BOOKJOB_UNAVAILABLE_TYPES:
        return
    if today not in _told:
        _told.clear()
    told = _told.setdefault(today, set())
    new = sorted({constraint.type[:SHOWN_LENGTH] for constraint in job.time_constraints} - told)
    if not new or len(told) >= MOST_CODES:
        return
    told.update(new)
    logger.warning(
        "TimeConstraints came with the Type %s while BOOKJOB_UNAVAILABLE_TYPES is empty: all of them are read as times"
        " when the customer is available. Name the codes that mean not available.",
        ", ".join(repr(code) for code in new[:MOST_CODES]),
    )
