"""/livez, /readyz and /metrics: for load balancers and Prometheus, which send no Host that anybody configured."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from bookings import clock
from bookings.operations import metrics, readiness


class HealthMiddleware:
    """Answers before any other middleware looks at the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/livez":
            return JsonResponse({"status": "ok"})
        if request.path_info == "/readyz":
            problem, warnings = readiness.problem_and_warnings()
            answer: dict[str, Any] = {
                "status": problem or "ok",
                "version": settings.BOOKJOB_VERSION,
                "time_zones": clock.TIME_ZONES_VERSION,
            }
            answer |= {"warnings": warnings} if warnings else {}
            return JsonResponse(answer, status=503 if problem else 200)
        if request.path_info == "/metrics" and settings.BOOKJOB_METRICS_TOKEN:
            return metrics.page(request)
        return self.get_response(request)
