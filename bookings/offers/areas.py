"""The area of a visit (contract, section 4), as one statement that others are put around.

By its code; else by the postcode; else by where this customer was visited before; else the default area.
"""

from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from bookings import wire
from bookings.db import sql
from bookings.db.codes import fold
from bookings.models import AreaCode, PostcodePrefix, ServiceArea, WorkOrder, countries, plain_postcode
from bookings.sentences import NO_AREA, NO_AREA_OF_THAT_CODE, say

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
    location, default = job.location, fold(settings.BOOKJOB_DEFAULT_AREA)
    values: list[Any]
    if location.service_area_id.strip():
        chosen, values = AREA_BY_CODE, [fold(location.service_area_id)]
    elif plain_postcode(location.address.zip):
        fitting, more = _fitting_prefixes(location.address)
        chosen = (
            f"SELECT CASE WHEN COUNT(*) = 0 THEN ({AREA_BY_CODE}) WHEN MIN(area_id) = MAX(area_id) THEN MIN(area_id)"
            f" END FROM ({fitting}) AS fitting WHERE place = 1"
        )
        values = [default, *more]
    else:
        of_location, of_account = f"{VISITS} AND location_num = %s", f"{VISITS} AND account_num = %s"
        chosen = (
            f"SELECT COALESCE((SELECT area_id FROM {of_location} ORDER BY id DESC LIMIT 1), CASE WHEN"
            f" (SELECT MIN(area_id) FROM {of_account}) = (SELECT MAX(area_id) FROM {of_account})"
            f" THEN (SELECT MIN(area_id) FROM {of_account}) END, ({AREA_BY_CODE}))"
        )
        # An empty number is a number of many.
        visited, customer = location.location_num or None, job.account.account_num or None
        values = [visited, customer, customer, customer, default]
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
