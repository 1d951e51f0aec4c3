"""What was typed into a form of the admin is not lost when the session or the CSRF token is another.

A form that comes in after the session has ended is answered with the log-in page, which carries the form along, signed.
After the log-in it is in the new session, and its page shows it again. Nothing is done with it until the person sends
it once more: the views that call `show_again` draw a page that was sent, and change nothing where `do` is `edit`.
Passwords are never kept. Nothing is written for a person who is not logged in.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin, messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

# A thousand ticked rows and a long note are less.
LONGEST = 64 * 1024
SECONDS = 12 * 3600
SALT = "bookings.kept"
FIELD = SESSION_KEY = "kept"
LOGGED_OUT, LOGGED_IN_AGAIN = "were logged out", "logged in again"


def is_form(request: HttpRequest) -> bool:
    """Whether this sends a form of a page, other than the log-in itself."""
    return (
        request.method == "POST"
        and request.path_info.startswith(reverse("admin:index"))
        and request.path_info not in (reverse("admin:login"), reverse("admin:logout"))
    )


def pack(request: HttpRequest) -> str:
    """The form with its address, signed; empty where it is too long to be kept."""
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in ("csrfmiddlewaretoken", "do") and "password" not in name
    ]
    text = urlencode(fields)
    return signing.dumps([request.path, text], salt=SALT, compress=True) if len(text) <= LONGEST else ""


def ask_for_log_in(request: HttpRequest) -> HttpResponse:
    """The log-in page in the place of the page that the form belongs to; from there, the form comes back."""
    form = pack(request)
    if form:
        messages.info(request, "Log in again. What you typed is kept and comes back after it.")
    else:
        messages.warning(request, "Log in again. What you typed is too long to be kept.")
    return _log_in_page(request, request.path, form)


def log_in_once_more(request: HttpRequest) -> HttpResponse:
    """The log-in page for a log-in whose token is another: it was open for long, or in another window."""
    messages.warning(request, "This page was open for too long. Log in now.")
    return _log_in_page(request, request.GET.get("next") or reverse("admin:index"), request.POST.get(FIELD, ""))


def _log_in_page(request: HttpRequest, then: str, form: str) -> HttpResponse:
    asked = QueryDict(mutable=True)
    asked["next"] = then
    address = f"{reverse('admin:login')}?{asked.urlencode()}"
    request.method = "GET"
    return admin.site.login(request, extra_context={"app_path": address, "next": then, FIELD: form})


def remember(request: HttpRequest, signed: str, why: str = LOGGED_OUT) -> None:
    """After a log-in: what came with it is in the session until its page shows it, and says why."""
    try:
        request.session[SESSION_KEY] = [*signing.loads(signed, salt=SALT, max_age=SECONDS), why]
    except signing.BadSignature:
        return


def send_back(request: HttpRequest) -> HttpResponse:
    """For a user who is logged in, but whose form came with another token: its page again, with what was typed."""
    if form := pack(request):
        remember(request, form, LOGGED_IN_AGAIN)
        messages.warning(
            request, "You have logged in since this page was opened. Nothing was changed yet: send it again."
        )
    else:
        messages.warning(
            request, "You have logged in since this page was opened. Nothing was changed: fill it in again."
        )
    return HttpResponseRedirect(request.path)


def show_again(request: HttpRequest, what: str) -> bool:
    """Called first by views of forms: a form that is kept for this address becomes the form that was sent, to look at.

    Says whether there was one. The view draws its page with it and changes nothing. `what` names the form in the
    message, as "note".
    """
    if request.method != "GET" or not hasattr(request, "session"):
        return False
    kept: Any = request.session.get(SESSION_KEY)
    if not kept or len(kept) != 3 or kept[0] != request.path:  # of the release before: too few
        return False
    del request.session[SESSION_KEY]
    _, text, why = kept
    fields = QueryDict(mutable=True)
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=10_000):
        fields.appendlist(name, value)
    fields["do"] = "edit"
    _ = request.POST  # read while it is a GET: read later, it would begin the body, and so the fields, anew
    request.method, request.POST = "POST", fields  # type: ignore[assignment]
    messages.info(request, f"You {why} before this was saved. Here is your {what} again.")
    return True
