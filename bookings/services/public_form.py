"""A work order as others read it: in the feed, one by one, and in what is sent to them."""

from datetime import datetime
from typing import Any

import orjson
from pydantic import ValidationError
from rest_framework.exceptions import APIException

from bookings import documents, wire
from bookings.models import HistoryEntry, RequiredPart, WorkOrder
from bookings.refusals import BookingError


def public_form(work_order: WorkOrder, areas: set[int] | None = None) -> dict[str, Any]:
    """Of one with all that belongs to it (feed.with_everything), for a reader of these areas; None is every area.

    For orjson: the body goes in letter for letter.
    """
    slot, area = work_order.slot, work_order.slot.area
    rows = list(work_order.required_parts.all())
    return {
        "OrderNum": work_order.order_num,
        "OriginalOrderNum": work_order.original_order,
        "RootOrderNum": root_order(work_order),
        "Status": work_order.status,
        "Created": wire.vendor_time(work_order.created_at),
        "Changed": wire.vendor_time(work_order.changed_at),
        "Reviewed": _time_or_empty(work_order.reviewed_at),
        "Cancelled": _time_or_empty(work_order.cancelled_at),
        "CancelReason": work_order.cancel_reason,
        "Caller": work_order.caller,
        "Place": {
            "ServiceAreaID": area.code,
            "TimeZone": area.time_zone,
            "Worker": slot.worker,
            "Desc": area.period_text(slot.start, slot.end),
            "Period": {"Start": wire.vendor_time(slot.start), "End": wire.vendor_time(slot.end)},
        },
        "OrderedParts": [
            {
                "PartOrderNum": part_order.part_order_num,
                "Parts": [row.prod_num for row in rows if row.part_order_id == part_order.pk],
            }
            for part_order in work_order.part_orders.all()
            if any(row.part_order_id == part_order.pk for row in rows)
        ],
        "RequiredParts": [_part(row) for row in rows],
        "History": [_line(entry, areas) for entry in work_order.history.all()],
        "Body": orjson.Fragment(work_order.body),
    }


def _part(row: RequiredPart) -> dict[str, Any]:
    return {
        "ProdNum": row.prod_num,
        "Replaces": row.replaces,
        "Desc": row.description,
        "Qty": f"{row.quantity:f}",
        "PartStatus": row.part_status,
        "PartOrderNum": row.part_order.part_order_num if row.part_order else "",
        "EstimatedDelivery": _time_or_empty(row.estimated_delivery),
    }


def _line(entry: HistoryEntry, areas: set[int] | None) -> dict[str, Any]:
    return {
        "At": wire.vendor_time(entry.at),
        "Event": entry.event,
        "By": entry.by,
        "Via": entry.via,
        "Reason": entry.reason,
        "RequestID": entry.request_id,
        "Details": entry.details_for(areas),
    }


def root_order(work_order: WorkOrder) -> str:
    """The OriginalOrderNum of the body where the booking was for another order: the root of a chain of follow-ups."""
    try:
        named = wire.read_id(documents.document_as_it_came(work_order.body)["OriginalOrderNum"])
    except (KeyError, BookingError):
        return ""
    return "" if named == work_order.original_order else named


def read_job(work_order: WorkOrder) -> wire.BookJob | None:
    """What came, or None for a body that was taken under other rules than today's."""
    try:
        return wire.BookJob.model_validate(documents.read_body(work_order.body.encode()).document)
    except (ValidationError, BookingError, APIException):
        return None


def _time_or_empty(moment: datetime | None) -> str:
    return wire.vendor_time(moment) if moment else ""
