"""How staff get into the admin, and for how long.

The log-in is slowed down by the same rule and the same records as the API's (`log_in.py`). A session ends with the
browser, after BOOKJOB_SESSION_IDLE_MINUTES without a request, and BOOKJOB_SESSION_HOURS after the log-in whatever
happens. A changed password ends all others of that user (Django's session hash).
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import SESSION_KEY, logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import AuthenticationFailed, Throttled
from unfold.forms import AuthenticationForm

from bookings import clock
from bookings.access import kept, log_in
from bookings.access.admission import client_address

# How exactly the last request is remembered: a busy page is not to write with every request.
STEP = 60  # seconds
# What a page asks by itself says so: a window that was left open is no person who is there.
POLL = "X-Bookjob-Poll"


class LogInForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        if given.get("username") and given.get("password"):
            try:
                self.user_cache = log_in.log_in(
                    username=given["username"],
                    password=given["password"],
                    address=client_address(self.request),
                    may_enter=lambda user: user.is_staff,
                )
            except Throttled as refusal:
                message = f"There were too many attempts. Try again in {getattr(refusal, 'wait', 1):.0f} seconds."
                raise ValidationError(message, code="throttled") from None
            except AuthenticationFailed:
                raise self.get_invalid_login_error() from None
            # Also where the same user was in already, which Django would go on with: a log-in begins a new session.
            self.request.session.flush()
            if form := self.request.POST.get(kept.FIELD):
                kept.remember(self.request, form)
        return given


class SessionLifeMiddleware:
    """Logs out users who have been in for too long, or away; comes after AuthenticationMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and SESSION_KEY in request.session:
            self.look_at(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        """A form of a user who is logged out by now asks for the log-in, and is not lost."""
        if kept.is_form(request) and not admin.site.has_permission(request):
            return kept.ask_for_log_in(request)
        return None

    def look_at(self, request: HttpRequest) -> None:
        now = int(clock.now().timestamp())
        began, seen = request.session.get("began", now), request.session.get("seen", 0)
        away = now - seen if seen else 0
        if now - began > settings.BOOKJOB_SESSION_HOURS * 3600 or away > settings.BOOKJOB_SESSION_IDLE_MINUTES * 60:
            logout(request)
        elif abs(now - seen) >= STEP and POLL not in request.headers:
            request.session["began"], request.session["seen"] = began, now
