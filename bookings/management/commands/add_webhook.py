"""Tell a system of yours of each booking, move and cancellation from now on, by Standard Webhooks.

Example; the file holds a secret such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, alone:

    python manage.py add_webhook erp --url https://erp.example.com/hooks/bookjob --secret-file /etc/bookjob/erp.secret

The body is the work order as the feed has it. A second call with the name changes it. To change the secret without a
gap, give both files, the new one first, and leave the old one out once the receiver knows the new one.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.delivery import receivers, secrets
from bookings.models import Receiver

BY = "add_webhook"


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--url", required=True, metavar="URL")
        parser.add_argument("--secret-file", required=True, action="append", metavar="FILE", help="two while rotating")
        parser.add_argument("--rate", type=float, default=5, metavar="CALLS_PER_SECOND", help="at the most (5)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = receivers.check_name(options["name"])
            columns: dict[str, Any] = {
                "url": receivers.check_url(options["url"]),
                "secret_files": [str(Path(path).absolute()) for path in options["secret_file"]],
                "rate": receivers.check_rate(options["rate"]),
            }
            for path in columns["secret_files"]:
                secrets.webhook(path)
        except receivers.Unfit as fault:
            raise CommandError(str(fault)) from None
        if len(columns["secret_files"]) > 2:
            raise CommandError("Give one --secret-file, or two while the secret is changed.")
        receiver = Receiver.objects.filter(name=name).first()
        if receiver:
            receivers.change(receiver, by=BY, **columns)
        else:
            receiver = receivers.connect(name, Receiver.Kind.WEBHOOK, by=BY, **columns)
        receiver.refresh_from_db()
        for line in receivers.state_lines(receiver):
            self.stdout.write(line)
