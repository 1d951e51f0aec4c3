"""An area for trying things out, for as long as they are tried: made with slots, removed with all that was booked."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bookings import clock
from bookings.models import ServiceArea
from bookings.services import practice
from bookings.supply import new_slots, turns

# From the day after tomorrow on, for so many days.
DAYS = 5
HOURS, LENGTH, CAPACITY = (8, 10, 12, 14), 120, 5


@contextmanager
def area_for_a_while(by: str, *, capacity: int = CAPACITY) -> Iterator[ServiceArea]:
    """A new practice area with 20 free slots of so many places. Nothing of it is left behind."""
    area = ServiceArea(code=f"PRACTICE-{secrets.token_hex(4)}", name="Practice", time_zone="Etc/UTC", is_practice=True)
    turns.write(lambda: area.save(force_insert=True))
    try:
        turns.write(lambda: new_slots.insert(_slots(area, capacity), by))
        yield area
    finally:
        # First nothing more is booked there.
        turns.write(lambda: area.slots.update(is_open=False))
        while turns.write(lambda: practice.remove_bookings(only=area)):
            pass
        turns.write(lambda: practice.remove_slots(area))
        turns.write(area.delete)


def _slots(area: ServiceArea, capacity: int) -> list[new_slots.Wanted]:
    today = clock.now().astimezone(area.zone).date()
    wanted = []
    for day in range(2, 2 + DAYS):
        for hour in HOURS:
            start = clock.moment_of(today + timedelta(days=day), hour * 60, area.zone)
            wanted.append(new_slots.Wanted(area, start, start + timedelta(minutes=LENGTH), "", "", capacity))
    return wanted
