"""Play ServiceMobility against an implementation of its search and booking interfaces, and report what it keeps.

Example:

    python -m conformance https://backend.example.org/api/v1 --token "$TOKEN" --location location.json

location.json holds a Location object as ServiceMobility sends it, of a place with open slots:

    {"LocationNum": "L-1", "ServiceAreaID": "LEEDS"}

It makes real bookings, which are listed at the end: use a test system, or cancel them. With --push it calls
ServiceMobility itself instead, with an order of its own at a test tenant:

    python -m conformance --push --url https://tenant.example.org --username bookjob --password-file password.txt

Exit status 0: nothing failed; 1: a check failed; 2: wrong arguments, or nothing answers at the URL.
"""

import argparse
import sys

from conformance import command


def main() -> int:
    parser = argparse.ArgumentParser("python -m conformance", description=__doc__)
    command.add_arguments(parser)
    try:
        return command.run(vars(parser.parse_args()), lambda line: print(line, flush=True))  # noqa: T201
    except command.Wrong as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
