"""What dispatch staff see and may do. Nothing here writes a booking or a slot: that is `services.py` and `slots.py`.

Work orders and slots are read here and changed by the actions of `actions.py`, never in place, and never deleted.
Each class shows only the areas that somebody may see, in its list, pages, actions and exports: `get_queryset` is
the one place of it.
"""

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.views import ChangeList

from bookings import clock
from bookings.access import kept
from bookings.admin import actions, addresses, details, exports, filters, forms
from bookings.admin.margin import margin_text
from bookings.models import (
    AppointmentSlot,
    AreaCode,
    AreaRestriction,
    Blackout,
    PostcodePrefix,
    Refusal,
    ServiceArea,
    WorkOrder,
    visible_areas,
)
from bookings.services import BookingError, public_form, search_terms
from bookings.supply import blackouts, hours, slots

# A day or a few are listed, and printed, on one page.
ROWS_OF_DAYS = 500
# As far as any calendar of slots reaches.
LAST_DAY = date(hours.LAST_YEAR, 12, 31)
ADD_HINT = "Hours are read on the clock of the area. A whole calendar is made with the command seed_slots."
CLOSE_HINT = "On the clock of the area. The next page shows which slots and bookings are affected."
DAYS_HINT = "Hours are read on the clock of the area. The next page shows which slots and bookings are affected."

admin.site.unregister(User)
admin.site.unregister(Group)


def two_lines(first: Any, second: Any = "", *, warn: bool = False) -> str:
    return format_html(
        '<span class="desk-cell"><span class="desk-line{}" dir="auto">{}</span>'
        '<span class="desk-line desk-sub" dir="auto">{}</span></span>',
        " desk-warn" if warn else "",
        first or "-",
        second,
    )


def state_label(work_order: WorkOrder) -> str:
    """Booked and not yet looked at, looked at, or cancelled: a word, and a colour for the quick eye."""
    if work_order.status == WorkOrder.Status.CANCELLED:
        word, colour = "cancelled", "off"
    elif work_order.reviewed_at is None:
        word, colour = "to review", "new"
    else:
        word, colour = "reviewed", "done"
    return format_html('<span class="desk-label desk-label-{}">{}</span>', colour, word)


def period_lines(area: ServiceArea, slot: AppointmentSlot) -> str:
    """`Fri 4 Dec, 13:00-15:00` above the zone that it is read in; the year where it is not this one."""
    return _lines(area, area.period_text(slot.start, slot.end))


def instant_lines(area: ServiceArea, instant: datetime) -> str:
    return _lines(area, area.instant_text(instant))


def _lines(area: ServiceArea, text: str) -> str:
    text, _, zone = text.rpartition(" (")
    return two_lines(text.replace(f" {filters.today(area.zone).year}", ""), zone.rstrip(")"))


def close_links(request: HttpRequest) -> list[tuple[str, str]]:
    may = request.user.has_perm("bookings.close_appointmentslot")
    return [(reverse("admin:bookings_blackout_add"), "Close for a time")] if may else []


class DeskChangeList(ChangeList):
    """Django would count the whole table to say what the filters leave out."""

    page_num: int
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        if any(filters.read_day(request.GET.get(name)) for name in ("day", "until")):
            self.list_per_page = ROWS_OF_DAYS
        super().get_results(request)
        self.request = request
        self.page_num = self.paginator.validate_number(self.page_num)
        self.full_result_count = self.result_count

    def combined(self) -> list[tuple[str, str]]:
        """All that narrows the list, in words, each with the address of the list without it."""
        found = [(spec.parameter_name, spec.says()) for spec in self.filter_specs if hasattr(spec, "says")]
        if self.query:
            found.append(("q", f"search: {self.query}"))
        asked = {name: values for name, values in self.request.GET.lists() if name != "p" and any(values)}
        return [
            (text, addresses.with_query("", {key: asked[key] for key in asked if key != name} or {"view": "all"}))
            for name, text in found
            if text
        ]


class WorkOrderChangeList(DeskChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """How many parts are late is counted once for the page."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        late = details.late_parts(row.pk for row in self.result_list if row.has_late_parts)
        for row in self.result_list:
            row.late_count = late.get(row.pk, 0)


def check_keys(*keys: str) -> None:
    if not all(map(addresses.is_key, keys)):
        raise Http404


class DeskList:
    """What all lists share. Each word of a search is a condition of the statement; a thousand are more than SQLite
    takes. A page that is there no longer is the last one."""

    paginator: Any = filters.BoundedPaginator

    def changeform_view(self, request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        """Draws again what was typed before a log-in, as a form that cannot be saved yet."""
        self_shown = kept.show_again(request)
        request.is_shown_again = self_shown  # type: ignore[attr-defined]
        return super().changeform_view(request, *arguments, **options)  # type: ignore[misc,no-any-return]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """For all pages of a row. Of one that is gone Django tells; what can be no primary key is no address."""
        check_keys(object_id)
        return super().get_object(request, object_id, from_field)  # type: ignore[misc]

    def response_action(self, request: HttpRequest, *arguments: Any, **options: Any) -> Any:
        check_keys(*request.POST.getlist(ACTION_CHECKBOX_NAME))
        return super().response_action(request, *arguments, **options)  # type: ignore[misc]

    def get_form(self, request: HttpRequest, *arguments: Any, **options: Any) -> Any:
        form = super().get_form(request, *arguments, **options)  # type: ignore[misc]
        if not getattr(request, "is_shown_again", False):
            return form

        def clean(self: Any) -> None:
            raise ValidationError("Look at it and save it again.")

        return type(form.__name__, (form,), {"clean": clean})

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return DeskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        few = " ".join(search_term.split(" ")[: search_terms.MAX_PIECES])
        return super().get_search_results(request, queryset, few)  # type: ignore[misc,no-any-return]


@admin.register(Group)
class GroupAdmin(DeskList, DjangoGroupAdmin, ModelAdmin):
    pass


class AreaRestrictionInline(StackedInline):
    model = AreaRestriction
    filter_horizontal = ["areas"]
    verbose_name = "restriction to areas"
    verbose_name_plural = "restriction to areas"


@admin.register(User)
class UserAdmin(DeskList, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [AreaRestrictionInline]


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


@admin.register(ServiceArea)
class ServiceAreaAdmin(DeskList, ModelAdmin):
    list_display = ["code", "name", "time_zone"]
    search_fields = ["codes__code", "name"]
    inlines = [AreaCodeInline, PostcodePrefixInline]

    def get_form(self, request: HttpRequest, obj: Model | None = None, **options: Any) -> Any:
        """With what the safety margin comes to for the slots of this very area."""
        form = super().get_form(request, obj, **options)
        if margin := form.base_fields.get("safety_percent"):
            margin.help_text = f"{margin.help_text} {margin_text(cast('ServiceArea | None', obj))}"
        return form

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceArea]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[no-any-return]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever is restricted to areas could not see a new one."""
        return super().has_add_permission(request) and visible_areas(request.user) is None

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for prefix in form.instance.postcode_prefixes.all():
            prefix.seen = visible_areas(request.user)
            for around in prefix.around():
                whose = prefix.name_of(around.area)
                messages.warning(
                    request, f"{prefix} lies within {around} of {whose}. The longer one decides: {form.instance}."
                )


class ReadOnlyAdmin(DeskList, ModelAdmin):
    """Looked at, never typed into."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[no-any-return]


class DeskAdmin(ReadOnlyAdmin):
    """A list with the bar of filters, pages of its own, and the actions of `actions.py` on one row and on many."""

    change_list_template = "admin/bookings/desk_list.html"
    desk_actions: list[actions.Action] = []

    def get_urls(self) -> list[URLPattern]:
        name = f"bookings_{self.opts.model_name}_act"
        return [path("act/<slug:name>/", self.admin_site.admin_view(self.act_view), name=name), *super().get_urls()]

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        action = next((action for action in self.desk_actions if action.name == name), None)
        if action is None:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        return actions.act(self, request, action)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            action.name: (partial(self._ask, action=action), action.name, action.title)
            for action in actions.allowed(request, self.desk_actions, many=True)
        }

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**(extra_context or {}), **self.list_context(request)}
        return cast(HttpResponse, super().changelist_view(request, context))

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    @staticmethod
    def _ask(model_admin: Any, request: HttpRequest, rows: QuerySet[Any], *, action: actions.Action) -> HttpResponse:
        return actions.ask_about(model_admin, request, action, rows)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return cast(HttpResponse, self._get_obj_does_not_exist_redirect(request, self.opts, object_id))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(row),
            "original": row,
            "row": row,
            "chosen": actions.chosen_text([row]) if self.desk_actions else "",
            "actions": [
                action for action in actions.allowed(request, self.desk_actions, many=False) if not action.unfit(row)
            ],
            "act_address": f"admin:bookings_{self.opts.model_name}_act",
            **self.page_context(request, row),
        }
        return TemplateResponse(request, self.page_template, context)

    page_template = ""

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError

    def form_page(
        self, request: HttpRequest, context: dict[str, Any], template: str = "admin/bookings/form.html"
    ) -> HttpResponse:
        back = reverse(f"admin:bookings_{self.opts.model_name}_changelist")
        context = {**self.admin_site.each_context(request), "opts": self.opts, "back": back, **context}
        return TemplateResponse(request, template, context)

    def history_view(self, *arguments: Any, **options: Any) -> HttpResponse:
        """The history stands on the page itself, with more in it than Django's log knows."""
        raise Http404


@admin.register(WorkOrder)
class WorkOrderAdmin(DeskAdmin):
    list_display = ["number", "state", "customer", "place", "area_name", "period", "who", "kind", "parts"]
    list_display_links = ["number"]
    list_select_related = ["area", "slot"]
    list_filter = [
        filters.ViewFilter,
        filters.DayFilter,
        filters.UntilFilter,
        filters.AreaFilter,
        filters.StateFilter,
        filters.ReviewFilter,
        filters.OrderTypeFilter,
        filters.WorkerFilter,
        filters.AskedWorkerFilter,
        filters.PartsFilter,
        filters.ArrivalFilter,
        filters.CancelledFilter,
        filters.WindowFilter,
    ]
    # How they are found is in search_terms.py; the names only make Django draw the field.
    search_fields = ["order_num"]
    search_help_text = "Number, order, account, name, address, phone, e-mail, part, worker"
    desk_actions = actions.WORK_ORDER_ACTIONS
    page_template = "admin/bookings/work_order.html"

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return WorkOrderChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkOrder]:
        return super().get_queryset(request).defer("body")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """What is to be done or falls on days: the next visit first. Everything else: the newest first."""
        view = request.GET.get("view")
        is_asked = any(text for name, text in request.GET.items() if name != "p")
        falls_on_days = request.GET.get("day") or request.GET.get("until")
        by_visit = view in ("attention", "closed") or falls_on_days or not is_asked
        return ["visit_start", "pk"] if by_visit else ["-pk"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WorkOrder], search_term: str
    ) -> tuple[QuerySet[WorkOrder], bool]:
        return (queryset.filter(search_terms.found_by(search_term)) if search_term.strip() else queryset), False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if request.user.has_perm("bookings.export_workorder"):
            actions["csv"] = (export_csv, "csv", "Export as CSV")
            actions["xlsx"] = (export_xlsx, "xlsx", "Export as XLSX")
        return actions

    @admin.display(description="Number", ordering="pk")
    def number(self, work_order: WorkOrder) -> str:
        return two_lines(work_order.order_num, work_order.original_order)

    @admin.display(description="Customer", ordering=None)
    def customer(self, work_order: WorkOrder) -> str:
        return two_lines(work_order.account_name or work_order.account_num, work_order.account_num)

    @admin.display(description="Place")
    def place(self, work_order: WorkOrder) -> str:
        where = work_order.address or work_order.location_name or work_order.location_num
        return two_lines(work_order.postcode or where, where if work_order.postcode else "")

    @admin.display(description="Area")
    def area_name(self, work_order: WorkOrder) -> str:
        return two_lines(work_order.area.name)

    @admin.display(description="Appointment", ordering="visit_start")
    def period(self, work_order: WorkOrder) -> str:
        return period_lines(work_order.area, work_order.slot)

    @admin.display(description="Worker")
    def who(self, work_order: WorkOrder) -> str:
        """Whose slot it is, and below whom the technician asked for."""
        assigned, asked = work_order.slot.worker or "pool", work_order.worker
        return two_lines(assigned, f"asked: {asked}" if asked and assigned != asked else "")

    @admin.display(description="Type")
    def kind(self, work_order: WorkOrder) -> str:
        return two_lines(work_order.order_type)

    @admin.display(description="Parts")
    def parts(self, work_order: WorkOrder) -> str:
        due = work_order.parts_due_at
        if due is None:
            return two_lines(work_order.part_count or "-")
        shown = clock.local(due, work_order.area.zone)
        count, late = work_order.part_count, getattr(work_order, "late_count", 0)
        return two_lines(
            f"{late} of {count} late" if work_order.has_late_parts else count,
            f"by {shown.day} {shown:%b %H:%M}",
            warn=work_order.has_late_parts,
        )

    @admin.display(description="State")
    def state(self, work_order: WorkOrder) -> str:
        return state_label(work_order)

    def page_context(self, request: HttpRequest, row: WorkOrder) -> dict[str, Any]:
        row = WorkOrder.objects.select_related("area", "slot__area").get(pk=row.pk)
        job = public_form.read_job(row)
        return {
            "row": row,
            "state": state_label(row),
            "when": row.area.period_text(row.slot.start, row.slot.end),
            "created": row.area.instant_text(row.created_at),
            "root_order": public_form.root_order(row),
            "customer": details.customer_facts(row, job),
            "place": details.place_facts(row, job),
            "map_link": details.map_link(row, job),
            "contacts": details.contacts(job),
            "part_groups": details.part_groups(row),
            "assets": details.assets(job, row.area),
            "flex_forms": details.flex_forms(job),
            "history": details.history(row.history.all(), row.area),
            "relatives": [
                (other, state_label(other), period_lines(other.area, other.slot))
                for other in details.relatives(row, self.get_queryset(request))
            ],
            "unreadable": details.unreadable(row, job),
            "body": details.readable(row.body),
        }


@admin.action(permissions=["view"], description="Export as CSV")
def export_csv(model_admin: Any, request: HttpRequest, rows: QuerySet[WorkOrder]) -> HttpResponse:
    return exports.csv_response(rows)  # type: ignore[return-value]


@admin.action(permissions=["view"], description="Export as XLSX")
def export_xlsx(model_admin: Any, request: HttpRequest, rows: QuerySet[WorkOrder]) -> HttpResponse:
    return exports.xlsx_response(rows)  # type: ignore[return-value]


@admin.register(AppointmentSlot)
class AppointmentSlotAdmin(DeskAdmin):
    list_display = ["period", "area_name", "who", "kind", "fill", "state"]
    list_display_links = ["period"]
    list_select_related = ["area", "blackout"]
    list_filter = [
        filters.SlotDayFilter,
        filters.SlotUntilFilter,
        filters.AreaFilter,
        filters.SlotStateFilter,
        filters.SlotOrderTypeFilter,
        filters.SlotWorkerFilter,
        filters.SlotWindowFilter,
    ]
    ordering = ["start", "pk"]
    desk_actions = actions.SLOT_ACTIONS
    page_template = "admin/bookings/slot.html"

    def get_urls(self) -> list[URLPattern]:
        days = path("days/", self.admin_site.admin_view(self.days_view), name="bookings_appointmentslot_days")
        return [days, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AppointmentSlot]:
        """Without any question asked, the list begins today, not with the oldest slot there ever was."""
        queryset = super().get_queryset(request)
        is_list = request.path == reverse("admin:bookings_appointmentslot_changelist")
        if is_list and not any(request.GET.get(name) for name in ("day", "until", "window", "q")):
            areas = ServiceArea.objects.visible_to(request.user)
            queryset = queryset.filter(filters.on_days(areas, "start", lambda zone: (filters.today(zone), LAST_DAY)))
        return queryset

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.add_appointmentslot"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        kept.show_again(request)
        form = forms.AddSlotForm(request, request.POST if request.method == "POST" else None)
        if form.is_valid() and request.POST.get("do") != "edit":
            names = ("area", "start", "end", "capacity", "worker", "order_type")
            try:
                slot = slots.add(by=request.user.get_username(), **{name: form.cleaned_data[name] for name in names})
            except ValidationError:
                form.add_error(None, "There is such a slot already. Open it and change its places instead.")
            except BookingError as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, f"The slot {slot} was added.")
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
        form = forms.DaysForm(request, request.GET if name else None)
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

    @admin.display(description="Area")
    def area_name(self, slot: AppointmentSlot) -> str:
        return two_lines(slot.area.name)

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


def _closed_text(closed: blackouts.Closed) -> str:
    if not closed.slots and not blackouts.touched_by(closed.blackout).exists():
        return "0 slots yet; later ones will be closed."
    return f"{closed.slots:,} slot{pluralize(closed.slots)} closed."


@admin.register(Blackout)
class BlackoutAdmin(DeskAdmin):
    list_display = ["begins", "ends", "area_name", "who", "why", "closed", "state", "hides", "hits"]
    list_display_links = ["begins"]
    list_select_related = ["area"]
    list_filter = [filters.BlackoutStateFilter, filters.BlackoutTimeFilter, filters.AreaFilter]
    ordering = ["-start", "-pk"]
    search_fields = ["reason", "worker"]
    search_help_text = "Reason, worker"
    desk_actions = actions.BLACKOUT_ACTIONS
    page_template = "admin/bookings/blackout.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Blackout]:
        return super().get_queryset(request).with_counts()  # type: ignore[attr-defined,no-any-return]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.close_appointmentslot"))

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"bar_links": close_links(request)}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form, then what closing would hit, and only then it is done."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kept.show_again(request)
        form = forms.BlackoutForm(request, request.POST if request.method == "POST" else None)
        if form.is_valid() and request.POST.get("do") != "edit":
            given = {name: form.cleaned_data[name] for name in ("area", "worker", "start", "end", "reason")}
            if request.POST.get("do") == "perform":
                return self._close(request, given)
            return self._ask_about_closing(request, form, Blackout(**given))
        context = {"title": "Close for a time", "form": form, "button": "Show affected bookings", "hint": CLOSE_HINT}
        return self.form_page(request, context)

    def _ask_about_closing(self, request: HttpRequest, form: forms.BlackoutForm, blackout: Blackout) -> HttpResponse:
        hit = blackouts.bookings_in(blackout)
        context = {
            "title": f"Close {blackout.area.name}",
            "form": form,
            "row": blackout,
            "slot_count": blackouts.touched_by(blackout).filter(blackout__isnull=True).count(),
            "hit_count": hit.count(),
            "hit": hit.select_related("area", "slot").defer("body").order_by("visit_start", "pk")[: actions.SHOWN_ROWS],
        }
        return self.form_page(request, context, "admin/bookings/close.html")

    def _close(self, request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
        closed = blackouts.close_slots(by=request.user.get_username(), **given)
        found = closed.blackout
        if closed.is_new:
            messages.success(request, _closed_text(closed))
        else:
            messages.warning(request, f"This time was closed already, by {found.closed_by}: {found.reason}")
        if hit := len(closed.bookings):
            messages.warning(request, f"Bookings in this time: {hit:,}. Move or cancel them.")
        return HttpResponseRedirect(reverse("admin:bookings_blackout_change", args=[found.pk]))

    @admin.display(description="From", ordering="start")
    def begins(self, blackout: Blackout) -> str:
        return instant_lines(blackout.area, blackout.start)

    @admin.display(description="Until", ordering="end")
    def ends(self, blackout: Blackout) -> str:
        return instant_lines(blackout.area, blackout.end)

    @admin.display(description="Area")
    def area_name(self, blackout: Blackout) -> str:
        return two_lines(blackout.area.name)

    @admin.display(description="Worker")
    def who(self, blackout: Blackout) -> str:
        return two_lines(blackout.worker or "everybody")

    @admin.display(description="Reason")
    def why(self, blackout: Blackout) -> str:
        return two_lines(blackout.reason)

    @admin.display(description="By", ordering="closed_at")
    def closed(self, blackout: Blackout) -> str:
        return two_lines(blackout.closed_by, f"lifted by {blackout.opened_by}" if blackout.opened_at else "")

    @admin.display(description="State")
    def state(self, blackout: Blackout) -> str:
        now = clock.now()
        when = "past" if blackout.end <= now else "now" if blackout.start <= now else "coming"
        word, colour = ("lifted", "off") if blackout.opened_at else ("in force", "off" if when == "past" else "new")
        return format_html(
            '<span class="desk-label desk-label-{}">{}</span> <span class="desk-sub">{}</span>', colour, word, when
        )

    @admin.display(description="Slots hidden")
    def hides(self, blackout: Blackout) -> str:
        return two_lines(f"{blackout.slot_count:,}")

    @admin.display(description="Affected bookings")
    def hits(self, blackout: Blackout) -> str:
        return two_lines(f"{blackout.booking_count:,}", warn=blackout.booking_count > 0 and blackout.end > clock.now())

    def page_context(self, request: HttpRequest, row: Blackout) -> dict[str, Any]:
        hit = WorkOrder.objects.none() if row.opened_at else blackouts.bookings_in(row)
        # Days of the area's clock, as the list of slots asks for them.
        first, last = (
            moment.astimezone(row.area.zone).date() for moment in (row.start, row.end - timedelta(seconds=1))
        )
        slots_of_it = {"area": row.area.code, "day": first, "until": last, "worker": row.worker}
        return {
            "state": self.state(row),
            "when": row.area.period_text(row.start, row.end),
            "slots_address": addresses.list_of("appointmentslot", **slots_of_it),
            "hit_count": hit.count(),
            "hit": hit.select_related("area", "slot").defer("body").order_by("visit_start", "pk")[: actions.SHOWN_ROWS],
            "closed_at": row.area.instant_text(row.closed_at),
            "opened_at": row.area.instant_text(row.opened_at) if row.opened_at else "",
        }


@admin.register(Refusal)
class RefusalAdmin(DeskAdmin):
    """What was asked for over the API and refused: dispatch is called about it."""

    list_display = ["when", "order", "area_name", "wanted", "kind", "said", "caller", "request_id"]
    list_display_links = ["when"]
    list_filter = [filters.RefusalDayFilter, filters.AreaFilter, filters.OrderTypeFilter]
    list_select_related = ["area"]
    search_fields = ["original_order", "message", "caller", "request_id"]
    search_help_text = "Order, message, caller, request"
    page_template = "admin/bookings/refusal.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refusal]:
        """What is refused is as long as a body may be: a list does without."""
        return super().get_queryset(request).defer("body")

    @admin.display(description="When", ordering="at")
    def when(self, refusal: Refusal) -> str:
        return _lines_in(refusal.area, refusal.at)

    @admin.display(description="Original order", ordering="original_order")
    def order(self, refusal: Refusal) -> str:
        return link(addresses.list_of("workorder", view="all", q=refusal.original_order), refusal.original_order)

    @admin.display(description="Area")
    def area_name(self, refusal: Refusal) -> str:
        if refusal.area is None:
            return "none"
        return link(addresses.list_of("refusal", area=refusal.area.code), refusal.area.name)

    @admin.display(description="Asked for", ordering="visit_start")
    def wanted(self, refusal: Refusal) -> str:
        text, _, zone = _wanted_text(refusal).rpartition(" (")
        return two_lines(text, zone.rstrip(")"))

    @admin.display(description="Type")
    def kind(self, refusal: Refusal) -> str:
        return two_lines(refusal.order_type)

    @admin.display(description="Message")
    def said(self, refusal: Refusal) -> str:
        return format_html('<span class="desk-message" dir="auto">{}</span>', refusal.message)

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
            "body": details.readable(row.body),
        }


def link(address: str, text: str) -> str:
    return format_html('<a class="desk-link desk-line" dir="auto" href="{}">{}</a>', address, text)


def _instant_text(area: ServiceArea | None, instant: datetime) -> str:
    """On the clock of the area; what belongs to none has no clock but UTC's."""
    return area.instant_text(instant) if area else f"{instant:%a %d %b %Y, %H:%M} (UTC)"


def _wanted_text(refusal: Refusal) -> str:
    """The period that was asked for; empty for what an earlier release kept."""
    if refusal.visit_start is None or refusal.visit_end is None:
        return ""
    zone = refusal.area.time_zone if refusal.area else "UTC"
    return clock.period_text(refusal.visit_start, refusal.visit_end, zone)


def _lines_in(area: ServiceArea | None, instant: datetime) -> str:
    text, _, zone = _instant_text(area, instant).rpartition(" (")
    return two_lines(text, zone.rstrip(")"))
