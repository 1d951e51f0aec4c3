"""Where a request comes from, behind proxies of ours; and how many requests a caller, and an address, may send: so many
a minute to each endpoint, counted by all workers.

Each has a bucket that holds a minute's worth and fills again as steadily as time goes by (a token bucket, kept as the
moment at which it will be full: the generic cell rate algorithm). A request that is refused takes nothing, so that
a caller who hammers is not kept out for longer.

The buckets stand in memory that gunicorn's workers share because it was made before they were forked
(`preload_app`); no database and no other service is asked. Its size never changes. Two callers never share a bucket;
where more of them come within a minute than there is room for, the one that has used the least is forgotten, which
means that it begins with a full bucket again. No caller is refused for another one.
"""

import ipaddress
import struct
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import ResolverMatch
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from bookings import clock
from bookings.telemetry.shared import SharedMemory

# Buckets lie in rows of eight: where a key's row is follows from its hash, and only that row is searched.
ROWS, WIDTH = 8192, 8
ROW = struct.Struct(f"={WIDTH}Q{WIDTH}d")
NUMBER, MOMENT = struct.Struct("=Q"), struct.Struct("=d")
MINUTE = 60.0


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


class Buckets:
    """A table in shared memory; make it before the processes are forked that are to share it."""

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.shared = SharedMemory(rows * ROW.size)

    def take(self, key: str, limit: int, now: float) -> float:
        """Take one request out of `key`'s bucket of `limit` a minute. The seconds to wait if it is empty, else 0."""
        # Python draws the secret of its hash when it starts, and a forked process keeps it.
        number = hash(key) & 0xFFFF_FFFF_FFFF_FFFF or 1
        row = number % self.rows * ROW.size
        memory = self.shared.memory
        with self.shared:
            cells = ROW.unpack_from(memory, row)
            numbers, full_at = cells[:WIDTH], cells[WIDTH:]
            if number in numbers:
                place = numbers.index(number)
                until = max(full_at[place], now) + MINUTE / limit
            else:
                place = full_at.index(min(full_at))
                until = now + MINUTE / limit
                NUMBER.pack_into(memory, row + place * 8, number)
            wait: float = until - now - MINUTE
            # A hair's breadth is no wait: a bucket of 3 holds 3, though three thirds may come out above 1.
            if wait > 1e-6:
                return wait
            MOMENT.pack_into(memory, row + (WIDTH + place) * 8, until)
            return 0.0


buckets = Buckets()


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
