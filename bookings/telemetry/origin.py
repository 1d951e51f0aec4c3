"""Where a change comes from: API, admin or command, and under which request id. One context variable.

The id is the caller's own X-Request-ID where it sends a sane one, so that one request can be followed through all
systems; else it is drawn. It comes back in the answer, and stands in the log and in the history.
This file is read while Django sets up its logging: nothing in it may need a model.
"""

import random
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SANE_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,64}")


class Origin(NamedTuple):
    """`via` is one of HistoryEntry.Via; `key` the name of the key that a system called with."""

    via: str
    request_id: str
    key: str = ""


COMMAND = Origin("command", "")
# Outside of a request it is a command.
current: ContextVar[Origin] = ContextVar("origin", default=COMMAND)


class OriginMiddleware:
    """Sets the origin for the length of a request."""

    def __init__(self, get_response: "Callable[[HttpRequest], HttpResponse]") -> None:
        self.get_response = get_response

    def __call__(self, request: "HttpRequest") -> "HttpResponse":
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if SANE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        token = current.set(Origin("api" if request.path_info.startswith("/api/") else "admin", request_id))
        try:
            response = self.get_response(request)
        finally:
            current.reset(token)
        response["X-Request-ID"] = request_id
        return response
