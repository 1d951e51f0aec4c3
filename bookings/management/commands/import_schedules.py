"""Make or change the schedules of areas by a template, and extend them.

Example, the schedules of all areas of a template (docs/slots.md), always 90 days ahead:

    python manage.py import_schedules slots.toml --days-ahead 90 --dry-run

Where plans have `days_ahead`, as export_schedules writes them, they end where they say so, and their schedule reaches
so far. Of each other area the plans that end last go on from then; those that end before keep their last day. Areas
that a template describes with name and time zone are made. Safe to repeat. A schedule that is there gets the rules of
the file, and its former ones stay in its history in the desk. Where that would close more than a tenth of an area's
free slots, it asks for --yes.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.management import arguments
from bookings.models import Schedule
from bookings.models.schedules import MAX_DAYS_AHEAD
from bookings.refusals import Refused
from bookings.supply import areas
from bookings.supply.from_plans import plan_files, schedule_files, schedules, seeding_texts


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path, metavar="FILE", help="a template in TOML or CSV")
        parser.add_argument(
            "--days-ahead",
            type=arguments.whole(1, MAX_DAYS_AHEAD),
            metavar="N",
            help="how far ahead slots are made (as the file says, or as it is, or 60)",
        )
        arguments.add_yes(parser)
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        text, is_toml, dry_run = arguments.text_of(path), path.suffix.lower() == ".toml", options["dry_run"]
        template = plan_files.read_template(text, is_toml=is_toml, known=areas.by_code())
        if isinstance(template, list):
            faults = "\n".join(map(str, template))
            raise CommandError(f"{path.name} is not right, and nothing was written.\n{faults}")
        new = [area.code for area in template.areas.values() if area.pk is None]
        if dry_run and new:
            raise CommandError(f"A dry run needs areas that are there. Make {', '.join(new)} first.")
        try:
            wanted = schedule_files.wanted(text, template, is_toml=is_toml, days_ahead=options["days_ahead"])
        except schedule_files.FileError as error:
            raise CommandError(f"{error} Nothing was written.") from None
        if refusal := self.too_many(wanted, options["yes"]):
            if not dry_run:
                raise CommandError(f"{refusal} Nothing was written.")
            self.stdout.write(refusal)
        try:
            areas.add_areas(template)
        except ValueError as error:
            raise CommandError(str(error)) from None
        for schedule, is_same in wanted:
            schedule.area = template.areas[schedule.area.code]
            if not dry_run and not is_same:
                self.save(schedule)
            for line in schedules.extend_latest(schedule, by="import_schedules", dry_run=dry_run).lines():
                self.stdout.write(line)
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")

    def too_many(self, wanted: list[schedule_files.Wanted], allowed: int) -> str:
        """As seed_slots asks with --prune."""
        changed = [schedule for schedule, is_same in wanted if schedule.area.pk and not is_same]
        reports = [schedules.extend(schedule, by="import_schedules", dry_run=True) for schedule in changed]
        hidden = Counter({report.schedule.area.code: report.hidden for report in reports})
        free = {report.schedule.area.code: report.free for report in reports}
        return seeding_texts.too_many(hidden, free, allowed)

    def save(self, schedule: Schedule) -> None:
        try:
            schedules.save(schedule, by="import_schedules")
        except Refused as refused:
            raise CommandError(str(refused)) from None
