"""The list, the pages and the forms of appointment slots. What changes a slot is `bookings.supply.slots`."""

from datetime import date
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from bookings import clock, offers
from bookings.access import kept
from bookings.admin import actions, days, filters
from bookings.admin.cells import area_name, message, period_lines, state_label, two_lines
from bookings.admin.desk import DeskAdmin, close_links
from bookings.admin.orders import details
from bookings.admin.planning import planner, rules
from bookings.admin.supply import capacity, slot_actions, slot_forms
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder, visible_areas
from bookings.refusals import Refused
from bookings.supply import slots
from bookings.supply.from_plans import hours

# As far as any calendar of slots reaches.
LAST_DAY = date(hours.LAST_YEAR, 12, 31)
ADD_HINT = "Hours are read on the clock of the area. A whole calendar is a schedule (Schedules)."
DAYS_HINT = "Hours are read on the clock of the area. The next page shows which slots and bookings are affected."


class SlotDayFilter(filters.DayFilter):
    title, field = "slot from", "start"


class SlotUntilFilter(filters.UntilFilter):
    title, field = "slot until", "start"


class SlotOrderTypeFilter(filters.OrderTypeFilter):
    """`any`, as the column shows it, are the slots for orders of any type."""

    title = "slot's order type"

    def condition(self, request: HttpRequest) -> Q:
        return filters.or_empty("order_type", self.value(), "any")


class SlotWorkerFilter(filters.WorkerFilter):
    def condition(self, request: HttpRequest) -> Q:
        return self.slots()


class SlotWindowFilter(filters.WindowFilter):
    def in_window(self, slot: AppointmentSlot) -> Q:
        return Q(area=slot.area_id, start=slot.start, end=slot.end)


class SlotStateFilter(filters.BarFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("free", "open with free places"), ("full", "open and full"), ("open", "open"), ("closed", "closed")]

    def condition(self, request: HttpRequest) -> Q:
        return {
            "free": offers.SHOWN & Q(booked__lt=F("capacity"), start__gt=clock.now()),
            "full": offers.SHOWN & Q(booked__gte=F("capacity")),
            "open": offers.SHOWN,
            "closed": ~offers.SHOWN,
        }.get(self.value(), Q(pk__in=[]))


@admin.register(AppointmentSlot)
class AppointmentSlotAdmin(DeskAdmin):
    list_display = ["period", area_name, "who", "kind", "fill", "state"]
    list_display_links = ["period"]
    list_select_related = ["area", "blackout"]
    list_filter = [
        SlotDayFilter,
        SlotUntilFilter,
        filters.AreaFilter,
        SlotStateFilter,
        SlotOrderTypeFilter,
        SlotWorkerFilter,
        SlotWindowFilter,
    ]
    ordering = ["start", "pk"]
    desk_actions = slot_actions.SLOT_ACTIONS
    page_template = "admin/bookings/slot.html"
    rows_template = "admin/bookings/slot_rows.html"

    def version_of(self, row: AppointmentSlot) -> int:
        return row.capacity

    def get_urls(self) -> list[URLPattern]:
        days = path("days/", self.admin_site.admin_view(self.days_view), name="bookings_appointmentslot_days")
        return [days, *capacity.urls(), *planner.urls(), *rules.urls(), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AppointmentSlot]:
        """Without any question asked, the list begins today, not with the oldest slot there ever was."""
        queryset = super().get_queryset(request)
        is_list = request.path == reverse("admin:bookings_appointmentslot_changelist")
        if is_list and not any(request.GET.get(name) for name in ("day", "until", "window", "q")):
            areas = ServiceArea.objects.visible_to(request.user)
            queryset = queryset.filter(days.on_days(areas, "start", lambda zone: (days.today(zone), LAST_DAY)))
        return queryset

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.add_appointmentslot"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        kept.show_again(request, "slot")
        form = slot_forms.AddSlotForm(request, request.POST if request.method == "POST" else None)
        if form.is_valid() and request.POST.get("do") != "edit":
            names = ("area", "start", "end", "capacity", "worker", "order_type")
            try:
                values = {name: form.cleaned_data[name] for name in names}
                slot = slots.add(by=request.user.get_username(), seen=visible_areas(request.user), **values)
            except ValidationError:
                form.add_error(None, "There is such a slot already. Open it and change its places instead.")
            except Refused as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, message("The slot {} was added.", slot))
                return HttpResponseRedirect(reverse("admin:bookings_appointmentslot_change", args=[slot.pk]))
        context = {"title": "Add a slot", "form": form, "button": "Add the slot", "hint": ADD_HINT}
        return self.form_page(request, context)

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        may = actions.allowed(request, self.desk_actions, many=True)
        days = [(reverse("admin:bookings_appointmentslot_days"), "Range of days")] if may else []
        return {"bar_links": [*days, *close_links(request)]}

    def days_view(self, request: HttpRequest) -> HttpResponse:
        """The slots of a range of days, to be opened, closed or given other places together."""
        may = actions.allowed(request, self.desk_actions, many=True)
        if not may:
            raise PermissionDenied
        name = request.GET.get("do")
        form = slot_forms.DaysForm(request, request.GET if name else None)
        action = next((action for action in may if action.name == name), None)
        if action and form.is_valid():
            keys = [slot.pk for slot in form.slots()]
            if keys:
                return actions.ask_about(self, request, action, self.get_queryset(request).filter(pk__in=keys))
            form.add_error(None, "There are no slots on these days. Choose others.")
        context = {"title": "Slots on a range of days", "form": form, "choices": may, "hint": DAYS_HINT}
        return self.form_page(request, context)

    @admin.display(description="Period", ordering="start")
    def period(self, slot: AppointmentSlot) -> str:
        return period_lines(slot.area, slot)

    @admin.display(description="Worker")
    def who(self, slot: AppointmentSlot) -> str:
        return two_lines(slot.worker or "pool")

    @admin.display(description="Type")
    def kind(self, slot: AppointmentSlot) -> str:
        return two_lines(slot.order_type or "any")

    @admin.display(description="Booked / places")
    def fill(self, slot: AppointmentSlot) -> str:
        return two_lines(f"{slot.booked} / {slot.capacity}", f"{slot.free} free")

    @admin.display(description="State")
    def state(self, slot: AppointmentSlot) -> str:
        word, colour = ("closed", "off") if slot.is_hidden else ("full", "new") if not slot.free else ("open", "done")
        return format_html(
            '<span class="desk-label desk-label-{}">{}</span> <span class="desk-sub">{}</span>',
            colour,
            word,
            slot.hidden_reason,
        )

    def page_context(self, request: HttpRequest, row: AppointmentSlot) -> dict[str, Any]:
        bookings = WorkOrder.objects.visible_to(request.user).filter(slot=row).select_related("area", "slot")
        return {
            "state": self.state(row),
            "bookings": [
                (work_order, state_label(work_order))
                for work_order in bookings.defer("body").order_by("status", "pk")[: actions.SHOWN_ROWS]
            ],
            "history": details.history(row.history.all(), row.area),
        }
