"""Django's migrate, which a setting that does not fit the database does not stop (operations/installation.py).

It refuses a database that stopped somewhere in the migrations of before the first release, whose files are gone: Django
would take some of the new ones for done, and run the others on tables that they do not fit.
"""

from collections.abc import Container
from itertools import dropwhile
from typing import Any

from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

IN_BETWEEN = (
    "This database is in the state of an early version whose migrations this version no longer has. Upgrade it first to"
    ' the last version that has them, as docs/changes.md says ("From before the first release"), then migrate again.'
    " Nothing was changed."
)


class Command(migrate.Command):
    def check(self, *args: Any, **options: Any) -> None:
        super().check(*args, **options | {"databases": None})

    def handle(self, *args: Any, **options: Any) -> None:
        recorder = MigrationRecorder(connections[options["database"]])
        if is_in_between(recorder.applied_migrations()):
            raise CommandError(IN_BETWEEN)
        super().handle(*args, **options)


def is_in_between(applied: Container[tuple[str, str]]) -> bool:
    """Whether the old migrations are there in part, other than as the new ones record them one after the other."""
    replacements = sorted(MigrationLoader(None).replacements.items())
    parts = [
        [old in applied for old in migration.replaces] for (app, _), migration in replacements if app == "bookings"
    ]
    return any(any(part) for part in dropwhile(all, parts))
