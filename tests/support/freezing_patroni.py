"""Patroni that stops itself, once, where it is about to renew its lock: the worst moment to be frozen at.

Run by Patroni's own Python, as `patroni` is. It stops where there is a file of the name that FREEZE says.
"""

import os
import signal
import sys
from pathlib import Path

import patroni.postgresql  # noqa: F401  first: patroni.ha cannot be loaded alone
from patroni.__main__ import main
from patroni.ha import Ha

renew = Ha.update_lock


def stop_and_renew(self, *arguments, **options):
    note = Path(os.environ["FREEZE"])
    if note.exists():
        note.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    return renew(self, *arguments, **options)


if __name__ == "__main__":  # and not in the process that starts PostgreSQL, which loads this again
    Ha.update_lock = stop_and_renew
    sys.exit(main())
