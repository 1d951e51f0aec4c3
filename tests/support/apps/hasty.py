"""The service whose patience with slow callers is half a second. Only for tests."""

from bookjob_site.worker import pace
from bookjob_site.wsgi import application  # noqa: F401

pace.PATIENCE = pace.STOPPING = 0.5
