"""/livez, /readyz, /metrics and /proof: for load balancers and Prometheus, which send no Host that is configured."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse

from bookings import clock
from bookings.operations import metrics, readiness
from bookings.services import proof


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
        if request.path_info in WITH_TOKEN and settings.BOOKJOB_METRICS_TOKEN:
            if metrics.is_allowed(request):
                return WITH_TOKEN[request.path_info]()
            return HttpResponse("", status=401, headers={"WWW-Authenticate": "Bearer"})
        return self.get_response(request)


def _proof() -> HttpResponse:
    """What the desk shows on its page Proof, of all areas."""
    try:
        return JsonResponse(proof.document())
    except Error:
        return JsonResponse({"status": readiness.NOT_REACHED}, status=503)


# For the caller that has BOOKJOB_METRICS_TOKEN.
WITH_TOKEN: dict[str, Callable[[], HttpResponse]] = {"/metrics": metrics.page, "/proof": _proof}
