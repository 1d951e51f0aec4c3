"""When a customer can be visited: one rule, as SQL for a search and in Python for what is looked at slot by slot."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from bookings import wire
from bookings.db import sql
from bookings.offers.rulebook import Condition, all_of, any_of

Period = tuple[datetime, datetime]


class CustomerTimes(NamedTuple):
    """A visit touches none of the `busy` periods and, where there are `free` ones, lies within one of these."""

    busy: list[Period]
    free: list[Period]

    @property
    def is_open(self) -> bool:
        """Whether every time will do."""
        return not (self.busy or self.free)

    def fit(self, start: datetime, end: datetime) -> bool:
        if any(start < until and end > since for since, until in self.busy):
            return False
        return not self.free or any(start >= since and end <= until for since, until in self.free)

    def may_begin(self, moment: datetime) -> datetime | None:
        """When a visit that fits could begin at the earliest, from a moment on. None: at no time."""
        while True:
            if covering := [until for since, until in self.busy if since <= moment < until]:
                moment = max(covering)
            elif not self.free or any(since <= moment < until for since, until in self.free):
                return moment
            elif later := [since for since, _ in self.free if since > moment]:
                moment = min(later)
            else:
                return None

    def condition(self) -> Condition:
        """The same of the columns of a slot; not of times that are open."""
        conditions: list[Condition] = [
            ('NOT (start < %s AND "end" > %s)', [sql.as_parameter(until), sql.as_parameter(since)])
            for since, until in self.busy
        ]
        free: list[Condition] = [
            ('start >= %s AND "end" <= %s', [sql.as_parameter(since), sql.as_parameter(until)])
            for since, until in self.free
        ]
        return all_of([*conditions, any_of(free)] if free else conditions)


def customer_times(constraints: Iterable[wire.TimeConstraint]) -> CustomerTimes:
    """Of the elements of TimeConstraints that are the customer's. What names a time only by an ID is none."""
    times = CustomerTimes([], [])
    for constraint in constraints:
        if constraint.period:
            is_busy = constraint.type.strip() in settings.BOOKJOB_UNAVAILABLE_TYPES
            (times.busy if is_busy else times.free).append((constraint.period.start, constraint.period.end))
    return times
