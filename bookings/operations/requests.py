"""What stands around each request: its id, its line in the log and its count, the headers of its answer.

The id is the caller's own X-Request-ID where it sends a sane one, so that one request can be followed through all
systems; else it is drawn. It comes back in the answer, and stands in the log and in the history.

The line is named by the route, not by the path, which holds an order number: how it ended, for which caller, how long
it took.

The headers say what a browser must not do (docs/security.md has the reasons and the exceptions). Most callers of the
API are no browsers; an answer that is opened in one, or embeds, is still only data. Django's own middleware adds
X-Content-Type-Options, X-Frame-Options, Referrer-Policy, Cross-Origin-Opener-Policy and HSTS.
"""

import logging
import random
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.crypto import salted_hmac

from bookings import clock
from bookings.access.admission import client_address
from bookings.access.tokens import Caller
from bookings.telemetry import metrics, origin
from bookings.telemetry.metrics import Answer
from bookings.telemetry.origin import Origin

logger = logging.getLogger("bookings.request")

SANE_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,64}")
LOG_IN_PAGE, DOCS_PAGE = "/admin/login/", "/api/v1/docs"

# Nothing is loaded, run, sent or framed.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The admin's Alpine.js makes functions out of the attributes of its pages.
DESK = PAGE.format(scripts=" 'unsafe-eval'")
DOCS = PAGE.format(scripts="")
FEATURES = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


class RequestMiddleware:
    """The id, and the line in the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if SANE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        token = origin.current.set(Origin("api" if request.path_info.startswith("/api/") else "admin", request_id))
        try:
            response = self._answer(request)
        finally:
            origin.current.reset(token)
        response["X-Request-ID"] = request_id
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
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


class HeadersMiddleware:
    """A header that a view has set itself stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        path, set_default = request.path_info, response.headers.setdefault
        set_default("X-Content-Type-Options", "nosniff")
        if path.startswith("/admin/") or _is_page(path, response):
            set_default("Content-Security-Policy", DESK)
            response.headers["X-Frame-Options"] = "DENY"  # newer releases of the theme frame pages of its own
            set_default("Permissions-Policy", FEATURES)
        elif path.removesuffix("/") == DOCS_PAGE:
            set_default("Content-Security-Policy", DOCS)
            set_default("Permissions-Policy", FEATURES)
        else:
            set_default("Content-Security-Policy", NOTHING)
        if not path.startswith("/static/"):
            # Addresses, names and tokens: no cache keeps any of it.
            set_default("Cache-Control", "no-store")
            set_default("Cross-Origin-Resource-Policy", "same-origin")
        return response


class ApiHeadersMiddleware:
    """Of the API: what `HeadersMiddleware` and two of Django's put on each answer is the same, and is asked once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.put_on = cache(_put_on)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        headers = response.headers
        headers._store = self.put_on(request.path_info == DOCS_PAGE, request.is_secure()) | headers._store
        return response


def _put_on(is_docs: bool, is_secure: bool) -> dict[str, tuple[str, str]]:
    """The headers of an answer of the API that had none."""
    request, answer = HttpRequest(), HttpResponse()
    request.path = request.path_info = DOCS_PAGE if is_docs else "/api/"
    request.META["HTTP_X_FORWARDED_PROTO"] = "https" if is_secure else "http"
    del answer["Content-Type"]
    djangos: Any = SecurityMiddleware(XFrameOptionsMiddleware(lambda _: answer))
    return HeadersMiddleware(djangos)(request).headers._store


def _is_page(path: str, response: HttpResponse) -> bool:
    """Whether it is a page of the desk at another address: that of an error."""
    return not path.startswith("/api/") and response.get("Content-Type", "").startswith("text/html")


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
