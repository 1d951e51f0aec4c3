"""ServiceMobility's objects as Pydantic models (contract, sections 4 and 5). Its names stop here.

A body is refused only for what decides something: the slot, the account or location, the numbers by which something is
stored or found, quantities, and in a search the delivery. Everything else is *loose*: what cannot be read there, or is
too long, is read as absent, and `unreadable` names it. What is not named here is kept in the stored body.

The models read `Body.document`, in which nothing is `""`, null or empty any more (documents.py).
"""

import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
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
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, SchemaValidator, core_schema

from bookings import clock
from bookings.models import ID_LENGTH
from bookings.refusals import Code

MAX_TEXT = 10_000
MAX_ITEMS = 1_000
MAX_PERIODS = 200  # each becomes a condition of the search
MAX_USER_NAME = 150  # Django's
MOST_DIGITS = 11  # before the point, in the columns of quantities and prices
SMALLEST, ZERO = Decimal("0.0001"), Decimal("0.0000")
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


def _day_or_instant(value: Any) -> date | None:
    """A day alone is a day, and no instant. None for one in years that make no sense."""
    if not isinstance(value, str) or len(value) > len("2026-12-04"):
        return _instant_or_none(value)
    try:
        day = clock.read_day(value)
    except ValueError:
        raise PydanticCustomError("instant", NO_INSTANT) from None
    return day if clock.is_a_date(day) else None


def _read_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("decimal_type", "must be a number")
    return value.strip() if isinstance(value, str) else value


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


def _read_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


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
Number = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(_read_number), AfterValidator(_fit_number)]
Quantity = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(_read_number), AfterValidator(_fit_quantity)]
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
Latitude = Annotated[float | None, Field(allow_inf_nan=False, ge=-90, le=90), BeforeValidator(_read_number), Loose()]
Longitude = Annotated[float | None, Field(allow_inf_nan=False, ge=-180, le=180), BeforeValidator(_read_number), Loose()]


class WireModel(BaseModel):
    """An object of ServiceMobility's: `account_num` here is `AccountNum` there, unless an alias says otherwise."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_pascal, serialization_alias=to_pascal),
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # what people sent has no place in a log
    )


class Phone(WireModel):
    phone_num: LooseId = ""
    phone_type: LooseId = ""


class Contact(WireModel):
    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    is_primary: Flag = False
    phones: Annotated[list[Annotated[Phone, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = []


Contacts = Annotated[list[Annotated[Contact, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])]


class PostalAddress(WireModel):
    addr_line1: Text = Field("", validation_alias=AliasChoices("AddrLine1", "AddressLine1"))
    addr_line2: Text = Field("", validation_alias=AliasChoices("AddrLine2", "AddressLine2"))
    addr_line3: Text = Field("", validation_alias=AliasChoices("AddrLine3", "AddressLine3"))
    addr_line4: Text = Field("", validation_alias=AliasChoices("AddrLine4", "AddressLine4"))
    addr_type: LooseId = ""
    city: Text = ""
    country: LooseId = ""
    intersection: Text = ""
    lat: Latitude = None
    lon: Longitude = None
    region: Text = ""
    zip: LooseId = ""


class Address(PostalAddress):
    """Where the visit is: its postcode finds the area."""

    zip: Id = ""


class Account(WireModel):
    account_num: Id = ""
    account_type: LooseId = ""
    name: Text = ""
    notes: Text = ""
    website: Text = ""
    addresses: Annotated[
        list[Annotated[PostalAddress, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])
    ] = []
    contacts: Contacts = []
    flex_forms: Ids = []
    flex_attrs: FlexAttributes = {}
    is_active: FlagUnlessSaid = True
    tax_exempt: Flag = False


class FlexViewItem(WireModel):
    id: LooseId = Field("", alias="ID")
    label: Text = ""
    value: Any = None
    delete: Flag = False


class FlexView(WireModel):
    id: LooseId = Field("", alias="ID")
    title: Text = ""
    items: Annotated[list[Annotated[FlexViewItem, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = []
    delete: Flag = False


class Asset(WireModel):
    asset_num: LooseId = ""
    desc: Text = ""
    flex_forms: Ids = []
    flex_view: Annotated[list[Annotated[FlexView, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = []
    in_service_date: LooseDay = None
    is_component: Flag = False
    last_service_date: LooseDay = None
    location: Text = ""
    mfg: Text = ""
    model: Text = ""
    prod_num: LooseId = ""
    serial_num: LooseId = ""
    service_codes: Ids = []
    service_codes_desc: Texts = []
    status: LooseId = ""
    type: LooseId = ""
    delete: Flag = False


class Location(WireModel):
    address: Address = Address()
    contacts: Contacts = []
    email: Text = ""
    language_id: LooseId = Field("", alias="LanguageID")
    location_num: Id = Field("", validation_alias=AliasChoices("LocationNum", "LocNumber", "LocNum"))
    name: Text = ""
    notes: Text = ""
    po_req: Flag = Field(False, alias="POReq")
    service_area_id: Id = Field("", alias="ServiceAreaID")
    sig_req: Flag = False
    storage_location_id: LooseId = Field("", alias="StorageLocationID")
    edited: Flag = False
    is_active: FlagUnlessSaid = True

    @property
    def phone_num(self) -> str:
        """The number to call: of the primary contact, else of another one."""
        contacts = sorted(self.contacts, key=lambda contact: not contact.is_primary)
        return next(
            (phone.phone_num for contact in contacts for phone in contact.phones if phone.phone_num),
            "",
        )


class ProductAttributes(WireModel):
    desc: Text = ""
    is_batch: Flag = False
    is_inv_ctrl: Flag = False
    is_serialized: Flag = False
    prod_type: LooseId = ""


class Part(WireModel):
    """A part by itself; also what replaces a superseded one."""

    prod_num: Id = ""
    part_status: Text = ""
    prod_attrs: Annotated[ProductAttributes, Loose(ProductAttributes())] = ProductAttributes()
    # The colon is in the vendor's own sample.
    qty: Quantity = Field(Decimal(1), validation_alias=AliasChoices("Qty", "Qty:"))


class RequiredPart(Part):
    """A part that the visit needs. `superseded_parts` are the parts that replace it, whatever the name says."""

    estimated_delivery: DayOrInstant = None
    part_order_num: Id = ""
    price: Annotated[Number | None, Loose()] = None
    ship_to_location: LooseId = ""
    superseded_parts: Annotated[list[Part], Field(max_length=MAX_ITEMS)] = []
    superseded_parts_desc: Text = ""
    urgency: LooseId = ""
    delete: Flag = False


class BookedPart(RequiredPart):
    """A part of a booking, which is not refused for its delivery."""

    estimated_delivery: LooseDay = None


class Period(WireModel):
    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Period":
        if self.end <= self.start:
            raise PydanticCustomError("period", "must end after it starts")
        return self


class TimeConstraint(WireModel):
    """A time at which the customer is available or not, as `type` says."""

    id: LooseId = Field("", alias="ID")
    desc: Text = ""
    type: Id = ""
    period: Period


class ChosenTime(TimeConstraint):
    """What may name the slot, whatever its `type`: by the ID of an offer, by its period, or by both."""

    type: LooseId = ""
    period: Period | None = None  # type: ignore[assignment]


def _not_more_than_can_be_ordered(parts: Any) -> Any:
    """Counted before they are looked at, so that their number bounds the errors in them."""
    if isinstance(parts, list) and sum(map(_replacements, parts)) > MAX_ITEMS >= len(parts):
        raise PydanticCustomError("too_many_parts", f"has more than {MAX_ITEMS} parts with their replacements")
    return parts


def _replacements(part: Any) -> int:
    found = part.get("SupersededParts") if isinstance(part, dict) else None
    return len(found) if isinstance(found, list) and found else 1


RequiredParts = Annotated[
    list[RequiredPart], Field(max_length=MAX_ITEMS), BeforeValidator(_not_more_than_can_be_ordered)
]
BookedParts = Annotated[list[BookedPart], Field(max_length=MAX_ITEMS), BeforeValidator(_not_more_than_can_be_ordered)]
TimeConstraints = Annotated[list[TimeConstraint], Field(max_length=MAX_PERIODS), BeforeValidator(_read_list)]
ChosenTimes = Annotated[list[ChosenTime], Field(max_length=MAX_PERIODS), BeforeValidator(_read_list)]


# Where BookJob finds what the setting of this name points to; no property of ServiceMobility's is called so.
POINTED = "BOOKJOB_SLOT_POINTER"


class Pointed(BaseModel):
    """What may name the slot where the setting says; `at` is the JSON Pointer to it, without what is absent."""

    at: str
    times: list[Annotated[ChosenTime | None, Loose()]]


def with_pointed(document: dict[str, Any], at: str, value: Any) -> dict[str, Any]:
    """A Book Job Object in which `value` may name the slot, too."""
    return document | {POINTED: {"at": at, "times": _as_chosen_times(value)}}


def _as_chosen_times(value: Any) -> list[Any]:
    """An offer or some, as they are or by their IDs alone; or a period with whichever names for start and end."""
    found = []
    for item in (value if isinstance(value, list) else [value])[:MAX_PERIODS]:
        if isinstance(item, str):
            item = {"ID": item}
        elif isinstance(item, dict) and not item.keys() & {"ID", "Period"}:
            names = ("Start", "End") if "Start" in item else ("PlannedStartDate", "PlannedEndDate")
            item = {"Period": dict(zip(("Start", "End"), map(item.get, names), strict=True))}
        found.append(item)
    return found


class Search(WireModel):
    """The Appointment Search Object. `time_constraints` are the times at which the customer is available or not."""

    account: Account = Account()
    assets: Annotated[list[Annotated[Asset, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = []
    flex_attrs: FlexAttributes = {}
    flex_forms: Ids = []
    location: Location = Location()
    order_type: Id = ""
    original_order_num: LooseId = ""
    required_parts: RequiredParts = []
    time_constraints: TimeConstraints = []
    user_name: Id = ""


class BookJob(Search):
    """The Book Job Object: a search of which something names the slot.

    That is one of `time_constraints`, unless another place does (choices.py).

    What decides nothing (flex data, assets, flags, notes, contacts, coordinates, prices, the parts' delivery) may have
    any type: what cannot be read there is kept, and read as absent.
    """

    location: Location = Field(Location(), validate_default=True)
    required_parts: BookedParts = []  # type: ignore[assignment]
    time_constraints: ChosenTimes = []  # type: ignore[assignment]
    period: Annotated[Period | None, Loose()] = None
    planned_start_date: Annotated[Instant | None, Loose()] = None
    planned_end_date: Annotated[Instant | None, Loose()] = None
    pointed: SkipJsonSchema[Annotated[Pointed | None, Loose()]] = Field(None, alias=POINTED)

    @field_validator("location")
    @classmethod
    def _has_a_customer_or_a_place(cls, location: Location, info: ValidationInfo) -> Location:
        account = info.data.get("account")
        if account is None or account.account_num or account.name:
            return location
        if location.location_num or location.name or location.address != Address():
            return location
        raise PydanticCustomError(
            "incomplete", "must have a number, a name or an address, unless Account has a number or a name"
        )


class Customer(WireModel):
    """Of a Book Job Object that is stored: who is visited, and where. Nothing else in it matters here."""

    account: Account = Account()
    location: Location = Location()
    original_order_num: LooseId = ""


def unreadable(document: Any) -> list[tuple[str | int, ...]]:
    """The properties of a Book Job Object that were read as absent although they are there: the way to each."""
    try:
        _unforgiving(BookJob).validate_python(document)
    except ValidationError as error:
        return [fault["loc"] for fault in error.errors(include_url=False, include_context=False, include_input=False)]
    return []


@cache
def _unforgiving(model: type[BaseModel]) -> SchemaValidator:
    """A validator of the same object to which nothing is loose."""
    # With the prebuilt validators of the inner models these would stay loose.
    return SchemaValidator(_without_looseness(model.__pydantic_core_schema__), _use_prebuilt=False)


def _without_looseness(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: "raise" if key == "on_error" else _without_looseness(value) if key != "metadata" else value
            for key, value in schema.items()
        }
    return [_without_looseness(item) for item in schema] if isinstance(schema, list) else schema


_READ_ID: TypeAdapter[str] = TypeAdapter(LooseId)


def read_id(value: Any) -> str:
    """An identifier or code of a body by itself; empty where it is none."""
    return _READ_ID.validate_python(value)


class LogIn(BaseModel):
    """What the Authentication REST API Interface sends. What is missing or empty is a wrong log-in, as any other."""

    model_config = ConfigDict(hide_input_in_errors=True, json_schema_extra={"required": ["username", "password"]})

    username: str = ""
    password: str = ""

    @field_validator("username")
    @classmethod
    def _as_the_desk_reads_it(cls, username: str) -> str:
        """See django.contrib.auth.forms.UsernameField, which the admin's log-in page uses."""
        name = username.strip()
        # Longer than any user's: not worth the work, and wrong in any case.
        return unicodedata.normalize("NFKC", name) if len(name) <= MAX_USER_NAME else name[: MAX_USER_NAME + 1]


class Token(BaseModel):
    token: str


Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
OrderStatus = Literal["booked", "cancelled"]
RefusalReason = Literal["past", "notice", "cutoff", "horizon", "closed", "full", "margin"]  # offers.REFUSALS


class OfferedPeriod(BaseModel):
    """Instants in UTC."""

    Start: Moment
    End: Moment


class Offer(BaseModel):
    """A period that can be booked. `ID` is stable; `Desc` is the period on the area's clock."""

    ID: str
    Desc: str
    Type: str
    Period: OfferedPeriod


class SearchResponse(BaseModel):
    """The Appointment Search Response Object. Without offers, StatusMsg says why."""

    StatusMsg: str
    TimeConstraints: list[Offer]


class OrderedParts(BaseModel):
    """A part order with the product numbers in it."""

    PartOrderNum: str
    Parts: list[str]


class BookJobResponse(BaseModel):
    """The Book Job Response Object. A filled OrderNum means that the booking succeeded."""

    OrderNum: str
    OrderedParts: list[OrderedParts]


class Place(BaseModel):
    """The appointment of a work order. `Desc` is its period on the area's clock."""

    ServiceAreaID: str
    TimeZone: str
    Worker: str
    Desc: str
    Period: OfferedPeriod


class WorkOrderPart(BaseModel):
    """A part as it is ordered; `Replaces` is the superseded part's product number."""

    ProdNum: str
    Replaces: str
    Desc: str
    Qty: str
    PartStatus: str
    PartOrderNum: str
    EstimatedDelivery: str


class WorkOrderEvent(BaseModel):
    """A line of the history. `Details` hold what was before and after."""

    At: Moment
    Event: str
    By: str
    Via: str
    Reason: str
    RequestID: str
    Details: dict[str, Any]


class WorkOrder(BaseModel):
    """A work order for the customer's own systems. `Body` is the Book Job Object as it came.

    `RootOrderNum` is the OriginalOrderNum of the body where the address of the booking named another order.
    """

    OrderNum: str
    OriginalOrderNum: str
    RootOrderNum: str
    Status: OrderStatus
    Created: Moment
    Changed: Moment
    Reviewed: str
    Cancelled: str
    CancelReason: str
    Caller: str
    Place: Place
    OrderedParts: list[OrderedParts]
    RequiredParts: list[WorkOrderPart]
    History: list[WorkOrderEvent]
    Body: dict[str, Any]


class GoneWorkOrder(BaseModel):
    """A work order that was moved out of the areas that the reader may see. Its `Status` is `gone`."""

    OrderNum: str
    Status: Literal["gone"]


class WorkOrderPage(BaseModel):
    """A page of the feed. `Next` is the cursor to go on with, now if `More`, else whenever there may be changes."""

    WorkOrders: list[WorkOrder | GoneWorkOrder]
    Next: str
    More: bool


class Fault(BaseModel):
    """One property that is wrong, and what is wrong with it."""

    dataPath: str
    message: str


class ErrorParams(BaseModel):
    """The values behind an error. `error` is always there; the others where the code has them."""

    error: Code
    errors: list[Fault] = Field([], description="invalid_request: what is wrong, the first 50 properties.")
    error_count: int = Field(
        0, description="invalid_request: how many properties are wrong, where it is more than one."
    )
    area: str = Field("", description="slot_not_found: the code of the service area in which it was looked for.")
    reason: RefusalReason = Field("full", description="slot_unavailable: why.")
    alternatives: list[Offer] = Field([], description="slot_unavailable: up to three next open periods.")
    OrderNum: str = Field("", description="The booking that the order has, or had.")
    Status: OrderStatus = Field("booked", description="already_booked, cancelled_meanwhile: of that booking.")
    Period: OfferedPeriod | SkipJsonSchema[None] = Field(
        None, description="already_booked, cancelled_meanwhile: where it stands."
    )
    limit: int = Field(0, description="too_large: the largest body that is taken, in bytes.")
    seconds: int = Field(0, description="throttled: how long to wait.")
    incident: str = Field("", description="server_error: the number of the incident; it is in the log, too.")


class ErrorDetail(BaseModel):
    """`message` is for a technician; `dataPath` is the JSON Pointer of the fault in the request, or empty."""

    message: str
    params: ErrorParams
    dataPath: str


class ErrorBody(BaseModel):
    """ServiceMobility's standard error body. `code` is the status that tells the error apart."""

    code: int
    detail: ErrorDetail


def vendor_time(instant: datetime) -> str:
    """`2026-12-04T13:00:00.000Z`; microseconds only where there are any, for a period is matched exactly."""
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
