"""Write slots as CSV, as import_slots reads it; times are UTC.

Example:

    python manage.py export_slots --area LEEDS --from 2026-12-01 --until 2026-12-31 > slots.csv

Slots that were not imported have no external_id yet; with one, import_slots takes them over.
"""

import csv
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from bookings.management import arguments
from bookings.models import AppointmentSlot
from bookings.supply.from_systems import slot_files


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--area", metavar="CODE", help="(all areas)")
        parser.add_argument("--from", dest="first", metavar="DATE", help="first day, in UTC")
        parser.add_argument("--until", metavar="DATE", help="last day, in UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        slots = AppointmentSlot.objects.all()
        if options["area"] is not None:
            slots = slots.filter(area=arguments.read_area(options["area"]))
        if options["first"]:
            slots = slots.filter(start__gte=arguments.midnight("--from", options["first"]))
        if options["until"]:
            slots = slots.filter(start__lt=arguments.midnight("--until", options["until"]) + timedelta(days=1))
        self.stdout.ending = ""  # the writer ends its lines itself
        try:
            plain, quoted = (
                csv.writer(self.stdout, lineterminator="\n", quoting=quoting)
                for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
            )
            for row in slot_files.export_rows(slots):
                # Where the lines end otherwise, Python does not quote this one, and does not read it back either.
                (quoted if "\r" in "".join(row) else plain).writerow(row)
        except BrokenPipeError:
            # The reader has enough, as `head` does. What is left unwritten must not fail at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
