"""Serve a simulated ServiceMobility on the loopback until it is stopped.

Example:

    python -m conformance.simulator --port 8100 --password-file password.txt --unknown C-9 --state orders.sqlite3

Then connect this service to it:

    python manage.py connect_servicemobility --url http://127.0.0.1:8100 --username bookjob --password-file password.txt

Its page, http://127.0.0.1:8100/, shows what the technicians' devices would show.
"""

import argparse
import signal
import sqlite3
import sys
import threading
from pathlib import Path

from conformance.simulator import FAULTS, Simulator


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m conformance.simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8100, metavar="N", help="(%(default)s)")
    parser.add_argument("--username", default="bookjob", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--password-file", type=Path, required=True, metavar="FILE", help="of the log-in")
    parser.add_argument("--state", default=":memory:", metavar="FILE", help="keep the work orders there (in memory)")
    parser.add_argument("--require", default="", metavar="A,B", help="properties without which no work order is taken")
    parser.add_argument("--unknown", default="", metavar="A,B", help="numbers of accounts and locations not known here")
    parser.add_argument("--fault", action="append", default=[], choices=FAULTS, metavar="NAME", help=", ".join(FAULTS))
    return parser


def codes(text: str) -> tuple[str, ...]:
    return tuple(code.strip() for code in text.split(",") if code.strip())


def main() -> int:
    options = arguments().parse_args()
    try:
        password = options.password_file.read_text("utf-8").rstrip("\r\n")
        simulator = Simulator(
            port=options.port,
            username=options.username,
            password=password,
            file=options.state,
            required=codes(options.require),
            unknown=codes(options.unknown),
        )
    except (OSError, ValueError, OverflowError, sqlite3.Error) as fault:
        sys.stderr.write(f"The simulator does not start: {fault}\n")
        return 2
    for name in options.fault:
        simulator.add_fault(name)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with simulator:
        sys.stdout.write(f"ServiceMobility, simulated: {simulator.url}/\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
