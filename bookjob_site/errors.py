"""Django's own error views, for what goes wrong before or beside a view: chosen by the address.

A caller of the API is answered in the vendor's body, a browser with a page of the desk.
"""

import sys

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from bookings.admin import error_page
from bookings.api import errors
from bookings.telemetry.metrics import Answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return errors.answer(exception, request)
    return error_page.draw(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return errors.answer(exception, request) if _is_api(request) else error_page.draw(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return errors.answer(exception, request) if _is_api(request) else error_page.draw(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    raised = sys.exc_info()[1]
    exception = raised if isinstance(raised, Exception) else RuntimeError("unknown")
    if _is_api(request):
        return errors.answer(exception, request)
    status, detail, headers = errors.describe(exception)
    page = error_page.draw(request, 503 if status == 503 else 500, headers)
    outcome = detail["params"]["error"]
    return Answer(page.content, status=page.status_code, headers=dict(page.headers), outcome=outcome)


def _is_api(request: HttpRequest) -> bool:
    if request.path_info.startswith("/api/"):
        return True
    # ServiceMobility's settings are written by hand: an address that is misspelt is answered in its body, too.
    return request.content_type == "application/json" or "HTTP_X_ACCESS_TOKEN" in request.META
