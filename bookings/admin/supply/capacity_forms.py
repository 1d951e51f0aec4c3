"""The form that says which slots are changed from the capacity grid: those in cells, or those that fit a pattern."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import date, time
from typing import Any

from django import forms
from django.http import HttpRequest

from bookings import clock
from bookings.admin import days
from bookings.admin.forms import MAX_NOTE, TEXT, clock_field, day_field
from bookings.admin.supply import capacity_grid
from bookings.admin.supply.capacity_grid import ROWS, Key
from bookings.models import AppointmentSlot, ServiceArea
from bookings.supply import slot_changes
from bookings.supply.from_plans.hours import DAY_MINUTES, MAX_CAPACITY, WEEKDAYS, Hours

# All of them are one request; a thousand are written in less than a second.
MOST_SLOTS = 10_000
# Read on the days that are asked for, to find those that fit.
MOST_READ = 100_000
MOST_DAYS = 370


class CapacityForm(forms.Form):
    """Which slots, and how many places. Ticked cells (`cell`), or a pattern of areas, days, weekdays and hours."""

    how = forms.ChoiceField(choices=[("cells", ""), ("pattern", "")])
    rows = forms.ChoiceField(choices=[(name, "") for name in ROWS], required=False)
    number = forms.IntegerField(label="Places", min_value=1, max_value=MAX_CAPACITY, required=False)
    reason = forms.CharField(max_length=MAX_NOTE, required=False, widget=forms.TextInput(TEXT))
    area = forms.ModelMultipleChoiceField(ServiceArea.objects.none(), to_field_name="code", required=False)
    weekday = forms.TypedMultipleChoiceField(choices=list(enumerate(WEEKDAYS)), coerce=int, required=False)
    begins = clock_field("Begins from", required=False)
    ends = clock_field("Begins before", required=False)
    order_types = forms.CharField(max_length=MAX_NOTE, required=False)
    first = day_field("First day", required=False)
    until = day_field("Last day", required=False)
    # Of the page that asks: what is sent from it twice is known again.
    page = forms.CharField(max_length=40, required=False)

    def __init__(self, request: HttpRequest) -> None:
        self.visible = ServiceArea.objects.visible_to(request.user).order_by("name")
        self.found: list[AppointmentSlot] = []
        super().__init__(request.POST)
        self.fields["area"].queryset = self.visible  # type: ignore[attr-defined]
        self.cells = {key for text in request.POST.getlist("cell") if (key := Key.read(text))}

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if self.errors:
            return given
        given["number"] = given["number"] or 1
        given["page"] = given["page"] or secrets.token_urlsafe(16)
        areas = {area.pk: area for area in given["area"] or self.visible}
        self.found = list(self._in_cells(areas) if given["how"] == "cells" else self._in_pattern(areas))
        for slot in self.found:
            slot.area = areas[slot.area_id]
        if not self.found:
            raise forms.ValidationError("No slot to come fits. Choose other cells, days or hours.")
        if len(self.found) > MOST_SLOTS:
            raise forms.ValidationError(f"These are {len(self.found):,} slots. Choose {MOST_SLOTS:,} at most.")
        return given

    def _in_cells(self, areas: dict[int, ServiceArea]) -> Iterable[AppointmentSlot]:
        kind = self.cleaned_data["rows"] or "areas"
        if not self.cells:
            raise forms.ValidationError("Tick at least one cell.")
        among = [area for key, area in areas.items() if key in {cell.area for cell in self.cells}]
        first, last = min(cell.day for cell in self.cells), max(cell.day for cell in self.cells)
        for slot in _on_days(among, first, last):
            if capacity_grid.key_of(areas[slot.area_id], kind, slot.start, slot.end, slot.order_type) in self.cells:
                yield slot

    def _in_pattern(self, areas: dict[int, ServiceArea]) -> Iterable[AppointmentSlot]:
        given = self.cleaned_data
        first, until = given["first"], given["until"]
        if not (first and until and 0 <= (until - first).days < MOST_DAYS):
            raise forms.ValidationError(f"Give a first and a last day, {MOST_DAYS} days at most.")
        windows = _windows(given["begins"], given["ends"])
        types = {"" if name == "any" else name for part in given["order_types"].split(",") if (name := part.strip())}
        for slot in _on_days(list(areas.values()), first, until):
            begins = clock.local(slot.start, areas[slot.area_id].zone)
            if slot_changes.is_in(begins, given["weekday"], windows) and (not types or slot.order_type in types):
                yield slot


def _on_days(areas: Sequence[ServiceArea], first: date, last: date) -> Iterable[AppointmentSlot]:
    there = capacity_grid.planned().filter(days.on_days(areas, "start", lambda zone: (first, last)))
    found = slot_changes.to_come(there)[: MOST_READ + 1]
    if len(found) > MOST_READ:
        raise forms.ValidationError("There are too many slots on these days. Choose fewer days or areas.")
    return found


def _windows(begins: time | None, ends: time | None) -> list[Hours]:
    """Hours that end before they begin go over midnight."""
    if begins is None and ends is None:
        return []
    start = begins.hour * 60 + begins.minute if begins else 0
    until = ends.hour * 60 + ends.minute if ends else DAY_MINUTES
    return [Hours(start, until if until > start else until + DAY_MINUTES)]
