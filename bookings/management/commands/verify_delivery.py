"""Read every coming booking back from ServiceMobility and name each difference: existence, times, worker.

Example, every night from cron, which mails what is printed:

    python manage.py verify_delivery

Silent, with exit status 0, if all agree; else one line a difference and 1; 2 where ServiceMobility cannot be asked.
With --repair each of them is made due, and `deliver` sends it: first read the list. That is also how bookings from
before the connection get there. It asks at the rate of the receiver, beside `deliver`.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from bookings.delivery import receivers, witness
from bookings.delivery.outcomes import ReceiverFault
from bookings.models import Receiver
from bookings.services import proof


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--repair", action="store_true", help="make what differs due")

    def handle(self, *args: Any, **options: Any) -> None:
        receiver = Receiver.objects.on().filter(kind=Receiver.Kind.SERVICEMOBILITY).first()
        if receiver is None:
            raise CommandError("ServiceMobility is not connected. See connect_servicemobility.", returncode=2)
        count, begun = 0, proof.begin()
        try:
            for work_order, text in witness.differences(receiver):
                count += 1
                self.stdout.write(f"{work_order} {text}.")
                if options["repair"]:
                    with transaction.atomic():
                        receivers.make_due(receiver, [work_order.pk], to_look=True)
        except ReceiverFault as fault:
            raise CommandError(f"ServiceMobility cannot be asked. {fault}", returncode=2) from None
        proof.remember(proof.Check.DELIVERY, begun, is_well=not count)
        if count:
            raise SystemExit(1)
