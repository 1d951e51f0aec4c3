#!/usr/bin/env python
"""The door to the management commands."""

import os
import signal
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    # `… | head` ends a command as it ends any other, without a traceback.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
    execute_from_command_line(sys.argv)
