"""Slots that another planning system makes, as CSV: keyed by that system's own id, written row by row.

A row is a slot as it should be. What breaks a booking or a promise is refused with its reason, and the other rows are
written: a slot that a work order names keeps its area, time, worker and order type, and never has fewer places than
are booked; a worker is at one place at a time; the same slot is there once.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bookings import blackouts, services
from bookings.calendars import utc_offset
from bookings.models import ID_LENGTH, AppointmentSlot, HistoryEntry, ServiceArea, WorkOrder
from bookings.plans import MAX_CAPACITY

COLUMNS = ["external_id", "area", "start", "end", "order_type", "worker", "capacity", "open"]
REQUIRED = {"external_id", "area", "start", "end"}
BATCH = 500
LONGEST = timedelta(days=1)
# What stays while a work order names the slot.
PLACE = ("area_id", "start", "end", "order_type", "worker")


class RowError(Exception):
    """A row was refused; the message says why."""


@dataclass(frozen=True)
class Row:
    """A slot as the file wants it. `capacity` and `is_open` are None where the file does not say."""

    external_id: str
    area: ServiceArea
    start: datetime
    end: datetime
    order_type: str
    worker: str
    capacity: int | None
    is_open: bool | None


# --- Reading -----------------------------------------------------------------------------------------------


def read(text: str) -> list[tuple[int, dict[str, str]]]:
    """The rows with their lines. Raises ValueError where the file as a whole is not to be understood."""
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        head = [name.strip() for name in next(reader, [])]
        if len(set(head)) != len(head) or not set(head) <= set(COLUMNS) or not set(head) >= REQUIRED:
            raise ValueError(f"line 1: the columns are {', '.join(COLUMNS)}; the first four are needed, each once.")
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, dict(zip(head, cells, strict=False)) | {"": "".join(cells[len(head) :])}))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: this is no CSV: {error}.") from None
    return rows


def read_row(cells: Mapping[str, str], areas: Mapping[str, ServiceArea]) -> Row:
    """Raises RowError."""
    texts = {name: cells.get(name, "").strip() for name in COLUMNS}
    for name, text in texts.items():
        if len(text) > ID_LENGTH or not text.isprintable():
            raise RowError(f"{name} is longer than {ID_LENGTH} characters or holds one that cannot be printed")
        if not text and name in REQUIRED:
            raise RowError(f"{name} is missing")
    if cells.get(""):
        raise RowError("there are more cells than columns")
    area = areas.get(texts["area"])
    if area is None:
        raise RowError(f"there is no area {texts['area']!r}")
    start, end = _instant(texts["start"], area), _instant(texts["end"], area)
    if not start < end <= start + LONGEST:
        raise RowError("it does not end within a day after its start")
    capacity = texts["capacity"]
    if capacity and not (capacity.isascii() and capacity.isdigit() and 1 <= int(capacity) <= MAX_CAPACITY):
        raise RowError(f"capacity {capacity} is not a whole number from 1 to {MAX_CAPACITY}")
    if texts["open"] not in ("", "yes", "no"):
        raise RowError(f"open is {texts['open']!r}, neither yes nor no")
    return Row(
        external_id=texts["external_id"],
        area=area,
        start=start,
        end=end,
        order_type=texts["order_type"],
        worker=texts["worker"],
        capacity=int(capacity) if capacity else None,
        is_open=texts["open"] == "yes" if texts["open"] else None,
    )


def _instant(text: str, area: ServiceArea) -> datetime:
    """With an offset or Z, that moment; without, the area's clock, where it shows that time exactly once."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RowError(f"{text!r} is not a time such as 2026-12-04T13:00Z") from None
    if not 2000 <= found.year < 2200:
        raise RowError(f"{text} is not between the years 2000 and 2200")
    if found.tzinfo:
        return found.astimezone(UTC)
    first, second = (found.replace(tzinfo=area.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise RowError(f"the clock in {area.code} shows {text} twice or never; give the offset, as in {text}+00:00")
    return first


# --- Writing -----------------------------------------------------------------------------------------------


def import_rows(
    rows: Sequence[tuple[int, Mapping[str, str]]], *, seen: dict[str, int], by: str
) -> list[tuple[int, str, str]]:
    """Write some rows in one transaction: for each (line, outcome, reason).

    The outcome is created, changed, kept or refused. `seen` are the ids of earlier rows with their lines.
    """
    outcomes = []
    with transaction.atomic():
        blackouts.only_writer()
        areas = {area.code: area for area in ServiceArea.objects.all()}
        ids = [cells.get("external_id", "").strip() for _, cells in rows]
        there = {slot.external_id: slot for slot in AppointmentSlot.objects.filter(external_id__in=set(ids) - {""})}
        for line, cells in rows:
            try:
                row = read_row(cells, areas)
                if row.external_id in seen:
                    raise RowError(f"line {seen[row.external_id]} has the same external_id")
                seen[row.external_id] = line
                outcomes.append((line, _put(row, there.get(row.external_id), by), ""))
            except RowError as error:
                outcomes.append((line, "refused", str(error)))
    return outcomes


def _put(row: Row, slot: AppointmentSlot | None, by: str) -> str:
    same = AppointmentSlot.objects.filter(
        area=row.area, start=row.start, end=row.end, order_type=row.order_type, worker=row.worker
    )
    if slot is None:
        # One that was made here becomes the planning system's.
        slot = same.filter(external_id="").first()
    wanted = _wanted(row, slot)
    if slot and not any(getattr(slot, name) != value for name, value in wanted.items()):
        return "kept"
    if slot and any(getattr(slot, name) != wanted[name] for name in PLACE):
        with transaction.atomic():
            _withdraw(slot, by)
            # What the file does not say is as it was.
            return _put(replace(row, capacity=wanted["capacity"], is_open=wanted["is_open"]), None, by) and "changed"
    other = same.exclude(pk=slot.pk if slot else 0).first()
    if other:
        raise RowError(f"the same slot is there already{f' as {other.external_id}' if other.external_id else ''}")
    _check_worker(row, slot)
    covering = blackouts.covering(row.area.blackouts.in_force(), row.worker, row.start, row.end)
    if slot is None:
        offset = utc_offset(row.start, row.area.zone)
        slot = AppointmentSlot.objects.create(**wanted, blackout=covering, utc_offset=offset)
        after = {"capacity": slot.capacity}
        services.record(slot, HistoryEntry.Event.ADDED, at=timezone.now(), by=by, after=after)
        return "created"
    # The condition is what a booking of this very moment cannot get past.
    unbroken = AppointmentSlot.objects.filter(pk=slot.pk, booked__lte=wanted["capacity"])
    if not unbroken.update(**wanted, blackout=covering):
        slot.refresh_from_db()
        raise RowError(f"{slot.booked} bookings stand in this slot, and it would have {wanted['capacity']} places")
    if slot.is_open and not wanted["is_open"]:
        blackouts.ask_for_review(WorkOrder.objects.active().filter(slot=slot), timezone.now())
    before = {name: _plain(getattr(slot, name)) for name, value in wanted.items() if getattr(slot, name) != value}
    after = {name: _plain(wanted[name]) for name in before}
    services.record(slot, HistoryEntry.Event.CHANGED, at=timezone.now(), by=by, before=before, after=after)
    return "changed"


def _wanted(row: Row, slot: AppointmentSlot | None) -> dict[str, Any]:
    """The columns of the slot, those that the file does not name as they are."""
    is_open = (slot.is_open if slot else True) if row.is_open is None else row.is_open
    return {
        "external_id": row.external_id,
        "area_id": row.area.pk,
        "start": row.start,
        "end": row.end,
        "order_type": row.order_type,
        "worker": row.worker,
        "capacity": row.capacity or (slot.capacity if slot else 1),
        "is_open": is_open,
        "closed_reason": slot.closed_reason if slot and not is_open else "",
        "is_withdrawn": False,
        "source": AppointmentSlot.Source.IMPORT,
    }


def _withdraw(slot: AppointmentSlot, by: str) -> None:
    """Take the row that stood for an external id out of the plan: the id wanders to another row."""
    now = timezone.now()
    blackouts.ask_for_review(WorkOrder.objects.active().filter(slot=slot), now)
    AppointmentSlot.objects.filter(pk=slot.pk).update(is_withdrawn=True, external_id="")
    services.record(slot, HistoryEntry.Event.CLOSED, at=now, by=by, reason="The plan has it at another place or time.")


def _check_worker(row: Row, slot: AppointmentSlot | None) -> None:
    others = AppointmentSlot.objects.keeping_busy(row.worker, row.start, row.end).exclude(pk=slot.pk if slot else 0)
    if busy := others.select_related("area").first():
        raise RowError(f"{row.worker} is busy {busy} in {busy.area.code}")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


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
            "yes" if slot.is_open and not slot.is_withdrawn else "no",
        ]


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
