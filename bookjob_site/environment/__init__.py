"""Every setting from the environment. A value that cannot be right stops the start.

All wrong values are told at once, one line each, with what was read, what would be right and what it would have broken;
nothing is guessed and nothing is ignored, a misspelled name neither. `.env` counts less than the environment, and
`var/secrets.env` (the secrets that `make run` makes) less than `.env`.

`declarations` has the settings, `converters` what makes values of texts, `clashes` what is wrong together, `gunicorn`
what gunicorn reads by itself. No Django in here, since gunicorn.conf.py reads it too. Called by settings.py (the list
of what Django gets), databases.py (the URLs), gunicorn.conf.py and serve.py. `.env.example` and docs/settings.md
are drawn from the declarations (tests/pages.py).

Our own table and not pydantic-settings: that library reads `.env` as generously as the rest of them, and the larger
half of the work (unknown names, values that clash, what breaks) would be written around it all the same.
"""

from typing import Any

from bookjob_site.environment import clashes, gunicorn, reading
from bookjob_site.environment.converters import Network, jwt_keys, switch, whole
from bookjob_site.environment.declarations import BASE_DIR, BY_NAME, LOCAL_HOSTS, VAR_DIR
from bookjob_site.environment.refusing import refuse, shown, stop_if_refused

__all__ = [
    "BASE_DIR",
    "BY_NAME",
    "LOCAL_HOSTS",
    "VAR_DIR",
    "Network",
    "jwt_keys",
    "refuse",
    "shown",
    "stop_if_refused",
    "switch",
    "value",
    "whole",
]

for _path in (BASE_DIR / ".env", VAR_DIR / "secrets.env"):
    reading.read_file(_path)
_values = reading.read_all()
clashes.compare(_values)
gunicorn.check()


def value(name: str) -> Any:
    """The setting as its converter made it; the default where the value was refused."""
    return _values[name]
