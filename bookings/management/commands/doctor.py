"""Say what an expert would find in this installation, worst first. Silent and 0 when there is nothing.

Example, every morning from a timer that mails what is printed:

    python manage.py doctor

Each line is a finding, and says what to do. Exit status 1: findings; 2: urgent ones among them. It changes nothing and
can run while the service does.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings import clock
from bookings.operations import doctor


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter

    def handle(self, *args: Any, **options: Any) -> None:
        found = doctor.findings()
        if options["verbosity"] > 1:
            self.stdout.write(f"Time zones: IANA {clock.TIME_ZONES_VERSION}.")
        for is_urgent, sentence in found:
            self.stdout.write(f"{'urgent: ' if is_urgent else ''}{sentence}")
        if found:
            raise SystemExit(2 if found[0].is_urgent else 1)
