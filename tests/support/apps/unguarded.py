"""The service without its guards, for the tests that show what the guards are for. Never part of the product.

Four bookings at a time are held between reading and writing, as a slow network would do by chance. The first four meet
however busy the machine is; later ones wait for each other no longer than a test can.
"""

import threading

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.db.backends.signals import connection_created

from bookings import offers
from bookings.services import booking

patience = [60]  # seconds
together = threading.Barrier(4, action=lambda: patience.append(2))
best_of = booking.best_of


def slowly(*arguments):
    slot = best_of(*arguments)
    try:
        together.wait(patience[-1])
    except threading.BrokenBarrierError:
        together.reset()  # or no booking would be held from now on
    return slot


def take_place_unguarded(slot, order_type, now):
    return f"UPDATE {offers.SLOTS} SET booked = booked + 1 WHERE id = %s", [slot.pk]


def ignore_checks(connection, **kwargs):
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA ignore_check_constraints = ON")


connection_created.connect(ignore_checks)
booking.best_of = slowly
offers.taking = take_place_unguarded
