"""The service whose workers count each for itself: the control of tests/operations/test_metrics.py."""

import os

from bookjob_site.wsgi import application as service  # it makes Django ready for the imports below

# isort: split

from bookings.telemetry import metrics

tables = {}


def application(environ, start_response):
    if os.getpid() not in tables:
        metrics.table = tables[os.getpid()] = metrics.Table()
    return service(environ, start_response)
