"""Make appointment slots from opening hours, which are read on the area's clock.

Example, three months of two-hour slots for four visits each, without bank holidays:

    python manage.py seed_slots --area LEEDS --name Leeds --time-zone Europe/London \\
        --from 2026-12-01 --days 90 --hours 08:00-12:00,13:00-17:00 --length 120 --capacity 4 --holidays GB-ENG

Example, all areas and workers from a file (docs/slots.md describes it), closing what the file has no longer:

    python manage.py seed_slots --template slots.toml --prune --dry-run

Safe to repeat: a slot that exists is kept as it is, booked or not, open or closed; a slot that would overlap another
one of the same worker is skipped and named; what is over is not made any more. Slots are written in short
transactions, so that bookings go on; a run that was killed can simply be run again. What was kept with other places
than the plan says is named: --resize takes the plan's over, where the bookings leave it that.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from bookings import clock
from bookings.management import arguments
from bookings.supply import areas
from bookings.supply.from_plans import plan_files, plans, seeding, seeding_texts
from bookings.supply.from_plans.plans import Template
from bookings.supply.turns import Pace

# What describes a plan. A template brings all of it itself, under the same names.
PLAN_OPTIONS = [
    ("area", "CODE", None),
    ("name", "TEXT", "with --time-zone: makes the area if there is none"),
    ("time_zone", "ZONE", "IANA name, such as Europe/London"),
    ("from", "DATE", "first day"),
    ("days", "N", "how many days"),
    ("until", "DATE", "last day, instead of --days"),
    ("hours", "08:00-12:00,13:00-17:00", "on the area's clock"),
    ("length", "MINUTES", "of each slot"),
    ("gap", "MINUTES", "to keep free between two slots (0)"),
    ("capacity", "N", "visits a slot can take (1)"),
    ("weekdays", "mon-fri", "(every day)"),
    ("workers", "a,b", "a slot for each (a pool without names)"),
    ("order_type", "CODE", "(orders of any type)"),
    ("every_weeks", "N", "every second, third … week, from the week of --from on (1)"),
    ("month_days", "1,15,last", "days of the month (all); 1-7 with --weekdays mon is the first Monday"),
    ("holidays", "GB-ENG", "country or country-subdivision whose days are left out"),
]


# Lines about what was left out, of each kind; more of them are counted.
SHOWN = 10


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        for name, metavar, text in PLAN_OPTIONS:
            parser.add_argument(_option(name), dest=name, metavar=metavar, help=text)
        parser.add_argument("--template", type=Path, metavar="FILE", help="TOML or CSV instead of the options above")
        parser.add_argument("--prune", action="store_true", help="close unbooked slots that the template has no longer")
        arguments.add_yes(parser)
        parser.add_argument(
            "--resize", action="store_true", help="give the slots of plans the places that they say now"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--verbose", action="store_true", help=f"name all that was left out, not {SHOWN} of a kind")

    def handle(self, *args: Any, **options: Any) -> None:
        template, dry_run, now = self.template(options), options["dry_run"], clock.now()
        self.told: Counter[str] = Counter()
        self.names_all = options["verbose"]
        self.progress: tqdm[NoReturn] | None = None
        for remark in template.remarks:
            self.tell("remarks", str(remark))
        for line in seeding_texts.spellings(template):
            self.tell("spellings", line)
        gone = list(seeding.missing_from(template, now)) if options["prune"] else []
        hidden = Counter(slot.area.code for slot in gone if slot.is_free)
        free = seeding.free_slots(template, now) if gone else {}
        if refusal := seeding_texts.too_many(hidden, free, options["yes"]):
            if not dry_run:
                raise CommandError(f"{refusal} Nothing was written.")
            self.stdout.write(refusal)
        if not dry_run:
            try:
                areas.add_areas(template)
            except ValueError as error:
                raise CommandError(str(error)) from None
        counts: Counter[tuple[str, str]] = Counter()
        total = seeding.count_wanted(template) + len(gone)
        with tqdm(total=total, disable=None, unit="slot", unit_scale=True) as self.progress:
            pace = Pace()
            for piece in seeding.pieces(template, gone, pace):
                outcome = seeding.write_piece(
                    piece, now, by="seed_slots", resize=options["resize"], dry_run=dry_run, pace=pace
                )
                counts.update(outcome.counts)
                for kind, line in seeding_texts.left_out(outcome):
                    self.tell(kind, line)
                self.progress.update(len(piece))
        for kind, number in self.told.items():
            if number > SHOWN and not self.names_all:
                self.stdout.write(f"{number - SHOWN} more {kind}: --verbose names all.")
        for code in template.areas:
            self.stdout.write(seeding_texts.summary(code, counts, options["prune"]))
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")
        if {what for (_, what), number in counts.items() if number} <= {"past", "closed"}:
            raise CommandError("All days of the plan are over: it makes no slot.")

    def tell(self, kind: str, line: str) -> None:
        """Say what was left out: the first of each kind, unless all are asked for."""
        self.told[kind] += 1
        if self.names_all or self.told[kind] <= SHOWN:
            if self.progress is not None:
                self.progress.clear()
            self.stdout.write(line)

    def template(self, options: dict[str, Any]) -> Template:
        """From the file or from the options, checked as a whole."""
        known = areas.by_code()
        given = {name: options[name] for name, _, _ in PLAN_OPTIONS if options[name] is not None}
        path: Path | None = options["template"]
        if path is None:
            if options["prune"]:
                raise CommandError("--prune closes what a template has no longer: it goes with --template.")
            found = plans.read_plans([(given, lambda key: 0)], known, _option)
            if isinstance(found, list):
                raise CommandError(found[0].message)
            return found
        if given:
            raise CommandError(f"A template brings its plans itself: leave {_option(next(iter(given)))} out.")
        found = plan_files.read_template(arguments.text_of(path), is_toml=path.suffix.lower() == ".toml", known=known)
        if isinstance(found, list):
            faults = "\n".join(str(fault) for fault in found)
            raise CommandError(f"{path.name} is not right, and nothing was written.\n{faults}")
        return found


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
