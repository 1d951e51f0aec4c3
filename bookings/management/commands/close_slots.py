"""Take no bookings in an area for a time: its slots are hidden, and nothing is deleted.

Example, Christmas, and one worker's afternoon:

    python manage.py close_slots --area LEEDS --from 2026-12-24 --until 2026-12-26 --reason "Christmas"
    python manage.py close_slots --area LEEDS --worker anna --from 2026-12-07T12:00 --until 2026-12-07T17:00 \\
        --reason "At the dentist"

Slots that are made later are hidden as well. The bookings that stand in the time are listed, and stay until they are
moved or cancelled. open_slots with the same times undoes it. It works in short transactions while bookings go on: what
was interrupted is simply run again. An area or a worker that is not known is refused, with names that are like it.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.management import arguments
from bookings.models import Blackout
from bookings.sentences import counted, plain_blanks
from bookings.supply.closing import blackouts


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        arguments.add_period(parser)
        parser.add_argument("--reason", required=True, metavar="TEXT", help="what staff read")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        area, start, end = arguments.read_period(options)
        reason = plain_blanks(options["reason"])
        if not reason or not reason.isprintable():
            raise CommandError("--reason is empty or holds a character that cannot be printed.")
        given = {"area": area, "worker": options["worker"], "start": start, "end": end, "reason": reason}
        blackout = Blackout(**given)
        if options["dry_run"]:
            slots, bookings = blackouts.would_close(blackout), blackouts.by_time(blackouts.bookings_in(blackout))
        else:
            closed = blackouts.close_slots(**given, by="close_slots")
            slots, bookings = closed.slots, closed.bookings
        self.stdout.write(f"{area.code}: {counted(slots, 'slot')} closed, {area.period_text(start, end)}.")
        if not blackouts.touched_by(blackout).exists():
            self.stdout.write("There are no slots yet: later ones will be closed.")
        if hit := len(bookings):
            stand = counted(hit, "booking stands", "bookings stand")
            self.stdout.write(f"{stand} in this time. Move or cancel {'it' if hit == 1 else 'them'}:")
        for work_order in bookings:
            slot = work_order.slot
            who = [work_order.account_num, work_order.account_name, work_order.phone, slot.worker]
            about = ", ".join(text for text in who if text)
            self.stdout.write(f"{work_order.order_num}  {area.period_text(slot.start, slot.end)}  {about}")
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")
