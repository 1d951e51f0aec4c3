"""Why the promises can be trusted: when they were last recounted, and how callers fare.

The runs are remembered as counters. How callers fare is counted in the memory of this machine's workers since they were
started, and only with BOOKJOB_METRICS_TOKEN (telemetry/metrics.py). For the desk, /proof, the doctor and the commands.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Min

from bookings import clock, offers
from bookings.models import AppointmentSlot, Counter, ServiceArea, WorkOrder
from bookings.telemetry import metrics

# No page names more areas, or counts further.
MOST_AREAS, MOST_SINCE = 200, 100_000
# So many of a hundred answers have to come in time.
IN_TIME = 0.95
# In these the service failed, and not the request. Where only documented statuses are answered, both say 500.
FAILED = {"error", "unavailable", "server_error"}
# Bookings that found their appointment, or their order, taken.
REFUSED = {"slot_unavailable", "slot_not_found", "already_booked", "conflicting_duplicate", "cancelled_meanwhile"}


class Check(StrEnum):
    BOOKINGS = "verify_bookings"
    DELIVERY = "verify_delivery"
    DRILL = "drill"


class Threshold(NamedTuple):
    """What Google asks of those that book for it."""

    route: str
    seconds: float
    errors: float


THRESHOLDS = {
    "search": Threshold("api/v1/appointments/search", 1.5, 0.03),
    "booking": Threshold("api/v1/workorders/<order:order>/followup", 4.0, 0.05),
}


class Begun(NamedTuple):
    """When a run began, and the newest work order by then: of later ones it says nothing."""

    at: datetime
    newest: int


def begin() -> Begun:
    newest = WorkOrder.objects.order_by("-pk").values_list("pk", flat=True).first()
    return Begun(clock.now(), newest or 0)


def remember(check: Check, begun: Begun, *, is_well: bool) -> None:
    """Note that it ran, and whether it found nothing. A standby takes no note: its run is as true without."""
    # In microseconds: two runs of one second are told apart.
    at = round(begun.at.timestamp() * 1_000_000)
    values = {"at": at, "newest": begun.newest} | ({"well at": at} if is_well else {})
    with contextlib.suppress(DatabaseError), transaction.atomic():
        Counter.objects.bulk_create(
            [Counter(name=f"{check} {name}", value=value) for name, value in values.items()],
            update_conflicts=True, unique_fields=["name"], update_fields=["value"],
        )  # fmt: skip


class LastRun(NamedTuple):
    check: Check
    at: datetime | None
    is_well: bool
    # What was booked since, of which it says nothing; counted up to MOST_SINCE.
    bookings_since: int


def last_runs(orders: Any = None) -> Iterator[LastRun]:
    """`orders` are the only ones that are counted; None: all but those of practice areas."""
    orders = WorkOrder.objects.real() if orders is None else orders.real()
    names = [f"{check} {name}" for check in Check for name in ("at", "well at", "newest")]
    noted = dict(Counter.objects.filter(name__in=names).values_list("name", "value"))
    for check in Check:
        at = noted.get(f"{check} at")
        if at is None:
            yield LastRun(check, None, False, 0)
            continue
        since = orders.filter(pk__gt=noted[f"{check} newest"])[:MOST_SINCE].count()
        yield LastRun(check, datetime.fromtimestamp(at / 1_000_000, UTC), at == noted.get(f"{check} well at"), since)


class Rates(NamedTuple):
    """How callers of one address fared, in shares of all requests; `is_kept` tells whether Google's thresholds hold."""

    name: str
    threshold: Threshold
    requests: int
    errors: float
    refusals: float
    in_time: float

    @property
    def is_kept(self) -> bool | None:
        """None where no request came."""
        if not self.requests:
            return None
        return self.errors < self.threshold.errors and self.in_time >= IN_TIME

    @property
    def errors_text(self) -> str:
        return f"{self.errors:.1%} (below {self.threshold.errors:.0%})"

    @property
    def in_time_text(self) -> str:
        return f"{self.in_time:.1%} within {self.threshold.seconds:g} s ({IN_TIME:.0%})"

    @property
    def refusals_text(self) -> str:
        return f"{self.refusals:.1%}"


def rates() -> list[Rates]:
    """Since the workers of this machine were started; none where nothing is counted."""
    if not settings.BOOKJOB_METRICS_TOKEN:
        return []
    rows = metrics.table.read()
    return [_rates(name, threshold, rows) for name, threshold in THRESHOLDS.items()]


def _rates(name: str, threshold: Threshold, rows: dict[tuple[str, ...], tuple[float, ...]]) -> Rates:
    outcomes = {
        key[2]: numbers[0] for key, numbers in rows.items() if key[:2] == (metrics.REQUESTS.name, threshold.route)
    }
    seconds = [numbers[1:] for key, numbers in rows.items() if key[:2] == (metrics.SECONDS.name, threshold.route)]
    total = sum(outcomes.values())
    timed = sum(map(sum, seconds))
    quick = sum(sum(counts[: metrics.Histogram.BOUNDS.index(threshold.seconds) + 1]) for counts in seconds)

    def share_of(words: set[str]) -> float:
        return sum(number for word, number in outcomes.items() if word in words) / total if total else 0.0

    return Rates(name, threshold, int(total), share_of(FAILED), share_of(REFUSED), quick / timed if timed else 1.0)


class FirstFree(NamedTuple):
    area: ServiceArea
    at: datetime | None
    days: float | None

    @property
    def text(self) -> str:
        return self.area.instant_text(self.at) if self.at else ""


def first_free(areas: Any, now: datetime) -> Iterator[FirstFree]:
    """The first appointment of each area but practice ones that can be booked now, whatever the order type."""
    shown = list(areas.filter(is_practice=False).order_by("code")[:MOST_AREAS])
    if not shown:
        return
    keeping = [offers.all_of([("area_id = %s", [area.pk]), offers.takeable(now, area)]) for area in shown]
    free = AppointmentSlot.objects.filter(offers.as_filter(offers.any_of(keeping)), area__in=shown)
    first = dict(free.order_by().values("area").annotate(first=Min("start")).values_list("area", "first"))
    for area in shown:
        at = first.get(area.pk)
        yield FirstFree(area, at, round((at - now) / timedelta(days=1), 1) if at else None)


def document(areas: Any = None, orders: Any = None) -> dict[str, Any]:
    """All of it for programs: instants in UTC, shares of 1."""
    now = clock.now()
    return {
        "version": settings.BOOKJOB_VERSION,
        "at": now.isoformat(timespec="seconds"),
        "runs": {
            run.check.value: {
                "at": run.at.isoformat(timespec="seconds") if run.at else None,
                "found_nothing": run.is_well if run.at else None,
                "bookings_since": run.bookings_since if run.at else None,
            }
            for run in last_runs(orders)
        },
        "counted_since": metrics.BEGAN_AT.isoformat(timespec="seconds") if settings.BOOKJOB_METRICS_TOKEN else None,
        "rates": {
            rate.name: {
                "requests": rate.requests,
                "errors": round(rate.errors, 5),
                "errors_below": rate.threshold.errors,
                "refusals": round(rate.refusals, 5),
                "in_time": round(rate.in_time, 5),
                "seconds": rate.threshold.seconds,
                "is_kept": rate.is_kept,
            }
            for rate in rates()
        },
        "days_to_first_free": {
            free.area.code: free.days for free in first_free(ServiceArea.objects.all() if areas is None else areas, now)
        },
    }
