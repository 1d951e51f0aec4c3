"""Answers to requests that Django never sees: in ServiceMobility's form (contract, section 2), on the desk as text."""

import logging
import re
from http import HTTPStatus

import orjson
from gunicorn.http import errors

from bookings import sentences
from bookings.refusals import OF_THE_SERVER, Code

Refusal = tuple[int, Code, str]  # status, error code, sentence

RETRY_AFTER_SECONDS = 5

# How a request for a page of the desk begins. A person reads what is answered.
DESK = re.compile(rb"[A-Z]{1,10} /admin[/? ]")
FOR_PEOPLE = {414: "This address is too long. Go back and choose fewer filters."}

logger = logging.getLogger("bookings.request")


def of_the_server(status: int) -> Refusal:
    return status, *OF_THE_SERVER[status]


TOO_SLOW = of_the_server(408)
STOPPING = Code.UNAVAILABLE.status, Code.UNAVAILABLE, sentences.UNAVAILABLE


def describe(exc: BaseException) -> Refusal:
    """For what the parser says of a request."""
    match exc:
        case errors.InvalidResponseHeader() | errors.InvalidResponseHeaderName() | errors.ConfigurationProblem():
            return 500, Code.SERVER_ERROR, sentences.SERVER_ERROR
        case errors.LimitRequestLine():
            return of_the_server(414)
        case errors.LimitRequestHeaders():
            return of_the_server(431)
        case errors.UnsupportedTransferCoding():
            return of_the_server(501)
        case errors.ExpectationFailed():
            return of_the_server(417)
        case errors.InvalidRequestMethod():
            return 405, Code.METHOD_NOT_ALLOWED, sentences.METHOD_NOT_ALLOWED
        case errors.InvalidRequestLine():
            return 400, Code.INVALID_REQUEST, sentences.UNREADABLE_ADDRESS
        case errors.ParseException():
            return 400, Code.INVALID_REQUEST, sentences.NO_HTTP
    return 500, Code.SERVER_ERROR, sentences.SERVER_ERROR


def answer(refusal: Refusal, message: str = "", came: bytes | bytearray = b"") -> bytes:
    """The whole answer; after it the connection ends. `message` in the place of the sentence.

    `came` is how the request begins: what is for the desk is answered in plain text.
    """
    from django.conf import settings

    status, code, sentence = refusal
    if is_of_desk := DESK.match(came):
        body = (message or FOR_PEOPLE.get(status, sentence)).encode()
    else:
        detail = {"message": message or sentence, "params": {"error": code}, "dataPath": ""}
        body = orjson.dumps({"code": status, "detail": detail})
    shown = HTTPStatus(500 if settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY and not is_of_desk else status)
    headers = {
        "Connection": "close",
        "Content-Type": "text/plain; charset=utf-8" if is_of_desk else "application/json",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Content-Length": len(body),
    }
    if code == Code.UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    lines = [f"HTTP/1.1 {shown.value} {shown.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def log(refusal: Refusal, kind: str = "-") -> None:
    """The line of a request that Django never saw."""
    from bookings.telemetry import metrics

    status, code, _ = refusal
    metrics.add(metrics.REQUESTS, "", code)
    logger.info("%s", kind, extra={"facts": {"route": "", "status": status, "outcome": code}})
