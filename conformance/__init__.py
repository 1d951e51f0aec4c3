"""The conformance kit: plays ServiceMobility against any implementation of the Appointment Search and Followup
WorkOrder interfaces, and says of each promise of the contract whether it is kept.

    client      what is sent: HTTP, the header, tokens that must be refused
    samples     the bodies, and the vendor's odd spellings of them
    answers     reading what came back
    kit         one run: the plan, the checks in their order, the bookings that were made
    searching   the checks of the search and of the header
    booking     the checks of the booking, and of all answers

Only what can be seen over HTTP is judged, and no table of this service is read. tests/support/stand_in.py has a fault
for every check.
"""

# Imported here so that all checks are registered, whichever module of the kit is imported first.
from conformance import booking, searching

__all__ = ["booking", "searching"]
