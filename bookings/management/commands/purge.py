"""Remove what is old: past slots without bookings, refusals, records and, by a setting, personal data.

Example, what was over before this year:

    python manage.py purge --before 2026-01-01 --dry-run
    python manage.py purge --before 2026-01-01

All bookings of practice areas go, whatever their day. Days are UTC. Records of log-ins stay for 30 days at least; the
log of the receivers goes, how far they are stays. Slots, refusals and empty searches go once their days are counted
for good; where that fails, or a day still runs in one of the areas, they stay until the next run. With
BOOKJOB_PURGE_PERSONAL_DATA=on, the names, addresses, bodies, remarks, wished workers and texts of parts of old work
orders are emptied as well, and the reasons of old blackouts and closures, for good; numbers stay taken. It works in
short transactions while the service runs, and what was interrupted is simply run again. --vacuum also writes the file
of the database anew, so that no copy stays in it: SQLite takes no bookings meanwhile. Backups and logs are not
touched, and after a restore purge again (doctor says so).
"""

import contextlib
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from tqdm import tqdm

from bookings import clock
from bookings.management import arguments, counting
from bookings.operations import doctor
from bookings.sentences import counted
from bookings.services import daily_sums, housekeeping, practice
from bookings.supply import first_sight
from bookings.supply.turns import Pace


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument(
            "--before", required=True, metavar="DATE", help="what was over by the beginning of this day"
        )
        parser.add_argument("--vacuum", action="store_true", help="leave no copy in the file of the database")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        before, dry_run = _beginning_of(options["before"]), options["dry_run"]
        counted = daily_sums.over_everywhere(before)
        # Workers and types of orders are noted before what they come from is forgotten.
        steps: list[Callable[[], object]] = (
            [] if dry_run else [housekeeping.overwrite_what_is_removed, first_sight.note_all]
        )
        steps += [
            partial(self._remove_what_is_counted, counted, dry_run),
            partial(self._remove_records, before, dry_run),
            partial(self._remove_personal_data, before, dry_run),
        ]
        if not dry_run:
            steps.append(lambda: _repeat(practice.remove_bookings, 0, "booking in practice areas"))
            steps.append(partial(self._overwrite, options["vacuum"]))
        _each(steps)
        if dry_run:
            self.stdout.write("This was a dry run: nothing was written.")

    def _remove_what_is_counted(self, before: datetime, dry_run: bool) -> None:
        """Only once the days are counted and frozen: where that fails, it raises, and these rows stay."""
        if not dry_run:
            counting.freeze(before, say=self.stdout.write)
        slots = housekeeping.old_slots(before).count()
        if not dry_run:
            slots = _repeat(partial(housekeeping.remove_slots, before=before), slots, "slot")
        self.stdout.write(f"{counted(slots, 'past slot')} without bookings removed.")
        refusals = _remove(housekeeping.old_refusals(before), dry_run, "refusal")
        self.stdout.write(f"{counted(refusals, 'refusal')} removed.")
        _remove(housekeeping.old_empty_searches(before), dry_run, "count of empty searches")

    def _remove_records(self, before: datetime, dry_run: bool) -> None:
        records = _remove(housekeeping.old_log_in_records(before), dry_run, "log-in record")
        self.stdout.write(f"{counted(records, 'log-in record')} removed.")
        entries = _remove(housekeeping.old_delivery_entries(before), dry_run, "line")
        self.stdout.write(f"{counted(entries, 'line')} of the log of receivers removed.")
        _remove(housekeeping.old_answers(before), dry_run, "answer")

    def _remove_personal_data(self, before: datetime, dry_run: bool) -> None:
        if not settings.BOOKJOB_PURGE_PERSONAL_DATA:
            self.stdout.write("Personal data stays: BOOKJOB_PURGE_PERSONAL_DATA is off.")
        else:
            orders = housekeeping.old_work_orders(before).count()
            blackouts = housekeeping.old_blackouts(before).count()
            closures = housekeeping.old_closures(before).count()
            if not dry_run:
                blackouts = _repeat(
                    partial(housekeeping.remove_reasons_of_blackouts, before=before), blackouts, "blackout"
                )
                closures = _repeat(partial(housekeeping.remove_reasons_of_slots, before=before), closures, "slot")
                reasons = daily_sums.known_reasons()
                orders = _repeat(
                    partial(housekeeping.remove_personal_data, before=before, by="purge", reasons=reasons),
                    orders,
                    "work order",
                )
                _repeat(partial(housekeeping.remove_bodies_of_refusals, before=before), 0, "refusal")
                _repeat(partial(daily_sums.merge_people, before=daily_sums.over_everywhere(before)), 0, "sum")
                housekeeping.remove_what_receivers_said(before)
                _note(before)
            self.stdout.write(f"Reasons of {counted(blackouts, 'blackout')} and {counted(closures, 'slot')} removed.")
            self.stdout.write(f"{counted(orders, 'work order')} emptied of personal data.")

    def _overwrite(self, vacuum: bool) -> None:
        if not housekeeping.remove_traces(vacuum=vacuum):
            self.stdout.write("The log of the database is being read, and still holds copies. Run this again.")


def _each(steps: Iterable[Callable[[], object]]) -> None:
    """All of them, so that personal data is forgotten although another step fails. Raises the first fault."""
    faults = []
    for step in steps:
        try:
            step()
        except Exception as fault:
            faults.append(fault)
    if faults:
        raise faults[0]


def _note(before: datetime) -> None:
    """In the database and beside it: where the two differ, a backup was restored."""
    housekeeping.note_purge(before)
    with contextlib.suppress(OSError):  # a folder that cannot be written
        settings.VAR_DIR.mkdir(exist_ok=True)
        doctor.purge_note().write_text(str(int(before.timestamp())))


def _remove(old: QuerySet[Any], dry_run: bool, unit: str) -> int:
    count = old.count()
    return count if dry_run else _repeat(partial(housekeeping.remove_rows, old), count, unit)


def _repeat(step: Callable[..., int], expected: int, unit: str) -> int:
    """Until nothing is left; says how much it was."""
    done, pace = 0, Pace()
    with tqdm(total=expected, disable=None, unit=unit) as progress:
        while count := pace.write(partial(step, most=pace.rows), pace.rows):
            done += count
            progress.update(count)
    return done


def _beginning_of(text: str) -> datetime:
    before = arguments.midnight("--before", text)
    if before > clock.now():
        raise CommandError(f"--before {text} lies in the future. Only what is over can be removed.")
    return before
