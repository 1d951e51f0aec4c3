"""The page that moves bookings: which appointments are free, and which parts come after them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.utils.functional import cached_property

from bookings import clock, offers
from bookings.admin import addresses, days
from bookings.admin.forms import AREA, MAX_NOTE, SELECT, ActionForm, day_field
from bookings.models import AppointmentSlot, RequiredPart, ServiceArea, WorkOrder

# As far as one page of a move looks, and how many appointments it holds at most: whole days, and at least one.
MOVE_DAYS = 14
MOVE_SLOTS = 120
MOST_OF_A_DAY = 1_000


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
