"""Django's migrate, which a setting that does not fit the database does not stop (operations/installation.py)."""

from typing import Any

from django.core.management.commands import migrate


class Command(migrate.Command):
    def check(self, *args: Any, **options: Any) -> None:
        super().check(*args, **options | {"databases": None})
