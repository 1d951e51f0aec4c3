"""The forms of a schedule: its rules as text, and the fields of its plans, which become the text."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bookings import clock
from bookings.admin import handbook
from bookings.admin.forms import SELECT, TEXT, AreaField, day_field
from bookings.models import Schedule, ServiceArea
from bookings.models.schedules import MAX_DAYS_AHEAD, MAX_RULES
from bookings.supply.from_plans import plan_files, plan_values, schedule_files, schedules
from bookings.supply.from_plans.hours import DAY_MINUTES, MAX_CAPACITY
from bookings.supply.from_plans.plan_values import Fault
from bookings.supply.from_plans.plans import MAX_WEEKS

# The fields of a plan by the keys that they fill, in the order of the page.
PLAN_FIELDS = {
    "from": "first",
    "until": "until",
    "hours": "hours",
    "weekdays": "weekdays",
    "every_weeks": "every_weeks",
    "month_days": "month_days",
    "length": "length",
    "gap": "gap",
    "capacity": "capacity",
    "workers": "workers",
    "order_type": "order_type",
    "holidays": "holidays",
    "exceptions": "exceptions",
}
# How a field is read where the text has a list or a table, to see that the field says the same.
READERS: dict[str, Callable[[Any], Any]] = {
    "hours": plan_values.hours_by_weekday,
    "exceptions": plan_values.read_exceptions,
    "workers": plan_values.read_names,
    "order_type": plan_values.read_names,
    "month_days": plan_values.read_month_days,
}
# What a plan cannot be without.
NEEDED = ("first", "hours", "length")
MOST_PLANS = 50
RULES_HELP = "Instead of the fields above, for several plans, as Help has them: {}."
NO_AREA = "There is no area without a schedule. Change the schedule of an area, or make an area first."


def _text_field(help_text: str, initial: str = "") -> forms.CharField:
    widget = forms.TextInput(TEXT)
    return forms.CharField(
        required=False, max_length=MAX_RULES // 10, widget=widget, help_text=help_text, initial=initial
    )


def _number_field(label: str, least: int, most: int, initial: int | None, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        max_value=most,
        widget=forms.NumberInput(TEXT),
        initial=initial,
        help_text=help_text,
    )


class PlanFields(forms.Form):
    """One plan. What is empty is not said."""

    first = day_field("First day", required=False)
    until = day_field("Last day", required=False)
    hours = _text_field(
        "08:00-12:00,13:00-17:00 for every day, or by weekday: mon-thu 08:00-12:00,13:00-17:00; fri 08:00-12:00."
        " What lies between is a break.",
        "mon-fri 08:00-12:00,13:00-17:00",
    )
    weekdays = _text_field("mon-fri: no other days, whatever the hours say.")
    every_weeks = _number_field(
        "Every so many weeks", 1, MAX_WEEKS, None, "2: every second week, from that of the first day on."
    )
    month_days = _text_field("Days of the month alone: 1,15,last. 1-7 with the weekday mon is the first Monday.")
    length = _number_field("Minutes of a slot", 1, DAY_MINUTES, 120)
    gap = _number_field("Minutes between two slots", 0, DAY_MINUTES, None)
    capacity = _number_field("Places of a slot", 1, MAX_CAPACITY, 1)
    workers = _text_field("Parted by commas, a slot for each. Empty: a pool without names.")
    order_type = _text_field("Codes, parted by commas. Empty: orders of any type.")
    holidays = _text_field("Public holidays to leave out: GB-ENG, DE-BY, US.")
    exceptions = _text_field("Other hours on a day: 2026-12-24 08:00-10:00; 2026-12-25 closed.")


def template_help() -> SafeString:
    return handbook.link("slots.md", "from-a-template")


def label_of(key: str) -> str:
    """What the form calls a key of a plan."""
    return str(PlanFields()[PLAN_FIELDS[key]].label) if key in PLAN_FIELDS else key


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[name] for key, name in PLAN_FIELDS.items() if given[name] not in (None, "")}


class ScheduleForm(forms.Form):
    """The rules of a schedule as text."""

    rules = forms.CharField(
        max_length=MAX_RULES, widget=forms.Textarea({**TEXT, "rows": 18, "spellcheck": "false"}), strip=False
    )
    days_ahead = forms.IntegerField(
        min_value=1,
        max_value=MAX_DAYS_AHEAD,
        widget=forms.NumberInput(TEXT),
        help_text="So many days from today on have slots, and each night one more.",
    )
    is_active = forms.TypedChoiceField(
        label="Makes slots",
        coerce=lambda text: text == "yes",
        choices=[("yes", "yes"), ("no", "no: what is there stays")],
        widget=forms.Select(SELECT),
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, schedule: Schedule, data: Any = None) -> None:
        self.schedule = schedule
        initial = {name: getattr(schedule, name) for name in ("rules", "days_ahead")}
        initial |= {"is_active": "yes" if schedule.is_active else "no", "seen_version": schedule.version}
        super().__init__(data, initial=initial)

    def said(self) -> dict[str, Any]:
        given = self.cleaned_data
        rules = given["rules"].replace("\r\n", "\n")  # as browsers send lines
        return {"rules": rules, "days_ahead": given["days_ahead"], "is_active": given["is_active"]}

    def wanted(self) -> Schedule:
        """The schedule as it is typed, which is not saved."""
        there = self.schedule
        # A missing version is none that was seen.
        seen = self.cleaned_data["seen_version"] or 0
        wanted = Schedule(pk=there.pk, area=there.area, version=seen, **self.said())
        wanted._state.adding = False
        return wanted

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            for fault in self.faults(self.wanted()):
                self.tell(fault)
        return self.cleaned_data

    def called(self, key: str) -> str:
        """What the person who fills the form knows it as: in the text, the keys themselves stand."""
        return key

    def faults(self, wanted: Schedule) -> list[Fault]:
        """Rules that cannot be followed any more can be switched off, and others that can be read."""
        if wanted.is_active:
            return schedules.faults(wanted, self.called)
        return [] if wanted.rules == self.schedule.rules else schedules.unreadable(wanted)

    def tell(self, fault: Fault) -> None:
        self.add_error("rules", ValidationError(str(fault)))


class NewScheduleForm(PlanFields, ScheduleForm):
    """One plan in fields, which becomes the text; or the text, where one plan is not enough."""

    area = AreaField()
    # The browser cannot know that the text takes the place of what is needed.
    use_required_attribute = False

    field_order = ("area", *PLAN_FIELDS.values(), "days_ahead", "is_active", "rules")

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(Schedule(), data)
        areas = ServiceArea.objects.filter(is_practice=False).visible_to(request.user)
        # A second click names an area that the first one gave a schedule.
        areas = areas.filter(schedule=None) if data is None else areas
        self.fields["area"].queryset = areas  # type: ignore[attr-defined]
        if not areas.exists():
            self.fields["area"].help_text = NO_AREA
        for name in NEEDED:
            self.fields[name].required = not self.is_text
        self.by = request.user.get_username()
        self.initial["first"] = clock.now().date()
        self.fields["rules"].required = False
        self.fields["rules"].widget.attrs["rows"] = 6
        self.fields["rules"].help_text = format_html(RULES_HELP, template_help())

    @property
    def is_text(self) -> bool:
        return bool(self.data.get("rules", "").strip())

    def called(self, key: str) -> str:
        return key if self.is_text else label_of(key)

    def said(self) -> dict[str, Any]:
        said, given = super().said(), self.cleaned_data
        return said | {"rules": said["rules"] if said["rules"].strip() else schedule_files.plan_text(values_of(given))}

    def clean_area(self) -> ServiceArea:
        area: ServiceArea = self.cleaned_data["area"]
        self.has_one = Schedule.objects.filter(area=area).exists()
        return area

    def faults(self, wanted: Schedule) -> list[Fault]:
        if self.has_one and not schedules.saved_already(wanted, by=self.by):
            self.add_error("area", "This area has a schedule already. Change that one.")
            return []
        return super().faults(wanted)

    def wanted(self) -> Schedule:
        return Schedule(area=self.cleaned_data["area"], **self.said())

    def tell(self, fault: Fault) -> None:
        """At the field, which has no line."""
        if self.is_text:
            super().tell(fault)
        else:
            self.add_error(PLAN_FIELDS.get(fault.key, "hours"), ValidationError(fault.message))


class PlanForm(PlanFields):
    """One of several plans. A new one begins empty."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, field in self.fields.items():
            field.initial = None
            field.required = name in NEEDED


PlanForms: Any = forms.formset_factory(PlanForm, extra=0, can_delete=True, max_num=MOST_PLANS, absolute_max=MOST_PLANS)


class PlansForm(ScheduleForm):
    """All plans of a schedule as fields. `fit` says whether fields can say what its rules say."""

    field_order = ("days_ahead", "is_active")

    def __init__(self, schedule: Schedule, data: Any = None, as_text: Any = None) -> None:
        """`data` comes from the page of the fields, `as_text` from what followed it."""
        super().__init__(schedule, data)
        del self.fields["rules"]
        if as_text:
            self.initial = {name: as_text.get(name, "") for name in self.initial}
        initial = None if data else _initial(self.initial["rules"])
        self.fit = data is not None or initial is not None
        self.plans = PlanForms(_with_another(data) if data and data.get("do") == "another" else data, initial=initial)

    def clean(self) -> dict[str, Any]:
        """What is told of a plan takes its values away, so that they are read before."""
        self.kept: list[Any] = []
        if self.plans.is_valid():
            self.kept = [form for form in self.plans.forms if form.has_changed() and not form.cleaned_data["DELETE"]]
        self.text = "\n".join(schedule_files.plan_text(values_of(form.cleaned_data)) for form in self.kept)
        if not self.plans.is_valid():
            self.add_error(None, "Look at the plans below.")
        elif not self.kept:
            self.add_error(None, "A schedule has a plan at least. To stop it, let it make no slots.")
        return super().clean()

    def said(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {"rules": self.text, "days_ahead": given["days_ahead"], "is_active": given["is_active"]}

    def as_text(self) -> ScheduleForm:
        """The same as the page of the text sends it."""
        said = {name: self.data.get(name, "") for name in ("days_ahead", "is_active", "seen_version")}
        return ScheduleForm(self.schedule, said | {"rules": self.text})

    def called(self, key: str) -> str:
        return label_of(key)

    def tell(self, fault: Fault) -> None:
        """At the field, which has no line; and above them all, of which plan it is."""
        number = self._plan_at(fault.line)
        if not number:
            self.add_error(None, fault.message)
            return
        message = f"{fault.message[:-1]}: see plan {self._plan_at(fault.other)}." if fault.other else fault.message
        self.kept[number - 1].add_error(PLAN_FIELDS.get(fault.key, "hours"), ValidationError(message))
        self.add_error(None, f"Plan {number}: {message}")

    def _plan_at(self, line: int) -> int:
        return self.text.split("\n")[:line].count("[[slots]]")


def _with_another(data: Any) -> Any:
    data = data.copy()
    total = data.get("form-TOTAL_FORMS", "")
    data["form-TOTAL_FORMS"] = int(total) + 1 if total.isascii() and total.isdigit() and len(total) < 4 else 1
    return data


def _initial(rules: str) -> list[dict[str, Any]] | None:
    """What stands in the fields of each plan; None where they cannot say it."""
    found: list[dict[str, Any]] = []
    for entry in plan_files.read_entries(rules, is_toml=True):
        values = None if isinstance(entry, Fault) else _in_fields(entry[0])
        if values is None or len(found) == MOST_PLANS:
            return None
        found.append(values)
    return found


def _in_fields(values: Mapping[str, Any]) -> dict[str, Any] | None:
    if values.keys() - PLAN_FIELDS.keys() - {"days"}:
        return None
    fields = {PLAN_FIELDS[key]: _as_text(value) for key, value in values.items() if key != "days"}
    with contextlib.suppress(ValueError, KeyError):
        if "days" in values:
            fields["until"] = plan_values.read_day(values["from"]) + timedelta(days=int(values["days"]) - 1)
        tables = [key for key, value in values.items() if isinstance(value, dict | list)]
        if all(READERS[key](fields[PLAN_FIELDS[key]]) == READERS[key](values[key]) for key in tables):
            return fields
    return None


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{key} {text}" for key, text in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
