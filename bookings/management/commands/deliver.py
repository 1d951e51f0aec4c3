"""Bring ServiceMobility and the other receivers up to date, until it is stopped (SIGTERM, or Ctrl-C).

Example, beside the service, on as many machines as there are; each receiver is led by one of them:

    python manage.py deliver

What is due now, and then end; what would be sent, without sending it, for all or for one work order:

    python manage.py deliver --once
    python manage.py deliver --dry-run FU-1042

Exit status of --once: 0 if nothing is left, or waits for its next try; 1 if something needs a person.
docs/operations.md says what the receivers hear, and when.
"""

import signal
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.delivery import preview
from bookings.delivery.worker import Worker
from bookings.models import Delivery, Receiver, WorkOrder


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--once", action="store_true", help="what is due now, then end")
        parser.add_argument(
            "--dry-run", nargs="?", const="", metavar="ORDER_NUM", help="print method, address and body; send nothing"
        )
        parser.add_argument("--receiver", default="", metavar="NAME", help="this one alone (all)")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["receiver"]
        receivers = Receiver.objects.on().filter(**{"name": name} if name else {})
        if name and not receivers:
            raise CommandError(f"There is no receiver {name!r} that is on. connect_servicemobility shows its state.")
        if options["dry_run"] is not None:
            self._preview(list(receivers), options["dry_run"])
            return
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread may; a test calls it in others.
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, lambda *_: ended.set())
        Worker(name).run(ended, once=options["once"])
        if not options["once"]:
            return
        stuck = Delivery.objects.filter(receiver__in=receivers).stuck().select_related("receiver", "work_order")
        for delivery in stuck.order_by("pk"):
            self.stdout.write(f"{delivery.work_order} for {delivery.receiver} needs a person: {delivery.needs_person}")
        if stuck:
            raise SystemExit(1)

    def _preview(self, receivers: list[Receiver], order_num: str) -> None:
        if order_num and not WorkOrder.objects.filter(order_num=order_num).exists():
            raise CommandError(f"There is no work order {order_num}.")
        for receiver in receivers:
            for line in preview.lines(receiver, order_num):
                self.stdout.write(line)
