"""Make the search documents that are missing, so that staff find every work order.

Example: python manage.py index_work_orders

Run it once after an upgrade, when the new release serves: work orders that the previous release booked meanwhile have
no document yet. From then on bodies are kept packed, which the previous release may not be able to read: before you go
back to that one, stop the service and run it with --unpack. Safe to repeat, and to run while the service works.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings.sentences import counted
from bookings.services import bodies, search_terms


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument(
            "--unpack", action="store_true", help="keep bodies as texts, for the previous release; packs no more"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["unpack"]:
            self.stdout.write(f"{counted(bodies.unpack(), 'body', 'bodies')} unpacked.")
            return
        added = search_terms.add_missing()
        bodies.pack_from_now_on()
        self.stdout.write(f"{counted(added, 'work order')} indexed.")
