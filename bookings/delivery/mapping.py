"""What has to stand in ServiceMobility for a work order (contract, section 6). Its names of these properties stop here.

Pure: no database, no call. What is inferred, not documented: `RequiredParts`, and which properties a customer's
ServiceMobility demands, hence the template. The worker is the slot's, never the one wished for. The flex forms of a
booking are the search's, and are not sent back.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from pydantic import BaseModel

from bookings import clock, wire
from bookings.models import Receiver, WorkOrder
from bookings.sentences import one_line
from bookings.services.public_form import read_job

# What a customer's template may say otherwise.
DEFAULTS: dict[str, Any] = {"OrderStatus": 1}
SCHEDULED, DISPATCHED = 1, 3
# The field has begun, finished or rejected it: a person decides.
NOT_OURS_ANY_MORE = {
    "6": "under way",
    "7": "under way",
    "8": "under way",
    "4096": "closed",
    "4097": "closed",
    "1001": "rejected by the technician",
}
KNOWN_OF_LOCATION = ("LocationNum", "Name", "ServiceAreaID", "Address", "Contacts")
OUT = {"flex_forms", "flex_attrs", "flex_view"}


@dataclass(frozen=True)
class State:
    """`plan` is exactly what a Dispatch sends; `rest` is what a move by staff does not change."""

    plan: dict[str, Any]
    times: list[dict[str, Any]]
    rest: dict[str, Any]

    @property
    def plan_digest(self) -> str:
        return digest(self.plan)

    @property
    def rest_digest(self) -> str:
        return digest(self.rest)

    def dispatch(self, now: datetime) -> dict[str, Any]:
        """When it was dispatched is the time of the call, and so no part of the digest."""
        is_dispatched = self.plan.get("DispatchStatus") == DISPATCHED
        return self.plan | ({"DispatchUTC": wire.vendor_time(_whole(now))} if is_dispatched else {})

    def whole(self, now: datetime) -> dict[str, Any]:
        return self.rest | {"TimeConstraints": self.times} | self.dispatch(now)


def digest(document: Any) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def state_of(work_order: WorkOrder, template: Mapping[str, Any], *, worker: str) -> State | None:
    """None: it must not be there. `worker` is a Receiver.Worker; of a work order of feed.with_everything."""
    if work_order.status != WorkOrder.Status.BOOKED:
        return None
    slot, area = work_order.slot, work_order.slot.area
    start, end = wire.vendor_time(slot.start), wire.vendor_time(slot.end)
    plan: dict[str, Any] = {
        "DispatchStatus": SCHEDULED,
        "PlannedStartDate": start,
        "PlannedEndDate": end,
        "PlannedDur": round((slot.end - slot.start).total_seconds() / 60),
    }
    if worker == Receiver.Worker.SLOT:
        # Both, equal: two ways to dispatch are documented, and each reads another one. Empty takes it off a device.
        plan |= {"UserName": slot.worker, "PrimaryUserName": slot.worker}
        plan["DispatchStatus"] = DISPATCHED if slot.worker else SCHEDULED
    times = [{"Desc": area.period_text(slot.start, slot.end), "Period": {"Start": start, "End": end}}]
    defaults = DEFAULTS | {"Description": f"Follow-up of {work_order.original_order}"}
    return State(plan, times, merged(merged(defaults, template), _rest(work_order)))


def _rest(work_order: WorkOrder) -> dict[str, Any]:
    rest: dict[str, Any] = {
        "OrderNum": work_order.order_num,
        "OrderDate": wire.vendor_time(_whole(work_order.created_at)),
    }
    job = read_job(work_order)
    account = {"AccountNum": work_order.account_num, "Name": work_order.account_name}
    location = {"LocationNum": work_order.location_num, "Name": work_order.location_name}
    assets: list[dict[str, Any]] = []
    if job:
        account = _canonical(job.account)
        whole = _canonical(job.location)
        location = {name: whole[name] for name in KNOWN_OF_LOCATION if name in whole}
        assets = [_canonical(asset) for asset in job.assets]
    location.setdefault("ServiceAreaID", work_order.slot.area.code)
    rest |= {
        "OrderType": work_order.order_type,
        "Account": _filled(account),
        "Location": _filled(location),
        "Assets": assets,
        "RequiredParts": [_filled(_part(row)) for row in work_order.required_parts.all()],
    }
    return _filled(rest)


def _part(row: Any) -> dict[str, Any]:
    return {
        "ProdNum": row.prod_num,
        "Qty": float(row.quantity),
        "PartOrderNum": row.part_order.part_order_num if row.part_order else "",
        "PartStatus": row.part_status,
        "ProdAttrs": {"Desc": row.description} if row.description else {},
        "ShipToLocation": row.ship_to_location,
        "Urgency": row.urgency,
        "EstimatedDelivery": wire.vendor_time(_whole(row.estimated_delivery)) if row.estimated_delivery else "",
    }


def _canonical(found: BaseModel) -> dict[str, Any]:
    """With ServiceMobility's own spelling of each name; without what was not said, and without the flex data."""
    # Its days may be moments, of which Pydantic warns.
    dumped = found.model_dump(by_alias=True, exclude_defaults=True, exclude=OUT, warnings=False)
    return {name: _plain(value) for name, value in dumped.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return wire.vendor_time(_whole(value))
    return value.isoformat() if isinstance(value, date) else value


def _filled(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value not in ("", None, [], {})}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged at any depth; of everything else the upper one wins."""
    both = dict(below)
    for name, value in above.items():
        under = both.get(name)
        both[name] = merged(under, value) if isinstance(under, dict) and isinstance(value, Mapping) else value
    return both


def _whole(moment: datetime) -> datetime:
    """Milliseconds, as ServiceMobility writes them."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


# --- What stands there ---------------------------------------------------------------------------------------


def barred(found: Mapping[str, Any]) -> str:
    """Why what stands there must not be changed; empty if it may be."""
    status = found.get("OrderStatus", "")
    number = int(status) if isinstance(status, float) and status.is_integer() else status  # 6.0 is 6
    return NOT_OURS_ANY_MORE.get(str(number).strip(), "")


def differences(state: State | None, found: Mapping[str, Any] | None) -> list[str]:
    """How what stands there differs in existence, times and worker, in words for a line of a report."""
    if state is None:
        return [] if found is None else ["is cancelled here, but still there"]
    if found is None:
        return ["is missing there"]
    said = []
    for name, word in (("PlannedStartDate", "starts"), ("PlannedEndDate", "ends")):
        if not _same_instant(found.get(name), state.plan[name]):
            said.append(f"{word} {state.plan[name]} here, but {_text(found.get(name)) or 'at no time'} there")
    worker, there = state.plan.get("UserName"), _text(found.get("UserName"))
    # A slot of a pool names no worker: who is given it there is ServiceMobility's to say.
    if worker and worker != there:
        said.append(f"is {worker}'s here, but {there or 'no worker'}'s there")
    return said


def _same_instant(there: Any, here: str) -> bool:
    try:
        return isinstance(there, str) and clock.read_instant(there) == clock.read_instant(here)
    except ValueError:
        return False


def _text(value: Any) -> str:
    return one_line(str(value), 100) if isinstance(value, str | int) else ""
