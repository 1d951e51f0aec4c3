"""Close, open or resize many slots to come, found by area, time, worker, order type, weekday and hour.

Example, no visits on Friday afternoons in December, and two places more on Mondays:

    python manage.py change_slots close --area LEEDS --from 2026-12-01 --until 2026-12-31 --weekdays fri \\
        --hours 13:00-18:00 --reason "Stocktaking"
    python manage.py change_slots resize --area LEEDS --from 2026-12-01 --until 2026-12-31 --weekdays mon --capacity 4

It does to many slots what staff do to one: closing and opening change staff's own reason alone, so a slot stays hidden
while a blackout or its plan hides it. Slots that are made later are not changed: close_slots closes a time for these as
well. Bookings stay, and ask to be reviewed again where their slot is closed. A slot with more bookings than it would
have places is refused and named; exit status 1 says so. It works in short transactions while bookings go on: what was
interrupted is simply run again.
"""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from bookings.management import arguments
from bookings.models import AppointmentSlot
from bookings.sentences import counted, plain_blanks
from bookings.supply import slot_changes
from bookings.supply.from_plans import hours
from bookings.supply.slot_changes import Change, SlotFilter

T = TypeVar("T")
DONE = {"close": "closed", "open": "opened", "resize": "resized"}


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("action", choices=list(DONE))
        arguments.add_period(parser)
        parser.add_argument("--order-type", metavar="CODE", help="only slots for this one (of any)")
        weekdays, windows = _read(hours.read_weekdays), _read(hours.read_hours)
        parser.add_argument("--weekdays", type=weekdays, default=(), metavar="mon-fri", help="(every day)")
        parser.add_argument(
            "--hours", type=windows, default=(), metavar="08:00-12:00", help="in which they begin (all day)"
        )
        parser.add_argument("--reason", default="", metavar="TEXT", help="what staff read; needed to close")
        parser.add_argument("--capacity", type=int, metavar="N", help="the places, to resize")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        area, start, end = arguments.read_period(options)
        where = SlotFilter(area, start, end, weekdays=options["weekdays"], hours=options["hours"])
        where = where._replace(
            workers=[options["worker"]] if options["worker"] else [],
            order_types=[options["order_type"]] if options["order_type"] is not None else [],
        )
        change = Change(options["action"], plain_blanks(options["reason"]), options["capacity"])
        if not change.reason.isprintable():
            raise CommandError("--reason holds a character that cannot be printed.")
        try:
            with tqdm(disable=None, unit="slot", unit_scale=True) as progress:
                report = slot_changes.change_by_filter(
                    where, change, by="change_slots", dry_run=options["dry_run"], progress=progress.update
                )
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.tell(report, DONE[change.action], area.code)
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")
        if report.refused_count:
            raise SystemExit(1)

    def tell(self, report: slot_changes.Changed, done: str, code: str) -> None:
        named = AppointmentSlot.objects.select_related("area").in_bulk([slot.pk for slot in report.refused])
        for slot in report.refused:
            self.stdout.write(f"{named[slot.pk]} is refused: {slot.message}.")
        if more := report.refused_count - len(report.refused):
            self.stdout.write(f"And {more} more.")
        self.stdout.write(f"{code}: {counted(report.changed, 'slot')} {done}, {report.kept} were so already.")
        if hit := report.bookings:
            asks = counted(hit, "booking in them asks", "bookings in them ask")
            self.stdout.write(f"{asks} to be reviewed again.")


def _read(read: Callable[[str], T]) -> Callable[[str], T]:
    """As an argument's type: argparse shows what an ArgumentTypeError says."""

    def read_argument(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return read_argument
