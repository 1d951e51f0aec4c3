"""Calendars that other programs show, at secret addresses: made here and shown once, looked at, revoked."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from bookings.access import calendars, kept
from bookings.admin.actions import Revocation
from bookings.admin.cells import two_lines
from bookings.admin.desk import DeskAdmin
from bookings.admin.forms import TEXT, AreaField
from bookings.models import ID_LENGTH, AppointmentSlot, CalendarAddress, ServiceArea, visible_areas
from bookings.supply import workers

HINT = (
    "The address is shown once, on the next page. Who knows it reads the calendar without a log-in: tell it to the"
    " right people alone, and revoke it when it is no longer needed."
)


class CalendarForm(forms.Form):
    worker = forms.CharField(
        max_length=ID_LENGTH,
        required=False,
        widget=forms.TextInput(TEXT),
        help_text="Their bookings in all areas. Or choose an area.",
    )
    area = AreaField()
    shows_customers = forms.BooleanField(required=False, label="With the customers' names and addresses")

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)
        self.is_restricted = visible_areas(request.user) is not None
        self.fields["area"].required = False
        self.fields["area"].queryset = ServiceArea.objects.visible_to(request.user)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        worker, area = self.cleaned_data.get("worker"), self.cleaned_data.get("area")
        if bool(worker) == bool(area):
            raise forms.ValidationError("Give a worker or an area, and not both.")
        if worker and self.is_restricted:
            raise forms.ValidationError("A worker's bookings may be in areas that you do not see. Choose an area.")
        if worker and not workers.is_known(worker):
            # The address of a misspelt name would stay empty for ever.
            self.add_error("worker", workers.unknown("worker", worker, workers.names(AppointmentSlot.objects.all())))
        return self.cleaned_data


class Revoke(Revocation):
    icon = "event_busy"
    consequence = "The address answers no longer. It cannot be made good again."
    permission = "bookings.revoke_calendaraddress"
    access: ClassVar[Any] = calendars


@admin.register(CalendarAddress)
class CalendarAddressAdmin(DeskAdmin):
    """A person who is restricted to areas sees the calendars of these, and none of workers."""

    list_display = ["title", "state", "customers", "made"]
    list_display_links = ["title"]
    list_select_related = ["area"]
    search_fields = ["worker", "area__name"]
    search_help_text = "Worker, area"
    desk_actions = [Revoke()]
    page_template = "admin/bookings/calendar.html"
    rows_template = "admin/bookings/calendar_rows.html"

    def version_of(self, row: CalendarAddress) -> int:
        return int(row.revoked_at is not None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CalendarAddress]:
        return super().get_queryset(request).select_related("area")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.add_calendaraddress"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        was_kept = kept.show_again(request, "calendar")
        form = CalendarForm(request, request.POST if request.method == "POST" else None)
        if form.is_valid() and not was_kept:
            secret = calendars.make(by=request.user.get_username(), **form.cleaned_data)
            address = request.build_absolute_uri(reverse("calendar", args=[secret]))
            return self.form_page(
                request, {"title": "Calendar", "address": address}, "admin/bookings/new_calendar.html"
            )
        return self.form_page(request, {"title": "Make a calendar", "form": form, "button": "Make it", "hint": HINT})

    @admin.display(description="Of", ordering="worker")
    def title(self, row: CalendarAddress) -> str:
        return two_lines(row.worker or (row.area and row.area.name), "worker" if row.worker else "area")

    @admin.display(description="State", ordering="revoked_at")
    def state(self, row: CalendarAddress) -> str:
        word, colour = ("revoked", "off") if row.revoked_at else ("good", "done")
        return format_html('<span class="desk-label desk-label-{}">{}</span>', colour, word)

    @admin.display(description="Customers", ordering="shows_customers")
    def customers(self, row: CalendarAddress) -> str:
        return two_lines("names and addresses" if row.shows_customers else "not shown")

    @admin.display(description="Made", ordering="made_at")
    def made(self, row: CalendarAddress) -> str:
        return two_lines(_utc(row.made_at), row.made_by)

    def page_context(self, request: HttpRequest, row: CalendarAddress) -> dict[str, Any]:
        return {"state": self.state(row), "made_at": _utc(row.made_at), "revoked_at": _utc(row.revoked_at)}


def _utc(instant: Any) -> str:
    return f"{instant:%a %d %b %Y, %H:%M} (UTC)" if instant else ""
