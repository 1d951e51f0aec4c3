"""Where a visit can be: its area, and the slots there that a booking may mean.

The area (contract, section 4) is a statement that others are put around: by its code; else by the postcode; else by
where this customer was visited before; else the default area.
"""

import random
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from bookings import wire
from bookings.db import sql
from bookings.db.codes import fold
from bookings.models import AppointmentSlot, AreaCode, PostcodePrefix, ServiceArea, WorkOrder, countries, plain_postcode
from bookings.offers.rulebook import (
    FOUND,
    SLOTS,
    Condition,
    first_broken,
    for_order,
    opens_at,
    rules_but_cutoff,
    with_cutoff,
)
from bookings.sentences import NO_AREA, NO_AREA_OF_THAT_CODE, say

Period = tuple[datetime, datetime]

READ_OF_A_SLOT = ("id", "area_id", "start", "end", "worker", "capacity", "booked")
AREAS, CODES, PREFIXES, ORDERS = (
    f'"{model._meta.db_table}"' for model in (ServiceArea, AreaCode, PostcodePrefix, WorkOrder)
)
AREA_BY_CODE = f"SELECT area_id FROM {CODES} WHERE folded = %s"
# The areas of the visits that count as history: what was tried out in a practice area says nothing of where a customer
# is. A subquery of one value is asked row by row, and leaves the plan to the index of the customer.
VISITS = f"{ORDERS} AS visit WHERE NOT (SELECT is_practice FROM {AREAS} AS place WHERE place.id = visit.area_id)"

# Of a statement that begins with `WITH area AS (…)`: the columns of the area, with which its rows begin; and where
# there is a row even if there is no area.
AREA = ", ".join(f'area."{field.column}"' for field in ServiceArea._meta.concrete_fields)
AREA_WIDTH = len(ServiceArea._meta.concrete_fields)
FROM_AREA = "FROM (SELECT 1) AS one LEFT JOIN area ON 1 = 1"


class Candidates(NamedTuple):
    """The slots that a booking may mean, each with its `refusal`, and the latest booking of its order."""

    area: ServiceArea | None
    slots: list[AppointmentSlot]
    last_booking: int | None


def find_slots(
    job: wire.BookJob, periods: set[Period], now: datetime, *, area_id: int | None, last_booking: Condition
) -> Candidates:
    """The area of a job, or the one with that key, and its slots in the periods, seen at one moment by one statement.

    It works out the expression `last_booking` too.
    """
    starts, ends = ([sql.as_parameter(instant) for instant in instants] for instants in zip(*periods, strict=True))
    text, values = area_of(job, area_id)
    also, also_values = last_booking
    word, word_values = first_broken(rules_but_cutoff(now))
    here, here_values = for_order(FOUND, job.order_type)
    rows = sql.run(
        f"WITH area AS ({text}) SELECT {AREA}, {also}, slot.* {FROM_AREA}"
        f" LEFT JOIN (SELECT {word} AS refusal, {sql.columns_of(AppointmentSlot, *READ_OF_A_SLOT)}"
        f" FROM {SLOTS} WHERE {here}"
        f' AND start IN ({sql.placeholders(starts)}) AND "end" IN ({sql.placeholders(ends)})) AS slot ON 1 = 1',
        [*values, *also_values, *word_values, *here_values, *starts, *ends],
    ).rows
    area, last = read_area(rows[0]), rows[0][AREA_WIDTH]
    if area is None:
        return Candidates(None, [], last)
    opens, slots = opens_at(now, area), []
    for row in rows:
        refusal, *columns = row[AREA_WIDTH + 1 :]
        if columns[0] is None:  # the one row of an area without such a slot
            break
        slot = sql.read(AppointmentSlot, columns, *READ_OF_A_SLOT, area=area)
        if (slot.start, slot.end) in periods:
            slot.refusal = with_cutoff(refusal, slot.start, opens)
            slots.append(slot)
    return Candidates(area, slots, last)


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


# --- The area of a visit ----------------------------------------------------------------------------------


def find_area(job: wire.Search, using: str = DEFAULT_DB_ALIAS, *, area_id: int | None = None) -> ServiceArea | None:
    """The area of a visit, or the one with that key."""
    found = sql.run(*area_of(job, area_id), using=using)
    return read_area(found.rows[0]) if found.rows else None


def read_area(row: tuple[Any, ...]) -> ServiceArea | None:
    """The area that a row begins with; None where there is none."""
    return sql.read(ServiceArea, row) if row[0] is not None else None


def area_of(job: wire.Search, area_id: int | None = None) -> sql.Statement:
    """The statement of `find_area`: by the code; else by the postcode; else by where this customer was visited.

    Where nothing is known of the place, the default area has it. A code that nothing knows is no area, and neither is
    a postcode that could be of two.
    """
    if area_id:
        return f"SELECT {sql.columns_of(ServiceArea)} FROM {AREAS} WHERE id = %s", [area_id]
    location, values = job.location, list[Any]()
    if location.service_area_id.strip():
        chosen, values = AREA_BY_CODE, [fold(location.service_area_id)]
    elif plain_postcode(location.address.zip):
        fitting, more = _fitting_prefixes(location.address)
        chosen = (
            f"SELECT CASE WHEN COUNT(*) = 0 THEN ({AREA_BY_CODE}) WHEN MIN(area_id) = MAX(area_id) THEN MIN(area_id)"
            f" END FROM ({fitting}) AS fitting WHERE place = 1"
        )
        values = [fold(settings.BOOKJOB_DEFAULT_AREA), *more]
    else:
        of_location, of_account = f"{VISITS} AND location_num = %s", f"{VISITS} AND account_num = %s"
        chosen = (
            f"SELECT COALESCE((SELECT area_id FROM {of_location} ORDER BY id DESC LIMIT 1), CASE WHEN"
            f" (SELECT MIN(area_id) FROM {of_account}) = (SELECT MAX(area_id) FROM {of_account})"
            f" THEN (SELECT MIN(area_id) FROM {of_account}) END, ({AREA_BY_CODE}))"
        )
        # An empty number is a number of many.
        visited, customer = location.location_num or None, job.account.account_num or None
        values = [visited, customer, customer, customer, fold(settings.BOOKJOB_DEFAULT_AREA)]
    return f"SELECT {sql.columns_of(ServiceArea)} FROM {AREAS} WHERE id = ({chosen})", values


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


def no_area(job: wire.Search, areas: set[int] | None = None) -> str:
    """Why a visit has no area, among those with these keys if not among all. Asks the database once more.

    A caller that is restricted reads the same of an area that it may not see and of one that is not there.
    """
    location = job.location
    if code := location.service_area_id.strip():
        return say(NO_AREA_OF_THAT_CODE, code=code)
    if plain_postcode(location.address.zip):
        text, values = _fitting_prefixes(location.address)
        found = sql.run(f"SELECT country, area_id FROM ({text}) AS fitting WHERE place = 1 ORDER BY country", values)
        if found.rows and (areas is None or areas.issuperset(area for _, area in found.rows)):
            names = ", ".join(dict.fromkeys(country for country, _ in found.rows if country))
            message = "Postcode {zip} is served in several countries: {names}. Add the country."
            return say(message, zip=location.address.zip, names=names)
    return NO_AREA
