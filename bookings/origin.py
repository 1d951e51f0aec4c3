"""Where a change comes from: API, admin or command, and under which request id. The history names both.

The id is the caller's own X-Request-ID where it sends a sane one, so that one request can be followed through all
systems; else it is drawn. It comes back in the answer.
"""

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from bookings.models import HistoryEntry

SANE_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,64}")


@dataclass(frozen=True)
class Origin:
    via: str
    request_id: str


COMMAND = Origin(HistoryEntry.Via.COMMAND, "")
# Outside of a request it is a command.
current: ContextVar[Origin] = ContextVar("origin", default=COMMAND)


class OriginMiddleware:
    """Sets the origin for the length of a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
        is_api = request.path_info.startswith("/api/")
        token = current.set(Origin(HistoryEntry.Via.API if is_api else HistoryEntry.Via.ADMIN, request_id))
        try:
            response = self.get_response(request)
        finally:
            current.reset(token)
        response["X-Request-ID"] = request_id
        return response
