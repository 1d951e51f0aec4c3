"""Slots and refusals as other systems read them, each at its latest change."""

from typing import Any

from pydantic import BaseModel

from bookings.wire.answers import Moment, OfferedPeriod, Slot


class SlotFeedPage(BaseModel):
    """`Next` is the cursor to go on with, now if `More`, else whenever there may be changes."""

    Slots: list[Slot]
    Next: str
    More: bool


class Refusal(BaseModel):
    """A booking that was refused. `Body` is what was asked for.

    `Verdicts` counts the slots of the period by the first rule that each of them broke.
    """

    At: Moment
    Error: str
    Message: str
    OriginalOrderNum: str
    ServiceAreaID: str
    OrderType: str
    Period: OfferedPeriod | None
    Verdicts: dict[str, int]
    Caller: str
    RequestID: str
    Body: dict[str, Any] | None


class RefusalFeedPage(BaseModel):
    """`Next` is the cursor to go on with, now if `More`, else whenever there may be more."""

    Refusals: list[Refusal]
    Next: str
    More: bool
