"""Memory that gunicorn's workers share: made before they are forked (`preload_app`), without any file.

It never fills a disk and is never cleaned away. Its locks belong to the system, which takes them back from a process
that is killed.
"""

import fcntl
import mmap
import os
import tempfile
import threading


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
