"""What a run of seeding.py says: the sums of an area in one line, and what was left out."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from bookings.sentences import counted
from bookings.supply import workers
from bookings.supply.from_plans import seeding, seeding_steps
from bookings.supply.from_plans.plans import Template
from bookings.supply.new_slots import Wanted


def summary(code: str, counts: Counter[tuple[str, str]], is_pruned: bool) -> str:
    """What became of the slots of an area, in one line; what seldom happens is named where it did."""
    reopened = f"{counts[code, 'reopened']} opened again, " if counts[code, "reopened"] else ""
    seldom = "".join(f", {counts[code, what]} {what}" for what in ("resized", "past") if counts[code, what])
    made = counts[code, "created"]
    closed = f", {counts[code, 'closed']} closed" if is_pruned else ""
    return (
        f"{code}: {counted(made, 'slot')} created, {reopened}{counts[code, 'kept']} kept,"
        f" {counts[code, 'skipped']} skipped{seldom}{closed}."
    )


def too_many(hidden: Counter[str], free: Mapping[str, int], allowed: int) -> str:
    """Why a run that hides so many free slots of each area asks first, or nothing.

    A tenth of an area is what a change of plans usually comes to.
    """
    large = [code for code in hidden if hidden[code] * 10 > free[code]]
    if not large or hidden.total() <= allowed:
        return ""
    code = large[0]
    others = f", and in {counted(len(large) - 1, 'more area')}" if len(large) > 1 else ""
    return (
        f"{code}: {hidden[code]} of {free[code]} free slots are in the plan no longer{others}: more than a tenth."
        f" Look at the template and at --dry-run. --yes closes them, --yes {hidden.total()} no more than these."
    )


def spellings(template: Template) -> list[str]:
    return [
        f"{worker} is spelled like {other}, and counts as another worker."
        for worker, other in seeding.new_spellings(template)
    ]


def left_out(outcome: seeding_steps.Outcome, seen: Collection[int] | None = None) -> Iterator[tuple[str, str]]:
    """Slots that were not written as they are wanted: of which kind they are, and why.

    `seen`: the keys of the only areas that the author may see.
    """
    for slot, busy, area in outcome.clashes:
        if busy:
            is_seen = seen is None or area in seen
            why = f"{slot.worker} is busy {slot.area.period_text(*busy) if is_seen else workers.ELSEWHERE}"
        else:
            why = "its planning system has withdrawn it"
        yield "skipped", f"{_name(slot)} is skipped: {why}."
    for slot, there in outcome.unlike:
        booked = f", and {there.booked} are booked" if there.booked > slot.capacity else ""
        made = "" if there.source in (seeding_steps.PLAN, slot.source) else f", and it was made by {there.source}"
        if slot.source != seeding_steps.PLAN and not booked and not made:
            made = ", and a person changed them"
        line = f"{_name(slot)} has {counted(there.capacity, 'place')} and is kept, but the plan says {slot.capacity}"
        yield "with other places", f"{line}{booked}{made}."


def _name(slot: Wanted) -> str:
    return f"{slot.area.code}: {slot.area.period_text(slot.start, slot.end)}"
