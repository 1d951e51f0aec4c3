"""Schedules out of templates and back: what is exported is imported as it was, and makes the same slots as a template.

`days_ahead` says in a template how far the schedule of an area reaches; its plans end where they say so, and go on
where they do not. Of an area without it, of which all plans end, those that end last go on from then.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from bookings.models import Schedule
from bookings.models.schedules import MAX_RULES
from bookings.supply.from_plans import plan_files, schedules
from bookings.supply.from_plans.plan_values import Fault
from bookings.supply.from_plans.plans import Plan, Template
from bookings.supply.from_plans.schedules import LEFT_OUT

ENDS = ("days", "until")


class FileError(ValueError):
    """A template cannot become schedules; the message says why."""


class Wanted(NamedTuple):
    """A schedule as a file has it, and whether it is so already."""

    schedule: Schedule
    is_same: bool


def wanted(text: str, template: Template, *, is_toml: bool, days_ahead: int | None = None) -> list[Wanted]:
    """The schedules of a template that was read without a fault. `days_ahead` counts more than what the file says.

    Raises FileError.
    """
    entries: Sequence[Any] = plan_files.read_entries(text, is_toml=is_toml)
    there = {row.area_id: row for row in Schedule.objects.filter(area__code__in=template.areas)}
    found = []
    for code, area in template.areas.items():
        of_area = [
            (values, plan) for (values, _), plan in zip(entries, template.plans, strict=True) if code in plan.areas
        ]
        schedule = there.get(area.pk, Schedule())
        rules, reached = _rules(of_area), schedule.days_ahead
        is_same = not schedule._state.adding and _values(schedule.rules) == _values(rules)
        if not is_same:
            schedule.rules = rules
        schedule.area = area
        schedule.days_ahead = days_ahead or _days_ahead(code, of_area) or reached
        _check(schedule)
        found.append(Wanted(schedule, is_same and schedule.days_ahead == reached))
    return found


def _check(schedule: Schedule) -> None:
    if len(schedule.rules) > MAX_RULES:
        raise FileError(f"{schedule.area.code}: its rules are longer than {MAX_RULES:,} characters.")
    if found := schedules.faults(schedule):
        raise FileError(f"{schedule.area.code}: {found[0]}")


def _rules(of_area: Collection[tuple[Mapping[str, Any], Plan]]) -> str:
    says_how_far = any("days_ahead" in values for values, _ in of_area)
    last = max(plan.until for _, plan in of_area)
    texts = []
    for values, plan in of_area:
        kept = {key: value for key, value in values.items() if key not in LEFT_OUT}
        if not says_how_far:
            kept = {key: value for key, value in kept.items() if key not in ENDS}
            kept |= {} if plan.until == last else {"until": plan.until}
        texts.append(plan_text(kept))
    return "\n".join(texts)


def _days_ahead(code: str, of_area: Collection[tuple[Mapping[str, Any], Plan]]) -> int | None:
    said = {int(values["days_ahead"]) for values, _ in of_area if "days_ahead" in values}
    if len(said) > 1:
        raise FileError(f"{code}: its plans have days_ahead {' and '.join(map(str, sorted(said)))}. Give one number.")
    return next(iter(said), None)


def _values(rules: str) -> list[Any]:
    """What the text says, however it is written."""
    found = plan_files.read_entries(rules, is_toml=True)
    return [entry if isinstance(entry, Fault) else entry[0] for entry in found]


def template_of(some: Iterable[Schedule]) -> str:
    """A template in TOML that makes the same slots up to the horizons, and the same schedules."""
    return "\n".join(
        plan_text({"area": schedule.area.code, **values, "days_ahead": schedule.days_ahead})
        for schedule in some
        for values in _values(schedule.rules)
    )


def plan_text(values: Mapping[str, Any]) -> str:
    """A plan as a template and the rules of a schedule have it."""
    lines = [f"{key} = {_value(value)}" for key, value in values.items()]
    return "\n".join(["[[slots]]", *lines, ""])


def _value(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key, ensure_ascii=False)} = {_value(part)}" for key, part in value.items()]
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
