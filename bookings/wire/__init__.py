"""ServiceMobility's objects as Pydantic models (contract, sections 4 and 5). Its names stop here.

Not here: how a body's text is read, and what is done with it. Called by all that reads or writes these objects.
"""

from bookings.wire.acts import CancelWorkOrder, Explain, MoveWorkOrder, NoteWorkOrder, ReviewWorkOrder, Slots
from bookings.wire.answers import (
    BookJobResponse,
    ErrorBody,
    Explanation,
    Offer,
    RefusalReason,
    SearchResponse,
    SlotPage,
    Token,
    UpsertReport,
    WorkOrder,
    WorkOrderPage,
    vendor_time,
)
from bookings.wire.incoming import (
    Account,
    Address,
    BookJob,
    ChosenTime,
    Customer,
    Location,
    LogIn,
    Part,
    Period,
    PostalAddress,
    RequiredPart,
    Search,
    unreadable,
    with_pointed,
)
from bookings.wire.values import NO_INSTANT, read_id

__all__ = [
    "NO_INSTANT",
    "Account",
    "Address",
    "BookJob",
    "BookJobResponse",
    "CancelWorkOrder",
    "ChosenTime",
    "Customer",
    "ErrorBody",
    "Explain",
    "Explanation",
    "Location",
    "LogIn",
    "MoveWorkOrder",
    "NoteWorkOrder",
    "Offer",
    "Part",
    "Period",
    "PostalAddress",
    "RefusalReason",
    "RequiredPart",
    "ReviewWorkOrder",
    "Search",
    "SearchResponse",
    "SlotPage",
    "Slots",
    "Token",
    "UpsertReport",
    "WorkOrder",
    "WorkOrderPage",
    "read_id",
    "unreadable",
    "vendor_time",
    "with_pointed",
]
