"""What was asked for over the API and refused: dispatch is called about it."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern

from bookings import clock
from bookings.admin import addresses, days, filters
from bookings.admin.cells import link, time_lines, two_lines
from bookings.admin.desk import DeskAdmin, ReadOnlyAdmin
from bookings.admin.orders import details, second_chance
from bookings.admin.overview import visits
from bookings.admin.planning import rules
from bookings.models import EmptySearch, Refusal, ServiceArea


def refused_today(areas: Iterable[ServiceArea]) -> Q:
    """A refusal for no area has no clock of its own: its day is that of UTC."""
    start, end = clock.day_bounds(days.today(ZoneInfo("UTC")), ZoneInfo("UTC"))
    return days.on_days(areas, "at", days.last_days(1)) | Q(area__isnull=True, at__gte=start, at__lt=end)


class RefusalDayFilter(filters.HiddenFilter):
    title, parameter_name = "refused", "refused"
    texts: ClassVar[dict[str, str]] = {"today": "refused today", "since": "refused since you were last here"}

    def condition(self, request: HttpRequest) -> Q:
        if self.value() == "since":
            return visits.came_since("at", request)
        return refused_today(ServiceArea.objects.visible_to(request.user))


@admin.register(Refusal)
class RefusalAdmin(DeskAdmin):
    """What was asked for over the API and refused: dispatch is called about it."""

    list_display = ["when", "order", "area_name", "wanted", "said", "who"]
    list_display_links = ["when"]
    list_filter = [RefusalDayFilter, filters.AreaFilter, filters.OrderTypeFilter]
    list_select_related = ["area"]
    search_fields = ["original_order", "message", "caller", "request_id"]
    search_help_text = "Order, message, caller, request"
    page_template = "admin/bookings/refusal.html"

    def get_urls(self) -> list[URLPattern]:
        return [*second_chance.urls(), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refusal]:
        """What is refused is as long as a body may be: a list does without."""
        return super().get_queryset(request).defer("body")

    @admin.display(description="When", ordering="at")
    def when(self, refusal: Refusal) -> str:
        return time_lines(_instant_text(refusal.area, refusal.at), _zone(refusal.area))

    @admin.display(description="Original order, type", ordering="original_order")
    def order(self, refusal: Refusal) -> str:
        address = addresses.list_of("workorder", view="all", q=refusal.original_order)
        return two_lines(link(address, refusal.original_order), refusal.order_type)

    @admin.display(description="Area")
    def area_name(self, refusal: Refusal) -> str:
        area = refusal.area
        return two_lines(link(addresses.list_of("refusal", area=area.code), area.name) if area else "none")

    @admin.display(description="Asked for", ordering="visit_start")
    def wanted(self, refusal: Refusal) -> str:
        return time_lines(_wanted_text(refusal), _zone(refusal.area))

    @admin.display(description="Message")
    def said(self, refusal: Refusal) -> str:
        return two_lines(refusal.message)

    @admin.display(description="Caller, request", ordering="caller")
    def who(self, refusal: Refusal) -> str:
        return two_lines(refusal.caller, refusal.request_id)

    def page_context(self, request: HttpRequest, row: Refusal) -> dict[str, Any]:
        area = row.area
        return {
            "title": f"Refused: {row.original_order}",
            "at": _instant_text(area, row.at),
            "wanted": _wanted_text(row),
            "order_address": addresses.list_of("workorder", view="all", q=row.original_order),
            "slots_address": addresses.list_of(
                "appointmentslot", area=area.code, day=row.visit_start.astimezone(area.zone).date()
            )
            if area and row.visit_start
            else "",
            "rules_address": rules.address(refusal=row.pk) if row.body and rules.may_ask(request) else "",
            "body": details.readable(row.body),
        }


def _instant_text(area: ServiceArea | None, instant: datetime) -> str:
    """On the clock of the area; what belongs to none has no clock but UTC's."""
    return area.instant_text(instant) if area else f"{instant:%a %d %b %Y, %H:%M} (UTC)"


def _wanted_text(refusal: Refusal) -> str:
    """The period that was asked for; empty for what an earlier release kept."""
    if refusal.visit_start is None or refusal.visit_end is None:
        return ""
    return clock.period_text(refusal.visit_start, refusal.visit_end, _zone(refusal.area).key)


def _zone(area: ServiceArea | None) -> ZoneInfo:
    return area.zone if area else ZoneInfo("UTC")


class SearchDayFilter(admin.SimpleListFilter):
    """Days that go on with the clock, so that a saved view of them does. Django's own would be fixed in the address."""

    title, parameter_name = "day", "searched"
    spans: ClassVar[dict[str, tuple[str, int]]] = {
        "today": ("Today", 1),
        "week": ("Past 7 days", 7),
        "month": ("Past 30 days", 30),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, text) for value, (text, _) in self.spans.items()]

    def says(self) -> str:
        value = self.value()
        return f"{self.title}: {self.spans.get(value, (value, 0))[0]}" if value else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        if self.value() not in self.spans:
            return queryset.none()
        first_days = {zone: self._first_day(zone) for zone in self._zones(request)}
        each = [Q(area__time_zone=zone, day__gte=day) for zone, day in first_days.items()]
        of_none = self._first_day("UTC")
        # The first of them all is what the index can be read by.
        since = queryset.filter(day__gte=min([of_none, *first_days.values()]))
        return since.filter(reduce(or_, each, Q(area=None, day__gte=of_none)))

    def _first_day(self, zone: str) -> date:
        _, number = self.spans[str(self.value())]
        return days.last_days(number)(ZoneInfo(zone))[0]

    def _zones(self, request: HttpRequest) -> list[str]:
        zones = ServiceArea.objects.visible_to(request.user).order_by().values_list("time_zone", flat=True)
        return list(zones.distinct())


@admin.register(EmptySearch)
class EmptySearchAdmin(ReadOnlyAdmin):
    """How many searches found nothing, by day, area, order type and reason."""

    list_display = ["day", "where", "order_type", "reason", "number", "why"]
    list_display_links = None
    list_select_related = ["area"]
    list_filter = [SearchDayFilter, "reason"]
    search_fields = ["order_type", "area__name", "area__code"]
    search_help_text = "Order type, area"

    @admin.display(description="Area", ordering="area__name")
    def where(self, row: EmptySearch) -> str:
        return two_lines(row.area.name if row.area else "none: the place belongs to no area")

    @admin.display(description="Now")
    def why(self, row: EmptySearch) -> str:
        """Where the place belongs to an area, the same can be asked again."""
        if row.area is None:
            return "-"
        return link(rules.address(area=row.area.code, order_type=row.order_type), "Ask the rules")
