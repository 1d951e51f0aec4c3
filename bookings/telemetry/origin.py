"""The history, and where a change comes from: API, admin or command, and under which request id.

The id is the caller's own X-Request-ID where it sends a sane one, so that one request can be followed through all
systems; else it is drawn. It comes back in the answer.
"""

import random
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse

from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.telemetry import logs

SANE_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,64}")


class Origin(NamedTuple):
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
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if SANE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        is_api = request.path_info.startswith("/api/")
        token = current.set(Origin(HistoryEntry.Via.API if is_api else HistoryEntry.Via.ADMIN, request_id))
        log_token = logs.request_id.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            logs.request_id.reset(log_token)
            current.reset(token)
        response["X-Request-ID"] = request_id
        return response


def record_each(
    about: Iterable[WorkOrder | AppointmentSlot | int],
    event: HistoryEntry.Event,
    *,
    at: datetime,
    by: str,
    reason: str,
    **details: Any,
) -> None:
    """The same line for the history of each of many work orders, or of slots, which may come as their keys."""
    write_lines(entry(thing, event, at=at, by=by, reason=reason, **details) for thing in about)


def write_lines(lines: Iterable[dict[str, Any]]) -> None:
    """Lines that `entry` made, many in a statement: long commands write as many of them as rows."""
    lines = iter(lines)
    while some := list(islice(lines, 1_000)):
        sql.write((HistoryEntry, some))


def entry(
    about: WorkOrder | AppointmentSlot | int | None,
    event: HistoryEntry.Event,
    *,
    at: datetime,
    by: str,
    reason: str = "",
    **details: Any,
) -> dict[str, Any]:
    """The columns of a line of the history, with where it comes from."""
    came = current.get()
    return {
        "work_order_id": about.pk if isinstance(about, WorkOrder) else None,
        "slot_id": about.pk if isinstance(about, AppointmentSlot) else about if isinstance(about, int) else None,
        "event": event,
        "at": at,
        "by": by,
        "via": came.via,
        "request_id": came.request_id,
        "reason": reason,
        "details": details,
    }
