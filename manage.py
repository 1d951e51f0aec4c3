#!/usr/bin/env python
"""The door to the management commands."""

import os
import signal
import sys

if __name__ == "__main__":
    # `… | head` ends a command as it ends any other, without a traceback.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
    from bookjob_site import commands

    commands.run(sys.argv)
