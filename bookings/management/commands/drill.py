"""Book steadily in a practice area while you cause faults; say how long no booking came through, and what was lost.

Example, against the service of this database. In another window, meanwhile, cause a fault of docs/scale.md:

    python manage.py drill http://127.0.0.1:8000/api/v1 --seconds 300

The practice area is made for the drill and removed with all its bookings after it. Ctrl-C ends the drill in order: what
was acknowledged until then is looked up. The page Proof of the desk shows the last drill.

Exit status 0: each acknowledged order has its row; 1: one has none, each is named; 2: it could not be drilled.
"""

import signal
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bookings.access import tokens
from bookings.management.arguments import whole
from bookings.operations.drill import TIMEOUT, Drill
from bookings.sentences import counted
from bookings.services import proof
from bookings.supply import practice
from conformance.client import Implementation

SLOTS = practice.DAYS * len(practice.HOURS)


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("url", metavar="URL", help="the API of the service, such as http://127.0.0.1:8000/api/v1")
        parser.add_argument("--rate", type=whole(1, 50), default=2, metavar="N", help="bookings a second (2)")
        parser.add_argument("--seconds", type=whole(1, 3_600), default=300, metavar="N", help="how long (300)")

    def handle(self, *args: Any, url: str, rate: int, seconds: int, **options: Any) -> None:
        _check(url, rate)
        service = Implementation(url, tokens.issue_token("drill", minutes=seconds // 60 + 10), timeout=TIMEOUT)
        begun = proof.begin()
        with until_asked() as stop, practice.area_for_a_while("drill", capacity=rate * seconds // SLOTS + 2) as area:
            drill = Drill(service, area, rate, self._say)
            _try_one(drill)
            self._say(f"Bookings go on in {area.code}. Cause the fault now; Ctrl-C ends the drill.")
            self._report(drill, drill.run(seconds, stop))
            lost = drill.lost()
        proof.remember(proof.Check.DRILL, begun, is_well=not lost)
        for line in lost or ["Each acknowledged order has its row."]:
            self.stdout.write(line)
        if lost:
            raise SystemExit(1)

    def _say(self, text: str) -> None:
        """At once, also into a file."""
        self.stdout.write(text)
        self.stdout.flush()

    def _report(self, drill: Drill, took: float) -> None:
        said = "".join(f"; {number} were answered: {what}" for what, number in drill.failed.most_common(10))
        orders = len(drill.acknowledged)
        self.stdout.write(f"{counted(orders, 'order was', 'orders were')} acknowledged in {took:.0f} s{said}.")
        pauses = drill.pauses
        without = f"{sum(pauses):.1f} s in {counted(len(pauses), 'pause')}"
        self.stdout.write(
            f"Without bookings: {without}, the longest {max(pauses):.1f} s." if pauses else "Bookings never paused."
        )


def _check(url: str, rate: int) -> None:
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"{url} is no address of the API, such as http://127.0.0.1:8000/api/v1.", returncode=2)
    if not settings.BOOKJOB_JWT_KEYS:
        raise CommandError("There is no key to sign with. Set BOOKJOB_JWT_KEYS.", returncode=2)
    if 0 < settings.BOOKJOB_CALLER_LIMIT < rate * 60:
        raise CommandError(
            f"--rate {rate} is more than BOOKJOB_CALLER_LIMIT lets through: {settings.BOOKJOB_CALLER_LIMIT} a minute.",
            returncode=2,
        )


def _try_one(drill: Drill) -> None:
    """Before any fault: what is wrong now is no fault of the drill's."""
    answer = drill.book(0)
    if not drill.acknowledged:
        raise CommandError(f"The first booking got {answer}. Mend that before the drill.", returncode=2)
    if drill.lost():
        raise CommandError(
            f"The service at {drill.service.url} writes into another database than DATABASE_URL.", returncode=2
        )


@contextmanager
def until_asked() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, so that the drill ends in order. A second one changes nothing."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
