"""Make a key for another system. The key is printed once, alone on its line: keep it where secrets are kept.

Example:

    python manage.py make_key "call centre" --scope work_orders:read --scope work_orders:write --area LEEDS --days 365

Scopes: {scopes}.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.access import keys
from bookings.management import arguments
from bookings.models import Scope


class Command(BaseCommand):
    help = (__doc__ or "").format(scopes=", ".join(Scope.values))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("name", metavar="NAME", help="the system that uses it; it stands in the history")
        parser.add_argument("--scope", required=True, action="append", metavar="SCOPE", help="what it may do")
        parser.add_argument("--area", action="append", metavar="CODE", help="only there (everywhere)")
        parser.add_argument("--days", type=int, metavar="N", help="how long it is good for (until it is revoked)")

    def handle(self, *args: Any, **options: Any) -> None:
        areas = [arguments.read_area(code) for code in options["area"]] if options["area"] else None
        try:
            key = keys.make(
                name=options["name"], scopes=options["scope"], areas=areas, days=options["days"], by="make_key"
            )
        except keys.Unfit as fault:
            raise CommandError(str(fault)) from None
        self.stdout.write(key)
