"""Areas as other systems write and read them, and slots that are closed, opened or resized by what they are."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bookings.wire.acts import Act
from bookings.wire.values import Id, Instant, Note, Said, WireModel

# bookings/supply/from_plans/hours.py
MAX_CAPACITY = 10_000
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# So many values in a list of a filter.
MOST_OF_A_FILTER = 100


class Postcode(WireModel):
    """The beginning of postcodes that belong to an area. Without a `Country`: of any."""

    prefix: str
    country: str = ""


class AreaRow(WireModel):
    """What is not named stays; a list that is named is the whole list. A new area needs a `Name` and a `TimeZone`.

    `SafetyPercent` is the reserve: a slot is offered until this share of its places is booked.
    """

    service_area_id: Id = Field(alias="ServiceAreaID")
    name: str = ""
    time_zone: str = ""
    aliases: list[Id] = []
    postcodes: list[Postcode] = []
    cutoff_days: int | None = None
    cutoff_time: str | None = None
    safety_percent: int = 100


class Areas(WireModel):
    """Each row is read by itself: one that is wrong is refused alone."""

    areas: list[AreaRow]  # read by supply/from_systems/area_rows.py


class AreaPostcode(BaseModel):
    Prefix: str
    Country: str


class Area(BaseModel):
    """A service area, as PUT takes it back."""

    ServiceAreaID: str
    Name: str
    TimeZone: str
    Aliases: list[str]
    Postcodes: list[AreaPostcode]
    CutoffDays: int | None
    CutoffTime: str | None
    SafetyPercent: int


class AreaPage(BaseModel):
    """`Next` is the cursor of the next page, or empty."""

    Areas: list[Area]
    Next: str


Several = Annotated[list[Id], Field(max_length=MOST_OF_A_FILTER)]


class SlotsThatAre(Act):
    """The slots to come of an area that begin from `From` until before `Until`.

    Lists that are not empty narrow them down: "" in `Workers` is the pool, and in `OrderTypes` orders of any type.
    `Weekdays` are `mon` to `sun`, and `Hours` such as `08:00-12:00` those in which a slot begins, on the area's clock.
    """

    service_area_id: Id = Field(alias="ServiceAreaID")
    start: Instant = Field(alias="From")
    end: Instant = Field(alias="Until")
    workers: Several = []
    order_types: Several = []
    weekdays: Annotated[list[str], Field(max_length=MOST_OF_A_FILTER)] = []
    hours: Annotated[list[str], Field(max_length=MOST_OF_A_FILTER)] = []
    reason: Note = ""

    @field_validator("weekdays")
    @classmethod
    def _are_weekdays(cls, value: list[str]) -> list[str]:
        if unknown := set(value) - set(WEEKDAYS):
            raise PydanticCustomError("weekday", "must be of mon to sun, which {day} is not", {"day": min(unknown)})
        return value

    @model_validator(mode="after")
    def _takes_time(self) -> Any:
        if self.end <= self.start:
            raise PydanticCustomError("period", "must have an Until after its From")
        return self


class CloseSlots(SlotsThatAre):
    """`Reason` is for staff."""

    reason: Said


class OpenSlots(SlotsThatAre):
    """What a blackout or the plan hides stays hidden."""


class ResizeSlots(SlotsThatAre):
    """`Capacity` is how many places each gets."""

    capacity: Annotated[int, Field(strict=True, ge=1, le=MAX_CAPACITY)]


class RefusedSlot(BaseModel):
    ExternalID: str
    message: str


class ChangedSlots(BaseModel):
    """How many slots were changed, were so already, and were refused, and the bookings that ask for review now."""

    Changed: int
    Kept: int
    Bookings: int
    RefusedCount: int
    Refused: list[RefusedSlot]
