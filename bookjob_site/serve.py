"""Serve with gunicorn: `python -m bookjob_site.serve`, with gunicorn's arguments if need be.

It looks at the settings first. gunicorn reads WEB_CONCURRENCY and others by itself, before any file of the service, and
would end with a traceback where they are wrong.
"""

import os
import sys

if __name__ == "__main__":
    import bookjob_site.settings  # noqa: F401  ends with a line for each wrong value

    gunicorn = [sys.executable, "-m", "gunicorn", "bookjob_site.wsgi", *sys.argv[1:]]
    os.execv(sys.executable, gunicorn)  # noqa: S606  no shell: this process becomes gunicorn
