"""What the rules say of each slot of an area, one by one, and what a person could do about it.

The conditions are those of search and booking themselves, worked out for each slot: they cannot say anything else.
"""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, CharField, Count, Q
from django.db.models.expressions import RawSQL

from bookings import clock, sentences, wire
from bookings.db import sql
from bookings.models import AppointmentSlot, ServiceArea
from bookings.offers.finding import Period
from bookings.offers.rulebook import SLOTS, Condition, first_broken, rules, suiting
from bookings.offers.searching import latest_delivery, search, wishes
from bookings.sentences import counted

PAGE, MOST = 200, 1_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Place = tuple[datetime, int]  # start and primary key of a slot


@dataclass(frozen=True)
class Verdict:
    """`remedy` is what would make a broken rule kept; empty where it is kept, or where nothing would."""

    rule: str
    kept: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class ExplainedSlot:
    slot: AppointmentSlot
    verdicts: list[Verdict]

    @property
    def is_offered(self) -> bool:
        return all(verdict.kept for verdict in self.verdicts)


@dataclass(frozen=True)
class Explanation:
    """`message` is what a search says, `periods` what it offers; `next` where to go on."""

    area: ServiceArea | None
    message: str
    slots: list[ExplainedSlot]
    next: Place | None = None
    periods: list[Period] = field(default_factory=list)


def explain(
    job: wire.Search,
    now: datetime,
    *,
    most: int,
    after: Place | None,
    areas: set[int] | None,
    also: Collection[Period] = (),
    breaking: str = "",
) -> Explanation:
    """The slots from the beginning of today up to the horizon, and those in periods that the body names, in order.

    `areas` are the keys of those that the caller may see, None for all. `also` are further periods. With `breaking`,
    only the slots of which this rule is the first that is broken. The statements do not grow with the slots.
    """
    found = search(job, now, areas=areas)
    area = found.area
    if area is None:
        return Explanation(None, found.message, [])
    conditions = _conditions(job, area, now)
    slots = _slots_of(area, job, now, also).annotate(
        **{f"keeps_{word}": RawSQL(text, values, BooleanField()) for word, (text, values) in conditions.items()}
    )
    if breaking:
        slots = _with_first_broken(slots, conditions).filter(broken=breaking)
    if after:
        slots = slots.filter(Q(start__gt=after[0]) | Q(start=after[0], pk__gt=after[1]))
    page = list(slots.order_by("start", "pk").prefetch_related("blackout")[: most + 1])
    explained = [ExplainedSlot(slot, _verdicts(slot, area, job, list(conditions))) for slot in page[:most]]
    last = page[most - 1] if len(page) > most else None
    return Explanation(area, found.message, explained, last and (last.start, last.pk), found.periods)


def tally(job: wire.Search, area: ServiceArea, now: datetime, also: Collection[Period] = ()) -> dict[str, int]:
    """How many of all these slots break which rule first; under an empty word, how many are offered."""
    conditions = _conditions(job, area, now)
    slots = _with_first_broken(_slots_of(area, job, now, also), conditions).order_by().values("broken")
    counted = {row["broken"]: row["number"] for row in slots.annotate(number=Count("pk"))}
    return {word: counted[word] for word in ["", *conditions] if word in counted}


def verdicts(area: ServiceArea, period: Period, order_type: str, now: datetime) -> sql.Statement:
    """How many slots of a period break which rule first, as a JSON object: what `explain` says of each, counted."""
    word, values = first_broken(suiting(order_type) | rules(now, area))
    collect = "jsonb_object_agg" if sql.on_postgresql() else "json_group_object"
    return (
        f"SELECT COALESCE({collect}(word, number), '{{}}') FROM (SELECT word, COUNT(*) AS number"
        f' FROM (SELECT {word} AS word FROM {SLOTS} WHERE area_id = %s AND start = %s AND "end" = %s) AS each_slot'
        " WHERE word <> '' GROUP BY word) AS counted",
        [*values, area.pk, *map(sql.as_parameter, period)],
    )


def write_cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{(place[0] - EPOCH) // MICROSECOND}.{place[1]}".encode()).decode()


def read_cursor(text: str) -> Place:
    """Raises ValueError for what is no cursor."""
    start, key = map(int, base64.urlsafe_b64decode(text.encode()).decode().split("."))
    try:
        place = EPOCH + start * MICROSECOND, key
    except OverflowError:
        raise ValueError(text) from None
    if not 0 <= key < 2**63:
        raise ValueError(text)
    return place


def _conditions(job: wire.Search, area: ServiceArea, now: datetime) -> dict[str, Condition]:
    return suiting(job.order_type) | rules(now, area) | wishes(job, area)


def _with_first_broken(slots: Any, conditions: dict[str, Condition]) -> Any:
    return slots.annotate(broken=RawSQL(*first_broken(conditions), CharField()))


def _slots_of(area: ServiceArea, job: wire.Search, now: datetime, also: Collection[Period] = ()) -> Any:
    today = clock.day_bounds(now.astimezone(area.zone).date(), area.zone)[0]
    wanted = Q(start__gte=today, start__lte=now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS))
    named = [(constraint.period.start, constraint.period.end) for constraint in job.time_constraints]
    for start, end in [*named, *also]:
        wanted |= Q(start=start, end=end)
    return AppointmentSlot.objects.filter(wanted, area=area)


def _verdicts(slot: AppointmentSlot, area: ServiceArea, job: wire.Search, words: Sequence[str]) -> list[Verdict]:
    slot.area = area
    verdicts = []
    for word in words:
        if getattr(slot, f"keeps_{word}"):
            verdicts.append(Verdict(word, True, sentences.KEPT[word]))
        else:
            remedy = _remedy(word, slot, area, job)
            verdicts.append(Verdict(word, False, sentences.BROKEN[word], remedy))
    return verdicts


def _remedy(word: str, slot: AppointmentSlot, area: ServiceArea, job: wire.Search) -> str:
    if word == "closed":
        return _opening(slot)
    delivery = latest_delivery(job, area) if word == "parts" else None
    return sentences.REMEDIES[word].format(
        area=area.name,
        slot=area.instant_text(slot.start),
        worker=slot.worker,
        order_type=job.order_type or "without a type",
        minutes=settings.BOOKJOB_NOTICE_MINUTES,
        days=settings.BOOKJOB_HORIZON_DAYS,
        from_day=area.instant_text(slot.start - timedelta(days=settings.BOOKJOB_HORIZON_DAYS)),
        percent=area.safety_percent,
        cutoff=f"{area.cutoff_time:%H:%M}, {counted(area.cutoff_days or 0, 'day')} before" if area.cutoff_time else "",
        delivery=delivery and area.instant_text(delivery),
    )


def _opening(slot: AppointmentSlot) -> str:
    """Each of the three that hide it, for each has to go."""
    told = []
    if not slot.is_open:
        told.append(f"Open the slot, which staff have closed{_because(slot.closed_reason)}.")
    if slot.blackout:
        what = "absence of the worker" if slot.blackout.is_absence else "blackout"
        told.append(f"Lift the {what}{_because(slot.blackout.reason)}.")
    if slot.is_withdrawn:
        told.append("Put the slot back into its plan.")
    return " ".join(told)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
