"""Service areas by the codes that templates, files and commands name them by, and making those that are not there."""

import contextlib
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery

from bookings import clock, offers
from bookings.models import AppointmentSlot, AreaCode, ServiceArea
from bookings.supply.from_plans.plans import Template

# As the alert BookjobSlotsEnd.
SOON = timedelta(days=7)
# An area without slots for so long was given up.
GIVEN_UP = timedelta(days=60)


def whose_slots_end(among: QuerySet[ServiceArea], now: datetime) -> QuerySet[Any, Any]:
    """The areas whose `last` open slot begins within days, or is over."""
    last = AppointmentSlot.objects.filter(offers.SHOWN, area=OuterRef("pk")).order_by("-start").values("start")[:1]
    areas = among.filter(is_practice=False).annotate(last=Subquery(last))
    return areas.filter(last__gt=now - GIVEN_UP, last__lt=now + SOON)


def ending_text(code: str, time_zone: str, last: datetime, now: datetime) -> str:
    """The day is that of the area's clock."""
    day = clock.local(last, ZoneInfo(time_zone)).date()
    says = "has no open slot any more" if last <= now else f"has its last open slot on {day}"
    return f"Area {code} {says}."


def by_code() -> dict[str, ServiceArea]:
    """Every area by its own code and by each of its aliases."""
    return {code.code: code.area for code in AreaCode.objects.select_related("area")}


def add_areas(template: Template) -> None:
    """Write the areas and aliases that are not there yet. Safe to repeat, and beside another run that makes the same.

    Raises ValueError where a code names another area, or another run made one meanwhile that is not the same.
    """
    if all(area.pk for area in template.areas.values()) and not any(template.aliases.values()):
        return
    with transaction.atomic():
        _add_areas(template)
        for code, aliases in template.aliases.items():
            for alias in aliases:
                _add_alias(template.areas[code], alias)


def _add_areas(template: Template) -> None:
    new = [area for area in template.areas.values() if area.pk is None]
    for area in new:
        # One by one: SQLite's INSERT OR IGNORE would ignore what the trigger on codes refuses, too.
        with contextlib.suppress(IntegrityError), transaction.atomic():
            area.save(force_insert=True)
    there = {area.code: area for area in ServiceArea.objects.filter(code__in=[area.code for area in new])}
    for area in new:
        found = there.get(area.code)
        if found is None or found.time_zone != area.time_zone:
            raise ValueError(f"The code {area.code} names another area, or one was made at this moment. Look at them.")
        template.areas[area.code] = found


def _add_alias(area: ServiceArea, alias: str) -> None:
    with contextlib.suppress(IntegrityError), transaction.atomic():
        AreaCode.objects.create(area=area, code=alias)
    if AreaCode.objects.meaning(alias).get().area_id != area.pk:
        raise ValueError(f"The alias {alias} of {area.code} names another area already. Take it away there first.")
