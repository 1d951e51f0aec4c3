"""The two calls that a phone waits for: search, and book. Authorise, read, call, answer.

Both are views of Django REST framework's, so that the schema is drawn from them as from the others. What its dispatch
does for the others, with objects that are made for each request, is here four lines.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.views import APIView

from bookings import clock, offers, services
from bookings.access.admission import admitted
from bookings.access.tokens import Caller
from bookings.api import errors, schema
from bookings.api.serializers import (
    BookedSerializer,
    BookJobSerializer,
    FoundSerializer,
    SearchSerializer,
    body_of,
    read_current_order,
)
from bookings.db import replica
from bookings.models import Scope
from bookings.offers import type_codes
from bookings.refusals import Code
from bookings.services import empty_searches
from bookings.telemetry import metrics
from bookings.telemetry.metrics import Answer

# These keep nothing of a request, so that one of each will do.
search_serializer, found_serializer = SearchSerializer(), FoundSerializer()
book_job_serializer, booked_serializer = BookJobSerializer(), BookedSerializer()


class Call(APIView):
    """A body that is sent by POST. `scopes` says what its caller must be allowed, as in every view."""

    post: Callable[..., HttpResponse]

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        try:
            caller = admitted(request, self)
            return self.post(request, caller, *arguments, **named)
        except Exception as fault:
            answer = errors.answer(fault, request)
            answer["Allow"] = "POST"
            return answer


class SearchView(Call):
    scopes: ClassVar = {"POST": Scope.SEARCH}

    @extend_schema(
        operation_id="search_appointments",
        summary="Search appointments",
        description="Appointment Search REST API Interface (3.18.0): the periods that can be booked right now.",
        request=SearchSerializer,
        responses=schema.answers(FoundSerializer, "The offers, or none and why.", Code.FORBIDDEN, *schema.WITH_BODY),
        examples=[schema.EXAMPLES["search"], schema.EXAMPLES["found"]],
    )
    def post(self, request: HttpRequest, caller: Caller) -> HttpResponse:
        job, now = search_serializer.to_internal_value(body_of(request)), clock.now()
        if job.time_constraints:
            type_codes.tell_once_a_day(job, now.date())
        found = replica.read(lambda using: offers.search(job, now, using, areas=caller.places))
        is_practice = found.area is not None and found.area.is_practice
        if not is_practice:
            metrics.add(metrics.OFFERS, amount=len(found.periods))
        outcome = "ok" if found.periods else "nothing_free"
        answer = _answer(found_serializer.to_representation(found), outcome, is_practice=is_practice)
        if not found.periods and not is_practice:
            empty_searches.count(found, job.order_type, now)
        answer.after = empty_searches.write_if_due
        return answer


class FollowupView(Call):
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
    def post(self, request: HttpRequest, caller: Caller, order: str) -> HttpResponse:
        order, body = read_current_order(order, request), body_of(request)
        job = book_job_serializer.to_internal_value(body)
        fingerprint, body.document = body.fingerprint, {}  # it is read, and need not stay in memory beside what follows
        booked = services.book(
            order=order,
            job=job,
            body=body.text,
            fingerprint=fingerprint,
            caller=caller.name,
            areas=caller.places,
        )
        outcome = "repeat" if booked.is_repeat else "ok"
        return _answer(booked_serializer.to_representation(booked), outcome, is_practice=booked.is_practice)


def _answer(data: Any, outcome: str, *, is_practice: bool) -> Answer:
    return Answer(orjson.dumps(data), content_type="application/json", outcome=outcome, is_practice=is_practice)
