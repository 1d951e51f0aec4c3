"""The fields that several forms of the desk share, and the form of an action."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest

from bookings.models import ServiceArea
from bookings.supply.from_plans import hours

MAX_NOTE = 2_000

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


def faults_text(form: forms.BaseForm) -> str:
    """In one line, for a message above another page: what is wrong with which field."""
    return " ".join(
        str(fault) if name == NON_FIELD_ERRORS else f"{form[name].label}: {fault}"
        for name, faults in form.errors.items()
        for fault in faults
    )


class AreaField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def __init__(self) -> None:
        super().__init__(ServiceArea.objects.none(), empty_label="Choose an area", widget=forms.Select(SELECT))


class AreaForm(forms.Form):
    """Asks for an area, of those that the viewer may see."""

    area = AreaField()

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        self.request = request
        super().__init__(data)
        self.fields["area"].queryset = ServiceArea.objects.visible_to(request.user)  # type: ignore[attr-defined]


class ActionForm(forms.Form):
    """`chosen` is what the action is done to, `request` who does it."""

    def __init__(self, chosen: Sequence[Any], request: HttpRequest, data: Any = None) -> None:
        self.chosen, self.request = chosen, request
        super().__init__(data)

    def words(self) -> str:
        """What the history keeps of it."""
        given = self.cleaned_data
        return str(given.get("note") or given.get("reason") or "")
