"""Schedules: the list, the page with its former versions, and the form that says what it would change before it saves.

What a schedule comes to is `bookings.supply.schedules`; the page shows what `extend_schedules --dry-run` prints.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from bookings import clock
from bookings.access import kept
from bookings.admin.cells import area_name, two_lines
from bookings.admin.desk import DeskAdmin, check_keys
from bookings.admin.forms import SELECT, TEXT, AreaField, day_field
from bookings.admin.schedule_import import TakesTemplates
from bookings.models import Schedule, ServiceArea, visible_areas
from bookings.models.schedules import MAX_DAYS_AHEAD, MAX_RULES
from bookings.refusals import Refused
from bookings.supply import schedule_files, schedules
from bookings.supply.plans import Fault

HINT = (
    "Each [[slots]] is a plan: opening hours, length, places, workers, holidays, exceptions by day, as in a template"
    " (docs/slots.md). A plan without until goes on. The next page says what would change; nothing is saved before."
)
NEW_HINT = "Opening hours on the area's clock. The next page says which slots that makes; nothing is saved before."
# The fields of a new schedule, by the keys of a plan that they fill.
PLAN_FIELDS = {
    "from": "first",
    "hours": "hours",
    "length": "length",
    "gap": "gap",
    "capacity": "capacity",
    "workers": "workers",
    "order_type": "order_type",
    "holidays": "holidays",
    "exceptions": "exceptions",
}


def _text_field(help_text: str, initial: str = "") -> forms.CharField:
    widget = forms.TextInput(TEXT)
    return forms.CharField(
        required=False, max_length=MAX_RULES // 10, widget=widget, help_text=help_text, initial=initial
    )


def _number_field(label: str, initial: int | None, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=0, widget=forms.NumberInput(TEXT), initial=initial, help_text=help_text
    )


class ScheduleForm(forms.Form):
    """The rules of a schedule as text."""

    rules = forms.CharField(
        max_length=MAX_RULES, widget=forms.Textarea({**TEXT, "rows": 18, "spellcheck": "false"}), strip=False
    )
    days_ahead = forms.IntegerField(
        min_value=1,
        max_value=MAX_DAYS_AHEAD,
        widget=forms.NumberInput(TEXT),
        help_text="So many days from today on have slots, and each night one more.",
    )
    is_active = forms.TypedChoiceField(
        label="Makes slots",
        coerce=lambda text: text == "yes",
        choices=[("yes", "yes"), ("no", "no: what is there stays")],
        widget=forms.Select(SELECT),
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, schedule: Schedule, data: Any = None) -> None:
        self.schedule = schedule
        initial = {name: getattr(schedule, name) for name in ("rules", "days_ahead")}
        initial |= {"is_active": "yes" if schedule.is_active else "no", "seen_version": schedule.version}
        super().__init__(data, initial=initial)

    def said(self) -> dict[str, Any]:
        given = self.cleaned_data
        rules = given["rules"].replace("\r\n", "\n")  # as browsers send lines
        return {"rules": rules, "days_ahead": given["days_ahead"], "is_active": given["is_active"]}

    def wanted(self) -> Schedule:
        """The schedule as it is typed, which is not saved."""
        there = self.schedule
        # A missing version is none that was seen.
        seen = self.cleaned_data["seen_version"] or 0
        wanted = Schedule(pk=there.pk, area=there.area, version=seen, **self.said())
        wanted._state.adding = False
        return wanted

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            for fault in self.faults(self.wanted()):
                self.tell(fault)
        return self.cleaned_data

    def faults(self, wanted: Schedule) -> list[Fault]:
        """Rules that cannot be followed any more can be switched off, and others that can be read."""
        if wanted.is_active:
            return schedules.faults(wanted)
        return [] if wanted.rules == self.schedule.rules else schedules.unreadable(wanted)

    def tell(self, fault: Fault) -> None:
        self.add_error("rules", ValidationError(str(fault)))


class NewScheduleForm(ScheduleForm):
    """One plan in fields, which becomes the text; or the text, where one plan is not enough."""

    area = AreaField()
    first = day_field("First day", required=False)
    hours = _text_field(
        "08:00-12:00,13:00-17:00 for every day, or by weekday: mon-thu 08:00-12:00,13:00-17:00; fri 08:00-12:00."
        " What lies between is a break.",
        "mon-fri 08:00-12:00,13:00-17:00",
    )
    length = _number_field("Minutes of a slot", 120)
    gap = _number_field("Minutes between two slots", None)
    capacity = _number_field("Places of a slot", 1)
    workers = _text_field("Parted by commas, a slot for each. Empty: a pool without names.")
    order_type = _text_field("Codes, parted by commas. Empty: orders of any type.")
    holidays = _text_field("Public holidays to leave out: GB-ENG, DE-BY, US.")
    exceptions = _text_field("Other hours on a day: 2026-12-24 08:00-10:00; 2026-12-25 closed.")

    field_order = ("area", *PLAN_FIELDS.values(), "days_ahead", "is_active", "rules")

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(Schedule(), data)
        areas = ServiceArea.objects.filter(is_practice=False).visible_to(request.user)
        # A second click names an area that the first one gave a schedule.
        areas = areas.filter(schedule=None) if data is None else areas
        self.fields["area"].queryset = areas  # type: ignore[attr-defined]
        self.by = request.user.get_username()
        self.initial["first"] = clock.now().date()
        self.fields["rules"].required = False
        self.fields["rules"].widget.attrs["rows"] = 6
        self.fields["rules"].help_text = "Instead of the fields above, for several plans: as in docs/slots.md."

    def said(self) -> dict[str, Any]:
        said, given = super().said(), self.cleaned_data
        values = {key: given[name] for key, name in PLAN_FIELDS.items() if given[name] not in (None, "")}
        return said | {"rules": said["rules"] if said["rules"].strip() else schedule_files.plan_text(values)}

    def clean_area(self) -> ServiceArea:
        area: ServiceArea = self.cleaned_data["area"]
        self.has_one = Schedule.objects.filter(area=area).exists()
        return area

    def faults(self, wanted: Schedule) -> list[Fault]:
        if self.has_one and not schedules.saved_already(wanted, by=self.by):
            self.add_error("area", "This area has a schedule already. Change that one.")
            return []
        return super().faults(wanted)

    def wanted(self) -> Schedule:
        return Schedule(area=self.cleaned_data["area"], **self.said())

    def tell(self, fault: Fault) -> None:
        """At the field, which has no line."""
        if self.data.get("rules", "").strip():
            super().tell(fault)
        else:
            self.add_error(PLAN_FIELDS.get(fault.key, "hours"), ValidationError(fault.message))


@admin.register(Schedule)
class ScheduleAdmin(TakesTemplates, DeskAdmin):
    list_display = ["title", "state", "ahead", "extended"]
    list_display_links = ["title"]
    list_select_related = ["area"]
    search_fields = ["area__name", "area__code"]
    search_help_text = "Area"
    page_template = "admin/bookings/schedule.html"

    def get_urls(self) -> list[URLPattern]:
        edit = path("<str:key>/edit/", self.admin_site.admin_view(self.edit_view), name="bookings_schedule_edit")
        return [edit, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        return super().get_queryset(request).select_related("area")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.add_schedule"))

    @admin.display(description="Area", ordering="area__name")
    def title(self, row: Schedule) -> str:
        return area_name(row)

    @admin.display(description="State", ordering="is_active")
    def state(self, row: Schedule) -> str:
        word, colour = ("active", "done") if row.is_active else ("not active", "off")
        return format_html('<span class="desk-label desk-label-{}">{}</span>', colour, word)

    @admin.display(description="Days ahead", ordering="days_ahead")
    def ahead(self, row: Schedule) -> str:
        return two_lines(str(row.days_ahead))

    @admin.display(description="Extended", ordering="extended_at")
    def extended(self, row: Schedule) -> str:
        return two_lines(row.area.instant_text(row.extended_at) if row.extended_at else "not yet")

    def page_context(self, request: HttpRequest, row: Schedule) -> dict[str, Any]:
        versions = list(row.versions.all()[:50])
        for version in versions:
            version.when = row.area.instant_text(version.at)  # type: ignore[attr-defined]
        return {
            "state": self.state(row),
            "extended": row.area.instant_text(row.extended_at) if row.extended_at else "not yet",
            "versions": versions,
            "may_change": request.user.has_perm("bookings.change_schedule"),
            "edit_address": reverse("admin:bookings_schedule_edit", args=[row.pk]),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None)

    def edit_view(self, request: HttpRequest, key: str) -> HttpResponse:
        check_keys(key)
        if not request.user.has_perm("bookings.change_schedule"):
            raise PermissionDenied
        schedule = self.get_queryset(request).filter(pk=key).first()
        if schedule is None:
            raise Http404
        return self._edit(request, schedule)

    def _edit(self, request: HttpRequest, schedule: Schedule | None) -> HttpResponse:
        """The form, then what it would change, and only then it is done."""
        kept.show_again(request, "schedule")
        data = request.POST if request.method == "POST" else None
        form = ScheduleForm(schedule, data) if schedule else NewScheduleForm(request, data)
        if form.is_valid() and request.POST.get("do") != "edit":
            wanted = form.wanted()
            if request.POST.get("do") == "perform":
                return self._save(request, wanted)
            seen = visible_areas(request.user)
            lines = schedules.extend(wanted, by=request.user.get_username(), dry_run=True, seen=seen).lines()
            context = {"title": f"Save the schedule of {wanted.area.name}", "form": form, "lines": lines}
            return self.form_page(request, context, "admin/bookings/schedule_save.html")
        title = f"Change the schedule of {schedule.area.name}" if schedule else "Make a schedule"
        hint = HINT if schedule else NEW_HINT
        return self.form_page(request, {"title": title, "form": form, "button": "Show what changes", "hint": hint})

    def _save(self, request: HttpRequest, wanted: Schedule) -> HttpResponse:
        by = request.user.get_username()
        try:
            is_first = schedules.save(wanted, by=by)
        except Refused as refused:
            messages.error(request, str(refused))
            return HttpResponseRedirect(reverse("admin:bookings_schedule_changelist"))
        if is_first:
            self._extend(request, wanted)
        else:
            messages.success(request, "Saved. The second click changed nothing.")
        return HttpResponseRedirect(reverse("admin:bookings_schedule_change", args=[wanted.pk]))

    def _extend(self, request: HttpRequest, wanted: Schedule) -> None:
        by, seen = request.user.get_username(), visible_areas(request.user)
        try:
            report = schedules.extend_latest(wanted, by=by, seen=seen)
        except (schedules.OutdatedError, OperationalError):
            # What is interrupted here, the nightly run does.
            messages.warning(request, "Saved. Its slots follow tonight.")
            return
        messages.success(request, report.sums())
        if report.bookings:
            messages.warning(request, f"{report.booking_count:,} bookings no longer fit. Move or cancel them.")
