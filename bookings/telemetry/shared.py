"""Memory that gunicorn's workers share: made before they are forked (`preload_app`), without any file.

It never fills a disk and is never cleaned away. Its locks belong to the system, which takes them back from a process
that is killed. Buckets of requests stand in it here; metrics.py has the table of what is counted.
"""

import fcntl
import mmap
import os
import struct
import tempfile
import threading

# Buckets lie in rows of eight: where a key's row is follows from its hash, and only that row is searched.
ROWS, WIDTH = 8192, 8
ROW = struct.Struct(f"={WIDTH}Q{WIDTH}d")
NUMBER, MOMENT = struct.Struct("=Q"), struct.Struct("=d")
MINUTE = 60.0


class SharedMemory:
    """`memory` holds zeros at first. In `with shared:` no other thread and no other process is."""

    def __init__(self, size: int) -> None:
        self.memory = mmap.mmap(-1, size)
        self.file = _something_to_lock()
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        self.lock.acquire()
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX)
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *fault: object) -> None:
        fcntl.lockf(self.file, fcntl.LOCK_UN)
        self.lock.release()


def _something_to_lock() -> int:
    """A descriptor for the system's locks alone; nothing is ever written into it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("bookjob")
    with tempfile.TemporaryFile() as file:  # not on Linux
        return os.dup(file.fileno())


class Buckets:
    """So many requests a minute: a table; make it before the processes are forked that are to share it.

    Each key has a bucket that holds a minute's worth and fills again as steadily as time goes by (a token bucket, kept
    as the moment at which it will be full: the generic cell rate algorithm). The size of the table never changes. Two
    keys never share a bucket; where more of them come within a minute than there is room for, the one that has used
    the least is forgotten, which means that it begins with a full bucket again. None is refused for another one.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.shared = SharedMemory(rows * ROW.size)

    def take(self, key: str, limit: int, now: float) -> float:
        """Take one request out of `key`'s bucket of `limit` a minute. The seconds to wait if it is empty, else 0."""
        # Python draws the secret of its hash when it starts, and a forked process keeps it.
        number = hash(key) & 0xFFFF_FFFF_FFFF_FFFF or 1
        row = number % self.rows * ROW.size
        memory = self.shared.memory
        with self.shared:
            cells = ROW.unpack_from(memory, row)
            numbers, full_at = cells[:WIDTH], cells[WIDTH:]
            if number in numbers:
                place = numbers.index(number)
                until = max(full_at[place], now) + MINUTE / limit
            else:
                place = full_at.index(min(full_at))
                until = now + MINUTE / limit
                NUMBER.pack_into(memory, row + place * 8, number)
            wait: float = until - now - MINUTE
            # A hair's breadth is no wait: a bucket of 3 holds 3, though three thirds may come out above 1.
            if wait > 1e-6:
                return wait
            MOMENT.pack_into(memory, row + (WIDTH + place) * 8, until)
            return 0.0
