"""One source of time zones for every process: the pinned tzdata package, never what the machine brings.

Python would read the machine's own zones first, and two machines would show the same slot at two hours. This module is
imported before all others of the service (settings, gunicorn's worker, tests), so before any zone is made.
"""

import zoneinfo

zoneinfo.reset_tzpath(())
zoneinfo.ZoneInfo.clear_cache()
