"""Django's migrate, which does not stop for a setting that does not fit the database (bookings/installation.py)."""

from typing import Any

from django.core.management.commands import migrate


class Command(migrate.Command):
    def check(self, *args: Any, **options: Any) -> None:
        super().check(*args, **options | {"databases": None})
