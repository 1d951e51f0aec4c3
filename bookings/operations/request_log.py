"""One line in the log for each request, and one count in the metrics: how it ended, for which caller, how long it took.

It is named by its route, not by its path, which holds an order number.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from bookings import clock
from bookings.access.addresses import client_address
from bookings.access.tokens import Caller
from bookings.telemetry import metrics
from bookings.telemetry.answers import Answer

logger = logging.getLogger("bookings.request")

LOG_IN_PAGE = "/admin/login/"


class RequestLogMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - began
        route = request.resolver_match.route if request.resolver_match else ""
        outcome = _outcome(request, response)
        facts = {
            "route": route,
            "status": response.status_code,
            "outcome": outcome,
            "caller": _caller(request),
            "ms": round(seconds * 1000, 1),
        }
        if outcome in ("invalid_logon", "throttled"):
            facts["address"] = _address(request)
        logger.info("%s", request.method, extra={"facts": facts})
        metrics.count(response, route, outcome, seconds)
        return response


def _outcome(request: HttpRequest, response: HttpResponse) -> str:
    if isinstance(response, Answer):
        return response.outcome
    # The log-in page of the admin answers a wrong password with itself.
    if request.method == "POST" and request.path_info == LOG_IN_PAGE and response.status_code == 200:
        return "invalid_logon"
    return "ok" if response.status_code < 400 else "error" if response.status_code < 500 else "server_error"


def _address(request: HttpRequest) -> str:
    """Where a log-in or a token was refused, so that guesses can be told apart: as a word of the day, or plainly."""
    address = client_address(request)
    if settings.BOOKJOB_LOG_ADDRESSES:
        return address
    return salted_hmac(f"bookings.address {clock.now():%Y-%m-%d}", address, algorithm="sha256").hexdigest()[:16]


def _caller(request: HttpRequest) -> str:
    """Who called, as far as that was found out already: asking now might need a database that is away."""
    user: Any = vars(request).get("user")
    if isinstance(user, Caller):
        return user.name
    user = getattr(request, "_cached_user", None)
    return user.get_username() if user else ""
