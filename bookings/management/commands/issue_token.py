"""Print a token for an existing active user, alone on its line.

Example:

    curl -H "x-access-token: $(python manage.py issue_token api --minutes 60)" …
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from bookings.access import tokens


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("username", metavar="USERNAME")
        parser.add_argument("--minutes", type=int, metavar="N", help="life of the token (BOOKJOB_TOKEN_MINUTES)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["minutes"] is not None and not 1 <= options["minutes"] <= 525_600:
            raise CommandError(f"--minutes {options['minutes']} is not between 1 and 525600.")
        if not settings.BOOKJOB_JWT_KEYS:
            raise CommandError("There is no key to sign with. Set BOOKJOB_JWT_KEYS.")
        user = get_user_model().objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}. createsuperuser or the admin makes one.")
        if not user.is_active:
            raise CommandError(f"The user {options['username']!r} is not active.")
        self.stdout.write(tokens.issue_token(user.get_username(), minutes=options["minutes"], claims={"uid": user.pk}))
