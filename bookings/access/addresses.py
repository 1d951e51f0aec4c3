"""Where a request comes from, behind proxies of ours."""

import ipaddress
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request


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
