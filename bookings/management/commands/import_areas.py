"""Write service areas from a CSV file, with their aliases and the beginnings of their postcodes.

Example, and the file:

    python manage.py import_areas areas.csv --dry-run

    area,name,time_zone,aliases,postcodes,cutoff_days,cutoff_time,safety_percent
    LEEDS,Leeds,Europe/London,"WC 7,WC 8","GB LS,GB WF1",1,17:00,80

Several lines may name an area, one for each of its postcodes: they count as one row.

Safe to repeat: an area is changed where it differs, and one that the file does not name stays. So does what a column
that is not there would say. Lists are whole: an alias or a postcode that a row does not name any more is taken away,
and another row of the file may take it. An area whose row breaks a rule is refused and named, and the others are
written; with --strict one such row refuses the whole file. Exit status 1 says that something was refused.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.management import arguments
from bookings.supply.csv_files import CsvError
from bookings.supply.from_systems import area_rows, area_upserts

# Each is held in memory until all are compared.
MOST_POSTCODES = 200_000


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
            report = area_upserts.upsert_areas(
                area_rows.read_file(text, MOST_POSTCODES),
                by="import_areas",
                strict=strict,
                dry_run=options["dry_run"],
                named=None,
                called="line",
            )
        except CsvError as error:
            raise CommandError(f"{path.name}, {error}") from None
        arguments.tell_of_rows(self.stdout, report, "area", strict=strict, dry_run=options["dry_run"])
