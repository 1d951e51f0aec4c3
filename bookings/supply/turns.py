"""How long commands share the database with bookings: in short transactions, one writer of slots at a time.

On SQLite, where there is one lock for all who write, the next step of a command stands in line behind the bookings that
came meanwhile (bookjob_site/sqlite/base.py).
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

from bookings import clock

T = TypeVar("T")

# Rows of a command's first transaction, of any, and the seconds that one should take: others wait meanwhile. LEAST,
# since each costs something, however few its rows are. On a busy machine most of the time goes by waiting for the
# processor, and fewer rows would not end sooner.
BATCH = {"sqlite": 100, "postgresql": 100}
LEAST, MOST, GOAL = 100, 1_000, 0.08
# How often a step is tried that could not get its locks; each try waits as long as the database's settings say.
TRIES = 3
# What all who write slots wait for on PostgreSQL; any number that nothing else uses.
WRITER_LOCK = 0x51075


class Pace:
    """How many rows a command writes in one transaction: as many as the one before it wrote in GOAL seconds.

    A machine that is slow, or has other work, so makes more transactions, and not longer ones.
    """

    def __init__(self) -> None:
        self.rows = BATCH[connection.vendor]

    def batches(self, rows: Sequence[T], weigh: Callable[[T], int] = lambda row: 1) -> Iterator[list[T]]:
        """The rows in their order, each batch as large as it may be then; a row may weigh as much as several."""
        done = 0
        while done < len(rows):
            end, weight = done, 0
            while end < len(rows) and (end == done or weight + weigh(rows[end]) <= self.rows):
                weight += weigh(rows[end])
                end += 1
            yield list(rows[done:end])
            done = end

    def write(self, step: Callable[[], T], rows: int) -> T:
        """As the function `write`, for a step that writes so many rows."""

        def timed() -> T:
            began = clock.ticks()
            # After the COMMIT, and before others get their turn.
            transaction.on_commit(lambda: self.took(rows, clock.ticks() - began))
            return step()

        return write(timed)

    def took(self, rows: int, seconds: float) -> None:
        # A few rows say little about how long many take.
        in_time = int(max(rows, LEAST) * GOAL / seconds) if seconds else MOST
        self.rows = max(LEAST, min(in_time, 2 * self.rows, MOST))


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
        with _uncollected():
            return step()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for garbage before a step and after it: to go through all objects takes a tenth of a second."""
    gc.disable()
    try:
        yield
    finally:
        # Whatever it was before: of two threads the first that ends lets both go on with it.
        gc.enable()


def _is_about_locks(fault: OperationalError) -> bool:
    return isinstance(fault.__cause__, LockNotAvailable | DeadlockDetected) or "locked" in str(fault)


def only_writer() -> None:
    """Wait until no other process makes or hides slots: what was looked at before writing holds until the commit.

    On SQLite the transaction itself is the only writer (transaction_mode IMMEDIATE). Bookings do not wait for this.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITER_LOCK])


def in_batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch
