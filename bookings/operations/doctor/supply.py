"""Areas that technicians will soon find nothing in, or that a request does not find."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings

from bookings.models import AreaCode, Schedule, ServiceArea
from bookings.operations import installation
from bookings.operations.doctor.finding import NAMED, Finding
from bookings.supply import areas

# The nightly run was left out, or could not follow the rules.
LEFT = timedelta(hours=36)


def default_area(now: datetime) -> Iterator[Finding]:
    for sentence in installation.warnings():
        yield Finding(True, sentence)


def slots_that_end_soon(now: datetime) -> Iterator[Finding]:
    ending = areas.whose_slots_end(ServiceArea.objects.all(), now)
    for code, zone, at in ending.order_by("last", "code").values_list("code", "time_zone", "last")[:NAMED]:
        text = areas.ending_text(code, zone, at, now)
        yield Finding(at <= now, f"{text} Make more: a schedule, seed_slots, import_slots.")


def schedules_that_stand_still(now: datetime) -> Iterator[Finding]:
    active = Schedule.objects.filter(is_active=True).exclude(extended_at__gte=now - LEFT)
    for code in active.order_by("area__code").values_list("area__code", flat=True)[:NAMED]:
        yield Finding(
            False,
            f"The schedule of area {code} was not extended for a day. Does its timer run? extend_schedules says why.",
        )


def areas_without_postcodes(now: datetime) -> Iterator[Finding]:
    """Where some areas are found by postcodes, one without any is never found by them."""
    default = AreaCode.objects.meaning(settings.BOOKJOB_DEFAULT_AREA)
    without = ServiceArea.objects.filter(postcode_prefixes=None, is_practice=False).exclude(codes__in=default)
    if ServiceArea.objects.exclude(postcode_prefixes=None).exists():
        for area in without.order_by("code")[:NAMED]:
            yield Finding(False, f"Area {area.code} has no postcodes, though others do: it is found by its code alone.")


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [
    default_area,
    slots_that_end_soon,
    schedules_that_stand_still,
    areas_without_postcodes,
]
