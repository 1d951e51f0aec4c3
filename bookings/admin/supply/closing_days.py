"""Several areas are closed on several days: the holidays of a country in one go, or days that are typed.

The form, then what is affected, and only then it is done. The mass move of *Ill or snow* stands behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum, Value
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from bookings import clock
from bookings.access import kept
from bookings.admin import addresses, days
from bookings.admin.actions import SHOWN_ROWS
from bookings.admin.forms import MAX_NOTE, TEXT
from bookings.admin.planning import planner_closing
from bookings.admin.planning.planner_forms import MOST_CLOSINGS, Closing, moment_in
from bookings.models import AppointmentSlot, Blackout, ServiceArea
from bookings.supply.closing import blackouts, clearing
from bookings.supply.from_plans import hours, plan_values

HINT = (
    "Whole days of each area's own clock. The next page shows which slots and bookings are affected; nothing is closed"
    " before you confirm it."
)
LINES = "One a line: day, or first and last day, and the reason: 2026-12-24 2026-12-31 Works holiday."
# As many as fit into the reasons of a few years.
MAX_LINES = 20_000
MOST_DAYS = 366  # of one line


class DaysOffForm(forms.Form):
    """Areas, and lines of days with reasons; `fill` adds the holidays of a country to the lines."""

    areas = forms.ModelMultipleChoiceField(ServiceArea.objects.none(), widget=forms.CheckboxSelectMultiple)
    place = forms.CharField(
        label="Holidays of", required=False, max_length=20, widget=forms.TextInput(TEXT), help_text="GB-ENG, DE-BY, US"
    )
    year = forms.IntegerField(required=False, widget=forms.NumberInput(TEXT))
    lines = forms.CharField(
        label="Days", max_length=MAX_LINES, widget=forms.Textarea({**TEXT, "rows": 12}), help_text=LINES
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data, initial={"year": clock.now().year})
        areas = ServiceArea.objects.visible_to(request.user).order_by("name")
        self.fields["areas"].queryset = areas  # type: ignore[attr-defined]
        self.closings: list[Closing] = []

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if self.errors:
            return given
        lines = [line for text in given["lines"].splitlines() if (line := text.strip())]
        if len(lines) * len(given["areas"]) > MOST_CLOSINGS:
            self.add_error("lines", f"Days times areas are more than {MOST_CLOSINGS}. Choose fewer.")
            return given
        for line in lines:
            try:
                self._close(*_read_line(line))
            except ValueError as fault:
                self.add_error("lines", str(fault))
        return given

    def _close(self, first: date, last: date, reason: str) -> None:
        for area in self.cleaned_data["areas"]:
            start, end = moment_in(first, time.min, area), moment_in(last, None, area)
            if end <= clock.now():
                raise ValueError(f"{first} is over. Choose days that are to come.")
            self.closings.append(Closing(area, "", start, end, reason))


def _read_line(line: str) -> tuple[date, date, str]:
    """First and last day, and the reason. Raises ValueError."""
    first, _, rest = line.partition(" ")
    last, _, reason = rest.strip().partition(" ")
    found, until = days.read_day(first), days.read_day(last)
    if until is None:
        until, reason = found, rest
    reason = reason.strip()
    if found is None or until is None or until < found or not reason or len(reason) > MAX_NOTE:
        raise ValueError(f"{line[:60]!r} is not like 2026-12-25 Christmas Day.")
    if (until - found).days >= MOST_DAYS:
        raise ValueError(f"{line[:60]!r} is more than {MOST_DAYS} days. Check the last day, or use several lines.")
    return found, until, reason


def _filled(given: Any) -> tuple[str, str]:
    """The lines with the holidays that are to come, and what is wrong with the place or the year."""
    lines, place, year = given.get("lines", "").strip(), given.get("place", "").strip().upper(), given.get("year", "")
    if not place:
        return lines, "Name a country, such as GB-ENG."
    if not addresses.is_key(year) or not hours.FIRST_YEAR <= int(year) <= hours.LAST_YEAR:
        return lines, f"Choose a year from {hours.FIRST_YEAR} to {hours.LAST_YEAR}."
    try:
        found = plan_values.named_holidays(place, int(year), int(year))
    except ValueError as fault:
        return lines, str(fault)
    new = [f"{day} {name}" for day, name in found.items() if day >= clock.now().date()]
    known = lines.splitlines()
    return "\n".join([*known, *(line for line in new if line not in known)]), ""


def urls() -> list[URLPattern]:
    """For the ModelAdmin of blackouts."""
    return [path("days/", admin.site.admin_view(days_view), name="bookings_blackout_days")]


def may_close(request: HttpRequest) -> bool:
    return planner_closing.may_clear(request) and request.user.has_perm("bookings.close_appointmentslot")


def days_view(request: HttpRequest) -> HttpResponse:
    if not may_close(request):
        raise PermissionDenied
    kept.show_again(request, "list of days")
    do, fault = request.POST.get("do"), ""
    given = request.POST.copy() if request.method == "POST" else None
    if given is not None and do == "fill":
        given["lines"], fault = _filled(given)
    form = DaysOffForm(request, given)
    if do in ("look", "perform") and form.is_valid():
        return planner_closing.close_all(request, form.closings) if do == "perform" else _ask(request, form)
    if do not in ("look", "perform"):
        form.errors.clear()  # drawn again: nothing was sent yet
    if fault:
        form.add_error("place", fault)
    return _page(request, form, title="Close many days", hint=HINT)


@dataclass
class Affected:
    """What would be closed on one of the days in one of the areas."""

    closing: Closing
    period: str
    slots: int = 0
    bookings: int = 0


def _ask(request: HttpRequest, form: DaysOffForm) -> HttpResponse:
    rows = _affected(form.closings)
    waiting = clearing.waiting_in([_blackout(closing) for closing in form.closings], clock.now())
    hit = waiting.visible_to(request.user).select_related("area", "slot").defer("body")
    number = len(rows)
    title = f"Close {number} day{'s' if number > 1 else ''}"
    return _page(request, form, title=title, rows=rows, hit=hit[:SHOWN_ROWS], hit_count=hit.count())


def _blackout(closing: Closing) -> Blackout:
    """One that is not written."""
    return Blackout(**closing._asdict())


def _affected(closings: Sequence[Closing]) -> list[Affected]:
    """Summed up by one statement."""
    sums = [_sums(number, closing) for number, closing in enumerate(closings)]
    found = {number: (slots, booked) for number, slots, booked in sums[0].union(*sums[1:], all=True)}
    return [
        Affected(closing, _blackout(closing).period_text, *found.get(number, ()))
        for number, closing in enumerate(closings)
    ]


def _sums(number: int, closing: Closing) -> QuerySet[AppointmentSlot, Any]:
    """A row with the number, the slots that would be closed, and the bookings; none where there is no slot."""
    there = blackouts.touched_by(_blackout(closing)).order_by().values("area")
    named = there.annotate(number=Value(number), slots=Count("pk", filter=Q(blackout=None)), bookings=Sum("booked"))
    return named.values_list("number", "slots", "bookings")


def _page(request: HttpRequest, form: DaysOffForm, **context: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "form": form, **context}
    return TemplateResponse(request, "admin/bookings/closing_days.html", context)
