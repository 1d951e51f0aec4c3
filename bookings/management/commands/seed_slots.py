"""Make appointment slots from opening hours, which are read on the area's clock.

Example, three months of two-hour slots for four visits each, without bank holidays:

    python manage.py seed_slots --area LEEDS --name Leeds --time-zone Europe/London \\
        --from 2026-12-01 --days 90 --hours 08:00-12:00,13:00-17:00 --length 120 --capacity 4 --holidays GB-ENG

Example, all areas and workers from a file (docs/slots.md describes it), closing what the file has no longer:

    python manage.py seed_slots --template slots.toml --prune --dry-run

Safe to repeat: a slot that exists is kept as it is, booked or not, open or closed; a slot that would overlap another
one of the same worker is skipped and named. Slots are written in short transactions, so that bookings go on; a run
that was killed can simply be run again.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from bookings import blackouts, plans, supply
from bookings.models import ServiceArea
from bookings.plans import Template

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
    ("holidays", "GB-ENG", "country or country-subdivision whose days are left out"),
]


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        for name, metavar, text in PLAN_OPTIONS:
            parser.add_argument(_option(name), dest=name, metavar=metavar, help=text)
        parser.add_argument("--template", type=Path, metavar="FILE", help="TOML or CSV instead of the options above")
        parser.add_argument("--prune", action="store_true", help="close unbooked slots that the template has no longer")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        template, dry_run = self.template(options), options["dry_run"]
        if not dry_run:
            supply.add_areas(template.areas.values())
        counts: Counter[tuple[str, str]] = Counter()
        gone: set[int] = set()
        if options["prune"]:
            for area, slots in supply.missing_from(template, timezone.now()):
                counts[area.code, "closed"] += len(slots) if dry_run else supply.withdraw_slots(slots, by="seed_slots")
                gone.update(slots if dry_run else [])
        with tqdm(total=supply.count_wanted(template), disable=None, unit="slot", unit_scale=True) as progress:
            for wanted in blackouts.in_batches(supply.wanted_slots(template)):
                added = supply.add_slots(wanted, by="seed_slots", ignore=gone, dry_run=dry_run)
                counts.update(added.counts)
                for slot, busy in added.clashes:
                    progress.clear()
                    self.stdout.write(
                        f"{slot.area.code}: {slot.area.period_text(slot.start, slot.end)} is skipped:"
                        f" {slot.worker} is busy {slot.area.period_text(*busy)}."
                    )
                progress.update(len(wanted))
        for code in template.areas:
            reopened = f"{counts[code, 'reopened']} opened again, " if counts[code, "reopened"] else ""
            closed = f", {counts[code, 'closed']} closed" if options["prune"] else ""
            self.stdout.write(
                f"{code}: {counts[code, 'created']} slots created, {reopened}{counts[code, 'kept']} kept,"
                f" {counts[code, 'skipped']} skipped{closed}."
            )
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")

    def template(self, options: dict[str, Any]) -> Template:
        """From the file or from the options, checked as a whole."""
        known = {area.code: area for area in ServiceArea.objects.all()}
        given = {name: options[name] for name, _, _ in PLAN_OPTIONS if options[name] is not None}
        path: Path | None = options["template"]
        if path is None:
            if options["prune"]:
                raise CommandError("--prune closes what a template has no longer: it goes with --template.")
            found = plans.read_plans([(given, lambda key: 0)], known)
            if isinstance(found, list):
                raise CommandError(_as_options(found[0].message))
            return found
        if given:
            raise CommandError(f"A template brings its plans itself: leave {_option(next(iter(given)))} out.")
        found = plans.read_template(text_of(path), is_toml=path.suffix.lower() == ".toml", known=known)
        if isinstance(found, list):
            faults = "\n".join(str(fault) for fault in found)
            raise CommandError(f"{path.name} is not right, and nothing was written.\n{faults}")
        return found


def text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 from byte {error.start} on. Save it as UTF-8.") from None


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _as_options(message: str) -> str:
    """What is said of a key of a plan, said of the option with which it was given."""
    for name in ("time_zone", "order_type"):
        message = message.replace(name, _option(name))
    first, space, rest = message.partition(" ")
    return (_option(first) if first in {name for name, _, _ in PLAN_OPTIONS} else first) + space + rest
