"""What is wrong with the rows: guards, time zones, personal data that came back, codes that mean nothing yet."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from itertools import islice
from pathlib import Path

import orjson
from django.conf import settings
from django.db import connection

from bookings import clock
from bookings.db import triggers
from bookings.models import Counter, Receiver, ServiceArea, WorkOrder
from bookings.operations.doctor.finding import NAMED, Finding
from bookings.services import housekeeping, proof
from bookings.supply import first_sight, zones

# So many of the newest bodies are looked at.
BODIES = 500
ZONES_ARE_OLD = timedelta(days=366)
CLOCKS_DIFFER = timedelta(seconds=60)
# After as long a check of the promises should have run again.
RECOUNTED, COMPARED = timedelta(hours=25), timedelta(hours=49)


def missing_triggers(now: datetime) -> Iterator[Finding]:
    for name in triggers.missing():
        yield Finding(
            True, f"The trigger {name} is missing: what it guards can be changed. Restore it: docs/operations.md."
        )


def unknown_zones(now: datetime) -> Iterator[Finding]:
    for area in ServiceArea.objects.order_by("code"):
        if clock.time_zone_problem(area.time_zone):
            yield Finding(True, f"Area {area.code} is in the time zone {area.time_zone!r}, which does not exist.")


def moved_slots(now: datetime) -> Iterator[Finding]:
    """Bookings are urgent: a technician may come at the wrong hour."""
    found = list(islice(zones.moved(now), NAMED))
    for slot, _ in found:
        if slot.booked:
            orders = ", ".join(slot.work_orders.filter(status="booked").values_list("order_num", flat=True)[:NAMED])
            yield Finding(
                True,
                f"{orders}: the zone of {slot.area.code} changed its rule; {slot} is not the hour that was promised."
                " Decide with check_time_zones.",
            )
    if found and not all(slot.booked for slot, _ in found):
        yield Finding(False, "Slots are at another hour than was promised. Run check_time_zones --apply.")


def orders_from_the_future(now: datetime) -> Iterator[Finding]:
    """A clock was put back, or that of another machine is ahead: notice and cut-off go by it."""
    newest = WorkOrder.objects.order_by("-pk").values_list("order_num", "created_at").first()
    if newest and newest[1] > now + CLOCKS_DIFFER:
        yield Finding(
            True,
            f"{newest[0]} was booked at {newest[1]:%Y-%m-%d %H:%M:%S} UTC, and the clock here says {now:%H:%M:%S}: the"
            " clocks of the machines differ. Let each of them follow a time server.",
        )


def old_zones(now: datetime) -> Iterator[Finding]:
    """The release says its year, and its place in it by a letter or a number; about ten come in a year."""
    year = int(metadata.version("tzdata").partition(".")[0])
    # Known to be older than a year only once the year after it has ended.
    if now.date() - date(year, 12, 31) > ZONES_ARE_OLD:
        yield Finding(
            False,
            f"The time zones are those of {clock.TIME_ZONES_VERSION}, older than a year. Upgrade the service or the"
            " package tzdata, then run check_time_zones.",
        )


def purge_after_restore(now: datetime) -> Iterator[Finding]:
    """What was purged before is back with the backup, which knows of fewer purges than the note beside it.

    On another machine there is no note, but the feed begins a new epoch after a restore.
    """
    if not settings.BOOKJOB_PURGE_PERSONAL_DATA:
        return
    counters = dict(Counter.objects.values_list("name", "value"))
    in_database = counters.get(housekeeping.PURGED_UNTIL, 0)
    until = max(in_database, _noted())
    is_restored = counters.get(housekeeping.EPOCH, 0) > counters.get(housekeeping.PURGED_IN_EPOCH, 0)
    before = datetime.fromtimestamp(until, UTC)
    if not until:
        if WorkOrder.objects.exists():
            yield Finding(False, "BOOKJOB_PURGE_PERSONAL_DATA is on, but purge was never run. Run it from a timer.")
    elif is_restored:
        yield Finding(
            True,
            "The feed began a new epoch after the last purge, as after a restore: what was purged meanwhile may be"
            f" back. Run purge --before {before:%Y-%m-%d}, or the day of the last purge if that is later.",
        )
    elif until > in_database or housekeeping.old_work_orders(before).exists():
        yield Finding(
            True,
            f"Personal data from before {before:%Y-%m-%d} was purged and is back: a backup was restored. Run"
            f" purge --before {before:%Y-%m-%d}.",
        )


def promises_not_recounted(now: datetime) -> Iterator[Finding]:
    """deploy/ has timers for both: every hour, and every night."""
    is_connected = Receiver.objects.on().filter(kind=Receiver.Kind.SERVICEMOBILITY).exists()
    runs = {run.check: run for run in proof.last_runs()}
    asked = [(runs[proof.Check.BOOKINGS], RECOUNTED, WorkOrder.objects.exists())]
    for run, every, is_due in [*asked, (runs[proof.Check.DELIVERY], COMPARED, is_connected)]:
        if run.at is None and is_due:
            yield Finding(False, f"{run.check} was never run. Run it from a timer (docs/operations.md).")
        elif run.at and not run.is_well:
            yield Finding(True, f"{run.check} found something on {run.at:%Y-%m-%d %H:%M} UTC. Run it and see.")
        elif run.at and is_due and now - run.at > every:
            yield Finding(False, f"{run.check} ran last on {run.at:%Y-%m-%d %H:%M} UTC. Does its timer run?")


def types_without_setting(now: datetime) -> Iterator[Finding]:
    """Of the times that customers sent while no code means "not available"; those of offers are our own."""
    if settings.BOOKJOB_UNAVAILABLE_TYPES:
        return
    types: set[str] = set()
    for body in WorkOrder.objects.order_by("-pk").values_list("body", flat=True)[:BODIES]:
        constraints = orjson.loads(body).get("TimeConstraints")
        for constraint in constraints if isinstance(constraints, list) else [constraints]:
            given = constraint.get("Type") if isinstance(constraint, dict) else None
            if isinstance(given, str | int) and not isinstance(given, bool):
                types.add(str(given).strip())
    if types := types - {"", settings.BOOKJOB_OFFER_TYPE}:
        named = ", ".join(sorted(types)[:NAMED])
        yield Finding(
            False,
            f"BOOKJOB_UNAVAILABLE_TYPES is empty, but times came with the types {named}. If one of them means that the"
            " customer is not available, name it there: now it means the contrary.",
        )


def codes_that_differ_in_case(now: datetime) -> Iterator[Finding]:
    """Each is a worker, or a type of orders, of its own: what is said of one does not count for the other."""
    for same in first_sight.same_but_for_case()[:NAMED]:
        yield Finding(
            False, f"The codes {' and '.join(map(repr, same))} differ only in case or blanks. Use one of them."
        )


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [
    missing_triggers,
    unknown_zones,
    moved_slots,
    purge_after_restore,
    types_without_setting,
    promises_not_recounted,
    orders_from_the_future,
    old_zones,
    codes_that_differ_in_case,
]


def purge_note() -> Path:
    """Where purge notes beside this database what it did: a restored database would not know."""
    there = connection.settings_dict
    named = f"{there.get('HOST')}:{there.get('PORT')}/{there['NAME']}"
    return Path(settings.VAR_DIR) / f"purged-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def _noted() -> int:
    try:
        return int(purge_note().read_text())
    except (OSError, ValueError):
        return 0
