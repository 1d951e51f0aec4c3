"""The feeds of work orders, slots and refusals for the customer's own systems: every change, none lost, while bookings
go on.

A time of change is no place to go on from: a transaction that began earlier may be committed later, and a reader who
has passed that moment never sees it. So places in the feed are given when it is read, to what is committed by then:
each change empties `change_num`, and reading numbers what has none. A work order stands in the feed once, at its
latest change; one that changes during the reading moves to the end.

Places are kept across restarts, but a database that was restored, or a replica that was behind, gives them a second
time. So a cursor says its feed and its epoch, and one of another epoch is refused: the reader begins anew. `new_epoch`
begins one, and so does a cursor that is ahead of the database, if it is signed: a caller who makes one up begins none.
Cursors of earlier releases have no signature and go on, too; in the epoch 0, to which no restore has happened, they
have no epoch.

Of a slot a trigger of the database empties `change_num`, so that a booking has no statement more for it.

Practice areas come to readers who are restricted to them alone.

A reader who is restricted to areas hears of an order that was moved out of them as gone, at each later change of it.
"""

import base64
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.db.models.functions import Length
from django.utils.crypto import constant_time_compare, salted_hmac

from bookings.models import AppointmentSlot, Counter, HistoryEntry, PartOrder, Refusal, RequiredPart, WorkOrder

PAGE = 100
MOST = 500
# Of the bodies on a page together: a caller may have sent some of a megabyte.
MOST_LETTERS = 8_000_000
# How many changes a reader numbers at the most; the rest is for the next page.
BATCH = 500


# The names of the feeds, as their cursors have them.
OF_WORK_ORDERS, OF_SLOTS, OF_REFUSALS = "feed", "slots", "refusals"

Row = type[WorkOrder] | type[AppointmentSlot] | type[Refusal]


class OtherEpoch(Exception):
    """The cursor is of another state of the database: what came after it there is not what comes after it here."""


class Cursor(NamedTuple):
    """A place in the feed. One that came is `is_ours` where its signature says that it was given out here."""

    epoch: int = 0
    place: int = 0
    is_ours: bool = True
    feed: str = OF_WORK_ORDERS

    def __str__(self) -> str:
        named = f"{self.feed}:{self.epoch}:{self.place}"
        return base64.urlsafe_b64encode(f"{named}:{_signature(named)}".encode()).decode()


def read_cursor(text: str, feed: str = OF_WORK_ORDERS) -> Cursor:
    """Raises ValueError for what is no cursor of this feed.

    Those of earlier releases have no signature, nor an epoch 0.
    """
    kind, *steps = base64.urlsafe_b64decode(text.encode()).decode().split(":")
    signature = steps.pop() if len(steps) == 3 else ""
    numbers = [int(step) for step in steps]
    if kind != feed or len(numbers) not in (1, 2) or not all(0 <= number < 2**63 for number in numbers):
        raise ValueError(text)
    epoch, place = numbers if len(numbers) == 2 else (0, *numbers)
    return Cursor(epoch, place, constant_time_compare(signature, _signature(f"{feed}:{epoch}:{place}")), feed)


def _signature(named: str) -> str:
    return salted_hmac("bookings.services.feed", named, algorithm="sha256").hexdigest()[:16]


@dataclass(frozen=True)
class Page:
    """`last` is the place to go on from; `more` says whether something is known to be there."""

    work_orders: list[WorkOrder]
    last: Cursor
    more: bool
    areas: set[int] | None

    def is_gone(self, work_order: WorkOrder) -> bool:
        """Whether it has left the areas that the reader may see."""
        return self.areas is not None and work_order.area_id not in self.areas


def read(
    areas: set[int] | None, *, after: Cursor | None, size: int, modified_since: datetime | None, status: str
) -> Page:
    """The next `size` of the work orders in the feed, of these areas if not of all. Raises OtherEpoch."""
    left = number_changes()
    after = checked(after)
    wanted = Q(change_num__gt=after.place)
    if modified_since:
        wanted &= Q(changed_at__gte=modified_since)
    there = Q(status=status) if status else Q()
    if areas is None:
        there &= Q(area__is_practice=False)
    else:
        there &= Q(area__in=areas)
        moves = HistoryEntry.objects.filter(work_order=OuterRef("pk"), event=HistoryEntry.Event.MOVED)
        there |= ~Q(area__in=areas) & Q(Exists(moves.filter(details__before__area__in=list(areas))))
    visible = WorkOrder.objects.filter(wanted, there)
    last, more = _end_of_page(visible, after, size)
    page = list(with_everything(visible.filter(change_num__lte=last)).order_by("change_num"))
    return Page(page, Cursor(after.epoch, last), left or more, areas)


@dataclass(frozen=True)
class Rows:
    """A page of slots or refusals, each at its latest change; `last` and `more` as of a Page."""

    rows: list[Any]
    last: Cursor
    more: bool


def read_slots(areas: set[int] | None, *, after: Cursor | None, size: int) -> Rows:
    """Raises OtherEpoch."""
    slots = AppointmentSlot.objects.in_areas(areas).select_related("area", "blackout")
    if areas is None:
        slots = slots.filter(area__is_practice=False)
    return _read(slots, after or _beginning(OF_SLOTS), size)


def read_refusals(areas: set[int] | None, *, after: Cursor | None, size: int) -> Rows:
    """Raises OtherEpoch.

    One without an area may be any customer's: a reader who is restricted to areas does not get it.
    """
    refusals = Refusal.objects.select_related("area")
    if areas is not None:
        refusals = refusals.filter(area__in=areas)
    return _read(refusals, after or _beginning(OF_REFUSALS), size)


def _read(visible: QuerySet[Any], after: Cursor, size: int) -> Rows:
    left = number_changes(visible.model)
    after = checked(after)
    following = visible.filter(change_num__gt=after.place)
    last, more = _end_of_page(following, after, size)
    page = list(following.filter(change_num__lte=last).order_by("change_num"))
    return Rows(page, after._replace(place=last), left or more)


def _end_of_page(rows: QuerySet[Any], after: Cursor, size: int) -> tuple[int, bool]:
    """The place of the last of `size` rows whose bodies have MOST_LETTERS together, at least of one; are there more?

    A row that changes before the page is read has a later place, and comes with a later page.
    """
    length = Length("body") if hasattr(rows.model, "body") else Value(0)
    last, total = after.place, 0
    for number, (place, letters) in enumerate(
        rows.order_by("change_num").values_list("change_num", length)[: size + 1]
    ):
        total += letters
        if number == size or (number and total > MOST_LETTERS):
            return last, True
        last = place
    return last, False


def _beginning(feed: str) -> Cursor:
    return checked(None)._replace(feed=feed)


def begin_epoch() -> int:
    """Let every reader begin anew; says which epoch that is."""
    # Never one that another copy of the database has had, so that a time does.
    epoch = time.time_ns() // 1_000
    Counter.objects.update_or_create(name="epoch", defaults={"value": epoch})
    return epoch


def checked(cursor: Cursor | None) -> Cursor:
    """The cursor, else the one before everything. Raises OtherEpoch."""
    counters = dict(Counter.objects.filter(name__in=["epoch", "change"]).values_list("name", "value"))
    epoch = counters.get("epoch", 0)
    if cursor is None:
        return Cursor(epoch)
    if cursor.epoch != epoch:
        raise OtherEpoch
    if cursor.place > counters.get("change", 0):
        # Only a restored database can be behind a place that was given out here; a caller can make up any other.
        if cursor.is_ours:
            begin_epoch()
        raise OtherEpoch
    return cursor


def with_everything(work_orders: QuerySet[WorkOrder]) -> QuerySet[WorkOrder]:
    """With slot, area, parts and history, in as many statements for a hundred as for one."""
    ordered = Prefetch("part_orders", PartOrder.objects.order_by("pk"))
    parts = Prefetch("required_parts", RequiredPart.objects.order_by("position").select_related("part_order"))
    return work_orders.select_related("slot__area").prefetch_related(ordered, parts, "history")


def number_changes(model: Row = WorkOrder) -> bool:
    """Give a place to what has changed since the feed was read last; True if there was too much for once."""
    new = model.objects.filter(change_num__isnull=True).order_by("pk")
    if not new.exists():
        return False
    with transaction.atomic():
        # Its row is held until the commit: readers number one after the other, and a place once passed stays passed.
        Counter.objects.get_or_create(name="change")
        Counter.objects.filter(name="change").update(value=F("value") + BATCH)
        place = Counter.objects.get(name="change").value - BATCH
        # What is being changed right now is skipped: it is numbered once that is committed.
        keys = list(new.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:BATCH])
        numbered = [When(pk=key, then=Value(place + step)) for step, key in enumerate(keys, start=1)]
        if keys:
            model.objects.filter(pk__in=keys).update(change_num=Case(*numbered))
    return len(keys) == BATCH
