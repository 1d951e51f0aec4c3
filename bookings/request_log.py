"""One line in the log for each request: how it ended, for whom, how long it took.

It is named by its route, not by its path, which holds an order number.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from bookings.authentication import Caller

logger = logging.getLogger("bookings.request")


class RequestLogMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        facts = {
            "route": request.resolver_match.route if request.resolver_match else "",
            "status": response.status_code,
            "outcome": getattr(response, "outcome", "ok" if response.status_code < 400 else "error"),
            "caller": _caller(request),
            "ms": round((time.perf_counter() - began) * 1000, 1),
        }
        logger.info("%s", request.method, extra={"facts": facts})
        return response


def _caller(request: HttpRequest) -> str:
    """Who called, as far as that was found out already: asking now might need a database that is away."""
    user: Any = vars(request).get("user")
    if isinstance(user, Caller):
        return user.name
    user = getattr(request, "_cached_user", None)
    return user.get_username() if user else ""
