"""Who is let in: where a request comes from, who sent it, what that caller may, and how often.

A caller, and an address, may send so many requests a minute to each endpoint, counted by all workers: no database and
no other service is asked. A request that is refused takes nothing, so that a caller who hammers is not kept out for
longer.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import ResolverMatch
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed, Throttled
from rest_framework.request import Request

from bookings import clock, sentences
from bookings.access import keys
from bookings.access.tokens import Caller, caller_of, read_token
from bookings.refusals import Code, Refused
from bookings.telemetry.shared import Buckets

# Keys of systems are sent as `Authorization: Bearer`; a JWT has two dots.
BEARER = re.compile(r"(?i)bearer[ \t]+([\w-]{1,200})[ \t]*")
JWT_AS_BEARER = re.compile(r"(?i)(bearer|jwt)\s+[\w-]+\.[\w-]+\.[\w-]*\s*$")

buckets = Buckets()


def admitted(request: HttpRequest, view: Any) -> Caller:
    """What the classes of api/authentication.py ask, all of it and in their order. Raises what refuses the request."""
    caller, _ = caller_who_sent(request)
    cast(Any, request).user = caller  # for the log
    check_scope(request, view)
    count_caller(request)
    return caller


def caller_who_sent(request: Request | HttpRequest) -> tuple[Caller, dict[str, Any]]:
    """The caller, and the claims of the token. Raises AuthenticationFailed, or Throttled."""
    address = client_address(request)
    count_address(request, address)
    token = request.META.get("HTTP_X_ACCESS_TOKEN", "")
    if not token:
        given = request.META.get("HTTP_AUTHORIZATION", "")
        if key := BEARER.fullmatch(given):
            return keys.system_of(key[1]), {}
        if JWT_AS_BEARER.match(given):
            raise AuthenticationFailed(code="wrong_header")
    is_checked = settings.BOOKJOB_TRUST_UPSTREAM and is_in(address, tuple(settings.BOOKJOB_TRUSTED_NETWORKS))
    claims = read_token(token, is_checked=is_checked)
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


# --- Where from ----------------------------------------------------------------------------------------------


def client_address(request: Request | HttpRequest) -> str:
    """Where the request comes from. Only a proxy of ours is believed when it says for which address it asks."""
    address = _plain(str(request.META.get("REMOTE_ADDR", "")))
    if not settings.BOOKJOB_PROXIES:
        return address
    passed_on = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    # On a Unix socket only a proxy on this machine can be at the other end.
    while passed_on and (not address or is_in(address, tuple(settings.BOOKJOB_PROXIES))):
        address = _plain(passed_on.pop())
    return address


def _plain(address: str) -> str:
    """Without the port that some proxies write, and IPv4 as a socket that takes both kinds shows it.

    `192.0.2.1:4711`, `[2001:db8::1]:4711`, `::ffff:192.0.2.1`.
    """
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    return address.removeprefix("::ffff:") if "." in address else address


@lru_cache(maxsize=1_000)
def is_in(address: str, networks: tuple[Any, ...]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in network for network in networks)
    except ValueError:
        return False


# --- How often -----------------------------------------------------------------------------------------------


def count_address(request: Request | HttpRequest, address: str) -> None:
    """Before anything is known of the caller, so that tokens are not guessed faster either. Raises Throttled."""
    if settings.BOOKJOB_ADDRESS_LIMIT:
        _count(request, f"address {_network(address)}", settings.BOOKJOB_ADDRESS_LIMIT)


def count_caller(request: Request | HttpRequest) -> None:
    """By name; a token without a name is a caller of its own. Raises Throttled."""
    if settings.BOOKJOB_CALLER_LIMIT:
        # The token itself where the caller, a tokens.Caller, has no name.
        who = cast(Any, request.user).name or request.META["HTTP_X_ACCESS_TOKEN"]
        _count(request, f"caller {who}", settings.BOOKJOB_CALLER_LIMIT)


def _count(request: Request | HttpRequest, who: str, limit: int) -> None:
    endpoint = cast(ResolverMatch, request.resolver_match).route
    wait = buckets.take(f"{endpoint} {who}", limit, clock.ticks())
    if wait:
        raise Throttled(wait)


def _network(address: str) -> str:
    """The owner of one address of IPv6 has the 2**64 around it."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address, 64), strict=False))
    except ValueError:
        return address
