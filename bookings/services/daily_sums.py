"""The numbers of each day, counted from the tables and kept in DailySum. Nothing of it is on the path of a booking.

A day is counted anew as a whole, so that it comes to the same however often, and by however many machines at once,
it is done. What is written is one short transaction that the caller runs as the only writer (supply/turns.py); all
is counted and looked for before it, and no booking waits for that.

Which day a number belongs to, on the clock of its area (UTC where there is none):
places             the slot's day; the places of a closed slot are those that are booked
reasons, people    the day of the cancellation
refusals, nothing  the day on which it was asked
review, lead       the day of the booking; of lead time only what is not cancelled
free               the day itself, looked at once, when it is counted first

Before rows are removed, `freeze` marks the days that they belong to: these are counted no more. What an earlier release
removed was never counted: of days before that, nothing or no places are (migration 0011).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Case, Count, DateTimeField, Exists, F, Min, Model, OuterRef, Q, QuerySet, Sum, When

from bookings import clock, offers
from bookings.models import AppointmentSlot, Counter, DailySum, EmptySearch, OrderType, Refusal, ServiceArea, WorkOrder
from bookings.models.sums import Kind
from bookings.services import weekly_sums

# Counters, in seconds: until when all was counted, and the time before which rows were removed.
COUNTED_AT, FROZEN_UNTIL = "sums_counted_at", "sums_frozen_until"
# Of days that began before these moments nothing, or no places, can be counted.
BEGIN, PLACES_BEGIN = "sums_begin", "sums_places_begin"
# Days that are counted each time: what changes later than that is found by the run of the next night.
BEHIND, AHEAD = 8, 92
# No day before that is counted.
OLDEST = 10 * 366
# By what a row belongs to a day; each has an index.
WHEN: list[tuple[type[Model], str]] = [
    (AppointmentSlot, "start"),
    (WorkOrder, "created_at"),
    (WorkOrder, "cancelled_at"),
    (Refusal, "at"),
    (EmptySearch, "day"),
]
# Minutes until a review, in steps that grow: (up to, step).
STEPS = [(60, 10), (6 * 60, 30), (48 * 60, 60), (10 * 1440, 360)]
LONGEST_STEP = 1440
# Key of a day on which no appointment was free.
NONE_FREE = "none"


class Clock(NamedTuple):
    """Areas whose days begin together. What belongs to no area goes with UTC."""

    zone: ZoneInfo
    areas: list[int]

    def of(self, area: str = "area") -> Q:
        here = Q(**{f"{area}__in": self.areas})
        return here | Q(**{f"{area}__isnull": True}) if self.zone.key == "UTC" else here


class Name(NamedTuple):
    kind: str
    area: int | None
    order_type: str
    key: str


Sums = dict[Name, tuple[int, int]]


class Change(NamedTuple):
    """What is kept of a day, with the keys of the rows, and what it comes to by the tables."""

    kept: dict[Name, tuple[int, tuple[int, int]]]
    counted: Sums


def clocks() -> list[Clock]:
    """Of all areas but those for practice, of which nothing is counted, and those whose zone is not known here."""
    zones: dict[str, list[int]] = defaultdict(list, UTC=[])
    for area in _counted_areas():
        if not clock.time_zone_problem(area.time_zone):
            zones[area.time_zone].append(area.pk)
    return [Clock(ZoneInfo(zone), keys) for zone, keys in sorted(zones.items())]


def without_clock() -> list[str]:
    """The codes of areas that are not counted, because this machine does not know their time zone."""
    return [area.code for area in _counted_areas() if clock.time_zone_problem(area.time_zone)]


def _counted_areas() -> QuerySet[ServiceArea]:
    return ServiceArea.objects.filter(is_practice=False).order_by("pk")


def days_to_count(*, everything: bool) -> list[date]:
    """Those that may have changed, or all, of which there is something on the clock of any area."""
    return sorted({day + timedelta(days=step) for day in _busy_days(everything=everything) for step in (-1, 0, 1)})


def _busy_days(*, everything: bool) -> set[date]:
    """Days of UTC of which there is something, in the tables or in what is kept, and which may have changed.

    They are found from one to the next by the index of each table, so that the years between two cost nothing.
    """
    today = clock.now().date()
    first = today - timedelta(days=OLDEST if everything else BEHIND + 1)
    last = today + timedelta(days=AHEAD + 1)
    kept = DailySum.objects.filter(day__range=(first, last)).order_by().values_list("day", flat=True).distinct()
    found = set(kept)
    for model, field in WHEN:
        day = _next_day(model, field, first)
        while day and day <= last:
            found.add(day)
            day = _next_day(model, field, day + timedelta(days=1))
    return found


def _next_day(model: type[Model], field: str, day: date) -> date | None:
    """The first day, from this one on, of which the table has something."""
    column = model._meta.get_field(field)
    since = clock.day_bounds(day, ZoneInfo("UTC"))[0] if isinstance(column, DateTimeField) else day
    found = model._default_manager.filter(**{f"{field}__gte": since}).aggregate(first=Min(field))["first"]
    return found.astimezone(UTC).date() if isinstance(found, datetime) else found


def _noted(name: str) -> int:
    return Counter.objects.filter(name=name).values_list("value", flat=True).first() or 0


def _is_frozen(one: Clock, day: date) -> bool:
    return clock.day_bounds(day, one.zone)[0].timestamp() < _noted(FROZEN_UNTIL)


def change_of(one: Clock, day: date, reasons: Collection[str]) -> Change | None:
    """What is to be kept of a day in place of what is; None if all is right. `reasons` are `known_reasons`."""
    if _is_frozen(one, day):
        return None
    kept = _kept(one, day)
    counted = count(one, day, reasons)
    return None if {name: numbers for name, (_, numbers) in kept.items()} == counted else Change(kept, counted)


def write_day(one: Clock, day: date, change: Change) -> bool:
    """Keep what was counted. Not if another process has kept or frozen the day meanwhile: False."""
    if _is_frozen(one, day) or _kept(one, day) != change.kept:
        return False
    right = {name for name, (_, numbers) in change.kept.items() if change.counted.get(name) == numbers}
    DailySum.objects.filter(pk__in=[pk for name, (pk, _) in change.kept.items() if name not in right]).delete()
    _insert(day, {name: numbers for name, numbers in change.counted.items() if name not in right})
    return True


def without_free(one: Clock, day: date) -> QuerySet[ServiceArea]:
    """Areas of which it is not known yet how far the first free appointment is off on this day.

    One without any slot is not looked at: an area that was made by mistake can so be deleted.
    """
    known = DailySum.objects.filter(kind=Kind.FREE, day=day, area__in=one.areas).values("area")
    served = Exists(AppointmentSlot.objects.filter(area=OuterRef("pk")))
    return ServiceArea.objects.filter(served, pk__in=one.areas).exclude(pk__in=known)


def look_for_free(area: ServiceArea, now: datetime) -> Sums:
    """How many days it is to the first free appointment of an area: a search for each order type."""
    types = OrderType.objects.filter(is_active=True).order_by("code").values_list("code", flat=True)
    return dict(_free_in(area, list(types), now))


def write_free(one: Clock, day: date, area: ServiceArea, found: Sums) -> None:
    """Keep what was found; once a day."""
    if without_free(one, day).filter(pk=area.pk).exists():
        _insert(day, found)


def over_everywhere(before: datetime) -> datetime:
    """The same moment, or the one at which today began where it began first: no day that still runs is frozen."""
    now = clock.now()
    begins = (clock.day_bounds(now.astimezone(one.zone).date(), one.zone)[0] for one in clocks())
    return min(before, *begins)


def freeze(before: datetime) -> None:
    """Days that began before this moment are counted no more: their rows are about to be removed."""
    Counter.objects.get_or_create(name=FROZEN_UNTIL)
    until = int(before.timestamp())
    Counter.objects.filter(name=FROZEN_UNTIL, value__lt=until).update(value=until)


def merge_people(*, before: datetime, most: int = 0) -> int:
    """Forget who cancelled on the first of the days that still say so; says how many rows did. `most` is one day's."""
    named = DailySum.objects.filter(kind=Kind.PEOPLE, day__lt=before.date()).exclude(key="")
    day = named.aggregate(first=Min("day"))["first"]
    if day is None:
        return 0
    rows = DailySum.objects.filter(kind=Kind.PEOPLE, day=day).order_by()
    totals = rows.values_list("area", "order_type").annotate(all=Sum("number"))
    merged: Sums = {Name(Kind.PEOPLE, area, order_type, ""): (number, 0) for area, order_type, number in totals}
    done = named.filter(day=day).count()
    rows.delete()
    _insert(day, merged)
    weekly_sums.write(weekly_sums.monday_of(day), [Kind.PEOPLE])
    return done


def note_counted(at: datetime) -> None:
    """All was counted, as it was at this moment or later."""
    Counter.objects.get_or_create(name=COUNTED_AT)
    Counter.objects.filter(name=COUNTED_AT, value__lt=int(at.timestamp())).update(value=int(at.timestamp()))


def counted_at() -> datetime | None:
    return _moment(COUNTED_AT)


def begins() -> tuple[datetime | None, datetime | None]:
    """Of days that began before these moments nothing, and no places, are counted: an earlier release removed rows."""
    return _moment(BEGIN), _moment(PLACES_BEGIN)


def _moment(name: str) -> datetime | None:
    return datetime.fromtimestamp(found, UTC) if (found := _noted(name)) else None


# --- Counting ----------------------------------------------------------------------------------------------


def count(one: Clock, day: date, reasons: Collection[str]) -> Sums:
    """What a day comes to by the tables, all but `free`."""
    bounds = clock.day_bounds(day, one.zone)
    found: dict[Name, list[int]] = defaultdict(lambda: [0, 0])
    for name, number, places in (
        *_places(one, bounds),
        *_cancellations(one, bounds, reasons),
        *_bookings(one, bounds),
        *_refusals(one, bounds),
        *_nothing_found(one, day),
    ):
        found[name][0] += number
        found[name][1] += places
    return {name: (number, places) for name, (number, places) in found.items()}


Bounds = tuple[datetime, datetime]
Counted = Iterator[tuple[Name, int, int]]


def _within(field: str, bounds: Bounds) -> Q:
    return Q(**{f"{field}__gte": bounds[0], f"{field}__lt": bounds[1]})


def _places(one: Clock, bounds: Bounds) -> Counted:
    if bounds[0].timestamp() < _noted(PLACES_BEGIN):
        return
    there = AppointmentSlot.objects.filter(one.of(), _within("start", bounds)).order_by()
    offered = Case(When(offers.SHOWN, then=F("capacity")), default=F("booked"))
    for area, order_type, worker, booked, places in there.values_list("area", "order_type", "worker").annotate(
        taken=Sum("booked"), there=Sum(offered)
    ):
        if places:
            yield Name(Kind.PLACES, area, order_type, worker), booked, places


def _cancellations(one: Clock, bounds: Bounds, reasons: Collection[str]) -> Counted:
    there = WorkOrder.objects.filter(one.of(), _within("cancelled_at", bounds)).order_by()
    for area, order_type, by, reason, number in there.values_list(
        "area", "order_type", "cancelled_by", "cancel_reason"
    ).annotate(rows=Count("*")):
        yield Name(Kind.PEOPLE, area, order_type, by), number, 0
        yield Name(Kind.REASONS, area, order_type, known_reason(reason, reasons)), number, 0


def known_reasons() -> list[str]:
    """All that staff can choose now, and could when days were counted: what was counted under one stays there."""
    counted = DailySum.objects.filter(kind=Kind.REASONS).exclude(key="").order_by("key").values_list("key", flat=True)
    return list(dict.fromkeys([*settings.BOOKJOB_CANCEL_REASONS, *counted.distinct()]))


def known_reason(text: str, reasons: Collection[str]) -> str:
    """The reason that staff chose; empty for one in other words, which may say anything about a customer."""
    return next((one for one in reasons if text == one or text.startswith(f"{one}: ")), "")


def _bookings(one: Clock, bounds: Bounds) -> Counted:
    there = WorkOrder.objects.filter(one.of(), _within("created_at", bounds)).order_by()
    booked = bounds[0].astimezone(one.zone).date()
    for area, order_type, status, made, reviewed, visit in there.values_list(
        "area", "order_type", "status", "created_at", "reviewed_at", "visit_start"
    ).iterator():
        if reviewed:
            yield Name(Kind.REVIEW, area, order_type, str(step_of(reviewed - made))), 1, 0
        if status == WorkOrder.Status.BOOKED:
            days = (visit.astimezone(one.zone).date() - booked).days
            yield Name(Kind.LEAD, area, order_type, str(days)), 1, 0


def step_of(taken: timedelta) -> int:
    """Minutes, rounded down to steps that grow with them: what took longer is known less exactly."""
    minutes = max(0, int(taken.total_seconds()) // 60)
    step = next((step for limit, step in STEPS if minutes < limit), LONGEST_STEP)
    return minutes - minutes % step


def _refusals(one: Clock, bounds: Bounds) -> Counted:
    there = Refusal.objects.filter(one.of(), _within("at", bounds)).order_by()
    for area, order_type, error, number in there.values_list("area", "order_type", "error").annotate(rows=Count("*")):
        yield Name(Kind.REFUSALS, area, order_type, error), number, 0


def _nothing_found(one: Clock, day: date) -> Counted:
    there = EmptySearch.objects.filter(one.of(), day=day).order_by()
    for area, order_type, reason, number in there.values_list("area", "order_type", "reason").annotate(
        all=Sum("number")
    ):
        yield Name(Kind.NOTHING, area, order_type, reason), number, 0


def _free_in(area: ServiceArea, types: Iterable[str], now: datetime) -> Iterator[tuple[Name, tuple[int, int]]]:
    """By order type; an empty one stands for whichever is free first."""
    firsts: dict[str, datetime] = {}
    for order_type in ["", *types]:
        for start, _ in offers.open_for(area, order_type, now, most=1):
            firsts[order_type] = start
    first_of_all = min(firsts.values(), default=None)
    today = now.astimezone(area.zone).date()
    for order_type in ["", *types]:
        found = firsts.get(order_type) if order_type else first_of_all
        key = str((found.astimezone(area.zone).date() - today).days) if found else NONE_FREE
        yield Name(Kind.FREE, area.pk, order_type, key), (1, 0)


# --- Rows --------------------------------------------------------------------------------------------------


def _kept(one: Clock, day: date) -> dict[Name, tuple[int, tuple[int, int]]]:
    """With the keys of the rows."""
    kinds = [kind for kind in Kind if kind != Kind.FREE]
    rows = DailySum.objects.filter(one.of(), kind__in=kinds, day=day).order_by()
    columns = "kind", "area", "order_type", "key", "pk", "number", "places"
    return {Name(*name): (pk, (number, places)) for *name, pk, number, places in rows.values_list(*columns)}


def _insert(day: date, sums: Sums) -> None:
    DailySum.objects.bulk_create(
        DailySum(
            day=day,
            kind=name.kind,
            area_id=name.area,
            order_type=name.order_type,
            key=name.key,
            number=number,
            places=places,
        )
        for name, (number, places) in sums.items()
    )
