"""What Patroni says of the database's cluster: does its release keep two primaries apart, and are bookings kept.

Its hosts are named in BOOKJOB_PATRONI; docs/databases.md, "A cluster".
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from bookings.delivery import calls
from bookings.operations.doctor.finding import Finding

# Before, a primary that was frozen and thawed took its lock back although another one had it.
SAFE, TESTED = (3, 0, 3), "4.1.5"


def patroni(now: datetime) -> Iterator[Finding]:
    addresses = settings.BOOKJOB_PATRONI
    if addresses is None and "," in str(connection.settings_dict.get("HOST")):
        yield Finding(
            False, "DATABASE_URL names several hosts, and BOOKJOB_PATRONI none: what keeps two primaries apart cannot"
            " be looked at. Name Patroni's addresses there, or none if something else does it.",
        )  # fmt: skip
    says: dict[str, Any] = {}
    for address in addresses or []:
        found, why = _asked(address, "/patroni")
        if why:
            yield Finding(False, f"Patroni at {address} does not answer: {why}. Is that host up?")
            continue
        yield from release(address, found)
        says = says or _asked(address, "/config")[0]
    if says:
        yield from rules(says)


def release(address: str, found: dict[str, Any]) -> Iterator[Finding]:
    says = found.get("patroni")
    version = str(says.get("version")) if isinstance(says, dict) else "of no version"
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if not numbers or tuple(int(number or 0) for number in numbers.groups()) < SAFE:
        yield Finding(
            True, f"Patroni {version} at {address} can let two primaries take bookings, and acknowledged ones are lost:"
            f" this cluster is not safe. Upgrade it to {TESTED}, which was tested; before 3.0.3 none is safe.",
        )  # fmt: skip


def rules(says: dict[str, Any]) -> Iterator[Finding]:
    if str(says.get("synchronous_mode", "off")).lower() not in ("on", "true", "quorum"):
        yield Finding(
            True, "Patroni's synchronous_mode is off: bookings that were acknowledged are lost with the primary. Set it"
            " to quorum (patronictl edit-config).",
        )  # fmt: skip
    elif str(says.get("synchronous_mode_strict", "off")).lower() not in ("on", "true"):
        yield Finding(
            True, "Patroni's synchronous_mode_strict is off: without standbys, bookings are acknowledged that are on"
            " one disk only. Switch it on (patronictl edit-config).",
        )  # fmt: skip


def _asked(address: str, path: str) -> tuple[dict[str, Any], str]:
    """What is answered, whatever its status, or why nothing is."""
    try:
        document = calls.Channel(address).call("GET", path).document
    except calls.NoAnswer as fault:
        return {}, str(fault)
    return (document, "") if document is not None else ({}, "what answers there is not Patroni")


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [patroni]
