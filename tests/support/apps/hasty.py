"""The service whose patience with slow callers is half a second, or PATIENCE; none when it stops. Only for tests."""

import os

from bookjob_site.worker import pace
from bookjob_site.wsgi import application  # noqa: F401

pace.PATIENCE, pace.STOPPING = float(os.environ.get("PATIENCE") or 0.5), 0.5
