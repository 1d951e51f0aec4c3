"""Count the numbers of each day that the desk's page of numbers shows.

Example, as the hourly timer runs it (deploy/bookjob-numbers.timer):

    python manage.py update_numbers

It counts the last days and the coming ones, and all days in the first run of a day (UTC) or with --all. Days are
counted in short steps while the service runs. Safe to repeat, to kill and run again, and to run on several machines at
once. What purge has removed stays counted. Areas whose time zone is not known here are left out, and named.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings import clock
from bookings.management import counting
from bookings.sentences import counted
from bookings.services import daily_sums


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--all", action="store_true", help="count all days")

    def handle(self, *args: Any, **options: Any) -> None:
        began, last = clock.now(), daily_sums.counted_at()
        everything = options["all"] or last is None or last.date() < began.date()
        changed = counting.update(everything=everything, say=self.stdout.write)
        self.stdout.write(f"{counted(changed, 'day')} counted anew.")
