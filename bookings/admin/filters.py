"""The questions that several lists answer; what one list alone asks is in the file of that list.

A filter here is a field of the bar above the list, not a panel of links; `kind` is how it is drawn there.
"""

from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from bookings import clock
from bookings.admin import addresses
from bookings.admin.days import on_days, read_day
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea
from bookings.supply.from_plans import hours

# So many slots, and no more, are named by their keys where a filter asks for them.
FEW_SLOTS = 2_000


class BarFilter(admin.SimpleListFilter):
    """One field of the bar. An empty field asks nothing."""

    kind: ClassVar[str] = "select"
    any_text: ClassVar[str] = "any"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.request = request
        super().__init__(request, params, model, model_admin)

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def value(self) -> str:
        return str(super().value() or "").strip()

    def options(self) -> list[tuple[str, str, bool]]:
        """What can be chosen: (value, text, whether it is)."""
        return [(str(value), str(text), str(value) == self.value()) for value, text in self.lookup_choices]

    def says(self) -> str:
        """What the list is narrowed to by this filter, in words; empty where it asks nothing."""
        value = self.value()
        shown = next((text for known, text, _ in self.options() if value and known == value), value)
        return f"{self.title}: {shown}" if value else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(self.condition(request)) if self.value() else queryset

    def condition(self, request: HttpRequest) -> Q:
        raise NotImplementedError


def _day_says(value: str, title: str) -> str:
    day = read_day(value)
    return f"{title} {clock.day_text(day) if day else 'no such day'}" if value else ""


class DayFilter(BarFilter):
    """The day of the visit, or with `until` the first of several."""

    title, parameter_name, kind = "visit from", "day", "date"
    field: ClassVar[str] = "visit_start"

    def says(self) -> str:
        title = self.title if self.request.GET.get("until") else self.title.replace("from", "on")
        return _day_says(self.value(), title)

    def condition(self, request: HttpRequest) -> Q:
        first, last = read_day(self.value()), read_day(request.GET.get("until"))
        if first is None:
            return Q(pk__in=[])
        areas = ServiceArea.objects.visible_to(request.user)
        return on_days(areas, self.field, lambda zone: (first, max(first, last or first)))


class UntilFilter(BarFilter):
    """The last day. Without a first one: everything up to it."""

    title, parameter_name, kind = "visit until", "until", "date"
    field: ClassVar[str] = "visit_start"

    def says(self) -> str:
        return _day_says(self.value(), self.title)

    def condition(self, request: HttpRequest) -> Q:
        last = read_day(self.value())
        if last is None:
            return Q(pk__in=[])
        if request.GET.get("day"):
            return Q()
        areas = ServiceArea.objects.visible_to(request.user)
        return on_days(areas, self.field, lambda zone: (date(hours.FIRST_YEAR, 1, 1), last))


class AreaFilter(BarFilter):
    title, parameter_name = "area", "area"

    @staticmethod
    def codes(request: HttpRequest) -> list[str]:
        """Those that are asked for: none where the last one is blank, for it is the value."""
        return request.GET.getlist("area") if request.GET.get("area", "").strip() else []

    def several(self) -> list[str]:
        """More areas than a field shows, as the board asks for them."""
        codes = self.request.GET.getlist("area")
        return codes if len(codes) > 1 else []

    def says(self) -> str:
        codes = self.several()
        return f"areas: {', '.join(codes)}" if codes else super().says()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(area.code, area.name) for area in ServiceArea.objects.visible_to(request.user).order_by("name")]

    def condition(self, request: HttpRequest) -> Q:
        # The key is looked up first: the index of the list goes by it.
        areas = ServiceArea.objects.filter(code__in=self.codes(self.request))
        return Q(area_id__in=list(areas.values_list("pk", flat=True)))


class TextFilter(BarFilter):
    kind = "text"

    def condition(self, request: HttpRequest) -> Q:
        return Q(**{str(self.parameter_name): self.value()[:ID_LENGTH]})


class OrderTypeFilter(TextFilter):
    title, parameter_name = "order type", "order_type"


class WorkerFilter(TextFilter):
    """Whose slot it is, as the column says it: `pool` are the slots without a worker of their own."""

    title, parameter_name = "slot's worker", "worker"

    def slots(self) -> Q:
        return or_empty("worker", self.value(), "pool")

    def condition(self, request: HttpRequest) -> Q:
        """By the keys of the slots: joined, each booking of the list would look its slot up until enough fit."""
        slots = AppointmentSlot.objects.filter(self.slots())
        keys = list(slots.order_by().values_list("pk", flat=True)[: FEW_SLOTS + 1])
        return Q(slot__in=keys if len(keys) <= FEW_SLOTS else slots.values("pk"))


def or_empty(field: str, value: str, word: str) -> Q:
    found = Q(**{field: value[:ID_LENGTH]})
    return found | Q(**{field: ""}) if value.casefold() == word else found


class HiddenFilter(BarFilter):
    """Asked by links of the board; the bar carries it on and offers to drop it."""

    kind = "hidden"
    texts: ClassVar[dict[str, str]] = {}

    def text(self) -> str:
        return self.texts.get(self.value(), "")

    def says(self) -> str:
        return (self.text() or f"{self.title}: nothing") if self.value() else ""


class WindowFilter(HiddenFilter):
    """The bookings of one slot, and of the others of its area in the same period."""

    title, parameter_name = "window", "window"

    @cached_property
    def slot(self) -> AppointmentSlot | None:
        key = self.value()
        slots = AppointmentSlot.objects.visible_to(self.request.user).select_related("area")
        return slots.filter(pk=int(key)).first() if addresses.is_key(key) else None

    def text(self) -> str:
        return f"{self.slot.area.name}, {self.slot}" if self.slot else ""

    def condition(self, request: HttpRequest) -> Q:
        if self.slot is None:
            return Q(pk__in=[])
        return self.in_window(self.slot)

    def in_window(self, slot: AppointmentSlot) -> Q:
        same = AppointmentSlot.objects.filter(area=slot.area_id, start=slot.start, end=slot.end)
        return Q(slot_id__in=list(same.values_list("pk", flat=True)))
