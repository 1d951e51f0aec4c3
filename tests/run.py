"""`make test`: the whole suite on SQLite and on PostgreSQL. Arguments go to pytest: `python -m tests.run -k race`.

`make torture`, or `python -m tests.run --torture`: only histories and faults, but ten thousand operations of each.
"""

import contextlib
import os
import subprocess
import sys
import time

from tests import postgres
from tests.browser import find_chromium

TORTURE = {"TORTURE_OPERATIONS": "10000"}


def run(title: str, url: str) -> int:
    print(f"\n=== The suite on {title} ===", flush=True)
    environment, arguments = os.environ | {"TEST_DATABASE_URL": url}, sys.argv[1:]
    if "--torture" in arguments:
        arguments.remove("--torture")
        environment |= TORTURE
        arguments = arguments or [f"tests/test_{name}.py" for name in ("histories", "faults", "database_shapes")]
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environment, check=False).returncode


def main() -> int:
    results = []
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        url, title = os.environ.get("TEST_DATABASE_URL", ""), "the PostgreSQL of TEST_DATABASE_URL"
        if not url:
            try:
                url, title = stack.enter_context(postgres.server())
            except Exception as fault:
                print(
                    f"No PostgreSQL for the tests: {fault}\nInstall its server (apt-get install postgresql)"
                    " or set TEST_DATABASE_URL to one whose user may create databases.",
                    file=sys.stderr,
                )
                return 1
        for where, address in (("SQLite", ""), (title, url)):
            results.append((where, run(where, address)))
    print()
    for where, code in results:
        print(f"{'passed' if code == 0 else 'FAILED'} on {where}")
    browser_tests = "" if find_chromium() else "; the browser tests were skipped: apt-get install chromium"
    pgbouncer_tests = (
        "" if postgres.find_pgbouncer() else "; those of PgBouncer were skipped: apt-get install pgbouncer"
    )
    print(f"{time.monotonic() - began:.0f} s in all{browser_tests}{pgbouncer_tests}")
    return max(code for _, code in results)


if __name__ == "__main__":
    sys.exit(main())
