"""What is wrong with the settings and can only be seen in the database.

`manage.py check --database default` refuses it; `/readyz` goes on with 200 and names it under `warnings`, since a
renamed area is no reason to take all machines out.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connection

from bookings import offers, wire
from bookings.models import ServiceArea


def warnings() -> list[str]:
    """A sentence for each setting that does not fit the database."""
    found = []
    code = settings.BOOKJOB_DEFAULT_AREA
    # The search itself is asked: a place of which nothing is known.
    if code and offers.find_area(wire.Search()) is None:
        found.append(
            f"BOOKJOB_DEFAULT_AREA is {code!r}. It must be the code of a service area that exists. Otherwise requests"
            " without an area find nothing."
        )
    return found


def missing_file() -> str:
    """What to do about the published schema, which the service starts without; or an empty text."""
    file = settings.OPENAPI_FILE
    return "" if file.is_file() else f"{file} is missing: /api/v1/schema answers with 503. Install the release again."


def check_files(**options: Any) -> list[CheckMessage]:
    """Django's check, a warning: what else the command does goes on."""
    return [Warning(problem, id="bookjob.W001")] if (problem := missing_file()) else []


def encoding_problem(encoding: str) -> str:
    """Why a database of PostgreSQL's with this encoding cannot keep every text, or an empty text."""
    return "" if encoding == "UTF8" else f"database encoded in {encoding}, not UTF8: see docs/databases.md"


def check(*, databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """Django's check of the database. Before the first `migrate` there is only the encoding to look at."""
    if "default" not in (databases or ()):
        return []
    if problem := _encoding_problem():
        return [Error(problem, id="bookjob.E002")]
    if ServiceArea._meta.db_table not in connection.introspection.table_names():
        return []
    return [Error(text, id="bookjob.E001") for text in warnings()]


def _encoding_problem() -> str:
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        return encoding_problem(cursor.fetchone()[0])
