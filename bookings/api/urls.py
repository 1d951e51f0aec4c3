"""The API's URLs below /api/v1/."""

from typing import Any

from django import urls
from django.urls import URLPattern, register_converter
from django.urls.converters import StringConverter
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.views import APIView

from bookings.api import acting, areas, calendars, calls, closing, explaining, feeds, slot_acts, supply, views


class OrderNumber(StringConverter):
    """The number of a work order is free text: spaces, slashes, line breaks, anything."""

    regex = r"(?s:.+)"


register_converter(OrderNumber, "order")


# OPTIONS is none: openapi.yaml describes the addresses.
METHODS = ["get", "head", "post", "put", "delete"]


def path(route: str, view: type[APIView], *, name: str, **options: Any) -> URLPattern:
    return urls.path(route, view.as_view(http_method_names=METHODS, **options), name=name)


urlpatterns = [
    # First those that a phone waits for: they are looked for in this order.
    path("appointments/search", calls.SearchView, name="search"),
    path("workorders/<order:order>/followup", calls.FollowupView, name="followup"),
    path("schema", views.SchemaView, name="schema"),
    path("docs", SpectacularSwaggerSplitView, name="docs", url_name="schema"),
    path("auth/token", views.TokenView, name="token"),
    path("appointments/explain", explaining.ExplainView, name="explain"),
    path("workorders/<order:order_num>/cancel", acting.CancelView, name="cancel"),
    path("workorders/<order:order_num>/move", acting.MoveView, name="move"),
    path("workorders/<order:order_num>/review", acting.ReviewView, name="review"),
    path("workorders/<order:order_num>/note", acting.NoteView, name="note"),
    path("workorders/<order:order_num>/alternatives", acting.AlternativesView, name="alternatives"),
    path("blackouts", closing.BlackoutsView, name="blackouts"),
    path("absences", closing.AbsencesView, name="absences"),
    path("areas", areas.AreasView, name="areas"),
    path("slots/close", slot_acts.CloseSlotsView, name="close_slots"),
    path("slots/open", slot_acts.OpenSlotsView, name="open_slots"),
    path("slots/resize", slot_acts.ResizeSlotsView, name="resize_slots"),
    path("slots", supply.SlotsView, name="slots"),
    path("feeds/slots", feeds.SlotFeedView, name="slot_feed"),
    path("feeds/refusals", feeds.RefusalFeedView, name="refusal_feed"),
    path("calendars/<str:secret>.ics", calendars.CalendarView, name="calendar"),
    path("workorders", views.WorkOrderFeedView, name="workorders"),
    path("workorders/<order:order_num>", views.WorkOrderView, name="workorder"),
]
