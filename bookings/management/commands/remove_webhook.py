"""Send nothing more to a webhook, and forget how far it was.

Example:

    python manage.py remove_webhook erp
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.delivery import receivers
from bookings.models import Receiver


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        receiver = Receiver.objects.filter(kind=Receiver.Kind.WEBHOOK, name=options["name"]).first()
        if receiver is None:
            raise CommandError(f"There is no webhook {options['name']!r}.")
        receivers.remove(receiver)
        self.stdout.write(f"The webhook {options['name']} is removed.")
