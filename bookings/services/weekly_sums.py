"""The sums of whole weeks, made of those of the days alone: the page of numbers reads a year of them as fast as days.

Whatever a day came to is summed here by three levels: as the days have it, without order types, and without areas as
well. What is kept of a week is compared with its days each time that these are counted, and written anew where it
differs; the caller is the only writer then (supply/turns.py).
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import connection

from bookings.db import sql
from bookings.models import DailySum, WeeklySum
from bookings.models.sums import Kind, Level

_DAYS, _WEEKS = (model._meta.db_table for model in (DailySum, WeeklySum))
_COLUMNS = "kind, level, area_id, order_type, key, number, places"
# By the level: area and order type, with what stands in the place of one that is not told, and those that are.
_TOLD = {
    Level.EACH: ("area_id, order_type", "area_id, order_type, "),
    Level.AREAS: ("area_id, ''", "area_id, "),
    Level.ALL: ("CAST(NULL AS bigint) AS area_id, ''", ""),
}


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def weeks_of(days: Collection[date]) -> list[date]:
    """The Mondays of the weeks in which these days are, and of those between them of which something is kept."""
    found = set(map(monday_of, days))
    if found:
        kept = WeeklySum.objects.filter(week__range=(min(found), max(found)))
        found.update(kept.order_by().values_list("week", flat=True).distinct())
    return sorted(found)


def is_right(monday: date) -> bool:
    """Whether what is kept of a week is what its days come to."""
    made, values = _made_of_days(monday, tuple(Kind))
    kept, of_week = f"SELECT {_COLUMNS} FROM {_WEEKS} WHERE week = %s", [_day(monday)]
    text = (
        f"SELECT 1 WHERE EXISTS (SELECT * FROM ({made}) AS made EXCEPT {kept})"
        f" OR EXISTS ({kept} EXCEPT SELECT * FROM ({made}) AS made)"
    )
    return not sql.run(text, [*values, *of_week, *of_week, *values], plan_anew=True).rows


def write(monday: date, kinds: Sequence[Kind] = tuple(Kind)) -> None:
    """Keep what the days of a week come to."""
    made, values = _made_of_days(monday, kinds)
    sql.run(
        f"DELETE FROM {_WEEKS} WHERE week = %s AND kind IN ({sql.placeholders(kinds)})",
        [_day(monday), *(kind.value for kind in kinds)],
    )
    sql.run(
        f"INSERT INTO {_WEEKS} (week, {_COLUMNS}) SELECT %s, {_COLUMNS} FROM ({made}) AS made",
        [_day(monday), *values],
        plan_anew=True,
    )


def _made_of_days(monday: date, kinds: Sequence[Kind]) -> sql.Statement:
    """The rows of a week. The first free appointment is that of one area and order type, which no sum is."""
    asked = f"kind IN ({sql.placeholders(kinds)}) AND day BETWEEN %s AND %s"
    can_be_summed = f"({asked} AND kind <> '{Kind.FREE}')"
    parts = [
        f"SELECT kind, {level} AS level, {told} AS order_type, key, SUM(number) AS number, SUM(places) AS places"
        f" FROM {_DAYS} WHERE {asked if level == Level.EACH else can_be_summed} GROUP BY kind, {apart}key"
        for level, (told, apart) in _TOLD.items()
    ]
    values = [*(kind.value for kind in kinds), _day(monday), _day(monday + timedelta(days=6))]
    return " UNION ALL ".join(parts), values * len(parts)


def _day(day: date) -> Any:
    """As the database compares it with its columns."""
    return connection.ops.adapt_datefield_value(day)
