"""Play ServiceMobility against an implementation of its search and booking interfaces, and report what it keeps.

Example, against the service that `make run` started:

    python manage.py check_contract http://127.0.0.1:8000/api/v1 --token "$(python manage.py issue_token api)" \\
        --location location.json --report report.txt

location.json holds a Location object as ServiceMobility sends it, of a place with open slots:

    {"LocationNum": "L-1", "ServiceAreaID": "LEEDS"}

It speaks HTTP only and reads no database, so that it checks a customer's own implementation as well. It makes real
bookings, which are listed at the end, and fills one period: use a test system, or cancel them. With --practice, where
the database of the service is, it makes an area of its own, and leaves nothing behind. With --push it calls
ServiceMobility itself instead, with an order of its own at a test tenant, and says what the tenant demands:

    python manage.py check_contract --push --url https://tenant.example.org --username bookjob \\
        --password-file password.txt

Exit status 0: nothing failed; 1: a check failed; 2: wrong arguments, or nothing answers at the URL. Where nothing but
Python is: `python -m conformance`, with the same options.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.supply import practice
from conformance import command


class Command(BaseCommand):
    help = __doc__ or ""
    requires_system_checks = []  # the service of this project need not work here, nor its database be there

    def add_arguments(self, parser: ArgumentParser) -> None:
        command.add_arguments(parser)
        parser.add_argument(
            "--practice",
            action="store_true",
            help="in a practice area of this database, made for the run and removed with all bookings after it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = self._in_practice(options) if options["practice"] else command.run(options, self.stdout.write)
        except command.Wrong as fault:
            raise CommandError(str(fault), returncode=2) from None
        if status:
            raise SystemExit(status)

    def _in_practice(self, options: dict[str, Any]) -> int:
        if options["push"] or options["location"]:
            command.wrong("--practice has a place of its own: leave --location and --push out.")
        with practice.area_for_a_while("check_contract") as area, NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"LocationNum": "L-1", "ServiceAreaID": area.code}, file)
            file.flush()
            # A search in an area that is not there would be counted among those that found nothing.
            skip = ",".join([options["skip"], "search_nothing"])
            given = {"location": Path(file.name), "skip": skip, "afterwards": "they go with the practice area"}
            return command.run(options | given, self.stdout.write)
