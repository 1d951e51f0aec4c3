"""What has to be there before a company can begin, as far as the data tell.

Once all of it was there, it is not asked again: the one row that is written says so. For the board.
"""

import contextlib
from enum import StrEnum
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction

from bookings import clock, offers
from bookings.models import (
    AppointmentSlot,
    Counter,
    EmptySearch,
    PostcodePrefix,
    Receiver,
    Refusal,
    Schedule,
    ServiceArea,
    WorkOrder,
)
from bookings.services import proof

# When it was over, in seconds since 1970.
OVER = "first day over at"
# Slots of a planning system are its matter, and roll without a schedule.
IMPORTED = AppointmentSlot.Source.IMPORT
ARCHIVE = "SELECT current_setting('archive_mode') <> 'off', last_archived_time IS NOT NULL FROM pg_stat_archiver"


class Step(StrEnum):
    AREAS = "areas"
    POSTCODES = "postcodes"
    SLOTS = "slots"
    SCHEDULE = "schedule"
    PEOPLE = "people"
    CONNECTED = "connected"
    DELIVERY = "delivery"
    BACKUP = "backup"


def is_over() -> bool:
    return Counter.objects.filter(name=OVER).exists()


def end() -> None:
    """For good. A standby takes no note, and asks again."""
    with contextlib.suppress(DatabaseError), transaction.atomic():
        Counter.objects.get_or_create(name=OVER, defaults={"value": int(clock.now().timestamp())})


def steps() -> dict[Step, bool]:
    """Which there are, and whether each is done: a statement each, which reads one row where it is."""
    areas = ServiceArea.objects.filter(is_practice=False)
    booked = WorkOrder.objects.real().exists()
    coming = AppointmentSlot.objects.filter(area__is_practice=False, start__gt=clock.now())
    found = {
        Step.AREAS: areas.exists(),
        # Where a booking has come without any, ServiceMobility names the areas by their codes.
        Step.POSTCODES: booked or PostcodePrefix.objects.filter(area__is_practice=False).exists(),
        Step.SLOTS: coming.filter(offers.SHOWN).exists(),
        Step.SCHEDULE: Schedule.objects.filter(area__is_practice=False, is_active=True).exists()
        or coming.filter(source=IMPORTED).exists(),
        Step.PEOPLE: _people().exists(),
        Step.CONNECTED: booked or _was_asked(),
        Step.DELIVERY: Receiver.objects.on().filter(answered_at__isnull=False).exists(),
    }
    return found | _backup()


def _people() -> Any:
    """Who works here with a role; the one who made the users may have none."""
    return get_user_model().objects.filter(is_active=True, is_staff=True, groups__isnull=False)


def _was_asked() -> bool:
    """A search that found something leaves no row, but is counted where metrics are."""
    if Refusal.objects.exists() or EmptySearch.objects.exists():
        return True
    return any(rates.requests > 0 for rates in proof.rates())


def _backup() -> dict[Step, bool]:
    """Known where PostgreSQL archives its log; of other backups the database tells nothing."""
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        cursor.execute(ARCHIVE)
        is_on, was_archived = cursor.fetchone()
    return {Step.BACKUP: was_archived} if is_on else {}
