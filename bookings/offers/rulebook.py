"""Which slots may be offered and which may be taken: one set of rules, for search and booking alike.

Search lists the slots that keep all of them, a booking names the first one that is broken, and the UPDATE that takes a
place repeats them (`taking`), so that they hold at that very moment. The wishes of a request (the customer's times, the
delivery of the parts) shape the offers only: they are in searching.py.

A condition is SQL over the columns of an appointment slot, with its parameters; `as_filter` makes one for a queryset.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DatabaseError
from django.db.models import BooleanField, CharField, Q, QuerySet
from django.db.models.expressions import RawSQL
from psycopg.errors import DivisionByZero

from bookings import clock, sentences
from bookings.db import sql
from bookings.models import Ability, AppointmentSlot, ServiceArea, Worker

Condition = tuple[str, list[Any]]

SLOTS, WORKERS, ABILITIES = (f'"{model._meta.db_table}"' for model in (AppointmentSlot, Worker, Ability))

# What neither staff, nor a blackout, nor a plan that has it no longer hides. AppointmentSlot.is_hidden is the contrary.
_SHOWN: Condition = ("is_open AND blackout_id IS NULL AND NOT is_withdrawn", [])

# The area that a statement finds itself: one that begins with `WITH area AS (…)`.
FOUND: Condition = ("(SELECT id FROM area)", [])

# What a technician reads of a slot that breaks a rule.
REFUSALS = sentences.WHY_UNAVAILABLE


def rules(now: datetime, area: ServiceArea) -> dict[str, Condition]:
    """What a slot of `area` must fulfil, by the word that names its breach, in the order in which a refusal looks."""
    found = _rules(now, ("%s", [area.pk]), ("%s", [area.safety_percent]), opens_at(now, area))
    if area.safety_percent == 100:
        del found["margin"]
    return found


def rules_but_cutoff(now: datetime) -> dict[str, Condition]:
    """The rules of the area that is FOUND. Its cut-off needs its clock: see `opens_at`."""
    return _rules(now, FOUND, ("(SELECT safety_percent FROM area)", []), None)


def _rules(now: datetime, area: Condition, safety_percent: Condition, opens: datetime | None) -> dict[str, Condition]:
    notice = now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES)
    horizon = now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS)
    share, values = safety_percent
    return {
        "past": ("start > %s", [sql.as_parameter(now)]),
        "notice": ("start > %s", [sql.as_parameter(notice)]),
        **({"cutoff": ("start >= %s", [sql.as_parameter(opens)])} if opens else {}),
        "horizon": _begins_by(horizon, area),
        "closed": _SHOWN,
        "full": ("booked < capacity", []),
        # In hundredths of a place, which no rounding touches, and in 64 bits, which no capacity leaves.
        "margin": (f"CAST(booked AS bigint) * 100 < CAST(capacity AS bigint) * {share}", values),
    }


def _begins_by(moment: datetime, area: Condition) -> Condition:
    """Of a slot of the area: `start <= moment`.

    PostgreSQL, which keeps one plan for all values, expects that `start > a AND start <= b` keeps one slot in two
    hundred. So it would read all between the two, by the index of all areas as soon as slots are made day by day, and
    sort them. By the area's own index it reads them in order, and stops at the last one that is offered.
    """
    if not sql.on_postgresql():
        return "start <= %s", [sql.as_parameter(moment)]
    key, values = area
    return f"(area_id, start) <= ({key}, %s)", [*values, moment]


def opens_at(now: datetime, area: ServiceArea) -> datetime | None:
    """When the first slots begin that the cut-off of the area leaves open at `now`; None without a cut-off."""
    if area.cutoff_days is None or area.cutoff_time is None:
        return None
    return _first_open_day(now, area.zone, area.cutoff_days, area.cutoff_time)


def with_cutoff(refusal: str, start: datetime, opens: datetime | None) -> str:
    """The first rule that a slot breaks, from the first one among those but the cut-off."""
    return "cutoff" if opens and start < opens and refusal not in ("past", "notice") else refusal


def last_moment(slot: AppointmentSlot, area: ServiceArea) -> datetime:
    """Until when those of the `rules` that time breaks hold for the slot. What is too far ahead only comes nearer."""
    moment = slot.start - timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES)
    if area.cutoff_days is None or area.cutoff_time is None:
        return moment
    day = slot.start.astimezone(area.zone).date() - timedelta(days=area.cutoff_days)
    minute = area.cutoff_time.hour * 60 + area.cutoff_time.minute
    return min(moment, clock.moment_of(day, minute, area.zone))


def takeable(now: datetime, area: ServiceArea) -> Condition:
    """All rules at once."""
    return all_of(rules(now, area).values())


def first_broken(conditions: dict[str, Condition]) -> Condition:
    """The word of the first condition that a slot breaks, or an empty text, as an SQL expression."""
    broken = [(f"WHEN NOT ({text}) THEN '{word}'", values) for word, (text, values) in conditions.items()]
    return (
        f"CASE {' '.join(text for text, _ in broken)} ELSE '' END",
        [value for _, values in broken for value in values],
    )


def all_of(conditions: Iterable[Condition]) -> Condition:
    parts = list(conditions)
    return " AND ".join(f"({text})" for text, _ in parts), [value for _, values in parts for value in values]


def any_of(conditions: Iterable[Condition]) -> Condition:
    parts = list(conditions)
    return " OR ".join(f"({text})" for text, _ in parts), [value for _, values in parts for value in values]


def as_filter(condition: Condition) -> Q:
    """A condition for a queryset of appointment slots.

    It names columns alone: in one of another table, which joins the slots, they would be those of any of the two.
    """
    text, values = condition
    return Q(RawSQL(text, values, BooleanField()))


def suitable(order_types: Iterable[str]) -> Q:
    """Slots that suit orders of each of these types."""
    return as_filter(all_of(condition for one in order_types for condition in suiting(one).values()))


SHOWN = as_filter(_SHOWN)
# The same of what has a slot.
WITH_SHOWN_SLOT = Q(slot__is_open=True, slot__blackout__isnull=True, slot__is_withdrawn=False)


def _first_open_day(now: datetime, zone: ZoneInfo, days_before: int, at: time) -> datetime:
    """The beginning, in UTC, of the first day of the area's calendar that the cut-off leaves open at `now`."""
    today = now.astimezone(zone).date()
    minute = at.hour * 60 + at.minute
    latest_closed = today + timedelta(days=days_before)
    # Compared as instants: on the clock, an hour that comes twice would open the day again.
    if now < clock.moment_of(today, minute, zone):
        latest_closed -= timedelta(days=1)
    return clock.moment_of(latest_closed + timedelta(days=1), 0, zone)


def for_order(area: Condition, order_type: str) -> Condition:
    """A slot of the area (its key, in SQL) that suits an order of this type; another one does not exist for it."""
    key, values = area
    return all_of([(f"area_id = {key}", values), *suiting(order_type).values()])


def suiting(order_type: str) -> dict[str, Condition]:
    """What a slot must be for an order of this type: for that type or for any, and its worker can do it.

    An order without a type fits the general slots, of workers who can do everything.
    """
    return {
        "order_type": ("order_type IN ('', %s)", [order_type]),
        # The list of those who cannot is made once, whatever the number of slots, and is short.
        "worker": (
            f"worker NOT IN (SELECT code FROM {WORKERS} WHERE NOT is_active"
            f" UNION ALL SELECT worker_id FROM {ABILITIES}"
            f" WHERE worker_id NOT IN (SELECT worker_id FROM {ABILITIES} WHERE order_type_id = %s))",
            [order_type],
        ),
    }


def still_suits(slot: AppointmentSlot, order_type: str) -> Condition:
    """What may have changed of `suiting` since the slot was read: the same of its one worker, which costs little."""
    if not slot.worker:
        return "1 = 1", []
    return (
        f"NOT EXISTS (SELECT 1 FROM {WORKERS} WHERE code = %s AND NOT is_active)"
        f" AND (EXISTS (SELECT 1 FROM {ABILITIES} WHERE worker_id = %s AND order_type_id = %s)"
        f" OR NOT EXISTS (SELECT 1 FROM {ABILITIES} WHERE worker_id = %s))",
        [slot.worker, slot.worker, order_type, slot.worker],
    )


def taking(slot: AppointmentSlot, order_type: str, now: datetime) -> sql.Statement:
    """The guard of the first promise: the place is taken only where all rules hold at this very moment.

    It names the slot by its key: a trigger keeps area, period, order type and worker as they were read. What the worker
    can do may have changed since.
    """
    where, values = all_of([takeable(now, slot.area), still_suits(slot, order_type)])
    return f"UPDATE {SLOTS} SET booked = booked + 1 WHERE id = %s AND {where}", [slot.pk, *values]


def in_time(slot: AppointmentSlot, now: datetime) -> sql.Statement:
    """What PostgreSQL has to be able to work out once it has the slot: it fails if that took it too long.

    The rules alone would not do: it does not look at them again where what held the slot left it as it was.
    """
    since = "clock_timestamp() - statement_timestamp()"
    return f"1 / CASE WHEN CAST(%s AS timestamptz) + ({since}) < %s THEN 1 ELSE 0 END", [
        now,
        last_moment(slot, slot.area),
    ]


def was_late(fault: DatabaseError) -> bool:
    """Whether a statement came to nothing because of `in_time`."""
    return isinstance(fault.__cause__, DivisionByZero)


def with_refusal(slots: QuerySet[AppointmentSlot], now: datetime, area: ServiceArea) -> QuerySet[AppointmentSlot]:
    """Each slot of `area` with `refusal`: the first rule that it breaks, or an empty text."""
    return with_refusals(slots, now, [area])


def with_refusals(
    slots: QuerySet[AppointmentSlot], now: datetime, areas: Iterable[ServiceArea]
) -> QuerySet[AppointmentSlot]:
    """The same of slots of several areas, each by its own rules."""
    each = [(area.pk, *first_broken(rules(now, area))) for area in areas]
    text = " ".join(f"WHEN %s THEN {broken}" for _, broken, _ in each)
    values = [value for key, _, some in each for value in (key, *some)]
    found = RawSQL(f"CASE area_id {text} ELSE '' END" if each else "''", values, CharField())
    return slots.annotate(refusal=found)  # type: ignore[no-redef]


def with_suits(slots: QuerySet[AppointmentSlot], order_types: Mapping[str, str]) -> QuerySet[AppointmentSlot]:
    """Each slot with whether it suits an order of a type, under the name that is given for it."""
    there: Condition = ("area_id", [])
    return slots.annotate(**{name: RawSQL(*for_order(there, one), BooleanField()) for name, one in order_types.items()})
