"""Slots that another planning system makes, as CSV: what the columns are, reading a row, and writing them out again.

What a file comes to is in slot_imports.py. `open` is the plan's: `no` withdraws the slot. `staff_open` and
`staff_reason` are what staff said of it, which an import leaves alone unless the file has these columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet

from bookings import clock
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea
from bookings.supply import csv_files, hours

COLUMNS = [
    "external_id", "area", "start", "end", "order_type", "worker", "capacity", "open", "staff_open", "staff_reason",
]  # fmt: skip
REQUIRED = ["external_id", "area", "start", "end"]
# Free text, of any length.
REASON = "staff_reason"
IDENTIFIERS = [name for name in COLUMNS if name != REASON]
LONGEST = timedelta(days=1)
YES_OR_NO = {"": None, "yes": True, "no": False}


class RowError(Exception):
    """A row was refused; the message says why."""


class Row(NamedTuple):
    """A slot as the file wants it; None is what the file does not say."""

    line: int
    external_id: str
    area: ServiceArea
    start: datetime
    end: datetime
    order_type: str
    worker: str
    capacity: int | None
    is_planned: bool | None
    staff_open: bool | None
    staff_reason: str | None

    @property
    def place(self) -> tuple[Any, ...]:
        """What never changes of a slot."""
        return (self.area.pk, self.start, self.end, self.order_type, self.worker)


# --- Reading -----------------------------------------------------------------------------------------------


def read(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with their lines. Raises CsvError where the file as a whole is not to be understood."""
    if not text.strip():
        raise csv_files.CsvError((1, f"The file is empty. It begins with {','.join(COLUMNS)}."))
    return csv_files.read_rows(text, COLUMNS, REQUIRED)


def read_row(line: int, cells: Mapping[str, str], areas: Mapping[str, ServiceArea]) -> Row:
    """Raises RowError."""
    for name in IDENTIFIERS:
        cell = cells.get(name, "")
        if len(cell) > ID_LENGTH or not cell.isprintable():
            raise RowError(f"{name} is longer than {ID_LENGTH} characters or holds one that cannot be printed")
        if not cell and name in REQUIRED:
            raise RowError(f"{name} is missing")
    if cells.get(""):
        raise RowError("there are more cells than columns")
    area = areas.get(cells["area"])
    if area is None:
        raise RowError(f"there is no area {cells['area']!r}")
    start, end = _instant(cells["start"], area), _instant(cells["end"], area)
    if not start < end <= start + LONGEST:
        raise RowError("it does not end within a day after its start")
    capacity, most = cells.get("capacity", ""), hours.MAX_CAPACITY
    if capacity and not (
        capacity.isascii() and capacity.isdigit() and len(capacity) < 10 and 1 <= int(capacity) <= most
    ):
        raise RowError(f"capacity {capacity} is not a whole number from 1 to {most}")
    staff_open, reason = _yes_or_no("staff_open", cells), cells.get(REASON)
    if reason and staff_open is not False:
        raise RowError("staff_reason says why staff closed the slot: it goes with staff_open no")
    if reason and "\0" in reason:
        raise RowError("staff_reason holds a character that cannot be stored")
    return Row(
        line=line,
        external_id=cells["external_id"],
        area=area,
        start=start,
        end=end,
        order_type=cells.get("order_type", ""),
        worker=cells.get("worker", ""),
        capacity=int(capacity) if capacity else None,
        is_planned=_yes_or_no("open", cells),
        staff_open=staff_open,
        staff_reason=reason,
    )


def _yes_or_no(name: str, cells: Mapping[str, str]) -> bool | None:
    cell = cells.get(name, "")
    if cell not in YES_OR_NO:
        raise RowError(f"{name} is {cell!r}, neither yes nor no")
    return YES_OR_NO[cell]


def _instant(text: str, area: ServiceArea) -> datetime:
    """With an offset or Z, that moment; without, the area's clock, where it shows that time exactly once."""
    try:
        found = clock.read_time(text)
        hours.check_year(found)
    except ValueError as error:
        raise RowError(str(error)) from None
    if found.tzinfo:
        return found.astimezone(UTC)
    first, second = (found.replace(tzinfo=area.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise RowError(f"the clock in {area.code} shows {text} twice or never; give the offset, as in {text}+00:00")
    return first


# --- Export ------------------------------------------------------------------------------------------------


def export_rows(slots: QuerySet[AppointmentSlot]) -> Iterator[Sequence[str]]:
    """The head, then each slot as import_slots reads it."""
    yield COLUMNS
    for slot in slots.select_related("area").order_by("start", "pk").iterator(2_000):
        yield [
            slot.external_id,
            slot.area.code,
            _utc(slot.start),
            _utc(slot.end),
            slot.order_type,
            slot.worker,
            str(slot.capacity),
            "no" if slot.is_withdrawn else "yes",
            "yes" if slot.is_open else "no",
            slot.closed_reason,
        ]


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
