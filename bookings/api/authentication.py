"""The classes by which Django REST framework asks who is let in. access/admission.py knows; calls.py asks it itself."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from bookings.access import admission
from bookings.access.tokens import Caller


class AccessTokenAuthentication(BaseAuthentication):
    """Refuses by default: a request needs a valid token, or a system's key."""

    def authenticate(self, request: Request) -> tuple[Caller, dict[str, Any]]:
        return admission.caller_who_sent(request)

    def authenticate_header(self, request: Request) -> str:
        return 'JWT realm="api"'


class RequestLimit(BaseThrottle):
    """Of every view: the caller's requests are counted, and where no log-in is asked for, the address's."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.user:
            admission.count_caller(request)
        else:
            admission.count_address(request, admission.client_address(request))
        return True


class HasScope(BasePermission):
    """Of every view but the log-in: `scopes` has, for each method, what the caller must be allowed. Without it: no."""

    def has_permission(self, request: Request, view: Any) -> bool:
        admission.check_scope(request, view)
        return True
