"""Write the slots of another planning system from a CSV file, keyed by its own id.

Example, and the file:

    python manage.py import_slots slots.csv --dry-run

    external_id,area,start,end,order_type,worker,capacity,open
    P-1001,LEEDS,2026-12-04T13:00Z,2026-12-04T15:00Z,,anna,1,yes

Safe to repeat: a slot with that id is changed where it differs, a new one is made, and one that the file does not
name stays. A row that would break a booking or clash with another slot is refused and named, and the others are
written; with --strict, one such row refuses the whole file. Exit status 1 says that something was refused.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from tqdm import tqdm

from bookings import blackouts, slot_files
from bookings.management.commands.seed_slots import text_of


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--strict", action="store_true", help="write all rows or none")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rows = slot_files.read(text_of(options["file"]))
        except ValueError as error:
            raise CommandError(f"{options['file'].name}, {error}") from None
        counts: Counter[str]
        if options["strict"] or options["dry_run"]:
            with transaction.atomic():
                counts = self.write_rows(rows)
                is_refused = options["strict"] and counts["refused"] > 0
                transaction.set_rollback(options["dry_run"] or is_refused)
        else:
            counts, is_refused = self.write_rows(rows), False
        if is_refused:
            raise CommandError(f"{counts['refused']} rows were refused, and with --strict nothing was written.")
        self.stdout.write(
            f"{counts['created']} slots created, {counts['changed']} changed, {counts['kept']} kept,"
            f" {counts['refused']} rows refused."
        )
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")
        if counts["refused"]:
            raise SystemExit(1)

    def write_rows(self, rows: list[tuple[int, dict[str, str]]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        seen: dict[str, int] = {}
        with tqdm(total=len(rows), disable=None, unit="row") as progress:
            for batch in blackouts.in_batches(rows, slot_files.BATCH):
                for line, outcome, reason in slot_files.import_rows(batch, seen=seen, by="import_slots"):
                    counts[outcome] += 1
                    if reason:
                        progress.clear()
                        self.stdout.write(f"line {line} is refused: {reason}.")
                progress.update(len(batch))
        return counts
