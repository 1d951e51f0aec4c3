"""How a slot is named: by the ID of an offer of ours, and by a Book Job Object.

ServiceMobility does not document where a booking says which slot it means (contract, section 5). The first of these
places in which something fits a slot of the area names it: what BOOKJOB_SLOT_POINTER points to, `TimeConstraints`,
`Period`, `PlannedStartDate` with `PlannedEndDate`. What fits none is a wish of the customer's.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from django.conf import settings

from bookings import clock, documents, wire
from bookings.models import AppointmentSlot, ServiceArea

ID_PREFIX = "slot-"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Choice(NamedTuple):
    """A period that may be the slot's. `area_id` is what the ID of an offer says, or None; `path` a JSON Pointer."""

    place: str
    path: str
    area_id: int | None
    start: datetime
    end: datetime
    is_contradictory: bool = False


def document_of(body: documents.Body) -> dict[str, Any]:
    """What a Book Job Object is read from: the body, with what BOOKJOB_SLOT_POINTER points to where it is set."""
    if not settings.BOOKJOB_SLOT_POINTER:
        return body.document
    at, value = documents.find(body, settings.BOOKJOB_SLOT_POINTER)
    return wire.with_pointed(body.document, at, value) if value else body.document


def read(job: wire.BookJob) -> list[Choice]:
    """All that may name the slot, place by place."""
    found = _chosen(job.pointed.at, job.pointed.times) if job.pointed else []
    found += _chosen("/TimeConstraints", job.time_constraints)
    if job.period:
        found.append(Choice("/Period", "/Period", None, job.period.start, job.period.end))
    if job.planned_start_date and job.planned_end_date:
        path = "/PlannedStartDate"
        found.append(Choice(path, path, None, job.planned_start_date, job.planned_end_date))
    return found


def _chosen(place: str, times: Iterable[wire.ChosenTime | None]) -> list[Choice]:
    """None stands for what cannot be read."""
    found = []
    for index, time in enumerate(times):
        if time and (choice := choice_of(time, place, f"{place}/{index}")):
            found.append(choice)
    return found


def choice_of(time: wire.ChosenTime | wire.MoveWorkOrder, place: str = "", path: str = "") -> Choice | None:
    """What an ID, or the period beside it, names. An ID that was not issued here names nothing."""
    period = time.period
    if of_offer := read_id(time.id):
        area_id, start, end = of_offer
        contradicts = period is not None and (period.start, period.end) != (start, end)
        return Choice(place, f"{path}/ID", area_id, start, end, contradicts)
    return Choice(place, f"{path}/Period", None, period.start, period.end) if period else None


def area_id_of(choices: Iterable[Choice]) -> int | None:
    """The area that the ID of an offer names, if there is one."""
    return next((choice.area_id for choice in choices if choice.area_id), None)


def fitting(choices: Iterable[Choice], area: ServiceArea, slots: list[AppointmentSlot]) -> list[Choice]:
    """What names the slot: one of them, none, or several of one place, which then is ambiguous."""
    there = {(slot.start, slot.end) for slot in slots}
    for _, of_place in groupby(choices, key=lambda choice: choice.place):
        found = {}
        for choice in of_place:
            is_elsewhere = choice.area_id not in (None, area.pk)
            if is_elsewhere or (choice.start, choice.end) in there:
                found[is_elsewhere and choice.area_id, choice.start, choice.end] = choice
        if any(not is_elsewhere for is_elsewhere, *_ in found):
            return list(found.values())
    return []


# --- The IDs of offers, and offers as ServiceMobility shows them ----------------------------------------


def offer_id(area_id: int, start: datetime, end: datetime) -> str:
    """The ID of an offer: it names a period of an area, not one worker's slot, and never changes."""
    return _id_of(area_id, f"{_microseconds(start)}.{_microseconds(end)}")


def _id_of(area_id: int, span: str) -> str:
    named = f"{area_id}.{span}".encode()
    return ID_PREFIX + base64.urlsafe_b64encode(hashlib.sha256(named).digest()[:6] + named).decode().rstrip("=")


def offered(area: ServiceArea, periods: Iterable[tuple[datetime, datetime]]) -> list[dict[str, Any]]:
    """The periods as ServiceMobility shows them: TimeConstraints objects, wire.Offer."""
    area_id, time_zone, kind = area.pk, area.time_zone, settings.BOOKJOB_OFFER_TYPE
    texts = (_texts_of(start, end, time_zone) for start, end in periods)
    return [{"ID": _id_of(area_id, span), "Desc": desc, "Type": kind, "Period": period} for span, desc, period in texts]


# They depend on these values and on nothing else, and are the same in many areas. Whether it is one is asked anew.
@lru_cache(maxsize=2_000)
def _texts_of(start: datetime, end: datetime, time_zone: str) -> tuple[str, str, dict[str, str]]:
    """Of an offer: its period as it stands in the ID, as people read it, and as it is sent."""
    return (
        f"{_microseconds(start)}.{_microseconds(end)}",
        clock.period_text(start, end, time_zone),
        {"Start": wire.vendor_time(start), "End": wire.vendor_time(end)},
    )


def read_id(given_id: str) -> tuple[int, datetime, datetime] | None:
    """Area, start and end of an offer of ours. None for any other ID: ServiceMobility may send its own."""
    if not given_id.startswith(ID_PREFIX):
        return None
    try:
        text = given_id.removeprefix(ID_PREFIX)
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        area_id, *span = map(int, decoded[6:].decode().split("."))
        start, end = (EPOCH + timedelta(microseconds=instant) for instant in span)
        # Any caller can make up an ID, but not one with instants that no page could show.
        are_dates = clock.is_a_date(start) and clock.is_a_date(end)
        is_ours = 0 < area_id < 2**63 and are_dates and offer_id(area_id, start, end) == given_id
    except (ValueError, OverflowError):
        return None
    return (area_id, start, end) if is_ours else None


def _microseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)
