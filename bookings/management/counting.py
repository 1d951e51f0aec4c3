"""Count the numbers of each day: for update_numbers, and for purge before it removes what was counted."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial

from django.core.management.base import CommandError
from tqdm import tqdm

from bookings import clock
from bookings.sentences import counted
from bookings.services import daily_sums, weekly_sums
from bookings.supply import turns

# After so many days that could not be counted the rest is not tried: the database is away.
MOST_FAULTS = 10
Say = Callable[[str], object]


def update(*, everything: bool, say: Say) -> int:
    """How many days had changed. Each is one short step, and one that fails does not keep the others from being done.

    Raises CommandError where a step failed.
    """
    began, changed = clock.now(), 0
    faults: list[tuple[str, Exception]] = []
    clocks, reasons = daily_sums.clocks(), daily_sums.known_reasons()
    there = daily_sums.days_to_count(everything=everything)
    days = [(one, day) for one in clocks for day in there]
    for one, day in tqdm(days, disable=None, unit="day"):
        with _noting(faults, f"{day} ({one.zone})"):
            changed += _count_day(one, day, reasons)
    for one in clocks:
        with _noting(faults, f"the first free appointments ({one.zone})"):
            now = clock.now()
            there.append(day := now.astimezone(one.zone).date())
            _look_for_free(one, day, now)
    for week in weekly_sums.weeks_of(there):
        with _noting(faults, f"the week from {week}"):
            _sum_week(week)
    if areas := daily_sums.without_clock():
        say(f"Not counted, because their time zone is not known: {', '.join(areas)}. Give them an IANA name.")
    if faults:
        raise _not_counted(faults) from faults[0][1]
    turns.write(partial(daily_sums.note_counted, began))
    return changed


def freeze(before: datetime, *, say: Say) -> None:
    """Count all, for the last time those days of which rows from before this moment are about to be removed.

    Raises where one was not counted: nothing is frozen then, and nothing may be removed.
    """
    update(everything=True, say=say)
    turns.write(partial(daily_sums.freeze, before))


def _count_day(one: daily_sums.Clock, day: date, reasons: Collection[str]) -> bool:
    # As a rule nothing has changed, and nothing is locked to see that.
    change = daily_sums.change_of(one, day, reasons)
    return change is not None and turns.write(partial(daily_sums.write_day, one, day, change))


def _look_for_free(one: daily_sums.Clock, day: date, now: datetime) -> None:
    for area in daily_sums.without_free(one, day):
        turns.write(partial(daily_sums.write_free, one, day, area, daily_sums.look_for_free(area, now)))


def _sum_week(week: date) -> None:
    if not weekly_sums.is_right(week):
        turns.write(partial(weekly_sums.write, week))


@contextmanager
def _noting(faults: list[tuple[str, Exception]], what: str) -> Iterator[None]:
    try:
        yield
    except Exception as fault:
        faults.append((what, fault))
        if len(faults) == MOST_FAULTS:
            raise _not_counted(faults) from fault


def _not_counted(faults: list[tuple[str, Exception]]) -> CommandError:
    what, fault = faults[0]
    return CommandError(
        f"{counted(len(faults), 'step')} of counting failed, the first {what}: {fault!r}. "
        "Run update_numbers again; if the same step fails again, report this line."
    )
