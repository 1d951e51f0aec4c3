"""What is open: the first periods that keep all rules and wishes, or why there are none; what to book instead."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from bookings import clock, sentences, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, ServiceArea
from bookings.offers.customer import customer_times
from bookings.offers.finding import AREA, AREA_WIDTH, Period, area_of, find_area, no_area, read_area
from bookings.offers.rulebook import (
    FOUND,
    SLOTS,
    Condition,
    all_of,
    for_order,
    opens_at,
    rules,
    rules_but_cutoff,
    suiting,
)

# What a technician reads when a rule, or a wish, leaves nothing to offer.
EMPTY = {
    "planned": "No appointments are planned in {area}.",
    "order_type": "No appointments are planned in {area} for orders of this kind.",
    "worker": "No worker with appointments in {area} can do orders of this kind.",
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
class SearchResult:
    """The answer to a search: periods in UTC, sorted, each once; `message` says why there are none.

    `reason` is the word for that: the rule or the wish that left nothing, or `area`.
    """

    area: ServiceArea | None
    periods: list[Period]
    message: str = ""
    reason: str = ""


def search(
    job: wire.Search, now: datetime, using: str = DEFAULT_DB_ALIAS, *, areas: set[int] | None = None
) -> SearchResult:
    """The periods that can be booked for a job. As a rule one statement, and one more to say why there are none.

    `areas` are the keys of those that the caller may see, None for all. It may read from a replica (`using`); nothing
    else here does.
    """
    # A delivery on a day alone needs the area's clock before the area is read with its slots.
    known = find_area(job, using) if any(map(clock.is_day, arrivals(job))) else None
    wanted = wishes(job, known)
    area, periods = _first_free(job, now, wanted, using)
    if area is None or (areas is not None and area.pk not in areas):
        return SearchResult(None, [], no_area(job, areas), "area")
    if periods:
        return SearchResult(area, periods)
    conditions = {"planned": ("area_id = %s", [area.pk]), **suiting(job.order_type), **rules(now, area), **wanted}
    word = _what_left_nothing(conditions, using)
    if not word:
        return search(job, now, using, areas=areas)  # a place was given back in this very moment
    delivery = latest_delivery(job, area)
    message = sentences.say(
        EMPTY[word],
        area=area.name,
        days=settings.BOOKJOB_HORIZON_DAYS,
        delivery=delivery and area.instant_text(delivery),
    )
    return SearchResult(area, [], message, word)


def _first_free(
    job: wire.Search, now: datetime, wanted: dict[str, Condition], using: str
) -> tuple[ServiceArea | None, list[Period]]:
    """The area, and its first periods that keep all rules and wishes, seen at one moment."""
    most = settings.BOOKJOB_MAX_OFFERS
    of_slots = rules_but_cutoff(now)
    # What keeps the margin is not full. With both, PostgreSQL expects fewer slots, and may read all up to the horizon.
    del of_slots["full"]
    fitting = [for_order(FOUND, job.order_type), *of_slots.values(), *wanted.values()]
    first, more = first_periods(fitting, most)
    text, values = area_of(job)
    rows = sql.run(
        # The area stands in a row of its own: once, and not beside each period.
        f"WITH area AS ({text}) SELECT {AREA}, NULL, NULL FROM area"
        f' UNION ALL SELECT {", ".join(["NULL"] * AREA_WIDTH)}, start, "end" FROM ({first}) AS period',
        [*values, *more],
        using=using,
    ).rows
    area = next((read_area(row) for row in rows if row[0] is not None), None)
    if area is None:
        return None, []
    periods = read_periods(row for row in rows if row[0] is None)
    opens = opens_at(now, area)
    open_ones = [period for period in periods if not opens or period[0] >= opens]
    if len(open_ones) < len(periods) == most:
        # There may be later ones than those that the cut-off took away.
        conditions = [_in(area, job.order_type), *rules(now, area).values(), *wanted.values()]
        open_ones = open_periods(conditions, most, using)
    return area, open_ones


def wishes(job: wire.Search, area: ServiceArea | None) -> dict[str, Condition]:
    """What the request wants of a slot, by the word that says what left nothing.

    The area has to be known only where a part arrives on a day alone.
    """
    wanted: dict[str, Condition] = {}
    delivery = latest_delivery(job, area)
    if delivery:
        # A slot is a working period: the first one that begins once the parts are there.
        wanted["parts"] = ("start >= %s", [sql.as_parameter(delivery)])
    times = customer_times(job.time_constraints)
    if not times.is_open:
        wanted["customer"] = times.condition()
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


# --- Periods that are open --------------------------------------------------------------------------------


def open_for(area: ServiceArea, order_type: str, now: datetime, most: int = 0) -> list[Period]:
    """The first periods of an area that an order of this type can have: what a search offers without wishes.

    At most `most` of them, or as many as a search offers.
    """
    return open_periods([_in(area, order_type), *rules(now, area).values()], most or settings.BOOKJOB_MAX_OFFERS)


def open_periods(conditions: Iterable[Condition], most: int, using: str = DEFAULT_DB_ALIAS) -> list[Period]:
    """The first periods in which at least one slot keeps all conditions."""
    return read_periods(sql.run(*first_periods(conditions, most), using=using).rows)


def read_periods(rows: Iterable[tuple[Any, ...]]) -> list[Period]:
    """What the last two columns of the rows say, in its order."""
    periods: list[Any] = [row[-2:] for row in rows]
    if not sql.on_postgresql():  # there they are instants already
        periods = [(sql.as_instant(start), sql.as_instant(end)) for start, end in periods]
    return sorted(periods)


def first_periods(conditions: Iterable[Condition], most: int) -> sql.Statement:
    where, values = all_of(conditions)
    return (
        f'SELECT DISTINCT start, "end" FROM {SLOTS} WHERE {where} ORDER BY start, "end" LIMIT %s',
        [*values, most],
    )


def alternatives(slot: AppointmentSlot, order_type: str, now: datetime) -> sql.Statement:
    """Up to three periods to book instead, for `read_periods`: the next ones after the slot, else the next from now."""
    keeping = [_in(slot.area, order_type), *rules(now, slot.area).values()]
    later, values = first_periods([*keeping, ("start >= %s", [sql.as_parameter(slot.start)])], 3)
    any_time, more = first_periods(keeping, 3)
    return (
        f"WITH later AS ({later}) SELECT * FROM later"
        f" UNION ALL SELECT * FROM ({any_time}) AS sooner WHERE NOT EXISTS (SELECT 1 FROM later)",
        [*values, *more],
    )


def _in(area: ServiceArea, order_type: str) -> Condition:
    return for_order(("%s", [area.pk]), order_type)
