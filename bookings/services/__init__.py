"""Everything that changes a booking, each in one transaction, and nothing else does.

booking.py takes a place, changes.py changes a booking that stands, feed.py numbers changes, housekeeping.py forgets,
practice.py removes what was tried. For api, admin, supply, delivery and commands, by the names below and those modules;
rows is for this folder.

The promises and what keeps them:
never more bookings than places    the conditional UPDATE of `offers.taking`; constraint slot_booked_within_capacity
never two for one order            constraint work_order_one_active_per_claim; the loser answers with the winner's row;
                                   work_order_one_booked_after_another where the winner is cancelled or moved by then
never a lost one                   place, order, parts and history are committed together, and only then answered

All callers want the same slot row. It is never locked across a round trip: a booking is written by one statement
(SQLite: with one writer at a time), a move changes it last.
"""

from bookings.refusals import BookingError as BookingError
from bookings.refusals import Refused as Refused
from bookings.services.booking import book as book
from bookings.services.changes import add_note as add_note
from bookings.services.changes import ask_for_review as ask_for_review
from bookings.services.changes import cancel as cancel
from bookings.services.changes import move as move
from bookings.services.changes import review as review
from bookings.services.changes import undo_review as undo_review
from bookings.services.rows import Booked as Booked
