"""The values of a plan, each as people write it, and what can be wrong with a plan.

What cannot be read raises ValueError, which says why.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from bookings import clock
from bookings.models import ID_LENGTH
from bookings.supply.from_plans.hours import WEEKDAYS, Hours, check_year, read_hours, read_weekdays

# Of a month, whichever number it has.
LAST_DAY = 0


@dataclass(frozen=True)
class Fault:
    """What is wrong with a plan. `key` is the option or column, `line` the place in the file.

    `other` is the line of another plan, with which this one does not go.
    """

    key: str
    message: str
    line: int = 0
    other: int = 0

    @property
    def text(self) -> str:
        return f"{self.message[:-1]}: see line {self.other}." if self.other else self.message

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class KeyFaultError(ValueError):
    """Something is wrong with one key of a table."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text.")
    if not value.isprintable():
        raise ValueError(f"{value!r} holds a character that cannot be printed.")
    if len(value) > ID_LENGTH:
        raise ValueError(f"is longer than {ID_LENGTH} characters.")
    return value.strip()


def read_names(value: Any) -> list[str]:
    """A list, or a text with commas. Each name counts once."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise ValueError(f"{value!r} is not a list of texts.")
    names = list(dict.fromkeys(read_text(part) for part in parts))
    if not names or not all(names):
        raise ValueError(f"{value!r} holds an empty name.")
    return names


def whole_number(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value.strip()):
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{value} is not a whole number from {least} to {most}.")
        return value

    return read


def read_day(value: Any) -> date:
    if type(value) is date:
        day = value
    else:
        try:
            day = clock.read_day(str(value))
        except ValueError:
            raise ValueError(f"{value!s} is not a date such as 2026-12-01.") from None
    check_year(day)
    return day


def read_month_days(value: Any) -> frozenset[int]:
    """`1,15,last`, `1-7`; a number will do as well."""
    found: set[int] = set()
    for part in read_names(str(value) if type(value) is int else value):
        match = re.fullmatch(r"([0-9]{1,2})(?:\s*-\s*([0-9]{1,2}))?", part)
        first, until = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if part == "last":
            found.add(LAST_DAY)
        elif 1 <= first <= until <= 31:
            found.update(range(first, until + 1))
        else:
            raise ValueError(f"{part!r} is no day of a month such as 15, 1-7 or last.")
    return frozenset(found)


def hours_by_weekday(value: Any) -> dict[int, list[Hours]]:
    """`08:00-12:00` for every day, `mon-fri 08:00-12:00; sat 09:00-11:00`, or the same as a table."""
    if isinstance(value, str) and re.match(r"\s*[0-9]", value):
        windows = read_hours(value)
        return dict.fromkeys(range(7), windows)
    found: dict[int, list[Hours]] = {}
    for key, text in _table(value):
        try:
            days, windows = read_weekdays(key), read_hours(read_text(text))
        except ValueError as error:
            raise KeyFaultError(key, str(error)) from None
        for day in days:
            if day in found:
                raise KeyFaultError(key, f"names {WEEKDAYS[day]} twice.")
            found[day] = windows
    return found


def read_exceptions(value: Any) -> dict[date, list[Hours]]:
    """`2026-12-24 08:00-12:00; 2026-12-25 closed`, or the same as a table."""
    found: dict[date, list[Hours]] = {}
    for key, text in _table(value):
        try:
            day = read_day(key)
            windows = [] if text == "closed" else read_hours(read_text(text))
        except ValueError as error:
            raise KeyFaultError(key, str(error)) from None
        if day in found:
            raise KeyFaultError(key, f"names {day} twice.")
        found[day] = windows
    return found


def _table(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return list(value.items())
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is neither a text nor a table.")
    pairs = [part.strip().partition(" ") for part in value.split(";") if part.strip()]
    return [(key, text.strip()) for key, _, text in pairs]


def public_holidays(place: str, first_year: int, last_year: int) -> frozenset[date]:
    return frozenset(named_holidays(place, first_year, last_year))


@cache
def named_holidays(place: str, first_year: int, last_year: int) -> dict[date, str]:
    """The public holidays of a country, or of one of its subdivisions, with their names. Raises ValueError."""
    import holidays  # takes a twentieth of the service's start, and few ask for it

    country, dash, subdivision = place.partition("-")
    known = holidays.list_supported_countries()
    if country not in known or (dash and subdivision not in known[country]):
        raise ValueError(f"{place!r}: no public holidays are known for it. GB-ENG, DE-BY and US are known.")
    years = range(first_year, last_year + 1)
    return dict(sorted(holidays.country_holidays(country, subdiv=subdivision or None, years=years).items()))
