"""Run a command of manage.py, and say how long its longest transaction lasted: `python -m bench.held seed_slots …`.

The last line on standard error is `held 0.123`: seconds from when the transaction was there (on SQLite it has the lock
then) to the end of its COMMIT.
"""

import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")

import django

django.setup()

from django.core.management import execute_from_command_line  # noqa: E402
from django.db import connections  # noqa: E402

MARK = "held "


def main() -> None:
    connection = connections["default"]
    switch, longest, began = connection.set_autocommit, 0.0, None

    def timed(autocommit: bool, *arguments: bool, **more: bool) -> None:
        nonlocal longest, began
        switch(autocommit, *arguments, **more)
        if autocommit and began is not None:
            longest, began = max(longest, time.monotonic() - began), None
        elif not autocommit:
            began = time.monotonic()

    connection.set_autocommit = timed
    try:
        execute_from_command_line(["manage.py", *sys.argv[1:]])
    finally:
        print(f"{MARK}{longest:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
