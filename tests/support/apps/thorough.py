"""The service that takes half a second to look at a password, for the races of tests/api/test_log_in.py.

In production hashing takes that long; in tests it is cheap (loaded.py), and one log-in would be over before the next
one is counted.
"""

import time

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from bookings.access import log_in

authenticate = log_in.authenticate


def take_time(**credentials):
    time.sleep(0.5)
    return authenticate(**credentials)


log_in.authenticate = take_time
