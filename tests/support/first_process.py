"""Run a command as the first process of a machine does: `python first_process.py COMMAND …`.

What its processes leave behind ends as their child, and is reaped at once. Patroni takes a PostgreSQL that has ended
and was not reaped for one that runs; not every first process of a container reaps in time.
"""

import ctypes
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(sys.argv[1:])
    while os.wait()[0] != child.pid:
        pass
