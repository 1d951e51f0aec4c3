from django.apps import AppConfig
from django.core import checks


class BookingsConfig(AppConfig):
    name = "bookings"

    def ready(self) -> None:
        from bookings.db import integers  # noqa: F401  lookups of models, which can be imported only now
        from bookings.operations import installation

        checks.register(installation.check, checks.Tags.database)
        checks.register(installation.check_files)
