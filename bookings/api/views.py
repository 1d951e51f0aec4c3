"""HTTP only: authorise, look up, validate, call, answer. Not here: the two calls that a phone waits for (calls.py)."""

import logging
from typing import ClassVar, cast

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings import refusals, sentences
from bookings.access import log_in, tokens
from bookings.access.admission import client_address
from bookings.access.tokens import Caller
from bookings.api import acting, schema
from bookings.api.serializers import (
    FeedQuerySerializer,
    LogInSerializer,
    TokenSerializer,
    WorkOrderPageSerializer,
    WorkOrderSerializer,
)
from bookings.models import Scope
from bookings.refusals import Code
from bookings.services import feed

logger = logging.getLogger("bookings")


class SchemaView(SpectacularAPIView):
    """The published schema; who has it already is told so."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        try:
            text, etag = schema.published()
        except OSError as fault:
            logger.error("The schema cannot be read: %s", fault)
            raise refusals.Refused(Code.UNAVAILABLE, sentences.UNAVAILABLE) from fault
        answer = HttpResponse(text, content_type=OpenApiYamlRenderer.media_type, headers={"ETag": etag})
        return get_conditional_response(request._request, etag=etag, response=answer) or answer


class TokenView(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="log_in",
        summary="Log in",
        description="Authentication REST API Interface (3.20.0): a token for a user who may use the API.",
        request=LogInSerializer,
        responses=schema.answers(TokenSerializer, "The token.", *schema.WITH_BODY),
        examples=[schema.EXAMPLES["log-in"], schema.EXAMPLES["token"]],
    )
    def post(self, request: Request) -> Response:
        serializer = LogInSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        address = client_address(request)
        user = log_in.log_in(username=given.username, password=given.password, address=address)
        claims = {"name": user.get_full_name(), "email": user.email, "uid": user.pk}
        named = {claim: value for claim, value in claims.items() if value}
        return Response({"token": tokens.issue_token(user.get_username(), claims=named)})


class WorkOrderFeedView(APIView):
    scopes: ClassVar = {"GET": Scope.WORK_ORDERS_READ}

    @extend_schema(
        operation_id="read_work_orders",
        summary="Read the feed of work orders",
        description="The feed of work orders for the customer's own systems: each stands in it once, at its latest"
        " change. Begin without a cursor, go on with `Next`; one that changes meanwhile comes again. One that was"
        " moved out of the areas that you may read comes as `OrderNum` with the `Status` `gone`. A cursor from before"
        " a restore of the database is answered 400: then begin anew.",
        parameters=[FeedQuerySerializer],
        responses=schema.answers(WorkOrderPageSerializer, "A page of the feed.", Code.FORBIDDEN),
    )
    def get(self, request: Request) -> Response:
        query = FeedQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        try:
            page = feed.read(
                _caller(request).areas,
                after=wanted["cursor"] or None,
                size=wanted["limit"],
                modified_since=wanted["modified_since"],
                status=wanted["status"] or "",
            )
        except feed.OtherEpoch:
            raise refusals.InvalidRequest([("", sentences.OTHER_EPOCH)]) from None
        return Response(WorkOrderPageSerializer(page).data)


class WorkOrderView(APIView):
    scopes: ClassVar = {"GET": Scope.WORK_ORDERS_READ}

    @extend_schema(
        operation_id="read_work_order",
        summary="Read one work order",
        description="One work order with its body, slot, parts and history. Its `ETag` is for `If-Match`.",
        parameters=[schema.ORDER_NUM],
        responses=schema.answers(WorkOrderSerializer, "The work order.", Code.FORBIDDEN, Code.NOT_FOUND),
    )
    def get(self, request: Request, order_num: str) -> HttpResponse:
        return acting.reply_with(request, order_num).answer()


def _caller(request: Request) -> Caller:
    return cast(Caller, request.user)
