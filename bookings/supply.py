"""Slots out of plans: what is missing is made, and what a plan has no longer is hidden.

The promises and what keeps them:
a booking is never touched        what changes a slot names in its condition that nobody has booked it
a worker is at one place          who writes slots is alone with it (`blackouts.only_writer`), and looks first
bookings go on meanwhile          each call is one short transaction; a long run is many calls
a run can be killed and repeated  what is written already is found and kept
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from bookings import origin
from bookings.blackouts import covering, in_batches, only_writer
from bookings.calendars import Diary, Period, moment_of, utc_offset
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea
from bookings.origin import record_each
from bookings.plans import Template

ONE_DAY = timedelta(days=1)


class Wanted(NamedTuple):
    """A slot that should be there."""

    area: ServiceArea
    start: datetime
    end: datetime
    order_type: str
    worker: str
    capacity: int
    source: str = AppointmentSlot.Source.PLAN
    external_id: str = ""
    is_withdrawn: bool = False
    is_open: bool = True
    closed_reason: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.area.pk, self.start, self.end, self.order_type, self.worker)


class Clash(NamedTuple):
    """A wanted slot that was not written, and the period at which its worker is busy already."""

    wanted: Wanted
    busy: Period


@dataclass
class Added:
    """What became of wanted slots. Counted by (code of the area, created | reopened | kept | skipped)."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    clashes: list[Clash] = field(default_factory=list)


# --- Plans -------------------------------------------------------------------------------------------------


def add_areas(areas: Iterable[ServiceArea]) -> None:
    """Write the areas that are not there yet. Safe to repeat."""
    ServiceArea.objects.bulk_create([area for area in areas if area.pk is None])


def wanted_slots(template: Template) -> Iterator[Wanted]:
    """The slots of a template, always in the same order: by plan, area, order type, worker and time."""
    for plan in template.plans:
        for code in plan.areas:
            area = template.areas[code]
            periods = list(plan.periods(area.zone))
            for order_type in plan.order_types:
                for worker in plan.workers:
                    for start, end in periods:
                        yield Wanted(area, start, end, order_type, worker, plan.capacity)


def count_wanted(template: Template) -> int:
    return sum(
        len(plan.order_types) * len(plan.workers) * sum(1 for _ in plan.periods(template.areas[code].zone))
        for plan in template.plans
        for code in plan.areas
    )


def add_slots(wanted: Sequence[Wanted], *, by: str, ignore: Collection[int] = (), dry_run: bool = False) -> Added:
    """Write what is missing, in one transaction; keep what is there, and leave out what its worker has no time for.

    The wanted slots must not contradict each other (plans.read_plans sees to that). A slot that was withdrawn and is
    wanted again is opened. `ignore` holds the keys of slots that a dry run takes for withdrawn.
    """
    added = Added()
    with transaction.atomic():
        only_writer()
        there, diaries = _what_is_there(wanted, ignore)
        new, withdrawn = [], []
        for slot in wanted:
            pk, is_withdrawn = there.get(slot.key, (0, False))
            if pk and not is_withdrawn:
                added.counts[slot.area.code, "kept"] += 1
                continue
            busy = diaries[slot.worker].clash(slot.start, slot.end) if slot.worker in diaries else None
            if busy:
                added.clashes.append(Clash(slot, busy))
                added.counts[slot.area.code, "skipped"] += 1
            elif pk:
                withdrawn.append(pk)
                added.counts[slot.area.code, "reopened"] += 1
            else:
                new.append(slot)
                added.counts[slot.area.code, "created"] += 1
        if not dry_run:
            _insert(new, by)
            AppointmentSlot.objects.filter(pk__in=withdrawn).update(is_withdrawn=False)
            record_each(withdrawn, HistoryEntry.Event.OPENED, at=timezone.now(), by=by, reason="The plan has it again.")
    return added


def missing_from(template: Template, now: datetime) -> Iterator[tuple[ServiceArea, list[int]]]:
    """The slots that a template has no longer, as keys in batches by area: to come, not booked and not imported.

    A template speaks for its areas from its first to its last day there: what it does not want then, it has no longer.
    """
    for area in template.areas.values():
        plans = [plan for plan in template.plans if area.code in plan.areas]
        first, until = min(plan.first for plan in plans), max(plan.until for plan in plans)
        while first <= until and area.pk:
            # A month at a time, so that the wanted slots of an area need not be in memory all at once.
            last = min(first + timedelta(days=30), until)
            begin, end = (moment_of(day, 0, area.zone) for day in (first, last + timedelta(days=1)))
            wanted = {
                (*period, order_type, worker)
                for plan in plans
                # From the eve: hours over midnight belong to the day on which they begin, also before the first one.
                for period in replace(plan, first=plan.first - ONE_DAY).periods(area.zone, first - ONE_DAY, last)
                if period[0] >= moment_of(plan.first, 0, area.zone)
                for order_type in plan.order_types
                for worker in plan.workers
            }
            rows = _withdrawable(area.slots.filter(start__gte=max(begin, now), start__lt=end)).values_list(
                "pk", "start", "end", "order_type", "worker"
            )
            gone = [pk for pk, *key in rows.order_by("start", "pk") if tuple(key) not in wanted]
            for batch in in_batches(gone):
                yield area, batch
            first = last + ONE_DAY


def withdraw_slots(pks: Sequence[int], *, by: str) -> int:
    """Hide slots that a plan has no longer, in one transaction; says how many. Who is booked meanwhile stays."""
    with transaction.atomic():
        only_writer()
        slots = _withdrawable(AppointmentSlot.objects.filter(pk__in=pks)).select_for_update()
        found = list(slots.order_by("pk").values_list("pk", flat=True))
        AppointmentSlot.objects.filter(pk__in=found).update(is_withdrawn=True)
        record_each(found, HistoryEntry.Event.CLOSED, at=timezone.now(), by=by, reason="The plan has it no longer.")
    return len(found)


def _withdrawable(slots: QuerySet[AppointmentSlot]) -> QuerySet[AppointmentSlot]:
    return slots.filter(booked=0, is_withdrawn=False, external_id="")


# --- Inside the transaction of the caller ------------------------------------------------------------------


def _what_is_there(
    wanted: Sequence[Wanted], ignore: Collection[int]
) -> tuple[dict[tuple[Any, ...], tuple[int, bool]], dict[str, Diary]]:
    """By the key of a slot: its primary key and whether it is withdrawn. By worker: when he is busy."""
    begin, end = min(slot.start for slot in wanted), max(slot.end for slot in wanted)
    within = AppointmentSlot.objects.within(begin, end)
    # Two queries, since each has an index of its own.
    mine = within.filter(worker__in={slot.worker for slot in wanted if slot.worker})
    pools = within.filter(worker="", area__in={slot.area.pk for slot in wanted if slot.area.pk and not slot.worker})
    columns = ("pk", "is_withdrawn", "booked", "area_id", "start", "end", "order_type", "worker")
    rows = chain(mine.values_list(*columns), pools.values_list(*columns))
    there: dict[tuple[Any, ...], tuple[int, bool]] = {}
    periods: dict[str, list[Period]] = defaultdict(list)
    for pk, is_withdrawn, booked, area_id, start, end, order_type, worker in rows:
        is_withdrawn = is_withdrawn or pk in ignore
        there[area_id, start, end, order_type, worker] = (pk, is_withdrawn)
        # As AppointmentSlotQuerySet.keeping_busy has it.
        if worker and (booked or not is_withdrawn):
            periods[worker].append((start, end))
    return there, {worker: Diary(busy) for worker, busy in periods.items()}


COLUMNS = [
    "area_id",
    "start",
    "end",
    "order_type",
    "worker",
    "capacity",
    "booked",
    "is_open",
    "blackout_id",
    "utc_offset",
    "source",
    "external_id",
    "is_withdrawn",
    "closed_reason",
]


def _insert(new: Sequence[Wanted], by: str) -> None:
    """Write new slots and their history in one go. What somebody wrote past the lock at this moment stays as it is."""
    areas = {slot.area.pk for slot in new}
    blackouts: dict[int, list[Blackout]] = defaultdict(list)
    for blackout in Blackout.objects.in_force().filter(area__in=areas):
        blackouts[blackout.area_id].append(blackout)
    rows: list[tuple[Any, ...]] = []
    for slot in new:
        hiding = covering(blackouts[slot.area.pk], slot.worker, slot.start, slot.end)
        rows.append(
            (
                slot.area.pk,
                slot.start,
                slot.end,
                slot.order_type,
                slot.worker,
                slot.capacity,
                0,
                slot.is_open,
                hiding.pk if hiding else None,
                utc_offset(slot.start, slot.area.zone),
                slot.source,
                slot.external_id,
                slot.is_withdrawn,
                slot.closed_reason,
            )
        )
    came = origin.current.get()
    entry: list[Any] = [HistoryEntry.Event.ADDED, timezone.now(), by, came.via, came.request_id]
    # The names come from this file, the values as parameters.
    table, history = AppointmentSlot._meta.db_table, HistoryEntry._meta.db_table
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    into_history = f'INSERT INTO {history} (slot_id, event, "at", "by", via, request_id, reason, details)'
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE TEMPORARY TABLE new_slot AS SELECT {columns} FROM {table} WITH NO DATA")  # noqa: S608
            with cursor.copy(f"COPY new_slot ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"WITH added AS (INSERT INTO {table} ({columns}) SELECT * FROM new_slot"  # noqa: S608
                f" ON CONFLICT DO NOTHING RETURNING id, capacity) {into_history}"
                " SELECT id, %s, %s, %s, %s, %s, '',"
                " jsonb_build_object('after', jsonb_build_object('capacity', capacity)) FROM added",
                entry,
            )
            cursor.execute("DROP TABLE new_slot")
            return
        cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}")  # noqa: S608
        (last,) = cursor.fetchone()
        cursor.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT DO NOTHING",  # noqa: S608
            [_for_sqlite(row) for row in rows],
        )
        cursor.execute(
            f"{into_history} SELECT id, %s, %s, %s, %s, %s, '', json_object('after', json_object('capacity', capacity))"  # noqa: S608
            f" FROM {table} WHERE id > %s",
            [*_for_sqlite(entry), last],
        )


def _for_sqlite(values: Iterable[Any]) -> list[Any]:
    return [connection.ops.adapt_datetimefield_value(cell) if isinstance(cell, datetime) else cell for cell in values]
