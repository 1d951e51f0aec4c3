"""Make the slots of the schedules up to their horizons: always so many days ahead.

Example, as the nightly timer runs it (deploy/bookjob-extend.timer):

    python manage.py extend_schedules

Safe to repeat, to kill and run again, and to run on several machines at once. Slots are made and, where the rules have
them no longer, closed if they have no bookings; bookings that no longer fit are listed. A dry run says the same and
locks nothing. Ends with 1 where the rules of a schedule cannot be followed, or its slots could not be written; the
other schedules are extended.

Then it mails to BOOKJOB_MAIL_TO which areas' slots end, with or without a schedule; each area once a day while it
lasts. Where the mail cannot be sent, it ends with 1, and a run in an hour or later tries again; where one address of
several is refused, it ends with 1 and says which, and the others are not told twice.
"""

import logging
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings import clock
from bookings.models import Schedule
from bookings.supply import ending_mail
from bookings.supply.from_plans import schedules

logger = logging.getLogger("bookings")


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        active = list(Schedule.objects.filter(is_active=True).select_related("area").order_by("area__code"))
        if not active:
            self.stdout.write("There is no active schedule. Make one in the desk, or with import_schedules.")
        # Each that ends well; one that does not keeps no other area from its slots.
        are_right = [self.extend(schedule, options["dry_run"]) for schedule in active]
        are_right.append(self.tell_what_ends(options["dry_run"]))
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")
        if not all(are_right):
            raise SystemExit(1)

    def extend(self, schedule: Schedule, dry_run: bool) -> bool:
        try:
            report = schedules.extend_latest(schedule, by="extend_schedules", dry_run=dry_run)
        except (schedules.OutdatedError, Schedule.DoesNotExist):
            self.stdout.write(f"{schedule.area.code}: the schedule was changed again and again. Run this again.")
            return False
        except Exception as fault:
            logger.exception("extend_schedules")
            self.stdout.write(f"{schedule.area.code}: its slots were not extended: {fault} Run this again.")
            return False
        for line in report.lines():
            self.stdout.write(line)
        return not report.faults

    def tell_what_ends(self, dry_run: bool) -> bool:
        try:
            said = ending_mail.tell(clock.now(), dry_run=dry_run)
        except ending_mail.NotSentError as fault:
            self.stderr.write(str(fault))
            return False
        except Exception as fault:
            logger.exception("extend_schedules")
            self.stderr.write(f"Which slots end was not looked at: {fault} Run this again.")
            return False
        if said:
            self.stdout.write(said)
        return True
