"""Slots as another planning system wants them: reading a row of a file, or an object of a JSON body.

`open` is the plan's: `no` withdraws the slot. `staff_open` and `staff_reason` are what staff said of it, which stays
as it is unless the file has these columns.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from bookings import clock
from bookings.db.codes import fold
from bookings.models import ID_LENGTH, AreaCode, ServiceArea
from bookings.supply.from_plans import hours

NO_OBJECT = "it is no object"
COLUMNS = [
    "external_id", "area", "start", "end", "order_type", "worker", "capacity", "open", "staff_open", "staff_reason",
]  # fmt: skip
REQUIRED = ["external_id", "area", "start", "end"]
# Free text, of any length.
REASON = "staff_reason"
IDENTIFIERS = [name for name in COLUMNS if name != REASON]
# The properties of a JSON object, by the columns that they mean.
PROPERTIES = {
    "external_id": "ExternalID",
    "area": "ServiceAreaID",
    "start": "Start",
    "end": "End",
    "order_type": "OrderType",
    "worker": "Worker",
    "capacity": "Capacity",
    "open": "IsOpen",
}
LONGEST = timedelta(days=1)
YES_OR_NO = {"": None, "yes": True, "no": False}


class RowError(Exception):
    """A row was refused; the message says why."""


class Manner(NamedTuple):
    """How rows are given: the names of the columns where they have others, and the clock of times without an offset.

    Without one it is the area's clock.
    """

    names: Mapping[str, str]
    without_offset: tzinfo | None

    def name(self, column: str) -> str:
        return self.names.get(column, column)


class Row(NamedTuple):
    """A slot as it is wanted; None is what is not said. `number` is the line of a file, or the place in a list.

    0: no row names this external id any more, and it gives up its slot.
    """

    number: int
    external_id: str
    area: ServiceArea
    start: datetime
    end: datetime
    order_type: str
    worker: str
    capacity: int | None
    is_planned: bool | None
    staff_open: bool | None = None
    staff_reason: str | None = None

    @property
    def place(self) -> tuple[Any, ...]:
        """What never changes of a slot."""
        return (self.area.id, self.start, self.end, self.order_type, self.worker)


class Unreadable(NamedTuple):
    """A row that is refused for what it says; the external id is empty where it cannot be read, either."""

    number: int
    external_id: str
    message: str


class Areas:
    """Areas by each of their codes, as these are compared; of one who may see only some, these alone."""

    def __init__(self, seen: Collection[int] | None = None) -> None:
        codes = AreaCode.objects.select_related("area")
        if seen is not None:
            codes = codes.filter(area__in=seen)
        self.by_folded_code = {fold(code.code): code.area for code in codes}
        self.by_spelling: dict[str, ServiceArea] = {}

    def __getitem__(self, code: str) -> ServiceArea:
        """Raises KeyError."""
        if code not in self.by_spelling:
            self.by_spelling[code] = self.by_folded_code[fold(code)]
        return self.by_spelling[code]


FILE, JSON = Manner({}, None), Manner(PROPERTIES, UTC)

# --- JSON --------------------------------------------------------------------------------------------------


def read_objects(objects: Iterable[object], seen: Collection[int] | None = None) -> Iterator[Row | Unreadable]:
    """The slots that a JSON body lists, numbered from 1; an instant without an offset is UTC.

    `seen`: the keys of the only areas that the caller may see; None: all.
    """
    areas = Areas(seen)
    for number, given in enumerate(objects, 1):
        external_id = ""
        try:
            if not isinstance(given, Mapping):
                raise RowError(NO_OBJECT)
            external_id = _cell("external_id", given.get(PROPERTIES["external_id"]))
            cells = {name: _cell(name, given.get(key)) for name, key in PROPERTIES.items()}
            yield read_row(number, cells, areas, JSON)
        except RowError as error:
            yield Unreadable(number, external_id, str(error))


def _cell(name: str, value: object) -> str:
    """A value as a file has it. Numbers and texts are the same for every identifier; empty is absent."""
    if value is None or value == "":
        return ""
    if name == "open":
        if not isinstance(value, bool):
            raise RowError("IsOpen is neither true nor false")
        return "yes" if value else "no"
    return text_of(PROPERTIES[name], value)


def text_of(key: str, value: object) -> str:
    """An identifier or number of a JSON object as a file has it. Raises RowError, which names the property."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"{key} is neither a text nor a number")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return str(value).strip()
    except ValueError:  # Python writes no numbers of thousands of digits
        raise RowError(f"{key} is too long a number") from None


# --- Cells -------------------------------------------------------------------------------------------------


def read_row(number: int, cells: Mapping[str, str], areas: Areas, manner: Manner = FILE) -> Row:
    """Raises RowError."""
    for name in IDENTIFIERS:
        cell = cells.get(name, "")
        if len(cell) > ID_LENGTH or not cell.isprintable():
            raise RowError(
                f"{manner.name(name)} is longer than {ID_LENGTH} characters or holds one that cannot be printed"
            )
        if not cell and name in REQUIRED:
            raise RowError(f"{manner.name(name)} is missing")
    if cells.get(""):
        raise RowError("there are more cells than columns")
    try:
        area = areas[cells["area"]]
    except KeyError:
        raise RowError(f"there is no area {cells['area']!r}") from None
    start, end = (_instant(cells[name], area, manner.without_offset) for name in ("start", "end"))
    if not start < end <= start + LONGEST:
        raise RowError("it does not end within a day after its start")
    staff_open, reason = _staff(cells)
    return Row(
        number=number,
        external_id=cells["external_id"],
        area=area,
        start=start,
        end=end,
        order_type=cells.get("order_type", ""),
        worker=cells.get("worker", ""),
        capacity=_capacity(cells.get("capacity", ""), manner),
        is_planned=_yes_or_no("open", cells),
        staff_open=staff_open,
        staff_reason=reason,
    )


def _capacity(cell: str, manner: Manner) -> int | None:
    if not cell:
        return None
    if not (cell.isascii() and cell.isdigit() and len(cell) < 10 and 1 <= int(cell) <= hours.MAX_CAPACITY):
        raise RowError(f"{manner.name('capacity')} {cell} is not a whole number from 1 to {hours.MAX_CAPACITY}")
    return int(cell)


def _staff(cells: Mapping[str, str]) -> tuple[bool | None, str | None]:
    staff_open, reason = _yes_or_no("staff_open", cells), cells.get(REASON)
    if reason and staff_open is not False:
        raise RowError("staff_reason says why staff closed the slot: it goes with staff_open no")
    if reason and "\0" in reason:
        raise RowError("staff_reason holds a character that cannot be stored")
    return staff_open, reason


def _yes_or_no(name: str, cells: Mapping[str, str]) -> bool | None:
    cell = cells.get(name, "")
    if cell not in YES_OR_NO:
        raise RowError(f"{name} is {cell!r}, neither yes nor no")
    return YES_OR_NO[cell]


def _instant(text: str, area: ServiceArea, without_offset: tzinfo | None) -> datetime:
    """With an offset or Z, that moment; without, the area's clock, where it shows that time exactly once."""
    try:
        found = clock.read_time(text)
        hours.check_year(found)
    except ValueError as error:
        raise RowError(str(error)) from None
    if found.tzinfo or without_offset:
        return (found if found.tzinfo else found.replace(tzinfo=without_offset)).astimezone(UTC)
    first, second = (found.replace(tzinfo=area.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise RowError(f"the clock in {area.code} shows {text} twice or never; give the offset, as in {text}+00:00")
    return first
