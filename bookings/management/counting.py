"""Count the numbers of each day: for update_numbers, and for purge before it removes what was counted."""

from datetime import datetime
from functools import partial

from tqdm import tqdm

from bookings import clock
from bookings.services import daily_sums
from bookings.supply import turns


def update(*, everything: bool) -> int:
    """How many days had changed. Each day is one short step."""
    began, changed = clock.now(), 0
    clocks = daily_sums.clocks()
    days = [(one, day) for one in clocks for day in daily_sums.days_to_count(one, everything=everything)]
    for one, day in tqdm(days, disable=None, unit="day"):
        # As a rule nothing has changed, and nothing is locked to see that.
        if not daily_sums.is_right(one, day):
            turns.write(partial(daily_sums.write_day, one, day))
            changed += 1
    for one in clocks:
        for area in daily_sums.without_free(one):
            turns.write(partial(daily_sums.write_free, one, area))
    turns.write(partial(daily_sums.note_counted, began))
    return changed


def freeze(before: datetime) -> None:
    """Count all, for the last time those days of which rows from before this moment are about to be removed."""
    try:
        update(everything=True)
    finally:
        turns.write(partial(daily_sums.freeze, before))
