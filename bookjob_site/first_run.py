"""What `make` does before there is an environment of our own: the standard library is enough.

python3 -m bookjob_site.first_run check                ends with one line where Python is too old
python3 -m bookjob_site.first_run port 8000            ends with one line where the port is taken
python3 -m bookjob_site.first_run install ARGUMENTS    pip install, and one line where the package index is away
"""

import errno
import re
import socket
import subprocess
import sys
from collections.abc import Iterable

AWAY = re.compile(
    r"NewConnectionError|ConnectTimeout|ProxyError|Name or service not known|Temporary failure in name resolution"
    r"|Network is unreachable|Connection refused|Max retries exceeded|No matching distribution found"
)


def look_at_port(text: str) -> None:
    port = int(text) if text.isdecimal() and len(text) < 6 else 0
    if not 1 <= port <= 65_535:
        raise SystemExit(f"make: PORT is {text!r}. It must be a port, 1 to 65535: PORT=9000 make run")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            what = (
                "is taken by another program"
                if fault.errno == errno.EADDRINUSE
                else f"cannot be used: {fault.strerror}"
            )
            raise SystemExit(f"make: port {port} {what}. Take another one: PORT={port % 65_535 + 1} make run") from None


def install(python: str, arguments: Iterable[str]) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603
    if ended.returncode == 0:
        return
    if AWAY.search(ended.stdout):
        raise SystemExit(
            "make: the package index cannot be reached, or does not have what is asked for. Look at the network, or"
            " name an index that you reach in PIP_INDEX_URL, then run make again."
        )
    print(ended.stdout, file=sys.stderr)  # noqa: T201  pip's own words
    raise SystemExit("make: the packages were not installed; pip says why above.")


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  whatever Python is called python3
        raise SystemExit("make: Python 3.11 or newer is needed: make run PYTHON=python3.12")
    what, *rest = sys.argv[1:]
    if what == "port":
        look_at_port(*rest)
    elif what == "install":
        install(rest[0], rest[1:])
