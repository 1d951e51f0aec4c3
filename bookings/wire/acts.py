"""What other systems send, to act on a work order and to ask the rules: no objects of ServiceMobility's."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bookings.wire.incoming import Period, Search
from bookings.wire.values import Id, Instant, Note, Person, Said, WireModel

MOST_EXPLAINED, EXPLAINED = 1_000, 200  # offers/explaining.py


class Act(WireModel):
    """`By` names the person who does it; without it, the key does."""

    by: Person = ""


class CancelWorkOrder(Act):
    """`Reason` is for staff."""

    reason: Said


class ReviewWorkOrder(Act):
    """A person has checked the booking as it stands."""

    note: Note = ""


class NoteWorkOrder(Act):
    """A line for the history."""

    note: Said


class MoveWorkOrder(Act):
    """The appointment to move to: the `ID` of an offer, or a `Period`.

    A `Worker` has to be that one's slot; without it any slot in the period will do. Without a `ServiceAreaID` it is in
    the area of the work order.
    """

    id: Id = Field("", alias="ID")
    period: Period | None = None
    worker: Id = ""
    service_area_id: Id = Field("", alias="ServiceAreaID")
    reason: Note = ""

    @model_validator(mode="after")
    def _names_an_appointment(self) -> "MoveWorkOrder":
        if not self.id and not self.period:
            raise PydanticCustomError("incomplete", "must name an appointment: a Period, or the ID of an offer")
        return self


class Explain(Search):
    """An Appointment Search Object or a Book Job Object, whose slots are explained.

    `Limit` is the number of slots on a page, `Cursor` the `Next` of the page before.
    """

    limit: Annotated[int, Field(strict=True, ge=1, le=MOST_EXPLAINED)] = EXPLAINED
    cursor: Annotated[str, StringConstraints(max_length=200)] = ""


class SlotRow(WireModel):
    """A slot as it is wanted: what is not said stays. `IsOpen` is the plan's word."""

    external_id: Id = Field(alias="ExternalID")
    service_area_id: Id = Field(alias="ServiceAreaID")
    start: Instant
    end: Instant
    order_type: Id = ""
    worker: Id = ""
    capacity: int = 1
    is_open: bool = True


class Slots(WireModel):
    """Each row is read by itself: one that is wrong is refused alone."""

    slots: list[SlotRow]  # read by supply/from_systems/slot_rows.py
