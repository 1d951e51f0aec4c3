"""Templates, in TOML and CSV: the values of each plan, and the line on which each of them is written."""

import re
import tomllib
from collections.abc import Callable, Mapping

from bookings.models import ServiceArea
from bookings.supply import csv_files
from bookings.supply.from_plans.plan_values import Fault
from bookings.supply.from_plans.plans import KEYS, NEEDED, Entry, Template, read_plans


def read_template(
    text: str, *, is_toml: bool, known: Mapping[str, ServiceArea], most: int | None = None, no_area: str = ""
) -> Template | list[Fault]:
    """The whole template, or everything that is wrong with it. `known` are the areas that exist.

    `most`: so many slots may be looked at, where a person waits for it. `no_area`: as in `read_plans`.
    """
    found = read_entries(text, is_toml=is_toml)
    return found if isinstance(found[0], Fault) else read_plans(found, known, most=most, no_area=no_area)


def read_entries(text: str, *, is_toml: bool) -> list[Entry] | list[Fault]:
    """The values of each plan as they are written. Never empty."""
    found = _toml_entries(text) if is_toml else _csv_entries(text)
    return found or [Fault("", "There is no plan in the file.", 1)]


def _toml_entries(text: str) -> list[Entry] | list[Fault]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        return [Fault("", str(error), int(line[1]) if line else text.count("\n") + 1)]
    except (ValueError, RecursionError):
        # A number of thousands of digits, or thousands of brackets in each other.
        return [Fault("", "The text is not like a template: a number is too long, or too many brackets open.", 1)]
    slots = document.pop("slots", [])
    if document:
        key = next(iter(document))
        return [Fault(key, f"{key!r} is unknown here. A plan begins with [[slots]].", _line_of(text, key))]
    if not isinstance(slots, list) or not all(isinstance(entry, dict) for entry in slots):
        return [Fault("slots", "A plan begins with [[slots]].", _line_of(text, "slots"))]
    lines = _toml_lines(text)
    return [
        (entry, _line_finder(lines[number] if number < len(lines) else {"": _line_of(text, "slots")}))
        for number, entry in enumerate(slots)
    ]


def _toml_lines(text: str) -> list[dict[str, int]]:
    """Where the keys of each [[slots]] stand, since the parser does not tell; `""` is the head."""
    found: list[dict[str, int]] = []
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*slots\s*\]\]", line):
            found.append({"": number})
            table = ""
        elif found and (head := re.match(r"\s*\[\s*slots\s*\.\s*\"?([\w-]+)", line)):
            table = f"{head[1]}."
            found[-1].setdefault(head[1], number)
        elif found and (key := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[=.]", line)):
            found[-1].setdefault(table + key[1], number)
    return found


def _line_of(text: str, key: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"[\s\[\"']*{re.escape(key)}\b", line):
            return number
    return 1


def _line_finder(lines: dict[str, int]) -> Callable[[str], int]:
    """`exceptions.2026-12-24` stands where it stands, else where its table does, else at the head of the plan."""
    return lambda key: lines.get(key) or lines.get(key.partition(".")[0]) or lines[""]


def _csv_entries(text: str) -> list[Entry] | list[Fault]:
    found: list[Entry] = []
    try:
        for line, cells in csv_files.read_rows(text, KEYS, NEEDED):
            if cells.pop(""):
                return [Fault("", "The row has more cells than the head.", line)]
            found.append(({name: cell for name, cell in cells.items() if cell}, _line_finder({"": line})))
    except csv_files.CsvError as error:
        return [Fault("", message, line) for line, message in error.faults]
    return found
