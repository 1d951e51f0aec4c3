"""Random templates: what is made is worked out a second time, in the simplest way that comes to mind."""

import contextlib
import functools
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.models import AppointmentSlot, ServiceArea
from bookings.supply import areas, new_slots, turns
from bookings.supply.from_plans import plans, seeding, seeding_steps
from tests.support.environment import examples

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ZONES = ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo", "UTC"]
MINUTE = timedelta(minutes=1)
# Weeks in which clocks change in the north, in the south, and an ordinary one.
FIRST_DAYS = [date(2027, 3, 22), date(2027, 3, 29), date(2027, 10, 25), date(2027, 6, 7)]
BEFORE = datetime(2027, 1, 1, tzinfo=UTC)

some = settings(
    max_examples=examples(6, torture=300),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def hours(draw):
    """One or two windows of a day, the second one perhaps over midnight; in minutes."""
    times = sorted(draw(st.lists(st.integers(0, 95), min_size=4, max_size=4, unique=True)))
    windows = [(times[0] * 15, times[1] * 15)]
    if draw(st.booleans()):
        until = times[3] * 15 if draw(st.booleans()) else 1440 + draw(st.integers(0, times[0])) * 15
        windows.append((times[2] * 15, until))
    return windows


def hours_text(windows):
    if not windows:
        return "closed"
    return ",".join(f"{a // 60:02}:{a % 60:02}-{b // 60 % 24:02}:{b % 60:02}" for a, b in windows)


@st.composite
def templates(draw):
    """Plans as dicts of a template, with what they mean under `_`."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        first = draw(st.sampled_from(FIRST_DAYS))
        by_day = draw(st.dictionaries(st.integers(0, 6), hours(), min_size=1, max_size=4))
        exceptions = draw(st.dictionaries(st.integers(0, 6), st.one_of(st.just([]), hours()), max_size=2))
        exceptions = {first + timedelta(days=day): windows for day, windows in exceptions.items()}
        workers = draw(st.lists(st.sampled_from(["anna", "bob", "carol"]), max_size=2, unique=True))
        found.append(
            {
                "area": f"A{number}",
                "name": f"Area {number}",
                "time_zone": draw(st.sampled_from(ZONES)),
                "from": first,
                "days": 7,
                "length": draw(st.sampled_from([15, 45, 60, 90, 120, 200])),
                "gap": draw(st.sampled_from([0, 0, 10, 45])),
                "capacity": draw(st.integers(1, 3)),
                "hours": {WEEKDAYS[day]: hours_text(windows) for day, windows in by_day.items()},
                "_": (by_day, exceptions),
            }
            | ({"workers": workers} if workers else {})
            | ({"exceptions": {str(day): hours_text(w) for day, w in exceptions.items()}} if exceptions else {})
        )
    return found


def read(template):
    entries = [({k: v for k, v in entry.items() if k != "_"}, lambda key: 1) for entry in template]
    return plans.read_plans(entries, {area.code: area for area in ServiceArea.objects.all()})


@functools.cache
def clock_of(zone, first):
    """Ten days of real minutes from the eve of `first`: what the clock shows at each, and where it first shows it."""
    begin = datetime.combine(first, time(), UTC) - timedelta(days=1)
    shown = [(begin + number * MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for number in range(10 * 1440)]
    first_shown = {}
    for number, wall in enumerate(shown):
        first_shown.setdefault(wall, number)
    return begin, shown, first_shown


def independently(template) -> list[tuple]:
    """All slots, minute by minute: each minute of real time is looked up on the clock, first come first served."""
    found = []
    for entry in template:
        by_day, exceptions = entry["_"]
        first_minute, wall_of, clock = clock_of(entry["time_zone"], entry["from"])
        for number in range(7):
            day = entry["from"] + timedelta(days=number)
            end = -1
            for begin, until in exceptions.get(day, by_day.get(day.weekday(), [])):
                midnight = datetime.combine(day, time())
                closing = clock.get(midnight + until * MINUTE)
                if closing is None:
                    closing = next(n for n, wall in enumerate(wall_of) if wall > midnight + until * MINUTE)
                free = end
                for minute in range(begin, until, entry["length"] + entry["gap"]):
                    start = clock.get(midnight + minute * MINUTE)
                    if start is not None and start >= free and start + entry["length"] <= closing:
                        end = start + entry["length"]
                        free = end + entry["gap"]
                        for worker in entry.get("workers", [""]):
                            period = (first_minute + start * MINUTE, first_minute + end * MINUTE)
                            found.append((entry["area"], *period, worker, entry["capacity"]))
    return found


def is_contradictory(slots) -> bool:
    by_worker = {}
    for area, start, end, worker, _ in slots:
        by_worker.setdefault((worker,) if worker else (area, start, end), []).append((start, end))
    return any(
        later[0] < earlier[1]
        for periods in by_worker.values()
        for earlier, later in zip(sorted(periods), sorted(periods)[1:], strict=False)
    )


def run(template, *, size=500, prune=False, after_each=lambda: None) -> Counter:
    """As the command does it, with at most `size` slots in a transaction where they can be parted."""
    counts = Counter()
    areas.add_areas(template)
    gone = list(seeding.missing_from(template, BEFORE)) if prune else []
    with mock.patch.dict(turns.BATCH, dict.fromkeys(turns.BATCH, size)):
        for piece in seeding.pieces(template, gone):
            for (_, what), number in seeding.write_piece(piece, BEFORE, by="test").counts.items():
                counts[what] += number
            after_each()
    return +counts


def rows() -> list[tuple]:
    return sorted(AppointmentSlot.objects.values_list("area__code", "start", "end", "worker", "capacity"))


def undone(test):
    """Every example finds an empty database; the history would not let itself be emptied."""

    @functools.wraps(test)
    def wrapped(**values):
        with transaction.atomic():
            test(**values)
            transaction.set_rollback(True)

    return wrapped


@pytest.mark.django_db
@given(template=templates())
@some
@undone
def test_every_template(template):
    expected = sorted(independently(template))
    found = read(template)
    if isinstance(found, list):
        if {slot[0] for slot in expected} == {entry["area"] for entry in template}:
            assert is_contradictory(expected)
            assert all("two places" in fault.message or "twice" in fault.message for fault in found)
        else:
            assert all("makes no slot" in fault.message for fault in found)
        return
    assert not is_contradictory(expected)
    assert run(found) == Counter(created=len(expected))
    assert rows() == expected
    assert run(read(template)) == Counter(kept=len(expected))
    assert rows() == expected


class Killed(Exception):
    pass


@pytest.mark.django_db
@given(template=templates(), kills=st.lists(st.integers(1, 6), min_size=1, max_size=4), size=st.sampled_from([1, 3, 7]))
@some
@undone
def test_a_run_that_is_killed_and_repeated(template, kills, size):
    """Between two batches, in the middle of one and at its end: repeated, it leaves what one run leaves."""
    if isinstance(read(template), list):
        return
    with transaction.atomic():
        run(read(template))
        undisturbed = rows()
        transaction.set_rollback(True)
    for number, kill in enumerate(kills):
        calls = 0
        module, where = [(seeding_steps, "_what_is_there"), (new_slots, "insert"), (new_slots, "utc_offset")][
            number % 3
        ]
        real = getattr(module, where)

        def until_killed(*args, real=real, kill=kill, **kwargs):
            nonlocal calls
            calls += 1
            if calls > kill:
                raise Killed
            return real(*args, **kwargs)

        with mock.patch.object(module, where, until_killed):
            try:
                run(read(template), size=size)
            except Killed:
                assert len(rows()) <= len(undisturbed)
    counts = run(read(template), size=size)
    assert rows() == undisturbed
    assert counts["created"] + counts["kept"] == len(undisturbed)


@pytest.mark.django_db
@given(
    template=templates().filter(lambda found: len(found) > 1),
    kills=st.lists(st.integers(1, 6), max_size=4),
    size=st.sampled_from([1, 3, 500]),
    is_reversed=st.booleans(),
    prune=st.booleans(),
)
@some
@undone
def test_two_plans_in_any_order_and_any_kill(template, kills, size, is_reversed, prune):
    """They end in the rows of one run with both; runs of either that were killed before make no difference."""
    for number, entry in enumerate(template):
        entry |= {"workers": [f"{worker}-{number}" for worker in entry["workers"]]} if "workers" in entry else {}
    plans_of_both = [template[:1], template[1:]]
    if any(isinstance(read(plan), list) for plan in (template, *plans_of_both)):
        return
    with transaction.atomic():
        run(read(template))
        undisturbed = rows()
        transaction.set_rollback(True)
    for number, kill in enumerate(kills):
        calls = count(1)

        def until_killed(kill=kill, calls=calls):
            if next(calls) >= kill:
                raise Killed

        with contextlib.suppress(Killed):
            run(read(plans_of_both[number % 2]), prune=prune, size=size, after_each=until_killed)
    for plan in reversed(plans_of_both) if is_reversed else plans_of_both:
        run(read(plan), prune=prune, size=size)
    assert rows() == undisturbed


@pytest.mark.django_db
@given(old=templates(), new=templates(), size=st.sampled_from([1, 5, 500]))
@some
@undone
def test_one_template_after_another(old, new, size):
    """With --prune, what is offered of the new template's areas and days is the new template."""
    for entry, earlier in zip(new, old, strict=False):
        entry["time_zone"] = earlier["time_zone"]
    if isinstance(read(old), list):
        return
    run(read(old))
    template = read(new)
    if isinstance(template, list):
        return
    counts = run(template, prune=True, size=size)
    offered = shown()
    assert not is_contradictory([(*slot, 1) for slot in offered])
    wanted = {slot[:4] for slot in independently(new)}
    # What is not offered was skipped: its worker is busy in an area or a week of the old template.
    assert len(wanted - set(offered)) == counts["skipped"]
    for entry in new:
        first = datetime.combine(entry["from"], time(), ZoneInfo(entry["time_zone"]))
        last = datetime.combine(entry["from"] + timedelta(days=7), time(), ZoneInfo(entry["time_zone"]))
        mine = {slot for slot in offered if slot[0] == entry["area"] and first <= slot[1] < last}
        in_the_first_night = {slot for slot in mine - wanted if slot[1] < first + timedelta(days=1)}
        assert mine <= wanted | in_the_first_night
    kept = Counter(kept=len(wanted) - counts["skipped"], skipped=counts["skipped"])
    assert run(template, prune=True) == +kept


def meeting(before, after):
    """Old and new slots of one worker or pool that overlap each other, but those of pools that do so for a day."""
    by_worker = {}
    for slot in {*before, *after}:
        by_worker.setdefault(slot[3] or slot[0], []).append(slot)
    for slots in by_worker.values():
        group, reach = [], None
        for slot in sorted(slots, key=lambda slot: slot[1]):
            if group and slot[1] >= reach:
                yield set(group)
                group = []
            reach = max(reach, slot[2]) if group else slot[2]
            group.append(slot)
        if group[0][3] or reach - group[0][1] < timedelta(days=1):
            yield set(group)


def shown() -> list[tuple]:
    slots = AppointmentSlot.objects.filter(is_withdrawn=False)
    return list(slots.values_list("area__code", "start", "end", "worker"))


@pytest.mark.django_db
@given(
    old=templates(), new=templates(), size=st.sampled_from([1, 5, 500]), kills=st.lists(st.integers(1, 9), max_size=3)
)
@some
@undone
def test_old_and_new_change_places_without_a_hole(old, new, size, kills):
    """After each transaction, and so after each kill: what both have is shown, and of what meets, all of old or new."""
    for entry, earlier in zip(new, old, strict=False):
        entry["time_zone"] = earlier["time_zone"]
    if isinstance(read(old), list):
        return
    run(read(old))
    before = shown()
    if isinstance(read(new), list):
        return
    with transaction.atomic():
        run(read(new), prune=True)
        after = shown()
        transaction.set_rollback(True)
    together = list(meeting(before, after))

    def look():
        now = set(shown())
        assert set(before) & set(after) <= now
        assert not is_contradictory([(*slot, 1) for slot in now])
        for slots in together:
            assert now & slots in (set(before) & slots, set(after) & slots)

    for kill in kills:
        calls = count(1)

        def until_killed(kill=kill, calls=calls):
            look()
            if next(calls) >= kill:
                raise Killed

        with contextlib.suppress(Killed):
            run(read(new), prune=True, size=size, after_each=until_killed)
    run(read(new), prune=True, size=size, after_each=look)
    assert sorted(shown()) == sorted(after)
