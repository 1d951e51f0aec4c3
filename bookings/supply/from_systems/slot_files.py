"""Slots of another planning system as CSV: reading the rows of a file, and writing slots out again.

What the columns mean is in slot_rows.py, what a file comes to in upserts.py.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from django.db.models import QuerySet

from bookings.models import AppointmentSlot
from bookings.supply import csv_files
from bookings.supply.from_systems.slot_rows import COLUMNS, REQUIRED, Areas, Row, RowError, Unreadable, read_row


def read(text: str) -> Iterator[Row | Unreadable]:
    """The rows, numbered by their lines. Raises CsvError where the file as a whole is not to be understood."""
    if not text.strip():
        raise csv_files.CsvError((1, f"The file is empty. It begins with {','.join(COLUMNS)}."))
    areas = Areas()
    for line, cells in csv_files.read_rows(text, COLUMNS, REQUIRED):
        try:
            yield read_row(line, cells, areas)
        except RowError as error:
            yield Unreadable(line, cells.get("external_id", ""), str(error))


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
