"""/livez, /readyz and /metrics: for load balancers and Prometheus, which send no Host that anybody configured."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse

from bookings import calendars, installation, metrics, triggers


class HealthMiddleware:
    """Answers before any other middleware looks at the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/livez":
            return JsonResponse({"status": "ok"})
        if request.path_info == "/readyz":
            problem = _problem()
            warnings = [] if problem else _warnings()
            answer: dict[str, Any] = {"status": problem or "ok", "time_zones": calendars.TIME_ZONES_VERSION}
            answer |= {"warnings": warnings} if warnings else {}
            return JsonResponse(answer, status=503 if problem else 200)
        if request.path_info == "/metrics" and settings.BOOKJOB_METRICS_TOKEN:
            return metrics.page(request)
        return self.get_response(request)


def _problem() -> str:
    """Why the service cannot work right now, or an empty text."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
        if settings.DATABASES["default"].get("LIMITS_BY_ROLE") and not _has_settings():
            return "the database role lacks its settings: see docs/databases.md"
        missing = triggers.missing() if _known_migrations() <= applied.keys() else []
    except Exception:  # whatever the driver says, the answer is the same
        return "database not reached"
    if not _known_migrations() <= applied.keys():
        return "migrations missing"
    return f"triggers missing: {', '.join(missing)}" if missing else ""


def _warnings() -> list[str]:
    """What does not keep the service from working, but some of its requests."""
    try:
        return installation.warnings()
    except Exception:  # the database went away just now: the next look says so
        return []


def _has_settings() -> bool:
    """PgBouncer hands no options on, so that time limits and isolation have to be the role's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout') <> '0' AND current_setting('statement_timeout') <> '0'"
            " AND current_setting('default_transaction_isolation') = 'read committed'"
        )
        return bool(cursor.fetchone()[0])


@cache
def _known_migrations() -> set[tuple[str, str]]:
    """What is on disk; it does not change while the process lives."""
    loader = MigrationLoader(None)
    return set(loader.disk_migrations)
