"""The forms that add a slot, or choose the slots of a range of days."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from bookings import clock
from bookings.admin.forms import TEXT, AreaForm, clock_field, day_field
from bookings.models import ID_LENGTH, AppointmentSlot
from bookings.supply.from_plans.hours import MAX_CAPACITY

MAX_RANGE_DAYS = 370


class AddSlotForm(AreaForm):
    """One slot, in the hours of the area's own clock."""

    day = day_field("Day")
    begins = clock_field("Begins")
    ends = clock_field("Ends")
    capacity = forms.IntegerField(
        label="Places", min_value=1, max_value=MAX_CAPACITY, initial=1, widget=forms.NumberInput({**TEXT, "min": 1})
    )
    worker = forms.CharField(
        max_length=ID_LENGTH, required=False, widget=forms.TextInput(TEXT), help_text="Empty: a pool of people."
    )
    order_type = forms.CharField(
        max_length=ID_LENGTH, required=False, widget=forms.TextInput(TEXT), help_text="Empty: orders of any type."
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(request, data)
        # As a remedy of *Ask the rules* proposes it.
        self.initial.update({name: request.GET[name] for name in self.fields if name in request.GET})

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if {"area", "day", "begins", "ends"} <= cleaned.keys():
            # Hours that go over midnight end on the next day.
            over = timedelta(days=int(cleaned["ends"] <= cleaned["begins"]))
            start, end = self._instant("begins", cleaned["day"]), self._instant("ends", cleaned["day"] + over)
            if start and start <= clock.now():
                self.add_error("day", "This time is over. Choose one that is to come.")
            cleaned |= {"start": start, "end": end}
        return cleaned

    def _instant(self, name: str, day: date) -> datetime | None:
        instant = clock.instant_at(day, self.cleaned_data[name], self.cleaned_data["area"].zone)
        if instant is None:
            self.add_error(
                name, ValidationError("The clocks go forward that night: there is no such time on that day.")
            )
        return instant


class DaysForm(AreaForm):
    """The slots of an area on a range of days, to be changed together."""

    day = day_field("First day")
    until = day_field("Last day")
    begins = clock_field("From", required=False, help_text="Slots that begin at this time or later.")
    ends = clock_field("To", required=False, help_text="Slots that begin before this time.")
    worker = forms.CharField(max_length=ID_LENGTH, required=False, widget=forms.TextInput(TEXT))

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("day"), self.cleaned_data.get("until")
        if first and last and not 0 <= (last - first).days < MAX_RANGE_DAYS:
            self.add_error("until", f"The last day must be one of the {MAX_RANGE_DAYS} days from the first one on.")
        return self.cleaned_data

    def slots(self) -> list[AppointmentSlot]:
        """The slots that begin on these days, in these hours of the area's clock."""
        given = self.cleaned_data
        zone = given["area"].zone
        begin, end = clock.day_bounds(given["day"], zone)[0], clock.day_bounds(given["until"], zone)[1]
        slots = AppointmentSlot.objects.filter(area=given["area"], start__gte=begin, start__lt=end)
        if given["worker"]:
            slots = slots.filter(worker=given["worker"])
        return [
            slot
            for slot in slots.select_related("area").order_by("start", "worker")
            if (given["begins"] or time.min) <= slot.start.astimezone(zone).time() < (given["ends"] or time.max)
        ]
