"""What a tester may choose."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What a tester may choose. `places` are the free places of the last offered period, if they are known."""

    location: dict[str, Any] = field(default_factory=lambda: {"LocationNum": "CHECK-LOCATION"})
    account: str = "CHECK-ACCOUNT"
    order_type: str = ""
    parts: tuple[str, str, str] = ("CHECK-PART-1", "CHECK-PART-2", "CHECK-PART-3")
    callers: int = 40
    places: int | None = None
    documented_statuses_only: bool = False
    trust_upstream: bool = False
    expired_token: str = ""
    skip: frozenset[str] = frozenset()  # names of checks
