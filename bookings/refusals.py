"""What is raised where a request is refused, and every error code with its HTTP status.

`errors.py` says it as HTTP; the published schema and the table of docs/errors.md are drawn from it.
"""

from enum import StrEnum
from typing import Any, Self

from bookings import sentences


class Code(StrEnum):
    """The stable word in `params.error` (contract, section 2). None is without its status."""

    status: int

    def __new__(cls, word: str, status: int) -> Self:
        code = str.__new__(cls, word)
        code._value_ = word
        code.status = status
        return code

    INVALID_REQUEST = "invalid_request", 400
    INVALID_LOGON = "invalid_logon", 401
    FORBIDDEN = "forbidden", 403
    NOT_FOUND = "not_found", 404
    SLOT_NOT_FOUND = "slot_not_found", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    SLOT_UNAVAILABLE = "slot_unavailable", 409
    ALREADY_BOOKED = "already_booked", 409
    CANCELLED_MEANWHILE = "cancelled_meanwhile", 409
    CONFLICTING_DUPLICATE = "conflicting_duplicate", 409
    TOO_LARGE = "too_large", 413
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415
    THROTTLED = "throttled", 429
    SERVER_ERROR = "server_error", 500
    UNAVAILABLE = "unavailable", 503
    # Of changes that dispatchers make.
    CHANGED_MEANWHILE = "changed_meanwhile", 412
    ALREADY_CANCELLED = "already_cancelled", 409
    ALREADY_REVIEWED = "already_reviewed", 409
    ALREADY_CLOSED = "already_closed", 409
    ALREADY_OPEN = "already_open", 409
    SAME_SLOT = "same_slot", 409
    SAME_CAPACITY = "same_capacity", 409
    BELOW_BOOKED = "below_booked", 409
    HIDDEN_BY_BLACKOUT = "hidden_by_blackout", 409
    WITHDRAWN = "withdrawn", 409
    # Of many rows at once.
    ROWS_REFUSED = "rows_refused", 422
    # Of requests with an Idempotency-Key.
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch", 422
    STILL_RUNNING = "still_running", 409
    WORKER_BUSY = "worker_busy", 409
    NO_SUCH_TIME = "no_such_time", 409


# What any request can meet before the service sees it, by its status: the server answers in the same form
# (bookjob_site/worker/refusals.py).
OF_THE_SERVER = {
    408: (Code.INVALID_REQUEST, sentences.TOO_SLOW),
    414: (Code.TOO_LARGE, sentences.LONG_ADDRESS),
    417: (Code.INVALID_REQUEST, sentences.UNKNOWN_EXPECTATION),
    431: (Code.TOO_LARGE, sentences.LARGE_HEADERS),
    501: (Code.INVALID_REQUEST, sentences.UNKNOWN_CODING),
}


class Refused(Exception):
    """A booking, a change or a request was refused, and nothing was changed.

    `error` is the value of a Code; `message` is for a technician or a dispatcher; `data_path` a JSON Pointer into what
    was sent.
    """

    def __init__(self, error: str, message: str, *, data_path: str = "", **params: Any) -> None:
        super().__init__(message)
        self.error = Code(error)  # type: ignore[call-arg]  # mypy takes it for __new__
        self.message = message
        self.data_path = data_path
        self.params = params
        # Of a booking in a practice area, which is counted nowhere.
        self.is_practice = False


# The name of earlier releases, which others' scripts rely on.
BookingError = Refused

# An error never grows with the request (contract, section 2): so many faults are told, each of them so long.
MOST_FAULTS = 50
LONGEST_MESSAGE = 500  # characters


class InvalidRequest(Refused):
    """The body cannot be read; `faults` are (JSON Pointer, what is wrong there), the first of `count`."""

    def __init__(self, faults: list[tuple[str, str]], count: int = 0) -> None:
        first_path, first_message = faults[0]
        count = max(count, len(faults))
        super().__init__(
            "invalid_request",
            short(
                first_message
                if count == 1
                else sentences.say(sentences.SEVERAL_FAULTS, first=first_message, count=count)
            ),
            data_path=first_path,
            errors=[{"dataPath": path, "message": short(message)} for path, message in faults[:MOST_FAULTS]],
            **({"error_count": count} if count > 1 else {}),
        )


class TooLarge(Refused):
    """A body, or what its objects would weigh; `limit` is the size in bytes of the largest one that is taken."""

    def __init__(self, limit: int, fault: str = "") -> None:
        super().__init__(
            "too_large",
            sentences.say(sentences.TOO_LARGE, fault=fault or sentences.say(sentences.LARGER_THAN, limit=limit)),
            limit=limit,
        )


def short(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
