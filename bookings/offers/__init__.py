"""Which slots may be offered and which may be taken: one set of rules, for search and booking alike.

`rules` is the set. Search lists the slots that keep all of them, a booking names the first one that is broken, and
the UPDATE that takes a place repeats them, so that they hold at that very moment. The wishes of a request (the
customer's times, the delivery of the parts) shape the offers only.

A condition is SQL over the columns of an appointment slot, with its parameters; `as_filter` makes one for a queryset.
"""

import base64
import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BooleanField, CharField, Q, QuerySet
from django.db.models.expressions import RawSQL

from bookings import clock, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, AreaCode, PostcodePrefix, ServiceArea, WorkOrder, countries, plain_postcode

Condition = tuple[str, list[Any]]

SLOTS, AREAS, CODES, PREFIXES, ORDERS = (
    f'"{model._meta.db_table}"' for model in (AppointmentSlot, ServiceArea, AreaCode, PostcodePrefix, WorkOrder)
)
ID_PREFIX = "slot-"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What neither staff, nor a blackout, nor a plan that has it no longer hides. AppointmentSlot.is_hidden is the contrary.
_SHOWN: Condition = ("is_open AND blackout_id IS NULL AND NOT is_withdrawn", [])

# What a technician reads of a slot that breaks a rule.
REFUSALS = {
    "past": "This appointment has begun or is over.",
    "notice": "This appointment begins too soon to be booked.",
    "cutoff": "Bookings for the day of this appointment are closed.",
    "horizon": "This appointment is too far ahead to be booked.",
    "closed": "This appointment is closed for bookings.",
    "full": "This appointment is full.",
    "margin": "The last places of this appointment are kept back.",
}

# What a technician reads when a rule, or a wish, leaves nothing to offer.
EMPTY = {
    "planned": "No appointments are planned in {area} for orders of this kind.",
    "past": "No appointments are planned in {area} from now on.",
    "notice": "The appointments in {area} begin too soon to be booked; no later ones are planned.",
    "cutoff": "Bookings for the next days in {area} are closed; no later appointments are planned.",
    "horizon": "There is no appointment in {area} within the next {days} days; later ones cannot be booked yet.",
    "closed": "All appointments in {area} in the next {days} days are closed for bookings.",
    "full": "All appointments in {area} in the next {days} days are full.",
    "margin": "The last free places in {area} in the next {days} days are kept back.",
    "parts": "No appointment in {area} is free after the delivery of the parts, which is expected on {delivery}.",
    "customer": "No free appointment in {area} fits the customer's own times.",
}


@dataclass(frozen=True)
class Found:
    """The answer to a search: periods in UTC, sorted, each once; `message` says why there are none."""

    area: ServiceArea | None
    periods: list[tuple[datetime, datetime]]
    message: str = ""


def search(job: wire.Search, now: datetime, using: str = DEFAULT_DB_ALIAS) -> Found:
    """The periods that can be booked for a job. As a rule one statement, and one more to say why there are none.

    It may read from a replica (`using`); nothing else here does.
    """
    # A delivery on a day alone needs the area's clock before the area is read with its slots.
    known = find_area(job, using) if any(map(clock.is_day, arrivals(job))) else None
    wanted = wishes(job, known)

    def periods_by(conditions: dict[str, Condition], _: ServiceArea | None) -> sql.Statement:
        fitting = [_for_order(AREA_ID, job.order_type), *conditions.values(), *wanted.values()]
        periods, values = first_periods(fitting, settings.BOOKJOB_MAX_OFFERS)
        return f'SELECT {AREA}, start, "end" {FROM_AREA} LEFT JOIN ({periods}) AS period ON 1 = 1', values

    area, rows = _look(area_of(job), now, periods_by, using)
    if area is None:
        return Found(None, [], no_area(job))
    # An area without a free period has one row all the same.
    periods = sorted((sql.as_instant(start), sql.as_instant(end)) for *_, start, end in rows if start)
    if periods:
        return Found(area, periods)
    conditions = {"planned": for_order(area, job.order_type)} | rules(now, area) | wanted
    word = _what_left_nothing(conditions, using)
    if not word:
        return search(job, now, using)  # somebody has given a place back in this very moment
    delivery = latest_delivery(job, area)
    message = EMPTY[word].format(
        area=area.name,
        days=settings.BOOKJOB_HORIZON_DAYS,
        delivery=delivery and area.instant_text(delivery),
    )
    return Found(area, [], message)


def open_periods(conditions: Iterable[Condition], most: int) -> list[tuple[datetime, datetime]]:
    """The first periods in which at least one slot keeps all conditions."""
    found = sql.run(*first_periods(conditions, most))
    return [(sql.as_instant(start), sql.as_instant(end)) for start, end in found.rows]


def first_periods(conditions: Iterable[Condition], most: int) -> sql.Statement:
    where, values = all_of(conditions)
    return (
        f'SELECT DISTINCT start, "end" FROM {SLOTS} WHERE {where} ORDER BY start, "end" LIMIT %s',
        [*values, most],
    )


def alternatives(slot: AppointmentSlot, order_type: str, now: datetime) -> list[tuple[datetime, datetime]]:
    """Up to three periods to book instead: the next ones after the slot, else the next ones from now."""
    keeping = [for_order(slot.area, order_type), *rules(now, slot.area).values()]
    later: Condition = ("start >= %s", [sql.as_parameter(slot.start)])
    return open_periods([*keeping, later], 3) or open_periods(keeping, 3)


def wishes(job: wire.Search, area: ServiceArea | None) -> dict[str, Condition]:
    """What the request wants of a slot, by the word that says what left nothing.

    The area has to be known only where a part arrives on a day alone.
    """
    wanted: dict[str, Condition] = {}
    delivery = latest_delivery(job, area)
    if delivery:
        # A slot is a working period: the first one that begins once the parts are there.
        wanted["parts"] = ("start >= %s", [sql.as_parameter(delivery)])
    busy: list[Condition] = []
    free: list[Condition] = []
    for constraint in job.time_constraints:
        start, end = sql.as_parameter(constraint.period.start), sql.as_parameter(constraint.period.end)
        if constraint.type in settings.BOOKJOB_UNAVAILABLE_TYPES:
            busy.append(('NOT (start < %s AND "end" > %s)', [end, start]))
        else:
            free.append(('start >= %s AND "end" <= %s', [start, end]))
    if busy or free:
        wanted["customer"] = all_of([*busy, any_of(free)] if free else busy)
    return wanted


def arrivals(job: wire.Search) -> list[date]:
    """When the required parts arrive: at an instant, or on a day."""
    return [part.estimated_delivery for part in job.required_parts if part.estimated_delivery and not part.delete]


def latest_delivery(job: wire.Search, area: ServiceArea | None) -> datetime | None:
    """When the last of the required parts is there, on the clock of the area."""
    # Without an area there is nothing to offer, whatever the clock.
    zone = area.zone if area else UTC
    return max((clock.last_moment(found, zone) for found in arrivals(job)), default=None)


def _what_left_nothing(conditions: dict[str, Condition], using: str) -> str:
    """The first of the conditions, each taken together with those before it, that no slot keeps; "" if one does all."""
    tests, values, kept = [], [], list[Condition]()
    for condition in conditions.values():
        kept.append(condition)
        where, parameters = all_of(kept)
        tests.append(f"EXISTS (SELECT 1 FROM {SLOTS} WHERE {where})")
        values += parameters
    found = sql.run(f"SELECT {', '.join(tests)}", values, using=using)
    return next((word for word, is_true in zip(conditions, found.rows[0], strict=True) if not is_true), "")


def rules(now: datetime, area: ServiceArea) -> dict[str, Condition]:
    """What a slot of `area` must fulfil, by the word that names its breach, in the order in which a refusal looks."""
    notice = now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES)
    horizon = now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS)
    found: dict[str, Condition] = {
        "past": ("start > %s", [sql.as_parameter(now)]),
        "notice": ("start > %s", [sql.as_parameter(notice)]),
    }
    if area.cutoff_days is not None and area.cutoff_time is not None:
        opens = _first_open_day(now, area.zone, area.cutoff_days, area.cutoff_time)
        found["cutoff"] = ("start >= %s", [sql.as_parameter(opens)])
    found |= {
        "horizon": ("start <= %s", [sql.as_parameter(horizon)]),
        "closed": _SHOWN,
        "full": ("booked < capacity", []),
    }
    if area.safety_percent < 100:
        # In hundredths of a place, which no rounding touches, and in 64 bits, which no capacity leaves.
        found["margin"] = (
            "CAST(booked AS bigint) * 100 < CAST(capacity AS bigint) * %s",
            [area.safety_percent],
        )
    return found


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


def _first_broken(conditions: dict[str, Condition]) -> Condition:
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
    """A condition for a queryset of appointment slots."""
    text, values = condition
    return Q(RawSQL(text, values, BooleanField()))


SHOWN = as_filter(_SHOWN)


def _first_open_day(now: datetime, zone: ZoneInfo, days_before: int, at: time) -> datetime:
    """The beginning, in UTC, of the first day of the area's calendar that the cut-off leaves open at `now`."""
    today = now.astimezone(zone).date()
    minute = at.hour * 60 + at.minute
    latest_closed = today + timedelta(days=days_before)
    # Compared as instants: on the clock, an hour that comes twice would open the day again.
    if now < clock.moment_of(today, minute, zone):
        latest_closed -= timedelta(days=1)
    return clock.moment_of(latest_closed + timedelta(days=1), 0, zone)


def for_order(area: ServiceArea, order_type: str) -> Condition:
    """A slot of the area for the order's type; one for another type does not exist for it.

    An order without a type fits the general slots.
    """
    return _for_order(("%s", [area.pk]), order_type)


def _for_order(area_id: Condition, order_type: str) -> Condition:
    text, values = area_id
    return f"area_id = {text} AND order_type IN ('', %s)", [*values, order_type]


# Areas as they were the last time, by what they were asked for with; and the last one. `_look` never relies on it.
_seen: dict[tuple[Any, ...], ServiceArea] = {}
MOST_SEEN = 1_000
ORDINARY = ServiceArea()

# Of a statement of `_look`: the columns that it begins with, and where there is a row even if there is no area.
AREA = ", ".join(f'area."{field.column}"' for field in ServiceArea._meta.concrete_fields)
AREA_WIDTH = len(ServiceArea._meta.concrete_fields)
FROM_AREA = "FROM (SELECT 1) AS one LEFT JOIN area ON 1 = 1"
AREA_ID: Condition = ("(SELECT id FROM area)", [])

SEEN_OF_A_SLOT = ("id", "area_id", "start", "end", "worker", "capacity", "booked")


class Seen(NamedTuple):
    """What `find_slots` found; each of the slots with its `refusal`."""

    area: ServiceArea | None
    slots: list[AppointmentSlot]
    last_booking: int | None
    numbers: list[int] | None


def find_slots(
    job: wire.BookJob,
    periods: set[tuple[datetime, datetime]],
    now: datetime,
    *,
    area_id: int | None,
    last_booking: Condition,
    numbers: Condition,
) -> Seen:
    """The area of a job, or the one with that key, and its slots in the periods, seen at one moment by one statement.

    It works out the expression `last_booking` too. Where that is NULL and the slot that is named is free, it works out
    the expression `numbers`; only if it cannot be sure to need them, that is left to the caller.
    """
    starts, ends = ([sql.as_parameter(instant) for instant in instants] for instants in zip(*periods, strict=True))
    here, here_values = _for_order(AREA_ID, job.order_type)

    def slots_by(conditions: dict[str, Condition], known: ServiceArea | None) -> sql.Statement:
        word, values = _first_broken(conditions)
        # A number that nobody gets would look like a lost booking: none is drawn for a body that will be refused.
        is_sound = known and len(periods) == 1
        then, then_values = numbers if is_sound else ("NULL", [])
        also, also_values = last_booking
        return (
            f"SELECT {AREA}, {also}, CASE WHEN refusal = '' AND {also} IS NULL THEN {then} END, slot.*"
            f" {FROM_AREA} LEFT JOIN (SELECT {word} AS refusal, {sql.columns_of(AppointmentSlot, *SEEN_OF_A_SLOT)}"
            f" FROM {SLOTS} WHERE {here}"
            f' AND start IN ({sql.placeholders(starts)}) AND "end" IN ({sql.placeholders(ends)})) AS slot ON 1 = 1',
            [*also_values, *also_values, *then_values, *values, *here_values, *starts, *ends],
        )

    area, rows = _look(area_of(job, area_id), now, slots_by)
    slots, drawn = [], None
    for row in rows:
        last, drawn_for_it, refusal, *columns = row[AREA_WIDTH:]
        slot = sql.read(AppointmentSlot, columns, *SEEN_OF_A_SLOT, area=area)
        drawn = drawn or drawn_for_it
        if (slot.start, slot.end) in periods:
            slot.refusal = refusal
            slots.append(slot)
    return Seen(area, slots, last, drawn)


def _look(
    area_statement: sql.Statement,
    now: datetime,
    statement: Callable[[dict[str, Condition], ServiceArea | None], sql.Statement],
    using: str = DEFAULT_DB_ALIAS,
) -> tuple[ServiceArea | None, list[tuple[Any, ...]]]:
    """The area of a visit, and the rows of the `statement` that is made with its rules: all seen at one moment.

    The rules of an area have to be known before it is read: they are taken to be what they were the last time, and
    where they turn out to be others, the statement is made and sent again. It gets the area if it was seen before;
    else the rules are those of another area, for they are often the same in all of them.
    """
    text, values = area_statement
    known_by = (using, text, *values)
    known = _seen.get(known_by)
    area = known or _seen.get((using,), ORDINARY)
    while True:
        expected = rules(now, area)
        select, more = statement(expected, known)
        found = sql.run(f"WITH area AS ({text}) {select}", [*values, *more], using=using)
        if found.rows[0][0] is None:
            return None, found.rows
        area = known = sql.read(ServiceArea, found.rows[0])
        if len(_seen) >= MOST_SEEN:
            _seen.clear()
        _seen[known_by] = _seen[(using,)] = area
        if rules(now, area) == expected:
            return area, found.rows


def with_refusal(slots: QuerySet[AppointmentSlot], now: datetime, area: ServiceArea) -> QuerySet[AppointmentSlot]:
    """Each slot of `area` with `refusal`: the first rule that it breaks, or an empty text."""
    text, values = _first_broken(rules(now, area))
    return slots.annotate(refusal=RawSQL(text, values, CharField()))  # type: ignore[no-redef]


def find_area(job: wire.Search, using: str = DEFAULT_DB_ALIAS, *, area_id: int | None = None) -> ServiceArea | None:
    """The area of a visit (contract, section 4), or the one with that key."""
    found = sql.run(*area_of(job, area_id), using=using)
    return sql.read(ServiceArea, found.rows[0]) if found.rows else None


def area_of(job: wire.Search, area_id: int | None = None) -> sql.Statement:
    """The statement of `find_area`: by the code; else by the postcode; else by where this customer was visited.

    Where nothing is known of the place, the default area has it. A code that nothing knows is no area, and neither is
    a postcode that could be of two.
    """
    if area_id:
        return f"SELECT {sql.columns_of(ServiceArea)} FROM {AREAS} WHERE id = %s", [area_id]
    location, default = job.location, settings.BOOKJOB_DEFAULT_AREA
    values: list[Any]
    if location.service_area_id.strip():
        chosen, values = AREA_BY_CODE, [location.service_area_id.strip()]
    elif plain_postcode(location.address.zip):
        fitting, more = _fitting_prefixes(location.address)
        chosen = (
            f"SELECT CASE WHEN COUNT(*) = 0 THEN ({AREA_BY_CODE}) WHEN MIN(area_id) = MAX(area_id) THEN MIN(area_id)"
            f" END FROM ({fitting}) AS fitting WHERE place = 1"
        )
        values = [default, *more]
    else:
        of_location, of_account = "WHERE location_num = %s", "WHERE account_num = %s"
        chosen = (
            f"SELECT COALESCE((SELECT area_id FROM {ORDERS} {of_location} ORDER BY id DESC LIMIT 1), CASE WHEN"
            f" (SELECT MIN(area_id) FROM {ORDERS} {of_account}) = (SELECT MAX(area_id) FROM {ORDERS} {of_account})"
            f" THEN (SELECT MIN(area_id) FROM {ORDERS} {of_account}) END, ({AREA_BY_CODE}))"
        )
        # An empty number is a number of many.
        visited, customer = location.location_num or None, job.account.account_num or None
        values = [visited, customer, customer, customer, default]
    return f"SELECT {sql.columns_of(ServiceArea)} FROM {AREAS} WHERE id = ({chosen})", values


AREA_BY_CODE = f"SELECT area_id FROM {CODES} WHERE LOWER(TRIM(code)) = LOWER(%s)"


def _fitting_prefixes(address: wire.Address) -> sql.Statement:
    """The prefixes that begin a postcode. `place` is 1 for those that decide: the longest, the very country first."""
    postcode = plain_postcode(address.zip)[:20]  # no prefix is longer
    beginnings = [postcode[:length] for length in range(1, len(postcode) + 1)]
    any_country, same_country = "", list[str]()
    if address.country.strip():
        same_country = ["", *countries.spellings(address.country)]
        any_country = f"AND country IN ({sql.placeholders(same_country)})"
    order = "LENGTH(prefix) DESC" + (", country = ''" if same_country else "")
    return (
        f"SELECT area_id, prefix, country, RANK() OVER (ORDER BY {order}) AS place FROM {PREFIXES}"
        f" WHERE prefix IN ({sql.placeholders(beginnings)}) {any_country}",
        [*beginnings, *same_country],
    )


def no_area(job: wire.Search) -> str:
    """Why a visit has no area. Asks the database once more."""
    location = job.location
    if code := location.service_area_id.strip():
        return f"There is no service area {code}."
    if plain_postcode(location.address.zip):
        text, values = _fitting_prefixes(location.address)
        found = sql.run(f"SELECT DISTINCT country FROM ({text}) AS fitting WHERE place = 1 ORDER BY country", values)
        if found.rows:
            names = ", ".join(country for (country,) in found.rows if country)
            return f"Postcode {location.address.zip} is served in several countries: {names}. Add the country."
    return "No service area takes care of this place."


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
        is_ours = 0 < area_id < 2**63 and offer_id(area_id, start, end) == given_id
    except (ValueError, OverflowError):
        return None
    return (area_id, start, end) if is_ours else None


def preferred(slots: Iterable[AppointmentSlot], worker: str) -> AppointmentSlot:
    """The asked-for worker's slot, else the one with the most room.

    Among equals it is drawn by lot: callers who come at the same moment would all run for the first one otherwise.
    """
    return min(
        slots,
        key=lambda slot: (
            not (worker and slot.worker == worker),
            slot.booked - slot.capacity,
            random.random(),
        ),
    )


def _microseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)
