"""How long commands share the database with bookings: in short transactions, one writer of slots at a time."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

T = TypeVar("T")

# Rows that are written in one go, which takes a tenth of a second at most. On SQLite bookings wait meanwhile.
BATCH = {"sqlite": 500, "postgresql": 2_000}
# How often a step is tried that could not get its locks; each try waits as long as the database's settings say.
TRIES = 3
LONGEST_PAUSE = 0.2  # seconds
# What all who write slots wait for on PostgreSQL; any number that nobody else uses.
WRITER_LOCK = 0x51075


def write(step: Callable[[], T]) -> T:
    """One short step of a long command, in a transaction of its own, as the only writer of slots.

    Tried again where it did not get its locks. Raises OperationalError where it never did.
    """
    for _ in range(TRIES - 1):
        try:
            return _write_once(step)
        except OperationalError as fault:
            # Inside of another transaction nothing can be tried again.
            if connection.in_atomic_block or not _is_about_locks(fault):
                raise
    return _write_once(step)


def _write_once(step: Callable[[], T]) -> T:
    with transaction.atomic():
        only_writer()
        began = time.monotonic()
        done = step()
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        # SQLite's one lock goes to who asks first, and who waits asks now and then: leave them as long as it was held.
        time.sleep(min(time.monotonic() - began, LONGEST_PAUSE))
    return done


def _is_about_locks(fault: OperationalError) -> bool:
    return isinstance(fault.__cause__, LockNotAvailable | DeadlockDetected) or "locked" in str(fault)


def only_writer() -> None:
    """Wait until nobody else makes or hides slots: what was looked at before writing holds until the transaction ends.

    On SQLite the transaction itself is the only writer (transaction_mode IMMEDIATE). Bookings do not wait for this.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITER_LOCK])


def in_batches(rows: Iterable[Any], size: int | None = None) -> Iterator[list[Any]]:
    rows = iter(rows)
    while batch := list(islice(rows, size or BATCH[connection.vendor])):
        yield batch
