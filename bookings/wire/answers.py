"""What goes out: the response objects, work orders for the customer's own systems, and ServiceMobility's error body."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from bookings.refusals import Code


class Described(BaseModel):
    """The schema is drawn from it, and the service makes none: no start waits until Pydantic could."""

    model_config = ConfigDict(defer_build=True)


class Token(Described):
    token: str


Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
OrderStatus = Literal["booked", "cancelled"]
RefusalReason = Literal["past", "notice", "cutoff", "horizon", "closed", "full", "margin"]  # offers.REFUSALS


class OfferedPeriod(Described):
    """Instants in UTC."""

    Start: Moment
    End: Moment


class Offer(Described):
    """A period that can be booked. `ID` is stable; `Desc` is the period on the area's clock."""

    ID: str
    Desc: str
    Type: str
    Period: OfferedPeriod


class SearchResponse(Described):
    """The Appointment Search Response Object. Without offers, StatusMsg says why."""

    StatusMsg: str
    TimeConstraints: list[Offer]


class OrderedParts(Described):
    """A part order with the product numbers in it."""

    PartOrderNum: str
    Parts: list[str]


class BookJobResponse(Described):
    """The Book Job Response Object. A filled OrderNum means that the booking succeeded."""

    OrderNum: str
    OrderedParts: list[OrderedParts]


class Place(Described):
    """The appointment of a work order. `Desc` is its period on the area's clock."""

    ServiceAreaID: str
    TimeZone: str
    Worker: str
    Desc: str
    Period: OfferedPeriod


class WorkOrderPart(Described):
    """A part as it is ordered; `Replaces` is the superseded part's product number."""

    ProdNum: str
    Replaces: str
    Desc: str
    Qty: str
    PartStatus: str
    PartOrderNum: str
    EstimatedDelivery: str


class WorkOrderEvent(Described):
    """A line of the history. `Details` hold what was before and after."""

    At: Moment
    Event: str
    By: str
    Via: str
    Reason: str
    RequestID: str
    Details: dict[str, Any]


class WorkOrder(Described):
    """A work order for the customer's own systems. `Body` is the Book Job Object as it came.

    `RootOrderNum` is the OriginalOrderNum of the body where the address of the booking named another order.
    """

    OrderNum: str
    OriginalOrderNum: str
    RootOrderNum: str
    Status: OrderStatus
    Created: Moment
    Changed: Moment
    Reviewed: str
    Cancelled: str
    CancelReason: str
    Caller: str
    Place: Place
    OrderedParts: list[OrderedParts]
    RequiredParts: list[WorkOrderPart]
    History: list[WorkOrderEvent]
    Body: dict[str, Any]


class GoneWorkOrder(Described):
    """A work order that was moved out of the areas that the reader may see. Its `Status` is `gone`."""

    OrderNum: str
    Status: Literal["gone"]


class WorkOrderPage(Described):
    """A page of the feed. `Next` is the cursor to go on with, now if `More`, else whenever there may be changes."""

    WorkOrders: list[WorkOrder | GoneWorkOrder]
    Next: str
    More: bool


class Verdict(Described):
    """What one rule says of a slot. `remedy` is there where it is broken and something can be done about it."""

    rule: str
    kept: bool
    message: str
    remedy: str = ""


class ExplainedSlot(Described):
    """A slot with the verdicts of all rules, in order. It is offered where all of them are kept."""

    Period: OfferedPeriod
    Worker: str
    OrderType: str
    Free: int
    IsOffered: bool
    Verdicts: list[Verdict]


class Explanation(Described):
    """`Message` is what a search would say now. `Next` is the cursor of the next page, or empty."""

    ServiceAreaID: str
    Message: str
    Slots: list[ExplainedSlot]
    Next: str


class RefusedRow(Described):
    """`Row` counts from 1."""

    Row: int
    ExternalID: str
    message: str


class UpsertReport(Described):
    """What became of the rows. `Remark` says why nothing was withdrawn although that was asked for, or is empty."""

    Created: int
    Changed: int
    Kept: int
    Withdrawn: int
    RefusedCount: int
    Refused: list[RefusedRow]
    Remark: str


class Slot(Described):
    """An appointment slot. `IsOpen` is the plan's word; `HiddenReason` is there where it is not offered."""

    ExternalID: str
    ServiceAreaID: str
    Start: Moment
    End: Moment
    OrderType: str
    Worker: str
    Capacity: int
    IsOpen: bool
    Booked: int
    Free: int
    HiddenReason: str


class SlotPage(Described):
    """`Next` is the cursor of the next page, or empty."""

    Slots: list[Slot]
    Next: str


class Fault(Described):
    """One property that is wrong, and what is wrong with it."""

    dataPath: str
    message: str


class ErrorParams(Described):
    """The values behind an error. `error` is always there; the others where the code has them."""

    error: Code
    errors: list[Fault] = Field([], description="invalid_request: what is wrong, the first 50 properties.")
    error_count: int = Field(
        0, description="invalid_request: how many properties are wrong, where it is more than one."
    )
    area: str = Field("", description="slot_not_found: the code of the service area in which it was looked for.")
    reason: RefusalReason = Field("full", description="slot_unavailable: why.")
    alternatives: list[Offer] = Field([], description="slot_unavailable: up to three next open periods.")
    OrderNum: str = Field("", description="The booking that the order has, or had; changed_meanwhile: the work order.")
    Status: OrderStatus = Field("booked", description="already_booked, cancelled_meanwhile: of that booking.")
    Period: OfferedPeriod | SkipJsonSchema[None] = Field(
        None, description="already_booked, cancelled_meanwhile: where it stands."
    )
    scope: str = Field("", description="forbidden: what the log-in or key would have to be allowed.")
    limit: int = Field(0, description="too_large: the largest body that is taken, in bytes.")
    seconds: int = Field(0, description="throttled: how long to wait.")
    incident: str = Field("", description="server_error: the number of the incident; it is in the log, too.")


class ErrorDetail(Described):
    """`message` is for a technician; `dataPath` is the JSON Pointer of the fault in the request, or empty."""

    message: str
    params: ErrorParams
    dataPath: str


class ErrorBody(Described):
    """ServiceMobility's standard error body. `code` is the status that tells the error apart."""

    code: int
    detail: ErrorDetail


def vendor_time(instant: datetime) -> str:
    """`2026-12-04T13:00:00.000Z`; microseconds only where there are any, for a period is matched exactly."""
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
