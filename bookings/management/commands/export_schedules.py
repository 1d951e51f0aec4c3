"""Write the schedules as a template in TOML, as `import_schedules` and `seed_slots --template` read it.

Example:

    python manage.py export_schedules > slots.toml

A schedule that is not active is left out, and named. So is one whose rules cannot be followed; then it ends with 1.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.management import arguments
from bookings.models import Schedule
from bookings.supply.from_plans import schedule_files, schedules


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--area", metavar="CODE", help="of this area alone")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = Schedule.objects.select_related("area").order_by("area__code")
        if options["area"]:
            wanted = wanted.filter(area=arguments.read_area(options["area"]))
        found = {schedule: schedules.faults(schedule) for schedule in wanted if schedule.is_active}
        right = [schedule for schedule, faults in found.items() if not faults]
        self.stdout.write(schedule_files.template_of(right), ending="")
        for schedule in wanted:
            if not schedule.is_active:
                self.stderr.write(f"{schedule.area.code} is left out: its schedule is not active.")
        if wrong := [f"{schedule.area.code}: {faults[0]}" for schedule, faults in found.items() if faults]:
            raise CommandError("\n".join([*wrong, "Left out. Change these rules on the desk first."]))
