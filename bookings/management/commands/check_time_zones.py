"""Show which slots to come the time zones moved: their clock shows another time than the one that was promised.

Example, after an upgrade that brought another tzdata:

    python manage.py check_time_zones
    python manage.py check_time_zones --apply

--apply moves the slots without bookings to the promised clock time: each is withdrawn and another one made. Where a
booking is in the way, the slots of that worker or pool on that day stay until you have decided about it. It works in
short transactions while bookings go on: what was interrupted is simply run again. A booking needs a decision, and is
named until there is one:

    python manage.py check_time_zones --keep-clock-time FU-12 FU-13
        moves it to a slot at the promised time, which is made where there is none. Technician and customer keep the
        time that they know.
    python manage.py check_time_zones --keep-instant FU-14
        leaves it at its moment. Call the customer: the clock shows another time then.

Silent and 0 when nothing was moved; else one line a finding, and 1 while something is left to do.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.models import WorkOrder
from bookings.sentences import counted
from bookings.services import BookingError
from bookings.supply import zones

BY = "check_time_zones"


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--apply", action="store_true", help="move the slots without bookings")
        parser.add_argument("--keep-clock-time", nargs="+", default=[], metavar="ORDER_NUM", help="move these bookings")
        parser.add_argument("--keep-instant", nargs="+", default=[], metavar="ORDER_NUM", help="leave these bookings")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            zones.keep_clock_time(_bookings(options["keep_clock_time"]), by=BY)
        except BookingError as refusal:
            raise CommandError(refusal.message) from None
        for work_order in _bookings(options["keep_instant"]):
            zones.keep_instant(work_order, by=BY)
        found = list(zones.moved())
        if options["apply"]:
            count = zones.move_free([each for each in found if not each.slot.booked], by=BY)
            self.stdout.write(f"{counted(count, 'slot')} moved to the promised time.")
            found = list(zones.moved())
        for each in found:
            self.tell(each)
        if found:
            raise SystemExit(1)

    def tell(self, each: zones.Moved) -> None:
        slot = each.slot
        what = f"{slot.area.code}, {slot}: {slot.worker or 'pool'}, promised {each.promised}"
        if not slot.booked:
            can = "--apply moves it" if each.period else "there is no such time on that day; close it"
            self.stdout.write(f"{what}, not booked: {can}.")
        for number in slot.work_orders.filter(status="booked").order_by("pk").values_list("order_num", flat=True):
            self.stdout.write(f"{what}, booked by {number}: --keep-clock-time {number} or --keep-instant {number}.")


def _bookings(numbers: Sequence[str]) -> list[WorkOrder]:
    found = {
        work_order.order_num: work_order
        for work_order in WorkOrder.objects.active().filter(order_num__in=numbers).select_related("area", "slot__area")
    }
    if missing := [number for number in numbers if number not in found]:
        raise CommandError(f"There is no active booking {missing[0]}.")
    return [found[number] for number in numbers]
