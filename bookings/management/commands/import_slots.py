"""Write the slots of another planning system from a CSV file, keyed by its own id.

Example, and the file:

    python manage.py import_slots slots.csv --dry-run

    external_id,area,start,end,order_type,worker,capacity,open
    P-1001,LEEDS,2026-12-04T13:00Z,2026-12-04T15:00Z,,anna,1,yes

Safe to repeat: the file is a state to be reached, whatever the order of its rows. A slot with that id is changed where
it differs, a new one is made, and one that the file does not name stays. A slot never changes its area, time, order
type or worker: an id that stands elsewhere in the file goes over to another slot, and the old one is withdrawn; its
bookings stay and ask to be reviewed again. A row that would break a booking or clash with another slot is refused and
named, and the others are written; with --strict all rows are checked first, and one such row refuses the whole file.
The file is read to its end before anything is written, and then written in short transactions, so that bookings go on;
what a booking makes impossible in between is refused and named, also with --strict. Exit status 1 says that something
was refused.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from bookings.management import arguments
from bookings.supply.csv_files import CsvError
from bookings.supply.from_systems import slot_files, upserts

BY = "import_slots"


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--strict", action="store_true", help="write all rows or none")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path, text, strict = options["file"], arguments.text_of(options["file"]), options["strict"]
        try:
            with tqdm(disable=None, unit="row", unit_scale=True) as progress:
                report = upserts.upsert_slots(
                    slot_files.read(text),
                    by=BY,
                    strict=strict,
                    dry_run=options["dry_run"],
                    named=None,
                    called="line",
                    progress=progress.update,
                )
        except CsvError as error:
            raise CommandError(f"{path.name}, {error}") from None
        arguments.tell_of_rows(self.stdout, report, "slot", strict=strict, dry_run=options["dry_run"])
