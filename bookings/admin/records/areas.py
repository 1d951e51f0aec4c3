"""Service areas with their codes and the beginnings of their postcodes."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from unfold.admin import ModelAdmin, TabularInline

from bookings import clock
from bookings.admin.cells import message
from bookings.admin.desk import DeskList
from bookings.admin.records import area_files
from bookings.admin.records.imports import TakesFiles
from bookings.models import AppointmentSlot, AreaCode, DailySum, PostcodePrefix, ServiceArea, visible_areas
from bookings.supply import areas

# Of so many different sizes of slots the page tells what the safety margin comes to.
SHOWN_SIZES = 8


class AreaCodeInline(TabularInline):
    model = AreaCode
    extra = 1
    verbose_name = "other code"
    verbose_name_plural = "other codes"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AreaCode]:
        """The area's own code is a field of the area."""
        return super().get_queryset(request).filter(is_alias=True)  # type: ignore[no-any-return]


class PostcodePrefixInline(TabularInline):
    model = PostcodePrefix
    extra = 1

    def get_formset(self, request: HttpRequest, obj: Model | None = None, **options: Any) -> Any:
        """Refused is what takes customers from an area that its author may not see; no refusal names such an area."""
        seen = visible_areas(request.user)

        class Form(self.form):  # type: ignore[name-defined]
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                self.instance.seen = seen

        return super().get_formset(request, obj, form=Form, **options)


class EndFilter(admin.SimpleListFilter):
    title, parameter_name = "slots", "slots"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("end", "end within a week")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return areas.whose_slots_end(queryset, clock.now()) if self.value() == "end" else queryset


@admin.register(ServiceArea)
class ServiceAreaAdmin(TakesFiles, DeskList, ModelAdmin):
    kind = area_files.KIND
    list_display = ["code", "name", "time_zone"]
    list_filter = [EndFilter]
    search_fields = ["codes__code", "name"]
    inlines = [AreaCodeInline, PostcodePrefixInline]

    def get_urls(self) -> list[URLPattern]:
        return [*area_files.urls(), *super().get_urls()]

    def links(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [*super().links(request), area_files.overlaps_link()]

    def get_form(self, request: HttpRequest, obj: Model | None = None, **options: Any) -> Any:
        """With what the safety margin comes to for the slots of this very area."""
        form = super().get_form(request, obj, **options)
        if margin := form.base_fields.get("safety_percent"):
            margin.help_text = f"{margin.help_text} {margin_text(cast('ServiceArea | None', obj))}"
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ["is_practice"] if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceArea]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[no-any-return]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What keeps an area from being deleted, as a sentence: there may be many thousand rows of it."""
        for model, why in ((AppointmentSlot, "it has slots"), (DailySum, "the page of numbers counts it")):
            kept = Exists(model._default_manager.filter(area=OuterRef("pk")))
            if found := list(ServiceArea.objects.filter(kept, pk__in=[area.pk for area in objs]).order_by("code")):
                after = "Give it no more slots if it is not served any more."
                return [], {}, set(), [f"{area} stays: {why}. {after}" for area in found]
        return super().get_deleted_objects(objs, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A person who is restricted to areas could not see a new one."""
        return super().has_add_permission(request) and visible_areas(request.user) is None

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for prefix in form.instance.postcode_prefixes.all():
            prefix.seen = visible_areas(request.user)
            for around in prefix.around():
                whose = prefix.name_of(around.area)
                messages.warning(
                    request,
                    message(
                        "{} lies within {} of {}. The longer one decides: {}.", prefix, around, whose, form.instance
                    ),
                )


def margin_text(area: ServiceArea | None) -> str:
    """How many places of its coming slots the safety margin keeps back; without slots, an example.

    The rule itself is in bookings.offers.
    """
    slots = AppointmentSlot.objects.filter(area=area, start__gt=clock.now(), capacity__gt=0)
    sizes = list(slots.order_by("capacity").values_list("capacity", flat=True).distinct()[: SHOWN_SIZES + 1])
    if area is None or not sizes:
        return "80 keeps back none of 1 to 4 places, 1 of 5 to 9, and 2 of 10."
    percent = area.safety_percent
    kept = {size: size - -(-size * percent // 100) for size in sizes[:SHOWN_SIZES]}
    text = ", ".join(f"{number or 'none'} of {size}" for size, number in kept.items())
    more = "" if len(sizes) == len(kept) else ", and more of larger ones"
    remedy = " That is nothing: give fewer percent, or slots more places." if not any(kept.values()) else ""
    return f"In this area {percent} keeps back {text}{more}.{remedy if percent < 100 and not more else ''}"
