"""The service that counts the same guess at the same moment twice: the control of tests/api/test_log_in.py."""

from unittest import mock

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from bookings.access import log_in

log_in.admission = mock.Mock(buckets=mock.Mock(take=lambda *arguments: 0.0))
