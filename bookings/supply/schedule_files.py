"""Schedules out of templates and back: a template says when its plans end, and a schedule goes on.

Of an area the plans that end last go on; those that end before keep their last day. So what is exported makes the same
slots up to the horizon, and is imported as it was. What a template cannot say is lost: the days ahead; and where all
plans of a schedule end, the last of them go on after an import.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from bookings import clock
from bookings.models import Schedule
from bookings.supply import plan_files, plan_values
from bookings.supply.plans import Fault, Template
from bookings.supply.schedules import AREA_KEYS

ENDS = ("days", "until")


def rules_by_area(text: str, template: Template, *, is_toml: bool) -> dict[str, str]:
    """The rules of each area, by its code, out of the text of a template that was read without a fault."""
    entries: Sequence[Any] = plan_files.read_entries(text, is_toml=is_toml)
    last: dict[str, date] = {}
    for plan in template.plans:
        for code in plan.areas:
            last[code] = max(last.get(code, plan.until), plan.until)
    rules: dict[str, list[str]] = defaultdict(list)
    for (values, _), plan in zip(entries, template.plans, strict=True):
        kept = {key: value for key, value in values.items() if key not in (*AREA_KEYS, *ENDS)}
        for code in plan.areas:
            rules[code].append(plan_text(kept if plan.until == last[code] else kept | {"until": plan.until}))
    return {code: "\n".join(some) for code, some in rules.items()}


def template_of(schedules: Iterable[Schedule]) -> str:
    """A template in TOML that makes the same slots up to their horizons."""
    written = []
    for schedule in schedules:
        entries = plan_files.read_entries(schedule.rules, is_toml=True)
        all_values = [entry[0] for entry in entries if not isinstance(entry, Fault)]
        ends = [end for values in all_values if (end := _end(values))]
        horizon = clock.local(clock.now(), schedule.area.zone).date() + timedelta(days=schedule.days_ahead)
        # After all that end, so that it is what goes on.
        until = max([horizon, *(end + timedelta(days=1) for end in ends)])
        for values in all_values:
            goes_on = {} if _end(values) else {"until": max(until, plan_values.read_day(values["from"]))}
            written.append(plan_text({"area": schedule.area.code, **values, **goes_on}))
    return "\n".join(written)


def _end(values: Mapping[str, Any]) -> date | None:
    if "until" in values:
        return plan_values.read_day(values["until"])
    first = plan_values.read_day(values["from"])
    return first + timedelta(days=int(values["days"]) - 1) if "days" in values else None


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
