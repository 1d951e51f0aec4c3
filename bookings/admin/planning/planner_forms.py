"""The form that says who or which areas cannot work, and when."""

from collections.abc import Iterable
from datetime import datetime, time
from typing import Any, NamedTuple

from django import forms
from django.http import HttpRequest

from bookings import clock
from bookings.admin import days
from bookings.admin.forms import MAX_NOTE, TEXT, clock_field, day_field
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea
from bookings.supply import workers
from bookings.supply.closing import clearing

# What is closed by one press: each is a few short transactions, all of them one request.
MOST_CLOSINGS = 200
MOST_NAMES = 50


class Closing(NamedTuple):
    """An area, or one worker there, that is closed for a time."""

    area: ServiceArea
    worker: str
    start: datetime
    end: datetime
    reason: str


class ClearForm(forms.Form):
    """Workers, or whole areas, or workers in some areas alone; the days and hours are read on each area's own clock."""

    workers = forms.CharField(
        required=False,
        max_length=MOST_NAMES * ID_LENGTH,
        widget=forms.TextInput({**TEXT, "list": "desk-workers", "autocomplete": "off"}),
        help_text="Names as they are in the list of slots; several with commas between them.",
    )
    areas = forms.ModelMultipleChoiceField(
        ServiceArea.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Without workers: the whole area. With workers: they are away in these areas alone; none: in all.",
    )
    day = day_field("First day")
    begins = clock_field("From", required=False, help_text="Empty: from the beginning of the day.")
    until = day_field("Last day", required=False)
    ends = clock_field("Until", required=False, help_text="Empty: until the end of the day.")
    reason = forms.CharField(
        max_length=MAX_NOTE,
        widget=forms.TextInput(TEXT),
        help_text="For staff, such as: ill. Callers only hear that it is closed.",
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        self.visible = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
        self.slots = AppointmentSlot.objects.visible_to(request.user)
        today = days.today(self.visible[0].zone) if self.visible else clock.now().date()
        asked = request.GET
        super().__init__(
            data,
            initial={
                "workers": asked.get("workers", ""),
                "areas": [area.pk for area in self.visible if area.code in asked.getlist("area")],
                "day": days.read_day(asked.get("day")) or today,
                "until": days.read_day(asked.get("until")) or days.read_day(asked.get("day")) or today,
            },
        )
        areas = ServiceArea.objects.visible_to(request.user).order_by("name")
        self.fields["areas"].queryset = areas  # type: ignore[attr-defined]
        self.closings: list[Closing] = []

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if self.errors:
            return cleaned
        names = list(dict.fromkeys(name for part in cleaned["workers"].split(",") if (name := part.strip())))
        chosen = list(cleaned["areas"])
        if not names and not chosen:
            self.add_error("workers", "Name a worker or choose an area.")
        if len(names) > MOST_NAMES:
            self.add_error("workers", f"These are more than {MOST_NAMES}. Name fewer.")
            return cleaned
        pairs = [(area, "") for area in chosen] if not names else list(self._away(names, chosen))
        if len(pairs) > MOST_CLOSINGS:
            self.add_error("workers" if names else "areas", f"These are more than {MOST_CLOSINGS}. Choose fewer.")
        elif not self.errors:
            self._close(pairs)
        return cleaned

    def known_workers(self) -> Iterable[str]:
        return workers.names(self.slots.filter(end__gt=clock.now()))

    def _away(self, names: list[str], chosen: list[ServiceArea]) -> Iterable[tuple[ServiceArea, str]]:
        """Each worker in each area in which there are slots of theirs, of those that the viewer may see."""
        known = None
        for name in names:
            found = clearing.areas_of(name, chosen or self.visible)
            if not found:
                known = known or list(workers.names(self.slots))
                where = " in the areas that you chose" if chosen else ""
                text = f"{name} has no slots{where}." if name in known else workers.unknown("worker", name, known)
                self.add_error("workers", text)
            yield from ((area, name) for area in found)

    def _close(self, pairs: list[tuple[ServiceArea, str]]) -> None:
        for area, worker in pairs:
            first, last = self.cleaned_data["day"], self.cleaned_data["until"] or self.cleaned_data["day"]
            start = moment_in(first, self.cleaned_data["begins"] or time.min, area)
            end = moment_in(last, self.cleaned_data["ends"], area)
            if end <= start:
                self.add_error("until", "This is not after the beginning.")
            elif end <= clock.now():
                self.add_error("until", "This time is over. Choose one that is to come.")
            else:
                self.closings.append(Closing(area, worker, start, end, self.cleaned_data["reason"]))
                continue
            return


def moment_in(day: Any, at: time | None, area: ServiceArea) -> datetime:
    """At the end of the day where no time is given."""
    return clock.moment_of(day, 24 * 60 if at is None else at.hour * 60 + at.minute, area.zone)
