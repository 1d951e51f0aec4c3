"""The page that moves bookings: which appointments are free, and what speaks against each of them.

That is the parts, where they come later, and the times that the customer named. What speaks against an appointment
does not forbid it: the person who moves ticks that they know.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.utils.functional import cached_property

from bookings import clock, offers
from bookings.admin import addresses, days
from bookings.admin.forms import AREA, MAX_NOTE, SELECT, ActionForm, day_field
from bookings.models import AppointmentSlot, RequiredPart, ServiceArea, WorkOrder
from bookings.services import wishes

# As far as one page of a move looks, and how many appointments it holds at most: whole days, and at least one.
MOVE_DAYS = 14
MOVE_SLOTS = 120
MOST_OF_A_DAY = 1_000


@dataclass(frozen=True)
class Window:
    """The free slots of one period. Or what happens between two periods: `note`, and no slots."""

    start: datetime
    slots: list[AppointmentSlot] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class MoveChoices:
    """Free windows by the day of the area's clock, up to the day `last`; `later` is the next day that has more.

    `same_time` are the other slots of the period in which the booking stands. `is_cut` where the last of the days has
    more than a page holds.
    """

    days: list[tuple[date, list[Window]]]
    last: date | None
    later: date | None
    is_cut: bool
    same_time: list[AppointmentSlot] = field(default_factory=list)

    @property
    def slots(self) -> list[AppointmentSlot]:
        return self.same_time + [slot for _, windows in self.days for window in windows for slot in window.slots]

    @property
    def number(self) -> int:
        return len(self.slots)


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
    although = forms.BooleanField(label="Move it although parts or customer are not there", required=False)
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
        to = self._chosen_in_the_planner() if data is None else None
        usual = to.area if to else first.area if first else None
        self.in_area = next((area for area in areas if area.code == given), usual)
        types = {work_order.order_type for work_order in chosen}
        self.free = (
            AppointmentSlot.objects.visible_to(request.user)
            .filter(
                offers.as_filter(offers.takeable(clock.now(), self.in_area)) if self.in_area else Q(pk__in=[]),
                # One that fits all of them.
                offers.suitable(types) if types else Q(),
                area=self.in_area,
            )
            .select_related("area")
        )
        self.fields["slot"].queryset = self.free  # type: ignore[attr-defined]
        self.why_not = self._why_not(to) if to and first else ""
        if self.in_area:
            self.initial["area"] = self.in_area.code
            now = days.today(self.in_area.zone)
            given_day = days.read_day((data or {}).get("first_day"))
            wanted = first.visit_start.astimezone(self.in_area.zone).date() if first else now
            # A visit that is near shows what comes before it as well.
            self.from_day = given_day or max(now, min(wanted, wanted - timedelta(days=2)))
            if to:
                self.from_day = to.start.astimezone(self.in_area.zone).date()
                self.initial["slot"] = str(to.pk)
            self.initial["first_day"] = self.from_day

    def _chosen_in_the_planner(self) -> AppointmentSlot | None:
        """The slot that the address names: it is ticked, and its day is shown."""
        key = self.request.GET.get("slot", "")
        slots = AppointmentSlot.objects.visible_to(self.request.user).select_related("area")
        return slots.filter(pk=key).first() if addresses.is_key(key) else None

    def _why_not(self, slot: AppointmentSlot) -> str:
        """Why the slot that the address names cannot be had, where it cannot."""
        if any(order.slot_id == slot.pk for order in self.chosen):
            reason = "The booking is there already." if self.only else "One of the bookings is there already."
        elif self.free.filter(pk=slot.pk).exists():
            return ""
        else:
            broken = offers.with_refusal(AppointmentSlot.objects.filter(pk=slot.pk), clock.now(), slot.area).get()
            reason = offers.REFUSALS.get(broken.refusal, "It takes no orders of this type.")
        worker = slot.worker or "pool"
        return f"{slot}, {worker} cannot be chosen. {reason} Choose another appointment."

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        slot = given.get("slot")
        against = self.against([slot])[slot.pk] if slot else []
        if against and not given["although"]:
            self.add_error("although", f"{' '.join(against)} Tick this to move all the same, or choose another.")
        return given

    @cached_property
    def only(self) -> WorkOrder | None:
        """The booking, where it is one: then the page tells more of it."""
        return self.chosen[0] if len(self.chosen) == 1 else None

    @cached_property
    def shown(self) -> MoveChoices:
        """The free slots from the chosen day on, as many whole days as the page holds."""
        if self.in_area is None:
            return MoveChoices([], None, None, is_cut=False)
        zone = self.in_area.zone
        last = self.from_day + timedelta(days=MOVE_DAYS - 1)
        begin, end = clock.day_bounds(self.from_day, zone)[0], clock.day_bounds(last, zone)[1]
        same_time = list(self._same_time())
        slots = self.free.exclude(pk__in=[slot.pk for slot in same_time]).filter(start__gte=begin)
        if self.only:
            slots = slots.exclude(pk=self.only.slot_id)
        found = list(slots.filter(start__lt=end).order_by("start", "end", "worker", "pk")[: MOST_OF_A_DAY + 1])
        is_cut = len(found) > MOST_OF_A_DAY
        found, later = found[:MOST_OF_A_DAY], None
        day_of = partial(_day_of, zone=zone)
        if len(found) > MOVE_SLOTS:
            # The day in which the page is full is the last one.
            full = day_of(found[MOVE_SLOTS - 1])
            later = next((day_of(slot) for slot in found if day_of(slot) > full), None)
        if later:
            last, is_cut = later - timedelta(days=1), False
            found = [slot for slot in found if day_of(slot) < later]
        elif is_cut:
            last = day_of(found[-1])
            later = last + timedelta(days=1)
        elif following := slots.filter(start__gte=end).order_by("start").first():
            later = day_of(following)
        against = self.against([*same_time, *found])
        for slot in [*same_time, *found]:
            slot.against = against[slot.pk]  # type: ignore[attr-defined]
        return MoveChoices(self._by_day(found, last, zone), last, later, is_cut, same_time)

    def _same_time(self) -> QuerySet[AppointmentSlot]:
        """What another worker has free at the very time of the booking."""
        if self.only is None or self.in_area != self.only.area:
            return self.free.none()
        present = self.only.slot
        same = self.free.filter(start=present.start, end=present.end).exclude(pk=present.pk)
        return same.order_by("worker", "pk")[:MOVE_SLOTS]

    def _by_day(self, slots: Iterable[AppointmentSlot], last: date, zone: ZoneInfo) -> list[tuple[date, list[Window]]]:
        """The windows of each day, and between them when parts arrive and when the customer is there."""
        windows = [
            Window(start, list(group)) for (start, _), group in groupby(slots, lambda slot: (slot.start, slot.end))
        ]
        begin, end = clock.day_bounds(self.from_day, zone)[0], clock.day_bounds(last, zone)[1]
        windows += [note for note in self._notes() if begin <= note.start < end]
        # A part that arrives when a window begins is there: the note comes first.
        windows.sort(key=lambda window: (window.start, not window.note))
        return [(day, list(group)) for day, group in groupby(windows, lambda window: _day_of(window, zone))]

    def _notes(self) -> list[Window]:
        if self.only is None or self.in_area is None:
            return []
        area, dues = self.in_area, sorted(self.deliveries[self.only.pk])
        notes = [
            Window(due, note=f"{area.instant_text(due)}: {number} of {self.only.part_count} parts are there")
            for due, number in {due: number for number, due in enumerate(dues, 1)}.items()
        ]
        return notes + [Window(start, note=text) for start, text in self.customer_notes]

    @cached_property
    def customer_notes(self) -> list[tuple[datetime, str]]:
        """Of each time that the customer of the one booking named, when it begins, and how it reads."""
        if self.only is None:
            return []
        area, times = self.in_area or self.only.area, self.customer_times[self.only.pk]
        kinds = [(times.busy, "not there"), (times.free, "there")]
        return [
            (start, f"{area.period_text(start, end)}: the customer is {word}")
            for periods, word in kinds
            for start, end in periods
        ]

    @cached_property
    def customer_times(self) -> dict[int, offers.CustomerTimes]:
        return wishes.customer_times(row.pk for row in self.chosen)

    def against(self, slots: Sequence[AppointmentSlot]) -> dict[int, list[str]]:
        """What speaks against each of these slots, in sentences; nothing as a rule."""
        found: dict[int, list[str]] = {}
        for slot in slots:
            late = self.late_text(slot)
            found[slot.pk] = [f"{late} come later."] if late else []
            if self.is_outside(slot):
                found[slot.pk].append(self.customer_text)
        return found

    def is_outside(self, slot: AppointmentSlot) -> bool:
        """Whether a customer is not there in this slot, as far as they named their times."""
        return not all(times.fit(slot.start, slot.end) for times in self.customer_times.values())

    @property
    def customer_text(self) -> str:
        return "The customer is not there then." if self.only else "Not all of the customers are there then."

    @property
    def present(self) -> str:
        """The period in which the one booking stands."""
        return self.only.area.period_text(self.only.slot.start, self.only.slot.end) if self.only else ""

    @property
    def expected(self) -> str:
        """When the parts of the one booking are there, as far as that is known."""
        dues = self.deliveries[self.only.pk] if self.only else []
        if not self.only or not dues:
            return ""
        return f"{len(dues)} of {self.only.part_count} parts expected by {self.only.area.instant_text(max(dues))}"

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


def _day_of(what: AppointmentSlot | Window, zone: ZoneInfo) -> date:
    return clock.local(what.start, zone).date()
