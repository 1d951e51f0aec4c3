"""The service beside a writer that shifts slots in place, at the worst moment: after the look, before the taking.

For the test that shows what the trigger on slots is for. Never part of the product.
"""

import contextlib
import threading

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from datetime import timedelta

from django import db

from bookings.models import AppointmentSlot
from bookings.services import booking

best_of = booking.best_of


def shift(slot: AppointmentSlot) -> None:
    """As an import of the past did: the row of a slot without bookings becomes one an hour and a bit later."""
    by = timedelta(minutes=61)
    with contextlib.suppress(db.DatabaseError), contextlib.closing(db.connection):
        AppointmentSlot.objects.filter(pk=slot.pk, booked=0).update(start=slot.start + by, end=slot.end + by)


def beside_a_writer(*arguments):
    slot = best_of(*arguments)
    writer = threading.Thread(target=shift, args=[slot])
    writer.start()
    writer.join()
    return slot


booking.best_of = beside_a_writer
