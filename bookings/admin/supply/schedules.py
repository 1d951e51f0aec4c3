"""Schedules: the list, the page with its former versions, and the form that says what it would change before it saves.

What a schedule comes to is `bookings.supply.from_plans.schedules`; the page shows what `extend_schedules --dry-run`
prints.
"""

from typing import Any

from django import db
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from bookings.access import kept
from bookings.admin import addresses
from bookings.admin.cells import area_name, two_lines
from bookings.admin.desk import DeskAdmin, check_keys
from bookings.admin.supply.schedule_forms import NewScheduleForm, PlansForm, ScheduleForm, template_help
from bookings.admin.supply.schedule_import import TakesTemplates
from bookings.db.faults import raise_unless_away
from bookings.models import Schedule, visible_areas
from bookings.refusals import Refused
from bookings.supply.from_plans import schedules

TEXT_HINT = (
    "Each [[slots]] is a plan: opening hours, length, places, workers, holidays, exceptions by day, as in a template"
    " ({}). A plan without until goes on. The next page says what would change; nothing is saved before."
)
# That rules come of fields, and go back to these.
FIELDS = "fields"
NEW_HINT = "Opening hours on the area's clock. The next page says which slots that makes; nothing is saved before."


@admin.register(Schedule)
class ScheduleAdmin(TakesTemplates, DeskAdmin):
    list_display = ["title", "state", "ahead", "extended"]
    list_display_links = ["title"]
    list_select_related = ["area"]
    search_fields = ["area__name", "area__code"]
    search_help_text = "Area"
    page_template = "admin/bookings/schedule.html"

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(f"<str:key>/{name}/", self.admin_site.admin_view(view), name=f"bookings_schedule_{name}")
            for name, view in (("edit", self.edit_view), ("plans", self.plans_view))
        ]
        return [*pages, *super().get_urls()]

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
        before = next((version for version in versions if version.version < row.version), None)
        return {
            "before": before,
            "plans_address": self._address("plans", row),
            "state": self.state(row),
            "extended": row.area.instant_text(row.extended_at) if row.extended_at else "not yet",
            "versions": versions,
            "may_change": request.user.has_perm("bookings.change_schedule"),
            "edit_address": self._address("edit", row),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None)

    def edit_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """The rules as text. Those that come of fields go back to these, to change something."""
        schedule = self._to_change(request, key)
        if request.POST.get("do") == "edit" and request.POST.get("way") == FIELDS:
            return self._plans_page(request, schedule, PlansForm(schedule, as_text=request.POST))
        return self._edit(request, schedule)

    def plans_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """The rules as fields, which become the text."""
        schedule = self._to_change(request, key)
        kept.show_again(request, "schedule")
        form = PlansForm(schedule, request.POST if request.method == "POST" else None)
        if not form.fit:
            messages.warning(request, "These rules say more than the fields can. Change them as text.")
            return HttpResponseRedirect(self._address("edit", schedule))
        is_to_show = request.POST.get("do") not in ("another", "edit")
        if is_to_show and form.is_valid() and (text := form.as_text()).is_valid():
            return self._show_change(request, text, way=FIELDS, action=self._address("edit", schedule))
        return self._plans_page(request, schedule, form)

    @staticmethod
    def _address(page: str, schedule: Schedule) -> str:
        return reverse(f"admin:bookings_schedule_{page}", args=[schedule.pk])

    def _to_change(self, request: HttpRequest, key: str) -> Schedule:
        check_keys(key)
        if not request.user.has_perm("bookings.change_schedule"):
            raise PermissionDenied
        schedule = self.get_queryset(request).filter(pk=key).first()
        if schedule is None:
            raise Http404
        return schedule

    def _plans_page(self, request: HttpRequest, schedule: Schedule, form: PlansForm) -> HttpResponse:
        context = {
            "title": f"Change the schedule of {schedule.area.name}",
            "form": form,
            "text_address": self._address("edit", schedule),
            "action": self._address("plans", schedule),
        }
        return self.form_page(request, context, "admin/bookings/schedule_plans.html")

    def _edit(self, request: HttpRequest, schedule: Schedule | None) -> HttpResponse:
        """The form, then what it would change, and only then it is done."""
        kept.show_again(request, "schedule")
        data = request.POST if request.method == "POST" else None
        form = ScheduleForm(schedule, data) if schedule else NewScheduleForm(request, data)
        if form.is_valid() and request.POST.get("do") != "edit":
            if request.POST.get("do") == "perform":
                return self._save(request, form.wanted())
            return self._show_change(request, form)
        title = f"Change the schedule of {schedule.area.name}" if schedule else "Make a schedule"
        hint = format_html(TEXT_HINT, template_help()) if schedule else NEW_HINT
        return self.form_page(request, {"title": title, "form": form, "button": "Show what changes", "hint": hint})

    def _show_change(self, request: HttpRequest, form: ScheduleForm, **more: str) -> HttpResponse:
        """What a form that is right would change."""
        wanted, seen = form.wanted(), visible_areas(request.user)
        lines = schedules.extend(wanted, by=request.user.get_username(), dry_run=True, seen=seen).lines()
        context = {"title": f"Save the schedule of {wanted.area.name}", "form": form, "lines": lines, **more}
        return self.form_page(request, context, "admin/bookings/schedule_save.html")

    def _save(self, request: HttpRequest, wanted: Schedule) -> HttpResponse:
        by = request.user.get_username()
        try:
            is_first = schedules.save(wanted, by=by)
        except Refused as refused:
            messages.error(request, str(refused))
            lists = reverse("admin:bookings_schedule_changelist")
            return HttpResponseRedirect(self._address("change", wanted) if wanted.pk else lists)
        if is_first:
            self._extend(request, wanted)
        else:
            messages.success(request, "Saved. The second click changed nothing.")
        return HttpResponseRedirect(self._address("change", wanted))

    def _extend(self, request: HttpRequest, wanted: Schedule) -> None:
        by, seen = request.user.get_username(), visible_areas(request.user)
        try:
            report = schedules.extend_latest(wanted, by=by, seen=seen)
        except (schedules.OutdatedError, db.Error) as fault:
            if not isinstance(fault, schedules.OutdatedError):
                raise_unless_away(fault)
            # What is interrupted here, the nightly run does.
            messages.warning(request, "Saved. Its slots follow tonight.")
            return
        messages.success(request, report.sums())
        if report.bookings:
            them = addresses.list_of("workorder", view="closed", area=wanted.area.code)
            text = '{}. <a class="desk-link" href="{}">Move or cancel {}</a>.'
            fit = pluralize(report.booking_count, " no longer fits,s no longer fit")
            misfits, it = f"{report.booking_count:,} booking{fit}", pluralize(report.booking_count, "it,them")
            messages.warning(request, format_html(text, misfits, them, it))
