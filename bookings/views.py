"""HTTP only: authorise, look up, validate, call, answer."""

from typing import cast

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings import services
from bookings.authentication import Caller
from bookings.bodies import Body
from bookings.serializers import BookedSerializer, BookJobSerializer, read_order


class FollowupView(APIView):
    """Book a follow-up visit for a work order (Followup WorkOrder REST API Interface 3.18.0)."""

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
