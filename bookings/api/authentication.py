"""Who calls, how often, and what they may: bookings/access for Django REST framework, and for calls.py."""

import re
from typing import Any, cast

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from bookings import sentences
from bookings.access import keys, limits
from bookings.access.limits import client_address
from bookings.access.tokens import Caller, caller_of, read_token
from bookings.refusals import Code, Refused

# Keys of systems are sent as `Authorization: Bearer`; a JWT has two dots.
BEARER = re.compile(r"(?i)bearer[ \t]+([\w-]{1,200})[ \t]*")
JWT_AS_BEARER = re.compile(r"(?i)(bearer|jwt)\s+[\w-]+\.[\w-]+\.[\w-]*\s*$")


class AccessTokenAuthentication(BaseAuthentication):
    """Refuses by default: a request needs a valid token, or a system's key."""

    def authenticate(self, request: Request) -> tuple[Caller, dict[str, Any]]:
        return caller_who_sent(request)

    def authenticate_header(self, request: Request) -> str:
        return 'JWT realm="api"'


class RequestLimit(BaseThrottle):
    """Of every view: the caller's requests are counted, and where no log-in is asked for, the address's."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.user:
            limits.count_caller(request)
        else:
            limits.count_address(request, client_address(request))
        return True


class HasScope(BasePermission):
    """Of every view but the log-in: `scopes` has, for each method, what the caller must be allowed. Without it: no."""

    def has_permission(self, request: Request, view: Any) -> bool:
        check_scope(request, view)
        return True


def admitted(request: HttpRequest, view: Any) -> Caller:
    """What the classes above say, all of it and in their order. Raises what refuses the request."""
    caller, _ = caller_who_sent(request)
    cast(Any, request).user = caller  # for the log
    check_scope(request, view)
    limits.count_caller(request)
    return caller


def caller_who_sent(request: Request | HttpRequest) -> tuple[Caller, dict[str, Any]]:
    """The caller, and the claims of the token. Raises AuthenticationFailed, or Throttled."""
    address = client_address(request)
    limits.count_address(request, address)
    token = request.META.get("HTTP_X_ACCESS_TOKEN", "")
    if not token:
        given = request.META.get("HTTP_AUTHORIZATION", "")
        if key := BEARER.fullmatch(given):
            return keys.system_of(key[1]), {}
        if JWT_AS_BEARER.match(given):
            raise AuthenticationFailed(code="wrong_header")
    claims = read_token(token, address)
    return caller_of(claims), claims


def check_scope(request: Request | HttpRequest, view: Any) -> None:
    """Raises Refused where the caller may not do that, and MethodNotAllowed where nothing does."""
    method = "GET" if request.method == "HEAD" else str(request.method)
    if method not in view.allowed_methods:
        # Before anything is said of permissions: this may be the address of a booking, mistyped.
        raise MethodNotAllowed(method)
    scope = view.scopes.get(method, "")
    if not cast(Caller, request.user).may(scope):
        raise Refused(Code.FORBIDDEN, sentences.say(sentences.FORBIDDEN, scope=scope), scope=scope)
