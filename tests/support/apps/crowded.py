"""The service on a disk that is full as long as the file FULL exists. Only for tests, and only for SQLite."""

import os
from pathlib import Path

from bookjob_site.wsgi import application as service  # it makes Django ready for the imports below

# isort: split

from django.db import connection

full = Path(os.environ["FULL"])


def application(environ, start_response):
    with connection.cursor() as cursor:
        # Less than there is already: SQLite takes that for "no page more".
        cursor.execute(f"PRAGMA max_page_count = {1 if full.exists() else 1_000_000}")
    return service(environ, start_response)
