"""ServiceMobility's error body, and the handlers that make every error of the API one (contract, section 2).

`code` is the HTTP status that tells the error apart. With BOOKJOB_DOCUMENTED_STATUSES_ONLY the answer's own status
is 500 instead (401 stays) on the addresses that ServiceMobility calls; the body is the same.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions

from bookings import sentences
from bookings.db.faults import is_away, leave_standby
from bookings.refusals import Code, InvalidRequest, Refused
from bookings.telemetry import metrics
from bookings.telemetry.metrics import Answer

logger = logging.getLogger("bookings")

RETRY_AFTER_SECONDS = 5
CALLED_BY_SERVICEMOBILITY = {"token", "search", "followup"}  # the names in urls.py


class UnsupportedEncoding(exceptions.APIException):
    """A compressed body is not unpacked: a small one may be a large one."""

    status_code = 415


def handler(exception: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Django REST framework's EXCEPTION_HANDLER: JSON, whatever the view itself would answer with."""
    return answer(exception, context["request"])


def describe(exception: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, `detail` and headers for any exception. What was not foreseen is logged with an incident id."""
    code, message, data_path, params, headers = _tell(exception)
    return code.status, {"message": message, "params": {"error": code, **params}, "dataPath": data_path}, headers


def _tell(exception: Exception) -> tuple[Code, str, str, dict[str, Any], dict[str, str]]:
    """Code, sentence, `dataPath`, further `params`, headers."""
    match exception:
        case Refused():
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if exception.error == Code.UNAVAILABLE else {}
            return exception.error, exception.message, exception.data_path, exception.params, headers
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            headers = {"WWW-Authenticate": getattr(exception, "auth_header", "") or 'JWT realm="api"'}
            message = sentences.INVALID_LOGON
            if exception.get_codes() == "wrong_header":
                message = sentences.WRONG_HEADER
            elif exception.get_codes() == "bad_key":
                message = sentences.INVALID_KEY
            return Code.INVALID_LOGON, message, "", {}, headers
        case exceptions.Throttled():
            wait = max(1, round(getattr(exception, "wait", None) or RETRY_AFTER_SECONDS))
            message = sentences.say(sentences.THROTTLED, seconds=wait)
            return Code.THROTTLED, message, "", {"seconds": wait}, {"Retry-After": str(wait)}
        case exceptions.PermissionDenied() | PermissionDenied():
            return Code.FORBIDDEN, sentences.NOT_ALLOWED, "", {}, {}
        case exceptions.ValidationError():
            # Of a query: what is wrong with a body, InvalidRequest says.
            said: Any = exception.detail
            lines = [(name, text) for name, texts in said.items() for text in texts]
            return _tell(InvalidRequest([("", _of_query(name, text)) for name, text in lines]))
        case exceptions.NotFound() | Http404():
            return Code.NOT_FOUND, sentences.NOT_FOUND, "", {}, {}
        case exceptions.MethodNotAllowed():
            return Code.METHOD_NOT_ALLOWED, sentences.METHOD_NOT_ALLOWED, "", {}, {}
        case exceptions.UnsupportedMediaType():
            message = sentences.WRONG_CONTENT_TYPE
            return Code.UNSUPPORTED_MEDIA_TYPE, message, "", {}, {}
        case UnsupportedEncoding():
            message = sentences.COMPRESSED
            return Code.UNSUPPORTED_MEDIA_TYPE, message, "", {}, {"Accept-Encoding": "identity"}
        case RequestDataTooBig():
            return Code.TOO_LARGE, sentences.ANY_TOO_LARGE, "", {}, {}
        case SuspiciousOperation() | exceptions.ParseError() | UnreadablePostError():
            return Code.INVALID_REQUEST, sentences.UNREADABLE, "", {}, {}
        case _ if is_away(exception):
            _note_that_it_is_away(exception)
            return Code.UNAVAILABLE, sentences.UNAVAILABLE, "", {}, {"Retry-After": str(RETRY_AFTER_SECONDS)}
        case _:
            incident = uuid.uuid4().hex[:12]
            logger.error("Incident %s", incident, exc_info=exception)
            message = sentences.say(sentences.SERVER_ERROR, incident=incident)
            return Code.SERVER_ERROR, message, "", {"incident": incident}, {}


def _note_that_it_is_away(exception: Exception) -> None:
    metrics.add(metrics.DATABASE_ERRORS, type(exception.__cause__ or exception).__name__)
    logger.error("The database is away or read-only, or a lock was not had in time: %s", _one_line(exception))
    leave_standby(exception)


def _of_query(name: str, text: str) -> str:
    """What is wrong with a parameter: ours begin with a verb, Django REST framework's are sentences."""
    sentence = sentences.PROPERTY if text[:1].islower() else "{property}: {fault}"
    return sentences.say(sentence, property=name, fault=text)


def answer(exception: Exception, request: Any) -> Answer:
    """`request` is Django's or Django REST framework's."""
    status, detail, headers = describe(exception)
    text = orjson.dumps({"code": status, "detail": detail})
    outcome, reason = detail["params"]["error"], detail["params"].get("reason", "")
    kind = "application/json"
    is_practice = isinstance(exception, Refused) and exception.is_practice
    told = Answer(text, kind, _status(status, request), headers=headers, outcome=outcome, refusal=reason)
    told.is_practice = is_practice
    return told


def _status(status: int, request: Any) -> int:
    if not settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY or status == 401:
        return status
    # Other systems know more statuses than ServiceMobility. What leads nowhere may be one of its addresses, misspelt.
    found = request.resolver_match
    return 500 if found is None or found.url_name in CALLED_BY_SERVICEMOBILITY else status


def _one_line(exception: Exception) -> str:
    return (str(exception).splitlines() or [type(exception).__name__])[0]


class NulMiddleware:
    """Of the pages: no database takes NUL in a text, and no form sends it in an address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            return self.get_response(request)  # the API has words of its own for it
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("NUL in the address")
        return self.get_response(request)
