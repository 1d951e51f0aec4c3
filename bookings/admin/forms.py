"""What staff fill in before something is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.utils.functional import cached_property

from bookings import clock, offers
from bookings.admin import filters
from bookings.models import ID_LENGTH, AppointmentSlot, RequiredPart, ServiceArea, WorkOrder
from bookings.supply import hours, workers
from bookings.supply.hours import MAX_CAPACITY

MAX_NOTE = 2_000
# As far as one page of a move looks, and how many appointments it holds at most: whole days, and at least one.
MOVE_DAYS = 14
MOVE_SLOTS = 120
MOST_OF_A_DAY = 1_000
MAX_RANGE_DAYS = 370

TEXT = SELECT = {"class": "desk-input"}
AREA = {"class": "desk-input", "rows": 3}


def check_year(day: date) -> None:
    try:
        hours.check_year(day)
    except ValueError:
        raise ValidationError(f"Choose a year from {hours.FIRST_YEAR} to {hours.LAST_YEAR}.") from None


def day_field(label: str, *, required: bool = True) -> forms.DateField:
    widget = forms.DateInput({**TEXT, "type": "date"}, "%Y-%m-%d")
    return forms.DateField(label=label, required=required, widget=widget, validators=[check_year])


def clock_field(label: str, *, required: bool = True, help_text: str = "") -> forms.TimeField:
    widget = forms.TimeInput({**TEXT, "type": "time"}, "%H:%M")
    return forms.TimeField(label=label, required=required, widget=widget, help_text=help_text)


@dataclass(frozen=True)
class MoveChoices:
    """Free slots by the day of the area's clock, up to the day `last`; `later` is the next day that has more.

    `is_cut` where the last of them has more than a page holds.
    """

    days: list[tuple[date, list[AppointmentSlot]]]
    last: date | None
    later: date | None
    is_cut: bool

    @property
    def number(self) -> int:
        return sum(len(slots) for _, slots in self.days)


class ActionForm(forms.Form):
    """`chosen` is what the action is done to, `request` who does it."""

    def __init__(self, chosen: Sequence[Any], request: HttpRequest, data: Any = None) -> None:
        self.chosen, self.request = chosen, request
        super().__init__(data)


class ReviewForm(ActionForm):
    note = forms.CharField(max_length=MAX_NOTE, required=False, widget=forms.Textarea(AREA))


class NoteForm(ActionForm):
    note = forms.CharField(max_length=MAX_NOTE, widget=forms.Textarea(AREA))


class CancelForm(ActionForm):
    reason = forms.ChoiceField(widget=forms.Select(SELECT))
    more = forms.CharField(
        label="More about it",
        max_length=MAX_NOTE,
        required=False,
        widget=forms.Textarea(AREA),
        help_text="For whoever reads the history later.",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        reasons = [(reason, reason) for reason in settings.BOOKJOB_CANCEL_REASONS]
        self.fields["reason"].choices = [("", "Choose a reason"), *reasons]  # type: ignore[attr-defined]

    def whole_reason(self) -> str:
        reason, more = self.cleaned_data["reason"], self.cleaned_data["more"].strip()
        return f"{reason}: {more}" if more else str(reason)


class MoveForm(ActionForm):
    """The free slots of an area from a day on; which they are is asked anew each time that the page is drawn."""

    area = forms.ChoiceField(required=False, widget=forms.Select(SELECT))
    first_day = day_field("From day", required=False)
    slot = forms.ModelChoiceField(
        AppointmentSlot.objects.none(),
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose an appointment.",
            "invalid_choice": "This appointment is not free any more, or has begun. Choose another.",
        },
    )
    reason = forms.CharField(max_length=MAX_NOTE, required=False, widget=forms.Textarea({**AREA, "rows": 2}))

    def __init__(self, chosen: Sequence[WorkOrder], request: HttpRequest, data: Any = None) -> None:
        if data and (later := data.get("later")):
            data = data.copy()
            data["first_day"] = later
        super().__init__(chosen, request, data)
        areas = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
        self.fields["area"].choices = [(area.code, str(area)) for area in areas]  # type: ignore[attr-defined]
        given = (data or {}).get("area")
        first = chosen[0] if chosen else None
        self.in_area = next((area for area in areas if area.code == given), first.area if first else None)
        types = {work_order.order_type for work_order in chosen}
        self.free = (
            AppointmentSlot.objects.visible_to(request.user)
            .filter(
                offers.as_filter(offers.takeable(clock.now(), self.in_area)) if self.in_area else Q(pk__in=[]),
                # One that fits all of them.
                order_type__in=["", *types] if len(types) == 1 else [""],
                area=self.in_area,
            )
            .select_related("area")
        )
        self.fields["slot"].queryset = self.free  # type: ignore[attr-defined]
        if self.in_area:
            self.initial["area"] = self.in_area.code
            now = filters.today(self.in_area.zone)
            given_day = filters.read_day((data or {}).get("first_day"))
            wanted = first.visit_start.astimezone(self.in_area.zone).date() if first else now
            # A visit that is near shows what comes before it as well.
            self.from_day = given_day or max(now, min(wanted, wanted - timedelta(days=2)))
            self.initial["first_day"] = self.from_day

    @cached_property
    def shown(self) -> MoveChoices:
        """The free slots from the chosen day on, as many whole days as the page holds."""
        if self.in_area is None:
            return MoveChoices([], None, None, is_cut=False)
        zone = self.in_area.zone
        last = self.from_day + timedelta(days=MOVE_DAYS - 1)
        begin, end = clock.day_bounds(self.from_day, zone)[0], clock.day_bounds(last, zone)[1]
        slots = self.free.filter(start__gte=begin)
        if len(self.chosen) == 1:
            slots = slots.exclude(pk=self.chosen[0].slot_id)
        days: dict[date, list[AppointmentSlot]] = {}
        found = list(slots.filter(start__lt=end).order_by("start", "worker", "pk")[: MOST_OF_A_DAY + 1])
        for number, slot in enumerate(found[:MOST_OF_A_DAY]):
            day = slot.start.astimezone(zone).date()
            if day not in days and number >= MOVE_SLOTS:
                return MoveChoices(list(days.items()), day - timedelta(days=1), day, is_cut=False)
            slot.late_text = self.late_text(slot)  # type: ignore[attr-defined]
            days.setdefault(day, []).append(slot)
        if len(found) > MOST_OF_A_DAY:
            return MoveChoices(list(days.items()), day, day + timedelta(days=1), is_cut=True)
        following = slots.filter(start__gte=end).order_by("start").first()
        later = following.start.astimezone(zone).date() if following else None
        return MoveChoices(list(days.items()), last, later, is_cut=False)

    @cached_property
    def deliveries(self) -> dict[int, list[datetime]]:
        """When the parts of each chosen work order are expected, as far as that is known."""
        found: dict[int, list[datetime]] = {work_order.pk: [] for work_order in self.chosen}
        parts = RequiredPart.objects.filter(work_order__in=found, estimated_delivery__isnull=False)
        for key, due in parts.order_by().values_list("work_order", "estimated_delivery"):
            found[key].append(cast(datetime, due))
        return found

    def late_text(self, slot: AppointmentSlot) -> str:
        """What comes too late for a visit in this slot: `1 of 2 parts`, or of several bookings how many; else empty."""
        late = {key: sum(due > slot.start for due in dues) for key, dues in self.deliveries.items()}
        if len(self.chosen) == 1:
            work_order = self.chosen[0]
            return f"{late[work_order.pk]} of {work_order.part_count} parts" if late[work_order.pk] else ""
        number = sum(map(bool, late.values()))
        return f"parts of {number} booking{pluralize(number)}" if number else ""


class CloseForm(ActionForm):
    reason = forms.CharField(max_length=MAX_NOTE, widget=forms.TextInput(TEXT))


class OpenForm(ActionForm):
    reason = forms.CharField(max_length=MAX_NOTE, required=False, widget=forms.TextInput(TEXT))


class ResizeForm(ActionForm):
    capacity = forms.IntegerField(
        label="Places", min_value=0, max_value=MAX_CAPACITY, widget=forms.NumberInput({**TEXT, "min": 0})
    )
    reason = forms.CharField(max_length=MAX_NOTE, required=False, widget=forms.TextInput(TEXT))


class AreaField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def __init__(self) -> None:
        super().__init__(ServiceArea.objects.none(), empty_label="Choose an area", widget=forms.Select(SELECT))


class AddSlotForm(forms.Form):
    """One slot, in the hours of the area's own clock."""

    area = AreaField()
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
        super().__init__(data)
        self.fields["area"].queryset = ServiceArea.objects.visible_to(request.user)  # type: ignore[attr-defined]

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


class BlackoutForm(forms.Form):
    """A time in which an area, or one worker there, takes no bookings, on the area's own clock."""

    area = AreaField()
    worker = forms.CharField(
        max_length=ID_LENGTH, required=False, widget=forms.TextInput(TEXT), help_text="Empty: everybody in the area."
    )
    day = day_field("First day")
    begins = clock_field("From", required=False, help_text="Empty: from the beginning of the day.")
    until = day_field("Last day")
    ends = clock_field("Until", required=False, help_text="Empty: until the end of the day.")
    reason = forms.CharField(
        max_length=MAX_NOTE, widget=forms.TextInput(TEXT), help_text="For staff. Callers only hear that it is closed."
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        self.request = request
        super().__init__(data)
        self.fields["area"].queryset = ServiceArea.objects.visible_to(request.user)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not self.errors:
            start, end = self._moment("day", cleaned["begins"] or time.min), self._moment("until", cleaned["ends"])
            if end <= start:
                self.add_error("until", "This is not after the beginning.")
            elif end <= clock.now():
                self.add_error("until", "This time is over. Choose one that is to come.")
            cleaned |= {"start": start, "end": end}
        worker = cleaned.get("worker")
        if worker and not workers.is_known(worker):
            # A blackout for a misspelt name closes nothing. Named are only people whom this person may see.
            visible = AppointmentSlot.objects.visible_to(self.request.user)
            self.add_error("worker", workers.unknown("worker", worker, workers.names(visible)))
        return cleaned

    def _moment(self, name: str, at: time | None) -> datetime:
        minute = 24 * 60 if at is None else at.hour * 60 + at.minute
        return clock.moment_of(self.cleaned_data[name], minute, self.cleaned_data["area"].zone)


class LiftForm(ActionForm):
    """Nothing to fill in."""


class DaysForm(forms.Form):
    """The slots of an area on a range of days, to be changed together."""

    area = AreaField()
    day = day_field("First day")
    until = day_field("Last day")
    begins = clock_field("Beginning not before", required=False)
    ends = clock_field("Beginning before", required=False)
    worker = forms.CharField(max_length=ID_LENGTH, required=False, widget=forms.TextInput(TEXT))

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        self.request = request
        super().__init__(data)
        self.fields["area"].queryset = ServiceArea.objects.visible_to(request.user)  # type: ignore[attr-defined]

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
