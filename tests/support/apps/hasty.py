"""The service whose patience with slow callers is half a second. Only for tests."""

from bookjob_site import worker
from bookjob_site.wsgi import application  # noqa: F401

worker.PATIENCE = 0.5
