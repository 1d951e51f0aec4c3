"""Run a command of manage.py, and say how long its longest transaction lasted: `python -m bench.held seed_slots …`.

The last line on standard error is `held 0.123 4.567`: seconds from when the transaction was there (on SQLite it has the
lock then) to the end of its COMMIT, and the seconds of the processor that the command used without the start of Django,
those of PostgreSQL included where it runs on the same machine.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

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
    began_using = time.process_time()
    try:
        execute_from_command_line(["manage.py", *sys.argv[1:]])
    finally:
        used = time.process_time() - began_using + used_by_server(connection)
        print(f"{MARK}{longest:.3f} {used:.3f}", file=sys.stderr)


def used_by_server(connection: Any) -> float:
    if connection.vendor != "postgresql" or connection.connection is None:
        return 0.0
    try:
        stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text()
    except OSError:
        return 0.0
    in_user_mode, in_kernel = stat.rpartition(")")[2].split()[11:13]
    return (int(in_user_mode) + int(in_kernel)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
