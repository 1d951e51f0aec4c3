"""Take no bookings in an area for a time: its slots are hidden, and nothing is deleted.

Example, Christmas, and one worker's afternoon:

    python manage.py close_slots --area LEEDS --from 2026-12-24 --until 2026-12-26 --reason "Christmas"
    python manage.py close_slots --area LEEDS --worker anna --from 2026-12-07T12:00 --until 2026-12-07T17:00 \\
        --reason "At the dentist"

Slots that are made later are hidden as well. The bookings that stand in the time are listed, and stay until they are
moved or cancelled. open_slots with the same times undoes it. It works in short transactions while bookings go on: what
was interrupted is simply run again. An area or a worker that is not known is refused, with names that are like it.
"""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings import clock
from bookings.models import AppointmentSlot, Blackout, ServiceArea
from bookings.supply import blackouts, hours, workers


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        add_period_arguments(parser)
        parser.add_argument("--reason", required=True, metavar="TEXT", help="what staff read")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        area, start, end = read_period(options)
        reason = options["reason"].strip()
        if not reason or not reason.isprintable():
            raise CommandError("--reason is empty or holds a character that cannot be printed.")
        given = {"area": area, "worker": options["worker"], "start": start, "end": end, "reason": reason}
        blackout = Blackout(**given)
        if options["dry_run"]:
            slots, bookings = blackouts.would_close(blackout), blackouts.by_time(blackouts.bookings_in(blackout))
        else:
            closed = blackouts.close_slots(**given, by="close_slots")
            slots, bookings = closed.slots, closed.bookings
        self.stdout.write(f"{area.code}: {slots} slots closed, {area.period_text(start, end)}.")
        if not blackouts.touched_by(blackout).exists():
            self.stdout.write("There are no slots yet: later ones will be closed.")
        if bookings:
            self.stdout.write(f"{len(bookings)} bookings stand in this time. Move or cancel them:")
        for work_order in bookings:
            slot = work_order.slot
            who = [work_order.account_num, work_order.account_name, work_order.phone, slot.worker]
            about = ", ".join(text for text in who if text)
            self.stdout.write(f"{work_order.order_num}  {area.period_text(slot.start, slot.end)}  {about}")
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")


def add_period_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--area", required=True, metavar="CODE")
    parser.add_argument("--worker", default="", metavar="NAME", help="only this worker (everybody)")
    time = "on the area's clock: 2026-12-24 or 2026-12-24T12:00"
    parser.add_argument("--from", required=True, dest="first", type=day_or_moment, metavar="TIME", help=time)
    parser.add_argument("--until", required=True, type=day_or_moment, metavar="TIME", help="a day is closed to its end")


def read_period(options: dict[str, Any], *, opens: bool = False) -> tuple[ServiceArea, datetime, datetime]:
    """The area, and from when until when in UTC."""
    area = ServiceArea.objects.filter(code=options["area"]).first()
    if area is None:
        codes = ServiceArea.objects.values_list("code", flat=True)
        raise CommandError(workers.unknown("area", options["area"], codes))
    worker = options["worker"]
    # What is closed for a worker can be opened, whatever the name.
    if worker and not workers.is_known(worker) and not (opens and area.blackouts.filter(worker=worker).exists()):
        raise CommandError(workers.unknown("worker", worker, workers.names(AppointmentSlot.objects.all())))
    start = _moment(options["first"], area)
    until = options["until"]
    end = _moment(until if isinstance(until, datetime) else until + timedelta(days=1), area)
    if end <= start:
        raise CommandError("--until is not after --from.")
    return area, start, end


def day_or_moment(text: str) -> date | datetime:
    try:
        found = clock.read_time(text) if "T" in text else clock.read_day(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is neither a day like 2026-12-24 nor a time like 2026-12-24T12:00") from None
    if isinstance(found, datetime) and (found.tzinfo or found.second or found.microsecond):
        raise ArgumentTypeError(f"{text!r} is not a time in hours and minutes of the area's clock")
    try:
        hours.check_year(found)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return found


def _moment(given: date | datetime, area: ServiceArea) -> datetime:
    if isinstance(given, datetime):
        return clock.moment_of(given.date(), given.hour * 60 + given.minute, area.zone)
    return clock.moment_of(given, 0, area.zone)
