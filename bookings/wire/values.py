"""The values of ServiceMobility's objects: how a property is read, and how large it may be."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import CoreSchema, PydanticCustomError, PydanticOmit, core_schema

from bookings import clock
from bookings.models import ID_LENGTH
from bookings.sentences import plain_blanks

MAX_TEXT = 10_000
MAX_ITEMS = 1_000
MOST_DIGITS = 11  # before the point, in the columns of quantities and prices
SMALLEST, ZERO = Decimal("0.0001"), Decimal("0.0000")
# Decimal itself reads more, such as 1_000 and the digits of other scripts.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# Of properties that are absent. Of a plain [] Pydantic makes a deep copy for each object: a thirtieth of a search.
EMPTY_LIST: Any = Field(default_factory=list)
EMPTY_OBJECT: Any = Field(default_factory=dict)
NO_PERSON = "must be a name on one line, without characters that cannot be printed"
NO_INSTANT = "must be a date and time such as 2026-12-04T13:00:00.000Z"


class Loose:
    """Of a property that decides nothing: what cannot be read there is read as `default`."""

    def __init__(self, default: Any = None) -> None:
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self.default, on_error="default")


class LooseItem:
    """Of an element of a loose list or object: one that cannot be read is left out."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), on_error="omit")


class Few:
    """Of a list: its length is looked at before its elements are. (schema.py describes the second step.)"""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.chain_schema([core_schema.list_schema(max_length=MAX_ITEMS), handler(source)])


class LooseObject:
    """Of an object with properties that decide: another type is read as an empty one, a fault within is none of it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        any_object = core_schema.with_default_schema(core_schema.dict_schema(), default={}, on_error="default")
        return core_schema.chain_schema([any_object, handler(source)])


def _read_instant(value: Any) -> datetime:
    """An instant as the contract has it (clock.py); without an offset it is UTC, as all of the vendor's are."""
    instant = _instant_or_none(value)
    if instant is None:
        raise PydanticCustomError("instant", NO_INSTANT)
    return instant


def _instant_or_none(value: Any) -> datetime | None:
    """None for an instant in years that make no sense."""
    if not isinstance(value, str):
        raise PydanticCustomError("instant", NO_INSTANT)
    try:
        instant = clock.read_instant(value)
    except ValueError:
        raise PydanticCustomError("instant", NO_INSTANT) from None
    return instant if clock.is_a_date(instant) else None


def is_period_of_no_dates(period: Any) -> bool:
    """Whether what is there of the ends of a period are instants in years that make no sense."""
    ends = [period[name] for name in ("Start", "End") if name in period] if isinstance(period, dict) else []
    try:
        return bool(ends) and not any(map(_instant_or_none, ends))
    except PydanticCustomError:
        return False


def _day_or_instant(value: Any) -> date | None:
    """A day alone is a day, and no instant. None for one in years that make no sense."""
    if not isinstance(value, str) or len(value.strip()) > len("2026-12-04"):
        return _instant_or_none(value)
    try:
        day = clock.read_day(value)
    except ValueError:
        raise PydanticCustomError("instant", NO_INSTANT) from None
    return day if clock.is_a_date(day) else None


def read_number(value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if NUMBER.fullmatch(value):
            return value
    elif not isinstance(value, bool):
        return value
    raise PydanticCustomError("decimal_type", "must be a number")


def _fit_number(value: Decimal) -> Decimal:
    """Rounded as a column holds it, eleven digits before the point and four behind it; then compared with it."""
    if value.adjusted() < MOST_DIGITS:
        rounded = value.quantize(SMALLEST)
        if rounded.adjusted() < MOST_DIGITS:
            return rounded or ZERO  # which has no sign
    raise PydanticCustomError("number_too_large", "must be less than 100000000000")


def _fit_quantity(value: Decimal) -> Decimal:
    fitting = _fit_number(value)
    if fitting < 0:
        raise PydanticCustomError("quantity", "must be at least 0")
    return fitting


# Numbers and texts are the same for every identifier and code: `"1001"` and 1001. documents.py has read 1001.0 as 1001.
Id = Annotated[
    str,
    Field(max_length=ID_LENGTH, coerce_numbers_to_str=True),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "maxLength": ID_LENGTH}),
]
LooseId = Annotated[Id, Loose("")]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), Loose("")]
Flag = Annotated[bool, Field(strict=True), Loose(False)]
FlagUnlessSaid = Annotated[bool, Field(strict=True), Loose(True)]
Instant = Annotated[datetime, PlainValidator(_read_instant, json_schema_input_type=datetime)]
DayOrInstant = Annotated[date | None, PlainValidator(_day_or_instant, json_schema_input_type=datetime | date)]
LooseDay = Annotated[DayOrInstant, Loose()]
Number = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(read_number), AfterValidator(_fit_number)]
Quantity = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(read_number), AfterValidator(_fit_quantity)]
FlexAttributes = Annotated[
    dict[
        str,
        Annotated[
            dict[
                str,
                Annotated[
                    list[Annotated[str, StringConstraints(max_length=MAX_TEXT), LooseItem()]],
                    Field(max_length=MAX_ITEMS),
                    Few(),
                    LooseItem(),
                ],
            ],
            Field(max_length=MAX_ITEMS),
            LooseItem(),
        ],
    ],
    Field(max_length=MAX_ITEMS),
    Loose({}),
]
Ids = Annotated[list[Annotated[Id, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])]
Texts = Annotated[
    list[Annotated[str, StringConstraints(max_length=MAX_TEXT), LooseItem()]], Field(max_length=MAX_ITEMS), Loose([])
]
Latitude = Annotated[float | None, Field(allow_inf_nan=False, ge=-90, le=90), BeforeValidator(read_number), Loose()]
Longitude = Annotated[float | None, Field(allow_inf_nan=False, ge=-180, le=180), BeforeValidator(read_number), Loose()]


# --- What persons write ------------------------------------------------------------------------------------

MAX_NOTE = 2_000
# All but the tab and the ends of lines.
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def read_person(text: str) -> str:
    """A name, as the history shows it in a line: a break or a mark of direction would make it another one's.

    Raises PydanticCustomError, which is a ValueError.
    """
    text = plain_blanks(text)
    if not text.isprintable():
        raise PydanticCustomError("person", NO_PERSON)
    return text


def _words(text: str) -> str:
    if CONTROLS.search(text):
        raise PydanticCustomError("words", "holds a control character")
    return text


Person = Annotated[Id, AfterValidator(read_person)]
# A reason or a note, which may have several lines; the second one has to be there, and is not blank.
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTE), AfterValidator(_words)]
Said = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE), AfterValidator(_words)
]


class WireModel(BaseModel):
    """An object of ServiceMobility's: `account_num` here is `AccountNum` there, unless an alias says otherwise."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_pascal, serialization_alias=to_pascal),
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # what people sent has no place in a log
    )


_READ_ID: TypeAdapter[str] = TypeAdapter(LooseId)


def read_id(value: Any) -> str:
    """An identifier or code of a body by itself; empty where it is none."""
    return _READ_ID.validate_python(value)


def _without_a_period_of_no_dates(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Where both ends of the period are no dates, such as .NET's 0001-01-01, it is absent; with it all that is so."""
    try:
        return read(value)
    except ValidationError:
        if not isinstance(value, dict) or not is_period_of_no_dates(value.get("Period")):
            raise
    rest = {name: there for name, there in value.items() if name != "Period"}
    try:
        return read(rest)  # in a booking also an empty one, for its place counts
    except ValidationError:
        if rest:
            raise
        raise PydanticOmit from None


OptionalPeriod = WrapValidator(_without_a_period_of_no_dates)
