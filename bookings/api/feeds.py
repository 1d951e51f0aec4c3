"""The feeds of slots and of refusals, as the one of work orders: every change, none lost."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import refusals, sentences, wire
from bookings.access.tokens import Caller
from bookings.api import idempotency, schema
from bookings.api.serializers import AnswerRenderer, WireSerializer
from bookings.api.supply import told as slot_told
from bookings.models import Refusal, Scope
from bookings.refusals import Code
from bookings.services import feed


class PlaceQuery(serializers.Serializer[Any]):
    """Where in a feed to read."""

    cursor = serializers.CharField(required=False, default=None, help_text="`Next` of the page before.")
    limit = serializers.IntegerField(required=False, default=feed.PAGE, min_value=1, max_value=feed.MOST)

    def validate_cursor(self, value: str | None) -> feed.Cursor | None:
        try:
            return feed.read_cursor(value, self.context["feed"]) if value else None
        except ValueError:
            raise serializers.ValidationError(sentences.NO_CURSOR) from None


class SlotFeedSerializer(WireSerializer):
    model = wire.SlotFeedPage


class RefusalFeedSerializer(WireSerializer):
    model = wire.RefusalFeedPage


def _page(
    request: Request, name: str, read: Callable[..., feed.Rows], told: Callable[[Any], dict[str, Any]], of: str
) -> HttpResponse:
    query = PlaceQuery(data=request.query_params, context={"feed": of})
    query.is_valid(raise_exception=True)
    asked = query.validated_data
    try:
        page = read(cast(Caller, request.user).areas, after=asked["cursor"], size=asked["limit"])
    except feed.OtherEpoch:
        raise refusals.InvalidRequest([("", sentences.OTHER_EPOCH)]) from None
    answer = {name: list(map(told, page.rows)), "Next": str(page.last), "More": page.more}
    return idempotency.Reply(AnswerRenderer().render(answer)).answer()


class SlotFeedView(APIView):
    scopes: ClassVar = {"GET": Scope.SUPPLY_READ}

    @extend_schema(
        operation_id="read_slot_feed",
        summary="Read the feed of slots",
        description="Each slot stands in it once, at its latest change: made, booked, closed, opened, resized,"
        " withdrawn. Begin without a cursor, go on with `Next`; one that changes meanwhile comes again. A slot never"
        " leaves its area; old ones without bookings are removed without a word.",
        parameters=[PlaceQuery],
        responses=schema.answers(SlotFeedSerializer, "A page of the feed.", Code.FORBIDDEN),
    )
    def get(self, request: Request) -> HttpResponse:
        return _page(request, "Slots", feed.read_slots, slot_told, feed.OF_SLOTS)


class RefusalFeedView(APIView):
    scopes: ClassVar = {"GET": Scope.WORK_ORDERS_READ}

    @extend_schema(
        operation_id="read_refusal_feed",
        summary="Read the feed of refusals",
        description="Each booking that was refused, once. Begin without a cursor, go on with `Next`. Those whose place"
        " belongs to no area come only to readers of all areas.",
        parameters=[PlaceQuery],
        responses=schema.answers(RefusalFeedSerializer, "A page of the feed.", Code.FORBIDDEN),
    )
    def get(self, request: Request) -> HttpResponse:
        return _page(request, "Refusals", feed.read_refusals, _refusal_told, feed.OF_REFUSALS)


def _refusal_told(refusal: Refusal) -> dict[str, Any]:
    start, end = refusal.visit_start, refusal.visit_end
    return {
        "At": wire.vendor_time(refusal.at),
        "Error": refusal.error,
        "Message": refusal.message,
        "OriginalOrderNum": refusal.original_order,
        "ServiceAreaID": refusal.area.code if refusal.area else "",
        "OrderType": refusal.order_type,
        "Period": {"Start": wire.vendor_time(start), "End": wire.vendor_time(end)} if start and end else None,
        "Verdicts": refusal.verdicts,
        "Caller": refusal.caller,
        "RequestID": refusal.request_id,
        "Body": orjson.Fragment(refusal.body) if refusal.body else None,
    }
