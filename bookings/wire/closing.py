"""Blackouts and absences as other systems write and read them."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, Field, PlainValidator, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bookings import clock
from bookings.wire.answers import Moment
from bookings.wire.values import Few, Id, Instant, Person, Said, WireModel

NO_DAY = "must be a day such as 2026-12-24"


def _read_day(value: Any) -> date:
    try:
        day = clock.read_day(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or not clock.is_a_date(day):
        raise PydanticCustomError("day", NO_DAY)
    return day


Day = Annotated[date, PlainValidator(_read_day, json_schema_input_type=date)]


class BlackoutRow(WireModel):
    """A time in which an area takes no bookings, or with a `Worker` that worker there."""

    external_id: Id = Field("", alias="ExternalID")
    service_area_id: Id = Field(alias="ServiceAreaID")
    worker: Id = ""
    start: Instant
    end: Instant
    reason: Said

    @model_validator(mode="after")
    def _takes_time(self) -> "BlackoutRow":
        if self.end <= self.start:
            raise PydanticCustomError("period", "must end after it starts")
        return self


class AbsenceRow(WireModel):
    """Days on which a worker takes no bookings anywhere, on the clock of each area; `LastDay` is one of them."""

    external_id: Id = Field("", alias="ExternalID")
    worker: Annotated[Id, StringConstraints(min_length=1)]
    first_day: Day
    last_day: Day
    reason: Said

    @model_validator(mode="after")
    def _takes_time(self) -> "AbsenceRow":
        if self.last_day < self.first_day:
            raise PydanticCustomError("period", "must not end before its first day")
        return self


class Blackouts(WireModel):
    """`By` names the person who says so; without it, the key does."""

    by: Person = ""
    blackouts: Annotated[list[BlackoutRow], Few()]


class Absences(WireModel):
    """`By` names the person who says so; without it, the key does."""

    by: Person = ""
    absences: Annotated[list[AbsenceRow], Few()]


class Closing(BaseModel):
    """`ID` is the one that `DELETE` takes."""

    ID: str
    ExternalID: str
    Worker: str
    Reason: str
    By: str


class Blackout(Closing):
    """A blackout in force."""

    ServiceAreaID: str
    Start: Moment
    End: Moment


class Absence(Closing):
    """An absence in force."""

    FirstDay: date
    LastDay: date


class BlackoutPage(BaseModel):
    """`Next` is the cursor of the next page, or empty."""

    Blackouts: list[Blackout]
    Next: str


class AbsencePage(BaseModel):
    """`Next` is the cursor of the next page, or empty."""

    Absences: list[Absence]
    Next: str


class Opened(BaseModel):
    """How many slots are offered again; 0 where it was lifted before."""

    Opened: int
