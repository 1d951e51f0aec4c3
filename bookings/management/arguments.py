"""What several commands take and read alike: files, days in UTC, and the period of an area or of one worker there."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from bookings import clock
from bookings.models import AppointmentSlot, ServiceArea
from bookings.sentences import counted
from bookings.supply import areas, workers
from bookings.supply.from_plans import hours
from bookings.supply.from_systems.upserts import Report


def text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 from byte {error.start} on. Save it as UTF-8.") from None


def midnight(option: str, text: str) -> datetime:
    """The beginning of a day in UTC. Raises CommandError, which names the option."""
    try:
        day = clock.read_day(text)
    except ValueError:
        raise CommandError(f"{option} {text} is not a date such as 2026-12-01.") from None
    try:
        hours.check_year(day)
    except ValueError as error:
        raise CommandError(f"{option} {error}") from None
    return datetime.combine(day, time(), UTC)


def read_area(code: str) -> ServiceArea:
    """The area with this code, its own or an alias. Raises CommandError, which names those that are like it."""
    known = areas.by_code()
    if code not in known:
        raise CommandError(workers.unknown("area", code, known))
    return known[code]


def tell_of_rows(stdout: OutputWrapper, report: Report, what: str, *, strict: bool, dry_run: bool) -> None:
    """Say what became of the rows of a file. Raises SystemExit, or CommandError, where some were refused."""
    for row in report.refused:
        stdout.write(f"line {row.number} is refused: {row.message}.")
    if strict and report.refused_count and not report.is_written:
        rows = counted(report.refused_count, "row was", "rows were")
        raise CommandError(f"{rows} refused, and with --strict nothing was written.")
    stdout.write(
        f"{counted(report.created, what)} created, {report.changed} changed, {report.kept} kept,"
        f" {counted(report.refused_count, 'row')} refused."
    )
    if not (report.created or report.changed or report.kept or report.withdrawn or report.refused_count):
        stdout.write("There are no rows below the head.")
    if dry_run:
        stdout.write("This was a dry run: nothing was written.")
    if report.refused_count:
        raise SystemExit(1)


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of an option that is a number within these bounds."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def add_period(parser: ArgumentParser) -> None:
    parser.add_argument("--area", required=True, metavar="CODE")
    parser.add_argument("--worker", default="", metavar="NAME", help="only this worker (all of them)")
    time = "on the area's clock: 2026-12-24 or 2026-12-24T12:00"
    parser.add_argument("--from", required=True, dest="first", type=_day_or_moment, metavar="TIME", help=time)
    parser.add_argument(
        "--until", required=True, type=_day_or_moment, metavar="TIME", help="a day is closed to its end"
    )


def read_period(options: dict[str, Any], *, opens: bool = False) -> tuple[ServiceArea, datetime, datetime]:
    """The area, and from when until when in UTC."""
    area = read_area(options["area"])
    worker = options["worker"]
    # What is closed for a worker can be opened, whatever the name.
    if worker and not workers.is_known(worker) and not (opens and area.blackouts.filter(worker=worker).exists()):
        raise CommandError(workers.unknown("worker", worker, workers.names(AppointmentSlot.objects.all())))
    start = _moment(options["first"], area)
    until = options["until"]
    end = _moment(until if isinstance(until, datetime) else until + timedelta(days=1), area)
    if end <= start:
        raise CommandError("--until is not after --from.")
    return area, start, end


def _day_or_moment(text: str) -> date | datetime:
    try:
        found = clock.read_time(text) if "T" in text else clock.read_day(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is neither a day like 2026-12-24 nor a time like 2026-12-24T12:00") from None
    if isinstance(found, datetime) and (found.tzinfo or found.second or found.microsecond):
        raise ArgumentTypeError(f"{text!r} is not a time in hours and minutes of the area's clock")
    try:
        hours.check_year(found)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return found


def _moment(given: date | datetime, area: ServiceArea) -> datetime:
    if isinstance(given, datetime):
        return clock.moment_of(given.date(), given.hour * 60 + given.minute, area.zone)
    return clock.moment_of(given, 0, area.zone)


def add_yes(parser: ArgumentParser) -> None:
    """For a run that asks before it closes very much."""
    parser.add_argument(
        "--yes",
        nargs="?",
        type=int,
        const=sys.maxsize,
        default=0,
        metavar="N",
        help="close more than a tenth of what is free, or as many as N slots of it",
    )
