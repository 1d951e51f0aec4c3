"""Patroni that stops itself, once, where it renews its lock: the worst moments to be frozen at.

Before it, Patroni wakes up with a lock that it may not have any more. After it, the others wait for all of `ttl`.

Run by Patroni's own Python, as `patroni` is. It stops where there is a file of the name that FREEZE says, which says
`before` or `after`.
"""

import os
import signal
import sys
from pathlib import Path

import patroni.postgresql  # noqa: F401  first: patroni.ha cannot be loaded alone
from patroni.__main__ import main
from patroni.ha import Ha

renew = Ha.update_lock


def stop_at(moment):
    note = Path(os.environ["FREEZE"])
    if note.exists() and note.read_text() == moment:
        note.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


def renew_and_stop(self, *arguments, **options):
    stop_at("before")
    renewed = renew(self, *arguments, **options)
    stop_at("after")
    return renewed


if __name__ == "__main__":  # and not in the process that starts PostgreSQL, which loads this again
    Ha.update_lock = renew_and_stop
    sys.exit(main())
