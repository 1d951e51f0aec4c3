"""HTTP only: authorise, look up, validate, call, answer."""

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings import offers, schema, services
from bookings.authentication import Caller
from bookings.bodies import Body
from bookings.serializers import BookedSerializer, BookJobSerializer, FoundSerializer, SearchSerializer, read_order


class SearchView(APIView):
    @extend_schema(
        operation_id="search_appointments",
        description="Appointment Search REST API Interface (3.18.0): the periods that can be booked right now.",
        request=SearchSerializer,
        responses=schema.answers(FoundSerializer, 413, 415, 429),
        examples=[schema.EXAMPLES["search"], schema.EXAMPLES["found"]],
    )
    def post(self, request: Request) -> Response:
        serializer = SearchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(FoundSerializer(offers.search(serializer.validated_data, timezone.now())).data)


class FollowupView(APIView):
    @extend_schema(
        operation_id="book_followup",
        description="Followup WorkOrder REST API Interface (3.18.0): book a follow-up visit for a work order.",
        parameters=[schema.ORDER],
        request=BookJobSerializer,
        responses=schema.answers(BookedSerializer, 404, 409, 413, 415, 429),
        examples=[schema.EXAMPLES["booking"], schema.EXAMPLES["booked"]],
    )
    def post(self, request: Request, order: str) -> Response:
        order = read_order(order, request)
        serializer = BookJobSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body = cast(Body, request.data)
        booked = services.book(
            order=order,
            job=serializer.validated_data,
            body=body.text,
            fingerprint=body.fingerprint,
            caller=cast(Caller, request.user).name,
        )
        return Response(BookedSerializer(booked).data)
