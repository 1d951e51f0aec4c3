"""The places of slots: taken and given back, by the guard of the first promise.

Only booking.py and changes.py call this, inside of their transactions.
"""

from datetime import datetime

from django.db import DatabaseError, DataError
from django.db.models import F
from psycopg.errors import DivisionByZero

from bookings import clock, offers
from bookings.db import sql
from bookings.models import AppointmentSlot


class LostRace(Exception):
    """The place was taken, or the booking changed, between our reading and our writing."""


def taking(slot: AppointmentSlot, order_type: str, now: datetime) -> sql.Statement:
    """The guard of the first promise: the place is taken only where all rules hold at this very moment.

    It names the slot by its key: a trigger keeps area, period, order type and worker as they were read. What the worker
    can do may have changed since.
    """
    rules, values = offers.all_of([offers.takeable(now, slot.area), offers.still_suits(slot, order_type)])
    return f"UPDATE {offers.SLOTS} SET booked = booked + 1 WHERE id = %s AND {rules}", [slot.pk, *values]


def in_time(slot: AppointmentSlot, now: datetime) -> sql.Statement:
    """What PostgreSQL has to be able to work out once it has the slot: it fails if that took it too long.

    The rules alone would not do: it does not look at them again where what held the slot left it as it was.
    """
    since = "clock_timestamp() - statement_timestamp()"
    return f"1 / CASE WHEN CAST(%s AS timestamptz) + ({since}) < %s THEN 1 ELSE 0 END", [
        now,
        offers.last_moment(slot, slot.area),
    ]


def was_late(fault: DatabaseError) -> bool:
    """Whether a statement came to nothing because of `in_time`."""
    return isinstance(fault.__cause__, DivisionByZero)


def take(slot: AppointmentSlot, order_type: str) -> None:
    """Raises LostRace where the rules, or another booking, leave no place."""
    now = clock.now()  # again: others may have held the booking until now
    try:
        if not sql.change_if(taking(slot, order_type, now), in_time(slot, now)):
            raise LostRace
    except DataError as fault:
        if was_late(fault):
            raise LostRace from None
        raise


def give_back(slot_id: int) -> None:
    AppointmentSlot.objects.filter(pk=slot_id).update(booked=F("booked") - 1)


def swap(before: AppointmentSlot, after: AppointmentSlot, order_type: str) -> None:
    """Take a place of `after` for an order of this type, and give the one of `before` back."""
    # In the order of their keys, so that two moves that cross each other cannot wait for each other.
    for step in sorted((before, after), key=lambda place: place.pk):
        if step is after:
            take(after, order_type)
        else:
            give_back(before.pk)
