"""Make the search documents that are missing, so that staff find every work order.

Example: python manage.py index_work_orders

Run it once after an upgrade, when the new release serves: work orders that the previous release booked meanwhile have
no document yet. Safe to repeat, and to run while the service works.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings.sentences import counted
from bookings.services import search_terms


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter

    def handle(self, *args: Any, **options: Any) -> None:
        added = search_terms.add_missing()
        self.stdout.write(f"{counted(added, 'work order')} indexed.")
