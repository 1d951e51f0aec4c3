"""The pages for what goes wrong in the admin: in its look, with the id of the request and a way back.

They are drawn without the database and the session: it may be these that are away.
"""

import copy
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from bookings.access import kept
from bookings.telemetry import origin

logger = logging.getLogger("bookings")

TEXTS = {
    400: ("This request cannot be read", "Go back and try again. If you typed the address, check it."),
    403: ("You may not do this", "Your role does not allow it. A person who manages users can change that."),
    404: ("There is nothing at this address", "It may have been removed, or the address is misspelt."),
    413: ("This is too large", "Nothing of it was read. Go back, and send a smaller file, or the rows in parts."),
    500: ("Something went wrong here", "Go back and try again. If it stays so, report the request below."),
    503: (
        "The booking system is busy or being restarted",
        "The database cannot be reached, or takes no changes right now. Try again in a moment.",
    ),
}


def draw(request: HttpRequest, status: int, more_headers: Mapping[str, str] | None = None) -> HttpResponse:
    title, text = TEXTS[status]
    context = {
        "title": title,
        "text": text,
        "status": status,
        "request_id": origin.current.get().request_id,
        "back": _where_from(request),
        "again": _to_send_again(request) if status == 503 else [],
        "is_get": request.method in ("GET", "HEAD"),
        "address": request.get_full_path(),
    }
    try:
        # What the theme draws around it asks who is there; that would be the database.
        quiet = copy.copy(request)
        quiet.user = AnonymousUser()
        page: str = render_to_string("admin/bookings/error.html", {**admin.site.each_context(quiet), **context})
    except Exception:  # the page that reports a fault must not be one
        logger.exception("The page of an error could not be drawn")
        page = f"<!DOCTYPE html><title>{title}</title><h1>{title}</h1><p>{text}</p>"
    return HttpResponse(page, status=status, headers=dict(more_headers or {}))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose token is another: after a log-in in another window, say. It comes back as it was."""
    if request.path_info == reverse("admin:login"):
        return kept.log_in_once_more(request)
    if not kept.is_form(request) or not reason.startswith(("CSRF token", "CSRF cookie")):
        return draw(request, 403)
    if not admin.site.has_permission(request):
        return kept.ask_for_log_in(request)
    return kept.send_back(request)


def _where_from(request: HttpRequest) -> str:
    """The page of ours that led here; empty if it is this very one, or none."""
    try:
        came = urlsplit(request.META.get("HTTP_REFERER", ""))
    except ValueError:
        return ""
    address = f"{came.path}?{came.query}" if came.query else came.path
    is_ours = came.netloc and came.netloc == request.META.get("HTTP_HOST") and address.startswith("/admin/")
    return address if is_ours and address != request.get_full_path() else ""


def _to_send_again(request: HttpRequest) -> list[tuple[str, str]]:
    """The fields of a form that could not be taken, so that they are not lost; passwords are typed again."""
    if not kept.is_form(request):
        return []
    try:
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
    except Exception:  # a body that cannot be read is no form to send again
        return []
    if any("password" in name for name, _ in fields) or sum(len(value) for _, value in fields) > kept.LONGEST:
        return []
    return fields
