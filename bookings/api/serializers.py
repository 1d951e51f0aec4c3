"""Between bytes and the objects of `wire`: a body in, a response out. What a body says is documents.py.

Django REST framework's parser, renderer and serializers; calls.py uses the same without its dispatch.
"""

from datetime import datetime
from typing import IO, Any, ClassVar, get_args

import orjson
from django.http import HttpRequest
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from bookings import clock, offers, sentences, wire
from bookings.api import errors
from bookings.documents import Body, document_as_it_came, read_from
from bookings.models import ID_LENGTH, WorkOrder
from bookings.offers.choices import document_of
from bookings.pointers import dotted, pointer_of, ways_in
from bookings.refusals import MOST_FAULTS, InvalidRequest
from bookings.services import Booked, feed
from bookings.services.public_form import public_form

# Set by wsgi.py in the environment of a request whose path is no UTF-8. Django leaves no other trace of that.
BROKEN_PATH = "bookjob.path_is_broken"
# The kinds of fault that Pydantic knows by itself; all others are of the wire's own types, with sentences of their own.
PYDANTICS = frozenset(get_args(ErrorType))


class AnswerRenderer(BaseRenderer):
    """Writes JSON. A stored body goes in as orjson.Fragment, letter for letter, so that no number in it is rounded."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class BodyParser(BaseParser):
    """Makes `request.data` a Body."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        return read_from(stream)


class JSONWhateverIsAccepted(BaseContentNegotiation):
    """ServiceMobility hands the answer on as it is; an odd Accept header must not cost a booking."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        media_type = media_type_of(request)
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


def media_type_of(request: Request | HttpRequest) -> str:
    """What kind of body it is said to be. Raises UnsupportedEncoding."""
    if request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in ("", "identity"):
        raise errors.UnsupportedEncoding
    return str(request.META.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def body_of(request: HttpRequest) -> Body:
    """The body of a request that Django REST framework has not wrapped. Raises what is wrong with it."""
    if request.META.get("CONTENT_LENGTH", "") in ("", "0"):
        raise InvalidRequest([("", sentences.EMPTY_BODY)])
    if media_type_of(request) != BodyParser.media_type:
        raise UnsupportedMediaType("")
    return read_from(request)


class WireSerializer(serializers.BaseSerializer[Any]):
    """Reads a Body into the Pydantic model named in `model`; raises InvalidRequest with its first faults.

    The published schema is drawn from the same model.
    """

    model: type[BaseModel]

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Body):
            raise InvalidRequest([("", sentences.EMPTY_BODY)])
        try:
            return self.model.model_validate(self.document_of(data))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[:MOST_FAULTS]
            count = error.error_count()
        # Only now, where something is wrong, is the place of it looked for; in the text, for the document is not needed
        # any more, and need not stay in memory beside it.
        data.document = {}
        ways = ways_in(document_as_it_came(data.text), [self._names(fault["loc"]) for fault in found])
        raise InvalidRequest([told(fault, way) for fault, way in zip(found, ways, strict=True)], count)

    def document_of(self, body: Body) -> dict[str, Any]:
        return body.document

    def _names(self, way: tuple[str | int, ...]) -> list[str | int]:
        """Of a property that is missing Pydantic tells our name only."""
        field = self.model.model_fields.get(str(way[0])) if way else None
        alias = field and field.validation_alias
        return [alias, *way[1:]] if isinstance(alias, str) else list(way)


def told(fault: ErrorDetails, way: list[str | int]) -> tuple[str, str]:
    """(JSON Pointer, sentence) of what Pydantic found."""
    kind, said = fault["type"], fault["msg"]
    if kind in PYDANTICS:
        said = sentences.OF_A_PROPERTY.get(kind, sentences.UNREADABLE_PROPERTY).format(**fault.get("ctx", {}))
    return pointer_of(way), sentences.say(sentences.PROPERTY, property=dotted(way) or "The request body", fault=said)


class BookJobSerializer(WireSerializer):
    model = wire.BookJob

    def document_of(self, body: Body) -> dict[str, Any]:
        return document_of(body)


class SearchSerializer(WireSerializer):
    model = wire.Search


class FoundSerializer(WireSerializer):
    model = wire.SearchResponse

    def to_representation(self, instance: offers.SearchResult) -> dict[str, Any]:
        offered = offers.offered(instance.area, instance.periods) if instance.area else []
        return {"StatusMsg": instance.message, "TimeConstraints": offered}


class BookedSerializer(WireSerializer):
    model = wire.BookJobResponse

    def to_representation(self, instance: Booked) -> dict[str, Any]:
        return {
            "OrderNum": instance.order_num,
            "OrderedParts": [{"PartOrderNum": number, "Parts": parts} for number, parts in instance.ordered_parts],
        }


class LogInSerializer(WireSerializer):
    model = wire.LogIn


class TokenSerializer(WireSerializer):
    model = wire.Token


class WorkOrderSerializer(WireSerializer):
    """A work order with all that belongs to it, of `feed.with_everything`; `areas` in the context are the reader's."""

    model = wire.WorkOrder

    def to_representation(self, instance: WorkOrder) -> dict[str, Any]:
        return public_form(instance, self.context["areas"])


class WorkOrderPageSerializer(WireSerializer):
    model = wire.WorkOrderPage

    def to_representation(self, instance: feed.Page) -> dict[str, Any]:
        return {
            "WorkOrders": [
                {"OrderNum": work_order.order_num, "Status": "gone"}
                if instance.is_gone(work_order)
                else WorkOrderSerializer(work_order, context={"areas": instance.areas}).data
                for work_order in instance.work_orders
            ],
            "Next": str(instance.last),
            "More": instance.more,
        }


class InstantField(serializers.DateTimeField):
    """An instant in the one form that there is (contract, section 5); another one is refused, never misread."""

    default_error_messages: ClassVar = {"invalid": wire.NO_INSTANT}

    def to_internal_value(self, value: Any) -> datetime | None:  # type: ignore[override]
        try:
            instant = clock.read_instant(str(value))
        except ValueError:
            self.fail("invalid")
        return instant if clock.is_a_date(instant) else None


class FeedQuerySerializer(serializers.Serializer[Any]):
    """Where in the feed to read, and what."""

    cursor = serializers.CharField(required=False, default=None, help_text="`Next` of the page before.")
    modified_since = InstantField(
        required=False, default=None, help_text="Only what has changed since, `2026-12-04T13:00:00.000Z`."
    )
    status = serializers.ChoiceField(required=False, default=None, choices=WorkOrder.Status.choices)
    limit = serializers.IntegerField(required=False, default=feed.PAGE, min_value=1, max_value=feed.MOST)

    def validate_cursor(self, value: str | None) -> feed.Cursor | None:
        try:
            return feed.read_cursor(value) if value else None
        except ValueError:
            raise serializers.ValidationError(sentences.NO_CURSOR) from None


def read_order(order: str, request: Any) -> str:
    """The work order's number as the path has it. Raises InvalidRequest where it cannot be stored faithfully."""
    fault = ""
    if request.META.get(BROKEN_PATH):
        fault = "is not UTF-8 text"
    elif "\0" in order:
        fault = "holds the character NUL"
    elif len(order) > ID_LENGTH:
        fault = f"is longer than {ID_LENGTH} characters"
    if fault:
        raise InvalidRequest([("", sentences.say(sentences.BAD_ORDER, fault=fault))])
    return order


def read_current_order(order: str, request: Any) -> str:
    """As `read_order`, of the address that ServiceMobility makes of its setting RestApi.BookJob."""
    if "{0}" in order or not order.strip():
        raise InvalidRequest([("", sentences.NO_ORDER)])
    return read_order(order, request)
