"""Take bookings again in a time that close_slots closed.

Example:

    python manage.py open_slots --area LEEDS --from 2026-12-24 --until 2026-12-26

What was closed beyond the times stays closed there. Slots that staff closed one by one, or that the plan has no
longer, stay hidden as well.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings.management import arguments
from bookings.sentences import counted
from bookings.supply.closing import blackouts


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        arguments.add_period(parser)
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        area, start, end = arguments.read_period(options, opens=True)
        given = {"area": area, "start": start, "end": end, "worker": options["worker"]}
        opened = blackouts.would_open(**given) if options["dry_run"] else blackouts.open_slots(**given, by="open_slots")
        self.stdout.write(f"{area.code}: {counted(opened, 'slot')} opened, {area.period_text(start, end)}.")
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")
