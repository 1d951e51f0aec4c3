"""Run a command of manage.py, and say how long its longest transaction lasted: `python -m bench.held seed_slots …`.

The last line on standard error is `held 0.123 0.045 4.567 5.678`. The longest transaction held its locks for so many
seconds: from when it was the only writer to the end of its COMMIT. It used so many seconds of the processor meanwhile;
on a machine with other work it waits for its turn the rest of the time. The command used so many seconds of the
processor, and took so many, both without the start of Django. Those of PostgreSQL's processor are included where it
runs on the same machine.
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

from bookings.supply import turns  # noqa: E402

MARK = "held "


def main() -> None:
    connection = connections["default"]
    switch, lock = connection.set_autocommit, turns.only_writer
    longest: tuple[float, float] = (0.0, 0.0)
    began: tuple[float, float] | None = None

    def moment() -> tuple[float, float]:
        return time.monotonic(), time.process_time() + used_by_server(connection)

    def since(then: tuple[float, float]) -> tuple[float, float]:
        now = moment()
        return now[0] - then[0], now[1] - then[1]

    def timed(autocommit: bool, *arguments: bool, **more: bool) -> None:
        nonlocal longest, began
        switch(autocommit, *arguments, **more)
        if autocommit and began is not None:
            longest, began = max(longest, since(began)), None
        elif not autocommit:
            began = moment()

    def only_writer() -> None:
        nonlocal began
        lock()
        began = moment()

    connection.set_autocommit = timed
    turns.only_writer = only_writer
    began_command = moment()
    try:
        execute_from_command_line(["manage.py", *sys.argv[1:]])
    finally:
        took, used = since(began_command)
        print(f"{MARK}{longest[0]:.3f} {longest[1]:.3f} {used:.3f} {took:.3f}", file=sys.stderr)


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
