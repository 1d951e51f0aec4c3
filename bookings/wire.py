"""ServiceMobility's objects as Pydantic models (contract, sections 4 and 5). Its names stop here.

Liberal where its own documents contradict each other, strict in everything else. What is not named here is kept in
the stored body. `""` and null mean absent for every optional property.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from bookings.models import ID_LENGTH

MAX_TEXT = 10_000
MAX_ITEMS = 1_000
MAX_PERIODS = 200  # each becomes a condition of the search


def _read_instant(value: Any) -> Any:
    """An ISO 8601 text with any offset and precision; without an offset it is UTC, as all of the vendor's are."""
    if not isinstance(value, str):
        raise PydanticCustomError("instant", "must be a date and time such as 2026-12-04T13:00:00.000Z")
    try:
        if len(value) < len("20261204T13"):
            raise ValueError(value)
        instant = datetime.fromisoformat(value.strip().upper())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("instant", "must be a date and time such as 2026-12-04T13:00:00.000Z") from None


def _read_day_or_instant(value: Any) -> Any:
    return _read_instant(f"{value}T00:00" if isinstance(value, str) and len(value) == len("2026-12-04") else value)


def _read_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("decimal_type", "must be a number")
    return value.strip() if isinstance(value, str) else value


def _fit_number(value: Decimal) -> Decimal:
    """What a column holds: eleven digits before the point, four behind it. The body keeps all of them."""
    if abs(value) >= 10**11:
        raise PydanticCustomError("number_too_large", "must be less than 100000000000")
    return value.quantize(Decimal("0.0001"))


def _read_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _only_what_is_there(value: Any) -> Any:
    """A list or an object without the properties that are `""` or null, down to its leaves."""
    if type(value) is list:
        return [_only_what_is_there(item) if type(item) is dict or type(item) is list else item for item in value]
    found = {}
    for key, item in value.items():
        if type(item) is dict or type(item) is list:
            found[key] = _only_what_is_there(item)
        elif item is not None and item != "":
            found[key] = item
    return found


Id = Annotated[str, StringConstraints(max_length=ID_LENGTH)]
# Codes are strings or numbers: `"1001"` and 1001 are the same.
Code = Annotated[
    str,
    Field(max_length=ID_LENGTH, coerce_numbers_to_str=True),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}], "maxLength": ID_LENGTH}),
]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Flag = Annotated[bool, Field(strict=True)]
Instant = Annotated[datetime, BeforeValidator(_read_instant, json_schema_input_type=datetime)]
DayOrInstant = Annotated[datetime, BeforeValidator(_read_day_or_instant, json_schema_input_type=datetime)]
Number = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(_read_number), AfterValidator(_fit_number)]
Quantity = Annotated[
    Decimal, Field(allow_inf_nan=False, ge=0), BeforeValidator(_read_number), AfterValidator(_fit_number)
]
FlexAttributes = dict[str, dict[str, list[Text]]]
Degrees = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_read_number)]


class WireModel(BaseModel):
    """An object of ServiceMobility's: `account_num` here is `AccountNum` there, unless an alias says otherwise."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_pascal, serialization_alias=to_pascal),
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # what people sent has no place in a log
    )


class Phone(WireModel):
    phone_num: Id = ""
    phone_type: Code = ""


class Contact(WireModel):
    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    is_primary: Flag = False
    phones: Annotated[list[Phone], Field(max_length=MAX_ITEMS)] = []


class Address(WireModel):
    addr_line1: Text = Field("", validation_alias=AliasChoices("AddrLine1", "AddressLine1"))
    addr_line2: Text = Field("", validation_alias=AliasChoices("AddrLine2", "AddressLine2"))
    addr_line3: Text = Field("", validation_alias=AliasChoices("AddrLine3", "AddressLine3"))
    addr_line4: Text = Field("", validation_alias=AliasChoices("AddrLine4", "AddressLine4"))
    addr_type: Code = ""
    city: Text = ""
    country: Id = ""
    intersection: Text = ""
    lat: Degrees | None = None
    lon: Degrees | None = None
    region: Text = ""
    zip: Id = ""


class Account(WireModel):
    account_num: Id = ""
    account_type: Code = ""
    name: Text = ""
    notes: Text = ""
    website: Text = ""
    addresses: Annotated[list[Address], Field(max_length=MAX_ITEMS)] = []
    contacts: Annotated[list[Contact], Field(max_length=MAX_ITEMS)] = []
    flex_forms: Annotated[list[Text], Field(max_length=MAX_ITEMS)] = []
    flex_attrs: FlexAttributes = {}
    is_active: Flag = True
    tax_exempt: Flag = False


class FlexViewItem(WireModel):
    id: Code = Field("", alias="ID")
    label: Text = ""
    value: Any = None
    delete: Flag = False


class FlexView(WireModel):
    id: Code = Field("", alias="ID")
    title: Text = ""
    items: Annotated[list[FlexViewItem], Field(max_length=MAX_ITEMS)] = []
    delete: Flag = False


class Asset(WireModel):
    asset_num: Id = ""
    desc: Text = ""
    flex_forms: Annotated[list[Text], Field(max_length=MAX_ITEMS)] = []
    flex_view: Annotated[list[FlexView], Field(max_length=MAX_ITEMS)] = []
    in_service_date: DayOrInstant | None = None
    is_component: Flag = False
    last_service_date: DayOrInstant | None = None
    location: Text = ""
    mfg: Text = ""
    model: Text = ""
    prod_num: Id = ""
    serial_num: Id = ""
    service_codes: Annotated[list[Code], Field(max_length=MAX_ITEMS)] = []
    service_codes_desc: Annotated[list[Text], Field(max_length=MAX_ITEMS)] = []
    status: Code = ""
    type: Code = ""
    delete: Flag = False


class Location(WireModel):
    address: Address = Address()
    contacts: Annotated[list[Contact], Field(max_length=MAX_ITEMS)] = []
    email: Text = ""
    language_id: Code = Field("", alias="LanguageID")
    location_num: Id = Field("", validation_alias=AliasChoices("LocationNum", "LocNumber", "LocNum"))
    name: Text = ""
    notes: Text = ""
    po_req: Flag = Field(False, alias="POReq")
    service_area_id: Id = Field("", alias="ServiceAreaID")
    sig_req: Flag = False
    storage_location_id: Code = Field("", alias="StorageLocationID")
    edited: Flag = False
    is_active: Flag = True

    @property
    def phone_num(self) -> str:
        """The number to call: the primary contact's first one, else anybody's."""
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
    prod_type: Code = ""


class Part(WireModel):
    """A part by itself; also what replaces a superseded one."""

    prod_num: Id = ""
    part_status: Text = ""
    prod_attrs: ProductAttributes = ProductAttributes()
    # The colon is in the vendor's own sample.
    qty: Quantity = Field(Decimal(1), validation_alias=AliasChoices("Qty", "Qty:"))


class RequiredPart(Part):
    """A part that the visit needs. `superseded_parts` are the parts that replace it, whatever the name says."""

    estimated_delivery: Instant | None = None
    part_order_num: Id = ""
    price: Number | None = None
    ship_to_location: Code = ""
    superseded_parts: Annotated[list[Part], Field(max_length=MAX_ITEMS)] = []
    superseded_parts_desc: Text = ""
    urgency: Code = ""
    delete: Flag = False


class Period(WireModel):
    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Period":
        if self.end <= self.start:
            raise PydanticCustomError("period", "must end after it starts")
        return self


class TimeConstraint(WireModel):
    id: Code = Field("", alias="ID")
    desc: Text = ""
    type: Code = ""
    period: Period


class Search(WireModel):
    """The Appointment Search Object. `time_constraints` are the times at which the customer is available or not."""

    account: Account = Account()
    assets: Annotated[list[Asset], Field(max_length=MAX_ITEMS)] = []
    flex_attrs: FlexAttributes = {}
    flex_forms: Annotated[list[Text], Field(max_length=MAX_ITEMS)] = []
    location: Location = Location()
    order_type: Id = ""
    original_order_num: Id = ""
    required_parts: Annotated[list[RequiredPart], Field(max_length=MAX_ITEMS)] = []
    time_constraints: Annotated[list[TimeConstraint], BeforeValidator(_read_list), Field(max_length=MAX_PERIODS)] = []
    user_name: Id = ""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_absent(cls, data: Any) -> Any:
        return _only_what_is_there(data) if isinstance(data, dict) else data

    @field_validator("required_parts")
    @classmethod
    def _not_more_than_can_be_ordered(cls, parts: list[RequiredPart]) -> list[RequiredPart]:
        if sum(len(part.superseded_parts) or 1 for part in parts) > MAX_ITEMS:
            raise PydanticCustomError("too_many_parts", f"has more than {MAX_ITEMS} parts with their replacements")
        return parts


class BookJob(Search):
    """The Book Job Object: a search whose `time_constraints` name the chosen slot."""

    location: Location = Field(Location(), validate_default=True)
    time_constraints: Annotated[
        list[TimeConstraint],
        BeforeValidator(_read_list),
        Field(min_length=1, max_length=MAX_PERIODS),
    ]

    @field_validator("location")
    @classmethod
    def _somebody_is_to_be_visited(cls, location: Location, info: ValidationInfo) -> Location:
        account = info.data.get("account")
        if account is None or account.account_num or account.name:
            return location
        if location.location_num or location.name or location.address != Address():
            return location
        raise PydanticCustomError(
            "incomplete", "must have a number, a name or an address, unless Account has a number or a name"
        )


class LogIn(BaseModel):
    """What the Authentication REST API Interface sends. Unlike elsewhere, nothing may be missing."""

    model_config = ConfigDict(hide_input_in_errors=True)

    username: Annotated[str, StringConstraints(min_length=1, max_length=150)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Token(BaseModel):
    token: str


class Offer(BaseModel):
    """A period that can be booked. `ID` is stable; `Desc` is the period on the area's clock."""

    ID: str
    Desc: str
    Type: str
    Period: dict[str, str]


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
    Period: dict[str, str]


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

    At: str
    Event: str
    By: str
    Via: str
    Reason: str
    RequestID: str
    Details: dict[str, Any]


class WorkOrder(BaseModel):
    """A work order for the customer's own systems. `Body` is the Book Job Object as it came."""

    OrderNum: str
    OriginalOrderNum: str
    Status: str
    Created: str
    Changed: str
    Reviewed: str
    Cancelled: str
    CancelReason: str
    Caller: str
    Place: Place
    OrderedParts: list[OrderedParts]
    RequiredParts: list[WorkOrderPart]
    History: list[WorkOrderEvent]
    Body: dict[str, Any]


class WorkOrderPage(BaseModel):
    """A page of the feed. `Next` is the cursor to go on with, now if `More`, else whenever there may be changes."""

    WorkOrders: list[WorkOrder]
    Next: str
    More: bool


class ErrorDetail(BaseModel):
    """`params.error` is a stable word; `dataPath` is the JSON Pointer of the fault in the request, or empty."""

    message: str
    params: dict[str, Any]
    dataPath: str


class ErrorBody(BaseModel):
    """ServiceMobility's standard error body. `code` is the status that tells the error apart."""

    code: int
    detail: ErrorDetail


def vendor_time(instant: datetime) -> str:
    """`2026-12-04T13:00:00.000Z`; microseconds only where there are any, for a period is matched exactly."""
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
