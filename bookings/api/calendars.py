"""Calendars of a worker or an area (iCalendar, RFC 5545), at an address that is a secret itself."""

import hashlib
from datetime import timedelta
from typing import ClassVar

import icalendar
from django.conf import settings
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.http import Http404, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import clock
from bookings.access import calendars
from bookings.api import schema
from bookings.models import CalendarAddress, WorkOrder
from bookings.refusals import Code
from bookings.sentences import one_line
from bookings.telemetry.metrics import Answer

# Visits that were over so long ago, or begin so much later, are left out; and so many are shown.
BEFORE, AFTER, MOST = timedelta(days=30), timedelta(days=180), 5_000
MEDIA_TYPE = "text/calendar"
LONGEST_TEXT = 1_000


SECRET = OpenApiParameter(
    "secret",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
    OpenApiParameter.PATH,
    description="What the desk has shown.",
)


class CalendarView(APIView):
    """Programs that show calendars can send no key."""

    authentication_classes = ()
    permission_classes = ()
    scopes: ClassVar = {"GET": ""}

    @extend_schema(
        operation_id="read_calendar",
        summary="Read a calendar",
        description="The bookings of a worker or an area as iCalendar, from 30 days ago until 180 days ahead. The"
        " address is made on the desk (Calendars), shown once, and can be revoked. It has no name and no address of a"
        " customer unless that was switched on for it. With an `ETag`.",
        parameters=[SECRET],
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.STR, "The calendar."),
            304: OpenApiResponse(description="It is as `If-None-Match` says."),
            **schema.refusals(Code.NOT_FOUND),
        },
    )
    def get(self, request: Request, secret: str) -> HttpResponse:
        address = calendars.find(secret)
        if address is None:
            raise Http404
        found = bookings_of(address)
        etag = quote_etag(_digest(address, found))
        # Programs ask often, and as a rule nothing has changed: then nothing is written either.
        unchanged: HttpResponse | None = get_conditional_response(request._request, etag=etag)
        if unchanged:
            unchanged.headers["ETag"] = etag
            return unchanged
        body = calendar_of(address, found).to_ical()
        return Answer(body, content_type=f"{MEDIA_TYPE}; charset=utf-8", headers={"ETag": etag}, outcome="ok")


def bookings_of(address: CalendarAddress) -> QuerySet[WorkOrder]:
    now = clock.now()
    found = WorkOrder.objects.active().filter(visit_start__gt=now - BEFORE, visit_start__lt=now + AFTER)
    return found.filter(area=address.area) if address.area else found.filter(slot__worker=address.worker)


def _digest(address: CalendarAddress, found: QuerySet[WorkOrder]) -> str:
    """Of all that a calendar says: each change of a booking counts its version, and whatever leaves is the first."""
    of_all = found.aggregate(Count("pk"), Sum("version"), Max("changed_at"), Min("visit_start"), Max("visit_start"))
    named = [settings.BOOKJOB_VERSION, address.pk, address.shows_customers, str(address), *of_all.values()]
    return hashlib.sha256(repr(named).encode()).hexdigest()[:32]


def calendar_of(address: CalendarAddress, found: QuerySet[WorkOrder]) -> icalendar.Calendar:
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//bookjob//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", str(address))
    for work_order in found.select_related("slot").defer("body").order_by("visit_start", "pk")[:MOST]:
        calendar.add_component(_event(work_order, shows_customers=address.shows_customers))
    return calendar


def _event(work_order: WorkOrder, *, shows_customers: bool) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", f"{work_order.order_num}@bookjob")
    event.add("dtstamp", work_order.changed_at)
    event.add("last-modified", work_order.changed_at)
    event.add("sequence", work_order.version)
    event.add("dtstart", work_order.slot.start)
    event.add("dtend", work_order.slot.end)
    words = [work_order.order_num, work_order.order_type, work_order.slot.worker]
    if shows_customers:
        words.append(work_order.account_name or work_order.location_name)
        event.add("location", _text(", ".join(filter(None, [work_order.address, work_order.postcode]))))
    event.add("summary", _text(" ".join(filter(None, words))))
    return event


def _text(text: str) -> str:
    """Programs end a property where a line breaks, by whichever letter."""
    return one_line(text, LONGEST_TEXT)
