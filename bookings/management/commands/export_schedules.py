"""Write the schedules as a template in TOML, as `import_schedules` and `seed_slots --template` read it.

Example:

    python manage.py export_schedules > slots.toml
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.management import arguments
from bookings.models import Schedule
from bookings.supply import schedule_files, schedules


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--area", metavar="CODE", help="of this area alone")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = Schedule.objects.select_related("area").order_by("area__code")
        if options["area"]:
            wanted = wanted.filter(area=arguments.read_area(options["area"]))
        for schedule in wanted:
            if found := schedules.faults(schedule):
                raise CommandError(f"{schedule.area.code}: {found[0]} Change its rules on the desk first.")
        self.stdout.write(schedule_files.template_of(wanted), ending="")
