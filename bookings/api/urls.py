"""The API's URLs below /api/v1/."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, register_converter
from django.urls.converters import StringConverter
from django.urls.resolvers import RoutePattern
from drf_spectacular.views import SpectacularSwaggerSplitView

from bookings.api import acting, areas, calendars, closing, explaining, feeds, slot_acts, supply, views


class OrderNumber(StringConverter):
    """The number of a work order is free text: spaces, slashes, line breaks, anything."""

    regex = r"(?s:.+)"


register_converter(OrderNumber, "order")


class MaybeWithSlash(RoutePattern):
    """One trailing slash is no part of an address; ServiceMobility's settings are written by hand."""

    def match(self, path: str) -> Any:
        return super().match(path.removesuffix("/"))


def path(route: str, view: Callable[..., Any], *, name: str) -> URLPattern:
    return URLPattern(MaybeWithSlash(route, name=name, is_endpoint=True), view, None, name)


urlpatterns = [
    path("schema", views.SchemaView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("auth/token", views.TokenView.as_view(), name="token"),
    path("appointments/search", views.SearchView.as_view(), name="search"),
    path("appointments/explain", explaining.ExplainView.as_view(), name="explain"),
    path("workorders/<order:order>/followup", views.FollowupView.as_view(), name="followup"),
    path("workorders/<order:order_num>/cancel", acting.CancelView.as_view(), name="cancel"),
    path("workorders/<order:order_num>/move", acting.MoveView.as_view(), name="move"),
    path("workorders/<order:order_num>/review", acting.ReviewView.as_view(), name="review"),
    path("workorders/<order:order_num>/note", acting.NoteView.as_view(), name="note"),
    path("workorders/<order:order_num>/alternatives", acting.AlternativesView.as_view(), name="alternatives"),
    path("blackouts", closing.BlackoutsView.as_view(), name="blackouts"),
    path("absences", closing.AbsencesView.as_view(), name="absences"),
    path("areas", areas.AreasView.as_view(), name="areas"),
    path("slots/close", slot_acts.CloseSlotsView.as_view(), name="close_slots"),
    path("slots/open", slot_acts.OpenSlotsView.as_view(), name="open_slots"),
    path("slots/resize", slot_acts.ResizeSlotsView.as_view(), name="resize_slots"),
    path("slots", supply.SlotsView.as_view(), name="slots"),
    path("feeds/slots", feeds.SlotFeedView.as_view(), name="slot_feed"),
    path("feeds/refusals", feeds.RefusalFeedView.as_view(), name="refusal_feed"),
    path("calendars/<str:secret>.ics", calendars.CalendarView.as_view(), name="calendar"),
    path("workorders", views.WorkOrderFeedView.as_view(), name="workorders"),
    path("workorders/<order:order_num>", views.WorkOrderView.as_view(), name="workorder"),
]
