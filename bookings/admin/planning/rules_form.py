"""What is asked on the page *Ask the rules*: a search as a technician's app would send it, typed in by a person."""

from collections.abc import Iterable
from datetime import time
from typing import Any

from django import forms
from django.http import HttpRequest
from pydantic import ValidationError

from bookings import clock, offers, wire
from bookings.admin.forms import SELECT, TEXT, clock_field, day_field
from bookings.models import ID_LENGTH, AppointmentSlot, OrderType, ServiceArea
from bookings.supply import workers

# A postcode is longer nowhere; a word for the country neither.
MOST_LETTERS = 40


def _text(label: str, most: int = MOST_LETTERS, **attributes: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=most,
        required=False,
        widget=forms.TextInput({**TEXT, "autocomplete": "off"} | attributes),
    )


class RulesForm(forms.Form):
    """The fields of the address; what it asks is `job`."""

    area = forms.ChoiceField(required=False, widget=forms.Select(SELECT))
    zip = _text("Postcode")
    country = _text("Country")
    order_type = _text("Order type", ID_LENGTH, list="rules-types")
    worker = _text("Worker asked for", ID_LENGTH, list="rules-workers")
    parts = day_field("Parts arrive on", required=False)
    there = day_field("Customer is there on", required=False)
    there_from = clock_field("From, that day", required=False)
    there_until = clock_field("Until, that day", required=False)

    def __init__(self, request: HttpRequest, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial, auto_id="rules-%s")
        self.visible = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
        self.slots = AppointmentSlot.objects.visible_to(request.user)
        choices = [("", "by the postcode"), *((area.code, str(area)) for area in self.visible)]
        self.fields["area"].choices = choices  # type: ignore[attr-defined]
        self.job = wire.Search()

    def known_workers(self) -> Iterable[str]:
        return workers.names(self.slots.filter(end__gt=clock.now()))

    def known_types(self) -> Iterable[str]:
        return OrderType.objects.filter(is_active=True).values_list("code", flat=True)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        if not given["area"] and not given["zip"]:
            raise forms.ValidationError("Choose an area, or type a postcode.")
        if not given["there"] and (given["there_from"] or given["there_until"]):
            self.add_error("there", "Choose the day on which the customer is there.")
            return given
        address = {"Zip": given["zip"], "Country": given["country"]}
        asked: dict[str, Any] = {
            "Location": {"ServiceAreaID": given["area"], "Address": address},
            "OrderType": given["order_type"],
            "UserName": given["worker"],
        }
        if given["parts"]:
            asked["RequiredParts"] = [{"EstimatedDelivery": str(given["parts"])}]
        try:
            self.job = wire.Search.model_validate(asked)
            if times := self._there(given):
                self.job = wire.Search.model_validate(asked | {"TimeConstraints": [times]})
        except ValidationError:
            raise forms.ValidationError("This cannot be asked. Change what you typed.") from None
        return given

    def _there(self, given: dict[str, Any]) -> dict[str, Any] | None:
        """When the customer is there, on the clock of the area; without one there is nothing to offer."""
        area = offers.find_area(self.job) if given["there"] else None
        if area is None:
            return None
        first, last = given["there_from"], given["there_until"]
        start = clock.moment_of(given["there"], _minute(first) if first else 0, area.zone)
        end = clock.moment_of(given["there"], _minute(last) if last else 24 * 60, area.zone)
        if end <= start:
            raise forms.ValidationError({"there_until": "This is not after the beginning."})
        return {"Period": {"Start": wire.vendor_time(start), "End": wire.vendor_time(end)}}


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
