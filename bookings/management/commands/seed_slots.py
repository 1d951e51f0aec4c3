"""Make the appointment slots of an area from its opening hours, which are read on the area's clock.

Example, three months of two-hour slots for four visits each, without bank holidays:

    python manage.py seed_slots --area LEEDS --name Leeds --time-zone Europe/London \\
        --from 2026-12-01 --days 90 --hours 08:00-12:00,13:00-17:00 --length 120 --capacity 4 --holidays GB-ENG

Safe to repeat: a slot that exists is kept as it is, booked or not, open or closed; a slot that would overlap another
one of the same worker is skipped. All slots of a run are written in one transaction, or none.
"""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import holidays
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from tqdm import tqdm

from bookings import calendars, slots
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea

MAX_DAYS = 3_660


def day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-12-01") from None
    if not 2000 <= day.year < 2200:
        raise ArgumentTypeError(f"{text} is not between the years 2000 and 2200")
    return day


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--area", required=True, metavar="CODE")
        parser.add_argument("--name", metavar="TEXT", help="with --time-zone: makes the area if there is none")
        parser.add_argument("--time-zone", metavar="ZONE", help="IANA name, such as Europe/London")
        parser.add_argument("--from", required=True, type=day, dest="first", metavar="DATE", help="first day")
        span = parser.add_mutually_exclusive_group(required=True)
        span.add_argument("--days", type=int, metavar="N", help="how many days")
        span.add_argument("--until", type=day, metavar="DATE", help="last day")
        parser.add_argument("--hours", required=True, metavar="08:00-12:00,13:00-17:00", help="on the area's clock")
        parser.add_argument("--length", required=True, type=int, metavar="MINUTES", help="of each slot")
        parser.add_argument("--capacity", type=int, default=1, metavar="N", help="visits a slot can take (1)")
        parser.add_argument("--weekdays", default="mon-sun", metavar="mon-fri", help="(every day)")
        parser.add_argument("--workers", default="", metavar="a,b", help="a slot for each (a pool without names)")
        parser.add_argument("--order-type", default="", metavar="CODE", help="(orders of any type)")
        parser.add_argument(
            "--holidays", metavar="GB-ENG", help="country or country-subdivision whose days are left out"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        days = self.days(options)
        try:
            hours = calendars.read_hours(options["hours"])
            weekdays = calendars.read_weekdays(options["weekdays"])
        except ValueError as error:
            raise CommandError(f"--hours or --weekdays: {error}") from None
        if not 1 <= options["length"] <= calendars.DAY_MINUTES:
            raise CommandError(f"--length {options['length']} is not between 1 and {calendars.DAY_MINUTES} minutes.")
        if not 1 <= options["capacity"] <= 10_000:
            raise CommandError(f"--capacity {options['capacity']} is not between 1 and 10000.")
        workers = [name.strip() for name in options["workers"].split(",") if name.strip()] or [""]
        if any(len(text) > ID_LENGTH for text in [*workers, options["order_type"]]):
            raise CommandError(f"A worker or order type is longer than {ID_LENGTH} characters.")
        left_out = self.holidays(options["holidays"], days)

        counts: Counter[str] = Counter()
        with transaction.atomic():
            area = self.area(options)
            planned = [
                (start, end)
                for day in days
                if day.weekday() in weekdays and day not in left_out
                for start, end in calendars.slots_of_day(day, hours, options["length"], area.zone)
            ]
            for worker in tqdm(dict.fromkeys(workers), disable=None, unit="worker"):
                self.seed(area, planned, worker, options, counts)
            if options["dry_run"]:
                transaction.set_rollback(True)
        self.stdout.write(
            f"{area.code}: {counts['created']} slots created, {counts['kept']} kept, {counts['skipped']} skipped."
        )
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")

    def days(self, options: dict[str, Any]) -> list[date]:
        first, until = options["first"], options["until"]
        count = options["days"] if until is None else (until - first).days + 1
        if not 1 <= count <= MAX_DAYS:
            raise CommandError(f"That is {count} days; 1 to {MAX_DAYS} can be filled at once.")
        return [first + timedelta(days=number) for number in range(count)]

    def holidays(self, place: str | None, days: list[date]) -> set[date]:
        if not place:
            return set()
        country, dash, subdivision = place.partition("-")
        known = holidays.list_supported_countries()
        if country not in known or (dash and subdivision not in known[country]):
            raise CommandError(f"No public holidays are known for {place!r}. GB-ENG, DE-BY and US are known.")
        calendar = holidays.country_holidays(
            country, subdiv=subdivision or None, years=range(days[0].year, days[-1].year + 1)
        )
        return {day for day in days if day in calendar}

    def area(self, options: dict[str, Any]) -> ServiceArea:
        area = ServiceArea.objects.filter(code=options["area"]).first()
        name, time_zone = options["name"], options["time_zone"]
        if area:
            if time_zone and time_zone != area.time_zone:
                raise CommandError(f"The area {area.code} is in {area.time_zone}, not in {time_zone}.")
            return area
        if not (name and time_zone):
            raise CommandError(f"There is no area {options['area']!r}. With --name and --time-zone it would be made.")
        area = ServiceArea(code=options["area"], name=name, time_zone=time_zone)
        try:
            area.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        area.save()
        return area

    def seed(
        self,
        area: ServiceArea,
        planned: list[tuple[datetime, datetime]],
        worker: str,
        options: dict[str, Any],
        counts: Counter[str],
    ) -> None:
        """Write what is missing of `planned` for one worker, or for the pool."""
        if not planned:
            return
        mine = AppointmentSlot.objects.filter(area=area, start__lt=planned[-1][1], end__gt=planned[0][0], worker=worker)
        if not worker:
            # A pool is many people: only the same slot of the same order type is the same.
            mine = mine.filter(order_type=options["order_type"])
        existing = set(mine.values_list("start", "end", "order_type"))
        taken = sorted((start, end) for start, end, _ in existing)
        new = []
        for start, end in planned:
            if (start, end, options["order_type"]) in existing:
                counts["kept"] += 1
            elif worker and calendars.overlaps(taken, start, end):
                counts["skipped"] += 1
            else:
                new.append(
                    AppointmentSlot(
                        area=area,
                        start=start,
                        end=end,
                        worker=worker,
                        order_type=options["order_type"],
                        capacity=options["capacity"],
                    )
                )
        slots.add_many(new=new, by="seed_slots")
        counts["created"] += len(new)
