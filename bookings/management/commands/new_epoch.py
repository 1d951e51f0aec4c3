"""Let the readers of the feed of work orders begin anew: a step after a restore, or after an asynchronous failover.

Example, once the restored database is in service:

    python manage.py new_epoch

What such a reader was told last may be ahead of the database: without this it would miss what is booked until the
database has caught up. Each reader is answered 400, and reads all work orders again, from the beginning.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from bookings.services import feed


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The feed is in epoch {feed.begin_epoch()}. Its readers begin anew.")
