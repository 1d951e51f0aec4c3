"""Areas that technicians will soon find nothing in, or that a request does not find."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import OuterRef, Subquery

from bookings import offers
from bookings.models import AppointmentSlot, AreaCode, ServiceArea
from bookings.operations import installation
from bookings.operations.doctor.finding import NAMED, Finding

# As the alert BookjobSlotsEnd.
SOON = timedelta(days=7)
# An area without slots for so long was given up.
GIVEN_UP = timedelta(days=60)


def default_area(now: datetime) -> Iterator[Finding]:
    for sentence in installation.warnings():
        yield Finding(True, sentence)


def slots_that_end_soon(now: datetime) -> Iterator[Finding]:
    last = AppointmentSlot.objects.filter(offers.SHOWN, area=OuterRef("pk")).order_by("-start").values("start")[:1]
    areas = ServiceArea.objects.filter(is_practice=False)
    ending = areas.annotate(last=Subquery(last)).filter(last__gt=now - GIVEN_UP, last__lt=now + SOON)
    for code, at in ending.order_by("last", "code").values_list("code", "last")[:NAMED]:
        is_over = at <= now
        says = "has no open slot any more" if is_over else f"has its last open slot on {at:%Y-%m-%d}"
        yield Finding(is_over, f"Area {code} {says}. Make more: seed_slots, import_slots.")


def areas_without_postcodes(now: datetime) -> Iterator[Finding]:
    """Where some areas are found by postcodes, one without any is never found by them."""
    default = AreaCode.objects.meaning(settings.BOOKJOB_DEFAULT_AREA)
    without = ServiceArea.objects.filter(postcode_prefixes=None, is_practice=False).exclude(codes__in=default)
    if ServiceArea.objects.exclude(postcode_prefixes=None).exists():
        for area in without.order_by("code")[:NAMED]:
            yield Finding(False, f"Area {area.code} has no postcodes, though others do: it is found by its code alone.")


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [default_area, slots_that_end_soon, areas_without_postcodes]
