"""Service areas as other systems want them: reading a JSON object or a row of a file, and giving areas out again.

What is not named stays as it is. A list that is named is the whole list: what it lacks is taken away.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bookings.db.codes import fold
from bookings.models import PostcodePrefix, ServiceArea, countries, plain_postcode
from bookings.supply import csv_files, formulas
from bookings.supply.from_systems.slot_rows import NO_OBJECT, RowError, Unreadable, text_of

COLUMNS = ["area", "name", "time_zone", "aliases", "postcodes", "cutoff_days", "cutoff_time", "safety_percent"]
# The properties of a JSON object, by the columns that they mean.
PROPERTIES = {
    "area": "ServiceAreaID",
    "name": "Name",
    "time_zone": "TimeZone",
    "aliases": "Aliases",
    "postcodes": "Postcodes",
    "cutoff_days": "CutoffDays",
    "cutoff_time": "CutoffTime",
    "safety_percent": "SafetyPercent",
}
# Those that can be taken away from an area; of the others nothing said is nothing changed.
CUTOFF = ["cutoff_days", "cutoff_time"]
LONGEST_PREFIX = PostcodePrefix._meta.get_field("prefix").max_length or 0


class Postcode(NamedTuple):
    """The beginning of a postcode as areas keep it: capital letters and digits, with the ISO code of its country."""

    country: str
    prefix: str


class AreaRow(NamedTuple):
    """An area as it is wanted. `values` are fields of ServiceArea, `aliases` stand by the folded code.

    None is a list that is not named.
    """

    number: int
    code: str
    values: Mapping[str, str | None]
    aliases: Mapping[str, str] | None = None
    postcodes: Collection[Postcode] | None = None


# --- JSON --------------------------------------------------------------------------------------------------


def read_objects(objects: Iterable[object]) -> Iterator[AreaRow | Unreadable]:
    """The areas that a JSON body lists, numbered from 1."""
    for number, given in enumerate(objects, 1):
        code = ""
        try:
            if not isinstance(given, Mapping):
                raise RowError(NO_OBJECT)
            code = _text("area", given.get(PROPERTIES["area"]))
            yield AreaRow(number, code, _values(given), _aliases(given), _postcodes(given))
        except RowError as error:
            yield Unreadable(number, code, str(error))


def as_object(area: ServiceArea) -> dict[str, Any]:
    """An area with all that `read_objects` reads of it."""
    time = area.cutoff_time
    return {
        "ServiceAreaID": area.code,
        "Name": area.name,
        "TimeZone": area.time_zone,
        "Aliases": sorted(code.code for code in area.codes.all() if code.is_alias),
        "Postcodes": [
            {"Prefix": postcode.prefix, "Country": postcode.country} for postcode in area.postcode_prefixes.all()
        ],
        "CutoffDays": area.cutoff_days,
        "CutoffTime": time and f"{time:%H:%M}",
        "SafetyPercent": area.safety_percent,
    }


def _values(given: Mapping[str, object]) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for name in ("name", "time_zone", "safety_percent", *CUTOFF):
        key = PROPERTIES[name]
        text = _text(name, given.get(key))
        if text or (key in given and name in CUTOFF):
            values[name] = text or None
    return values


def _aliases(given: Mapping[str, object]) -> dict[str, str] | None:
    found = _list("aliases", given)
    return None if found is None else _by_folded(_needed("Aliases", _text("aliases", alias)) for alias in found)


def _postcodes(given: Mapping[str, object]) -> Collection[Postcode] | None:
    found = _list("postcodes", given)
    if found is None:
        return None
    if not all(isinstance(postcode, Mapping) for postcode in found):
        raise RowError("Postcodes is no list of objects with a Prefix")
    texts = [[_text("postcodes", postcode.get(key)) for key in ("Country", "Prefix")] for postcode in found]
    return _each_once(_postcode("Postcodes", *postcode) for postcode in texts)


def _list(name: str, given: Mapping[str, object]) -> list[Any] | None:
    found = given.get(PROPERTIES[name])
    if found is None or found == "":
        return None
    if not isinstance(found, list):
        raise RowError(f"{PROPERTIES[name]} is no list")
    return found


def _text(name: str, value: object) -> str:
    return _printable(PROPERTIES[name], text_of(PROPERTIES[name], value))


# --- Files -------------------------------------------------------------------------------------------------


def read_file(text: str, most: int) -> Iterator[AreaRow | Unreadable]:
    """The areas of a CSV file, numbered by their lines. Raises CsvError where it is not to be understood as a whole, or
    has more than `most` postcodes.

    Several lines may name an area, one for each of its postcodes: they are one row, numbered by the first of them.
    """
    if not text.strip():
        raise csv_files.CsvError((1, f"The file is empty. It begins with {','.join(COLUMNS)}."))
    areas: dict[str, list[AreaRow | Unreadable]] = defaultdict(list)
    number = 0
    for line, written in csv_files.read_rows(text, COLUMNS, ["area"]):
        cells = {name: formulas.meant(cell) for name, cell in written.items()}
        try:
            read = _read_cells(line, cells)
            row: AreaRow | Unreadable = read
            number += len(read.postcodes or ())
        except RowError as error:
            row = Unreadable(line, cells["area"], str(error))
        if number > most:
            raise csv_files.CsvError((line, f"The file has more than {most:,} postcodes. Send it in parts."))
        # What has no code belongs to no other line.
        areas[fold(cells["area"]) or f"\n{line}"].append(row)
    yield from map(_together, areas.values())


def file_of(areas: Iterable[ServiceArea]) -> Iterator[list[str]]:
    """The head, then each area as `read_file` reads it."""
    yield COLUMNS
    for area in areas:
        time, days = area.cutoff_time, area.cutoff_days
        yield [
            area.code,
            area.name,
            area.time_zone,
            csv_files.joined(sorted(code.code for code in area.codes.all() if code.is_alias)),
            csv_files.joined(map(str, area.postcode_prefixes.all())),
            "" if days is None else str(days),
            f"{time:%H:%M}" if time else "",
            str(area.safety_percent),
        ]


def _together(lines: Sequence[AreaRow | Unreadable]) -> AreaRow | Unreadable:
    """The lines of one area. Where one is refused, all are: lists are whole, and what it names would be taken away."""
    rows = [line for line in lines if isinstance(line, AreaRow)]
    if len(rows) < len(lines):
        return next(line for line in lines if isinstance(line, Unreadable))
    first, values = rows[0], dict(rows[0].values)
    for row in rows[1:]:
        for name, value in row.values.items():
            if value is not None and values.get(name) not in (None, value):
                return Unreadable(row.number, row.code, f"line {first.number} says another {name} of {first.code}")
            values[name] = values.get(name) if value is None else value
    aliases = {folded: alias for row in rows for folded, alias in (row.aliases or {}).items()}
    postcodes = _each_once(postcode for row in rows for postcode in row.postcodes or ())
    return first._replace(
        values=values,
        aliases=None if all(row.aliases is None for row in rows) else aliases,
        postcodes=None if all(row.postcodes is None for row in rows) else postcodes,
    )


def _read_cells(line: int, cells: Mapping[str, str]) -> AreaRow:
    if cells.get(""):
        raise RowError("there are more cells than columns")
    for name, cell in cells.items():
        _printable(name, cell)
    values = {
        name: cells[name] or None
        for name in ("name", "time_zone", "safety_percent", *CUTOFF)
        if cells.get(name) or (name in CUTOFF and name in cells)
    }
    aliases, postcodes = (csv_files.parts(cells[name]) if name in cells else None for name in ("aliases", "postcodes"))
    return AreaRow(
        line,
        cells["area"],
        values,
        None if aliases is None else _by_folded(aliases),
        None if postcodes is None else _each_once(map(_with_country, postcodes)),
    )


def _with_country(text: str) -> Postcode:
    """`GB LS1`, or `LS1` in any country."""
    country, _, prefix = text.rpartition(" ")
    return _postcode("postcodes", country, prefix)


# --- Both --------------------------------------------------------------------------------------------------


def _by_folded(codes: Iterable[str]) -> dict[str, str]:
    return {fold(code): code for code in codes}


def _each_once(postcodes: Iterable[Postcode]) -> Collection[Postcode]:
    """In their order, and quick to be looked up."""
    return dict.fromkeys(postcodes).keys()


def _postcode(name: str, country: str, prefix: str) -> Postcode:
    plain = _needed(name, plain_postcode(prefix))
    if len(plain) > LONGEST_PREFIX:
        raise RowError(f"{name} holds a prefix of more than {LONGEST_PREFIX} characters")
    return Postcode(countries.code_of(country), plain)


def postcode_of(stored: PostcodePrefix) -> Postcode:
    # Rows of earlier releases may hold another spelling of the country.
    return Postcode(countries.code_of(stored.country), stored.prefix)


def _needed(name: str, text: str) -> str:
    if not text:
        raise RowError(f"{name} holds an empty one")
    return text


def _printable(name: str, text: str) -> str:
    if not text.isprintable():
        raise RowError(f"{name} holds a character that cannot be printed")
    return text
