"""Keys of other systems: made here and shown once, looked at, revoked. access/keys.py says what a key is."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from bookings import clock
from bookings.access import kept, keys
from bookings.admin.actions import Revocation
from bookings.admin.cells import two_lines
from bookings.admin.desk import DeskAdmin
from bookings.admin.forms import TEXT
from bookings.models import ApiKey, Scope, ServiceArea, visible_areas

HINT = (
    "The key is shown once, on the next page. A key never changes: for other scopes or areas make another one, and"
    " revoke this one."
)


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=keys.LONGEST_NAME, widget=forms.TextInput(TEXT), help_text="The system that uses it."
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[(scope.value, f"{scope.label} ({scope.value})") for scope in Scope],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    areas = forms.ModelMultipleChoiceField(
        ServiceArea.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="Only in these areas",
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=keys.MOST_DAYS,
        widget=forms.NumberInput(TEXT),
        label="Good for days",
        help_text="Empty: until it is revoked.",
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)
        self.is_restricted = visible_areas(request.user) is not None
        areas = self.fields["areas"]
        areas.queryset = ServiceArea.objects.visible_to(request.user).order_by("name")  # type: ignore[attr-defined]
        areas.required = self.is_restricted
        areas.help_text = "" if self.is_restricted else "None: everywhere, also in areas that are made later."


class Revoke(Revocation):
    icon = "key_off"
    consequence = "The next request with this key is refused. It cannot be made good again."
    permission = "bookings.revoke_apikey"
    access: ClassVar[Any] = keys


@admin.register(ApiKey)
class ApiKeyAdmin(DeskAdmin):
    """A person who is restricted to areas sees the keys that are restricted to some of these."""

    list_display = ["title", "state", "may", "where", "used", "made"]
    list_display_links = ["title"]
    list_select_related: list[str] = []
    search_fields = ["name", "beginning"]
    search_help_text = "Name, first characters of the key"
    desk_actions = [Revoke()]
    page_template = "admin/bookings/api_key.html"
    rows_template = "admin/bookings/api_key_rows.html"

    def version_of(self, row: ApiKey) -> int:
        return int(row.revoked_at is not None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        found, areas = ApiKey.objects.prefetch_related("areas"), visible_areas(request.user)
        if areas is None:
            return found
        others = ServiceArea.objects.exclude(pk__in=areas)
        return found.filter(is_restricted=True).exclude(areas__in=others)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.add_apikey"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        was_kept = kept.show_again(request, "API key")
        form = KeyForm(request, request.POST if request.method == "POST" else None)
        if form.is_valid() and not was_kept:
            given, areas = form.cleaned_data, form.cleaned_data.pop("areas")
            try:
                text = keys.make(areas=areas or None, by=request.user.get_username(), **given)
            except keys.Unfit as fault:
                form.add_error(None, str(fault))
            else:
                return self.form_page(request, {"title": given["name"], "key": text}, "admin/bookings/new_key.html")
        return self.form_page(request, {"title": "Make an API key", "form": form, "button": "Make it", "hint": HINT})

    @admin.display(description="Key", ordering="name")
    def title(self, key: ApiKey) -> str:
        return two_lines(key.name, f"{key.beginning}…")

    @admin.display(description="State")
    def state(self, key: ApiKey) -> str:
        is_over = key.expires_at is not None and key.expires_at <= clock.now()
        word, colour = ("revoked", "off") if key.revoked_at else ("expired", "off") if is_over else ("good", "done")
        return format_html('<span class="desk-label desk-label-{}">{}</span>', colour, word)

    @admin.display(description="May")
    def may(self, key: ApiKey) -> str:
        return two_lines(", ".join(key.scopes))

    @admin.display(description="Areas")
    def where(self, key: ApiKey) -> str:
        names = ", ".join(area.name for area in key.areas.all())
        return two_lines((names or "none") if key.is_restricted else "everywhere")

    @admin.display(description="Last use", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return two_lines(_utc(key.last_used_at) or "never")

    @admin.display(description="Made", ordering="made_at")
    def made(self, key: ApiKey) -> str:
        return two_lines(_utc(key.made_at), key.made_by)

    def page_context(self, request: HttpRequest, row: ApiKey) -> dict[str, Any]:
        texts = {name: _utc(getattr(row, name)) for name in ("made_at", "expires_at", "last_used_at", "revoked_at")}
        return {"state": self.state(row), "may": [Scope(scope) for scope in row.scopes], **texts}


def _utc(instant: Any) -> str:
    """A key belongs to no area, and so to no clock but UTC's."""
    return f"{instant:%a %d %b %Y, %H:%M} (UTC)" if instant else ""
