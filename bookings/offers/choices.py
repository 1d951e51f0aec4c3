"""Which slot a Book Job Object names: ServiceMobility does not document where it says so (contract, section 5).

The first of these places in which something fits a slot of the area names it: what BOOKJOB_SLOT_POINTER points to,
`TimeConstraints`, `Period`, `PlannedStartDate` with `PlannedEndDate`. What fits none is a wish of the customer's.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from bookings import wire
from bookings.models import AppointmentSlot, ServiceArea
from bookings.offers.ids import read_id


class Choice(NamedTuple):
    """A period that may be the slot's. `area_id` is what the ID of an offer says, or None; `path` a JSON Pointer."""

    place: str
    path: str
    area_id: int | None
    start: datetime
    end: datetime
    is_contradictory: bool = False


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
