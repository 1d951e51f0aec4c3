from django.apps import AppConfig
from django.core import checks


class BookingsConfig(AppConfig):
    name = "bookings"

    def ready(self) -> None:
        from bookings import installation, integers  # noqa: F401  models can be imported only now

        checks.register(installation.check, checks.Tags.database)
