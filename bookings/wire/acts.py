"""What other systems send to act on a work order. In ServiceMobility's manner, but none of its objects."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bookings.wire.incoming import Period
from bookings.wire.values import Id, WireModel

MAX_NOTE = 2_000

Note = Annotated[str, StringConstraints(max_length=MAX_NOTE)]


class Act(WireModel):
    """`By` names the person who does it; without it, the key does."""

    by: Id = ""


class CancelWorkOrder(Act):
    """`Reason` is for staff."""

    reason: Note


class ReviewWorkOrder(Act):
    """A person has checked the booking as it stands."""

    note: Note = ""


class NoteWorkOrder(Act):
    """A line for the history."""

    note: Note


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
