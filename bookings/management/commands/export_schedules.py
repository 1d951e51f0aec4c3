"""Write the schedules as a template in TOML, as `import_schedules` and `seed_slots --template` read it.

Example:

    python manage.py export_schedules > slots.toml
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings.management import arguments
from bookings.models import Schedule
from bookings.supply import schedule_files


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--area", metavar="CODE", help="of this area alone")

    def handle(self, *args: Any, **options: Any) -> None:
        schedules = Schedule.objects.select_related("area").order_by("area__code")
        if options["area"]:
            schedules = schedules.filter(area=arguments.read_area(options["area"]))
        self.stdout.write(schedule_files.template_of(schedules), ending="")
