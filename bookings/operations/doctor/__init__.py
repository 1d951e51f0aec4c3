"""What an expert would find in this installation, worst first: rows, settings, the database and its cluster, delivery.

Nothing here writes, and each check reads a bounded part of the database. Called by the command `doctor`; `purge` asks
for `purge_note`.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import ProgrammingError, transaction
from psycopg.errors import InsufficientPrivilege

from bookings import clock
from bookings.operations.doctor import cluster, data, deliveries, machine, server, supply
from bookings.operations.doctor.data import purge_note
from bookings.operations.doctor.finding import Finding

__all__ = ["Finding", "findings", "purge_note"]

Check = Callable[[datetime], Iterator[Finding]]

# Of two findings that are equally urgent the earlier one here is said first.
CHECKS: list[Check] = [
    *cluster.CHECKS,
    *server.CHECKS,
    *data.CHECKS,
    *machine.CHECKS,
    *deliveries.CHECKS,
    *supply.CHECKS,
]


def findings(now: datetime | None = None) -> list[Finding]:
    """All of them, the urgent ones first."""
    now = now or clock.now()
    return sorted((found for check in CHECKS for found in _found_by(check, now)), key=lambda found: not found.is_urgent)


def _found_by(check: Check, now: datetime) -> list[Finding]:
    """What a role of the database may not look at ends no other check."""
    try:
        with transaction.atomic():
            return list(check(now))
    except ProgrammingError as fault:
        if not isinstance(fault.__cause__, InsufficientPrivilege):
            raise  # it is not migrated: all other findings would say so as well
        why = (str(fault).splitlines() or [""])[0]
        return [Finding(False, f"{check.__name__.replace('_', ' ').capitalize()} could not be looked at: {why}")]
