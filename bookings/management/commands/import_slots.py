"""Write the slots of another planning system from a CSV file, keyed by its own id.

Example, and the file:

    python manage.py import_slots slots.csv --dry-run

    external_id,area,start,end,order_type,worker,capacity,open
    P-1001,LEEDS,2026-12-04T13:00Z,2026-12-04T15:00Z,,anna,1,yes

Safe to repeat: the file is a state to be reached, whatever the order of its rows. A slot with that id is changed where
it differs, a new one is made, and one that the file does not name stays. A slot never changes its area, time, order
type or worker: an id that stands elsewhere in the file goes over to another slot, and the old one is withdrawn; its
bookings stay and ask to be reviewed again. A row that would break a booking or clash with another slot is refused and
named, and the others are written; with --strict, one such row refuses the whole file. All rows are checked before
anything is written, and then written in short transactions, so that bookings go on; what a booking makes impossible
in between is refused and named, also with --strict. Exit status 1 says that something was refused.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from tqdm import tqdm

from bookings.management import arguments
from bookings.supply import areas, import_plans, slot_files, slot_imports, turns
from bookings.supply.csv_files import CsvError
from bookings.supply.import_plans import Outcome
from bookings.supply.slot_files import Row, RowError

BY = "import_slots"


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--strict", action="store_true", help="write all rows or none")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        rows, refused = self.read(options["file"])
        plan = slot_imports.plan(rows)
        refused |= plan.refused
        self.tell(refused)
        if options["strict"] and refused:
            raise CommandError(f"{len(refused)} rows were refused, and with --strict nothing was written.")
        counts: Counter[Outcome] = Counter(target.outcome for target in plan.accepted.values())
        counts["refused"] = len(refused)
        if not options["dry_run"]:
            self.write(plan, counts)
        self.stdout.write(
            f"{counts['created']} slots created, {counts['changed']} changed, {counts['kept']} kept,"
            f" {counts['refused']} rows refused."
        )
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")
        if counts["refused"]:
            raise SystemExit(1)

    def read(self, path: Path) -> tuple[list[Row], dict[int, str]]:
        """The rows that can be read, each with an id of its own, and by its line why another one cannot."""
        known = areas.by_code()
        rows: list[Row] = []
        refused: dict[int, str] = {}
        seen: dict[str, int] = {}
        try:
            for line, cells in slot_files.read(arguments.text_of(path)):
                try:
                    row = slot_files.read_row(line, cells, known)
                    if seen.setdefault(row.external_id, line) != line:
                        raise RowError(f"line {seen[row.external_id]} has the same external_id")
                    rows.append(row)
                except RowError as error:
                    refused[line] = str(error)
        except CsvError as error:
            raise CommandError(f"{path.name}, {error}") from None
        return rows, refused

    def write(self, plan: import_plans.Plan, counts: Counter[Outcome]) -> None:
        """What the plan comes to, piece by piece; `counts` are put right where somebody was faster."""
        with tqdm(total=len(plan.to_write()), disable=None, unit="row") as progress:
            for rows in plan.transactions():
                try:
                    outcomes = turns.write(partial(slot_imports.write, rows, by=BY))
                except OperationalError as error:
                    raise CommandError(
                        f"The database did not take the rows from line {rows[0].line} on: {error}".strip()
                        + " What was written before stays. Run it again."
                    ) from None
                counts.update(outcome for _, outcome, _ in outcomes)
                counts.subtract(plan.accepted[row.external_id].outcome for row in rows)
                progress.clear()
                self.tell({line: reason for line, _, reason in outcomes if reason})
                progress.update(len(rows))

    def tell(self, refused: dict[int, str]) -> None:
        for line, reason in sorted(refused.items()):
            self.stdout.write(f"line {line} is refused: {reason}.")
