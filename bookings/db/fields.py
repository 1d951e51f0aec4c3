"""Field classes and checks that migrations name: they stay where they are, whatever moves above them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from bookings import clock

# Identifiers of other systems are free text; an index entry has to stay small.
ID_LENGTH = 200


def check_time_zone(name: str) -> None:
    """Raises ValidationError unless `name` is an IANA time zone such as Europe/London."""
    if problem := clock.time_zone_problem(name):
        raise ValidationError(problem)


class WordsField(models.TextField):  # type: ignore[type-arg]
    """Folded words with a blank between them. PostgreSQL keeps them as a tsvector."""

    def db_type(self, connection: Any) -> str | None:
        return "tsvector" if connection.vendor == "postgresql" else super().db_type(connection)
