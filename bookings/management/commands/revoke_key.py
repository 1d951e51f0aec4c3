"""Revoke the key of another system: from its next request on it is not valid.

Example:

    python manage.py revoke_key "call centre"
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.access import keys
from bookings.models import ApiKey


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        key = ApiKey.objects.filter(name=options["name"], revoked_at__isnull=True).first()
        if key is None:
            names = ", ".join(ApiKey.objects.filter(revoked_at__isnull=True).values_list("name", flat=True)[:10])
            raise CommandError(f"There is no key {options['name']!r}. There are: {names or 'none'}.")
        keys.revoke(key, by="revoke_key")
        self.stdout.write(f"{key} is revoked.")
