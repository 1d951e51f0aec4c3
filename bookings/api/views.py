"""HTTP only: authorise, look up, validate, call, answer."""

import logging
from typing import Any, ClassVar, cast

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings import clock, offers, refusals, sentences, services
from bookings.access import log_in, tokens
from bookings.access.addresses import client_address
from bookings.access.tokens import Caller
from bookings.api import acting, schema
from bookings.api.parsers import AnswerRenderer
from bookings.api.serializers import (
    BookedSerializer,
    BookJobSerializer,
    FeedQuerySerializer,
    FoundSerializer,
    LogInSerializer,
    SearchSerializer,
    TokenSerializer,
    WorkOrderPageSerializer,
    WorkOrderSerializer,
    read_current_order,
)
from bookings.db import replica
from bookings.documents import Body
from bookings.models import Scope
from bookings.offers import type_codes
from bookings.refusals import Code
from bookings.services import empty_searches, feed
from bookings.telemetry import metrics
from bookings.telemetry.answers import Answer

logger = logging.getLogger("bookings")

# These keep nothing of a request, so that one of each will do.
search_serializer, found_serializer = SearchSerializer(), FoundSerializer()
book_job_serializer, booked_serializer = BookJobSerializer(), BookedSerializer()


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


class SearchView(APIView):
    scopes: ClassVar = {"POST": Scope.SEARCH}

    @extend_schema(
        operation_id="search_appointments",
        summary="Search appointments",
        description="Appointment Search REST API Interface (3.18.0): the periods that can be booked right now.",
        request=SearchSerializer,
        responses=schema.answers(FoundSerializer, "The offers, or none and why.", Code.FORBIDDEN, *schema.WITH_BODY),
        examples=[schema.EXAMPLES["search"], schema.EXAMPLES["found"]],
    )
    def post(self, request: Request) -> HttpResponse:
        job, now = search_serializer.to_internal_value(request.data), clock.now()
        if job.time_constraints:
            type_codes.tell_once_a_day(job, now.date())
        found = replica.read(lambda using: offers.search(job, now, using, areas=_caller(request).places))
        is_practice = found.area is not None and found.area.is_practice
        if not is_practice:
            metrics.add(metrics.OFFERS, amount=len(found.periods))
        outcome = "ok" if found.periods else "nothing_free"
        answer = _answer(found_serializer.to_representation(found), outcome, is_practice=is_practice)
        if not found.periods and not is_practice:
            empty_searches.count(found, job.order_type, now)
        answer.after = empty_searches.write_if_due
        return answer


class FollowupView(APIView):
    scopes: ClassVar = {"POST": Scope.BOOK}

    @extend_schema(
        operation_id="book_followup",
        summary="Book a follow-up visit",
        description="Followup WorkOrder REST API Interface (3.18.0): book a follow-up visit for a work order.",
        parameters=[schema.ORDER],
        request=BookJobSerializer,
        responses=schema.answers(
            BookedSerializer, "It is booked.", Code.FORBIDDEN, *schema.WITH_BODY, *schema.BOOKED_OTHERWISE
        ),
        examples=[schema.EXAMPLES["booking"], schema.EXAMPLES["booked"]],
    )
    def post(self, request: Request, order: str) -> HttpResponse:
        order = read_current_order(order, request)
        job = book_job_serializer.to_internal_value(request.data)
        body = cast(Body, request.data)
        fingerprint, body.document = body.fingerprint, {}  # it is read, and need not stay in memory beside what follows
        booked = services.book(
            order=order,
            job=job,
            body=body.text,
            fingerprint=fingerprint,
            caller=_caller(request).name,
            areas=_caller(request).places,
        )
        outcome = "repeat" if booked.is_repeat else "ok"
        return _answer(booked_serializer.to_representation(booked), outcome, is_practice=booked.is_practice)


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


def _answer(data: Any, outcome: str, *, is_practice: bool) -> Answer:
    body = AnswerRenderer().render(data)
    return Answer(body, content_type=AnswerRenderer.media_type, outcome=outcome, is_practice=is_practice)
