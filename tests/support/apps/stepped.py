"""The service on a machine whose clock is set forward and back, by the seconds in the file CLOCK. Only for tests."""

import os
from datetime import timedelta
from pathlib import Path

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.utils import timezone

clock, real_now = Path(os.environ["CLOCK"]), timezone.now
timezone.now = lambda: real_now() + timedelta(seconds=int(clock.read_text() or 0))
