"""The conformance kit: plays ServiceMobility against any implementation of the Appointment Search and Followup
WorkOrder interfaces, and says of each promise of the contract whether it is kept.

    client      what is sent: HTTP, the header, tokens that must be refused
    samples     the bodies, and the vendor's odd spellings of them
    answers     reading what came back
    kit         one run: the plan, the checks in their order, the bookings that were made
    searching   the checks of the search and of the header
    booking     the checks of the booking, in all spellings
    repeating   the checks of the same order again
    refusing    the checks of refusals
    racing      the race for the last place
    all_answers the checks of all answers of the run

Only what can be seen over HTTP is judged, and no table of this service is read. tests/support/stand_in.py has a fault
for every check.
"""

from importlib import import_module

# In the order in which they run; imported here, whichever module of the kit is imported first.
for _checks in ("searching", "booking", "repeating", "refusing", "racing", "all_answers"):
    import_module(f"conformance.{_checks}")
