"""What comes in: the Appointment Search Object, the Book Job Object, and the log-in.

A body is refused only for what decides something: the slot, the account or location, the numbers by which something is
stored or found, quantities, and in a search the delivery. Everything else is *loose*: what cannot be read there, or is
too long, is read as absent, and `unreadable` names it. What is not named here is kept in the stored body.

The models read a document in which nothing is `""`, null or empty any more, and whole numbers are int.
"""

import unicodedata
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError, SchemaValidator

from bookings.wire.values import (
    EMPTY_LIST,
    EMPTY_OBJECT,
    MAX_ITEMS,
    DayOrInstant,
    Few,
    Flag,
    FlagUnlessSaid,
    FlexAttributes,
    Id,
    Ids,
    Instant,
    Latitude,
    Longitude,
    Loose,
    LooseDay,
    LooseId,
    LooseItem,
    LooseObject,
    Number,
    OptionalPeriod,
    Quantity,
    Text,
    Texts,
    WireModel,
)

MAX_PERIODS = 200  # each becomes a condition of the search
MAX_USER_NAME = 150  # Django's


class Phone(WireModel):
    phone_num: LooseId = ""
    phone_type: LooseId = ""


class Contact(WireModel):
    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    is_primary: Flag = False
    phones: Annotated[list[Annotated[Phone, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = EMPTY_LIST


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
    addresses: Annotated[list[Annotated[PostalAddress, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = (
        EMPTY_LIST
    )
    contacts: Contacts = EMPTY_LIST
    flex_forms: Ids = EMPTY_LIST
    flex_attrs: FlexAttributes = EMPTY_OBJECT
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
    items: Annotated[list[Annotated[FlexViewItem, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = (
        EMPTY_LIST
    )
    delete: Flag = False


class Asset(WireModel):
    asset_num: LooseId = ""
    desc: Text = ""
    flex_forms: Ids = EMPTY_LIST
    flex_view: Annotated[list[Annotated[FlexView, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = (
        EMPTY_LIST
    )
    in_service_date: LooseDay = None
    is_component: Flag = False
    last_service_date: LooseDay = None
    location: Text = ""
    mfg: Text = ""
    model: Text = ""
    prod_num: LooseId = ""
    serial_num: LooseId = ""
    service_codes: Ids = EMPTY_LIST
    service_codes_desc: Texts = EMPTY_LIST
    status: LooseId = ""
    type: LooseId = ""
    delete: Flag = False


class Location(WireModel):
    address: Annotated[Address, LooseObject()] = Address()
    contacts: Contacts = EMPTY_LIST
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
    superseded_parts: Annotated[list[Part], Field(max_length=MAX_ITEMS)] = EMPTY_LIST
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


def _read_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


RequiredParts = Annotated[
    list[RequiredPart], Field(max_length=MAX_ITEMS), BeforeValidator(_not_more_than_can_be_ordered)
]
BookedParts = Annotated[list[BookedPart], Field(max_length=MAX_ITEMS), BeforeValidator(_not_more_than_can_be_ordered)]
TimeConstraints = Annotated[
    list[Annotated[TimeConstraint, OptionalPeriod]], Field(max_length=MAX_PERIODS), BeforeValidator(_read_list)
]
ChosenTimes = Annotated[
    list[Annotated[ChosenTime, OptionalPeriod]], Field(max_length=MAX_PERIODS), BeforeValidator(_read_list)
]


# Where BookJob finds what the setting of this name points to; no property of ServiceMobility's is called so.
POINTED = "BOOKJOB_SLOT_POINTER"


class Pointed(BaseModel):
    """What may name the slot where the setting says; `at` is the JSON Pointer to it, without what is absent."""

    at: str
    times: list[Annotated[Annotated[ChosenTime, OptionalPeriod] | None, Loose()]]


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
    assets: Annotated[list[Annotated[Asset, LooseItem()]], Field(max_length=MAX_ITEMS), Few(), Loose([])] = EMPTY_LIST
    flex_attrs: FlexAttributes = EMPTY_OBJECT
    flex_forms: Ids = EMPTY_LIST
    location: Location = Location()
    order_type: Id = ""
    original_order_num: LooseId = ""
    required_parts: RequiredParts = EMPTY_LIST
    time_constraints: TimeConstraints = EMPTY_LIST
    user_name: Id = ""


class BookJob(Search):
    """The Book Job Object: a search of which something names the slot.

    That is one of `time_constraints`, unless another place does (choices.py).

    What decides nothing (flex data, assets, flags, notes, contacts, coordinates, prices, the parts' delivery) may have
    any type: what cannot be read there is kept, and read as absent.
    """

    location: Location = Field(Location(), validate_default=True)
    required_parts: BookedParts = EMPTY_LIST  # type: ignore[assignment]
    time_constraints: ChosenTimes = EMPTY_LIST  # type: ignore[assignment]
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
