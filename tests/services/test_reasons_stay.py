"""Three things hide a slot: staff, a blackout, a plan. Every writer of slots leaves the other reasons as they were.

Slots in each combination of the three, booked or not, made by hand, a plan or an import; then one writer on all.
"""

import contextlib
import io
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.core.management import call_command

from bookings import services
from bookings.models import AppointmentSlot, Blackout, Schedule, ServiceArea, WorkOrder
from bookings.supply import slots
from bookings.supply.from_plans import schedules
from bookings.supply.from_systems import slot_rows, upserts
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db

# Over for the database, which asks its own clock what may be purged, and to come for all others.
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
BEFORE = FIRST - timedelta(days=2)
HOUR = timedelta(hours=1)
COLUMNS = ["is_open", "closed_reason", "blackout", "is_withdrawn", "capacity", "booked", "source", "external_id"]
SOURCES = ["hand", "plan", "import"]
STATES = list(product([True, False], [False, True], [False, True], [False, True], SOURCES))
DAYS = len(STATES) // 8
PLAN = "area,from,days,hours,length,gap,capacity\nLEEDS,2026-01-05,{days},{hours},120,60,{capacity}\n"
ALL_DAY, LATER = "00:00-24:00", "01:00-24:00"
PLANS, STAFFS, BLACKOUTS = {"is_withdrawn", "source"}, {"is_open", "closed_reason"}, {"blackout"}


@pytest.fixture(autouse=True)
def _every_state():
    """Eight slots a day, every three hours: as a plan has them that is open all day."""
    make_area()
    with clock_stands_at(BEFORE):
        for number, (is_open, is_blacked_out, is_withdrawn, is_booked, source) in enumerate(STATES):
            slot = make_slot(
                start=FIRST + 3 * number * HOUR,
                capacity=2,
                source=source,
                external_id=f"P-{number}" if source == "import" else "",
            )
            if is_booked:
                make_booking(f"WO-{number}", booking(slot.start, slot.end))
            if is_blacked_out:
                slot.blackout = Blackout.objects.create(
                    area=slot.area, start=slot.start, end=slot.end, reason="Fair", closed_at=BEFORE
                )
            AppointmentSlot.objects.filter(pk=slot.pk).update(
                is_open=is_open,
                closed_reason="" if is_open else "storm",
                blackout=slot.blackout,
                is_withdrawn=is_withdrawn,
            )


def run(command: str, *arguments: str) -> None:
    # Where something was refused, or is left to do, the status says so.
    with contextlib.suppress(SystemExit):
        call_command(command, *arguments, stdout=io.StringIO())


def seed(folder, *flags, hours=ALL_DAY, capacity=2):
    file = folder / "plan.csv"
    file.write_text(PLAN.format(days=DAYS, hours=hours, capacity=capacity))
    run("seed_slots", f"--template={file}", *flags)


def prune(folder):
    seed(folder, "--prune", "--yes", hours=LATER)


def resize(folder):
    seed(folder, "--resize", capacity=3)


def import_file(folder, staff=""):
    """Each slot as it is, planned or not in turn, under its external id or a new one."""
    rows = ["external_id,area,start,end,open" + (",staff_open,staff_reason" if staff else "")]
    for number, slot in enumerate(AppointmentSlot.objects.order_by("start")):
        period = f"{slot.start:%Y-%m-%dT%H:%MZ},{slot.end:%Y-%m-%dT%H:%MZ}"
        rows.append(f"P-{number},LEEDS,{period},{'yes' if number % 2 else 'no'}{staff}")
    file = folder / "import.csv"
    file.write_text("\n".join(rows))
    run("import_slots", str(file))


def import_with_staff_columns(folder):
    import_file(folder, ",no,flood")


PERIOD = ["--area=LEEDS", "--from=2026-01-05", "--until=2026-01-31"]


def close(folder):
    run("close_slots", *PERIOD, "--reason=Fire")


def open_again(folder):
    run("open_slots", *PERIOD)


def upsert_a_scope(folder):
    """One slot is named: what else a planning system has there is withdrawn."""
    slot = AppointmentSlot.objects.order_by("start")[0]
    period = {"Start": slot.start.isoformat(), "End": slot.end.isoformat()}
    rows = slot_rows.read_objects([{"ExternalID": "P-0", "ServiceAreaID": "LEEDS", **period}])
    scope = upserts.Scope(slot.area, FIRST, FIRST + 31 * 24 * HOUR)
    upserts.upsert_slots(rows, by="test", scope=scope)


def change(*arguments):
    return lambda folder: run("change_slots", *arguments, *PERIOD)


def check_time_zones(folder):
    AppointmentSlot.objects.update(utc_offset=-60)
    run("check_time_zones", "--apply")


def at_the_desk(do):
    def all_of_them(folder):
        for slot in AppointmentSlot.objects.select_related("area"):
            with contextlib.suppress(services.BookingError):
                do(slot)

    return all_of_them


def cancel(folder):
    for work_order in WorkOrder.objects.active():
        services.cancel(work_order=work_order, by="anna", reason="ill")


def purge(folder):
    with clock_stands_at(FIRST + 40 * 24 * HOUR):
        run("purge", "--before=2026-01-31")


# Each with the columns that are its own.
def extend_schedule(tmp_path) -> None:
    rules = f'[[slots]]\nfrom = {FIRST.date()}\nhours = "{ALL_DAY}"\nlength = 120\ngap = 60\ncapacity = 4\n'
    schedule = Schedule(area=ServiceArea.objects.get(), rules=rules, days_ahead=DAYS)
    schedules.save(schedule, by="sue")
    schedules.extend(schedule, by="sue")


WRITERS = {
    "schedule": (extend_schedule, PLANS | {"capacity"}),
    "seed": (seed, PLANS),
    "prune": (prune, {"is_withdrawn"}),
    "resize": (resize, PLANS | {"capacity"}),
    "import": (import_file, PLANS | {"external_id"}),
    "import with staff columns": (import_with_staff_columns, PLANS | STAFFS | {"external_id"}),
    "a scope": (upsert_a_scope, PLANS | {"external_id"}),
    "change closes": (change("close", "--reason=flood"), STAFFS),
    "change opens": (change("open"), STAFFS),
    "change resizes": (change("resize", "--capacity=5"), {"capacity"}),
    "close": (close, BLACKOUTS),
    "open": (open_again, BLACKOUTS),
    "zones": (check_time_zones, {"is_withdrawn", "external_id"}),
    "desk closes": (at_the_desk(lambda slot: slots.close(slot=slot, by="anna", reason="flood")), STAFFS),
    "desk opens": (at_the_desk(lambda slot: slots.reopen(slot=slot, by="anna")), STAFFS),
    "desk resizes": (at_the_desk(lambda slot: slots.resize(slot=slot, capacity=5, by="anna")), {"capacity"}),
    "cancel": (cancel, {"booked"}),
    "purge": (purge, {"closed_reason"}),
}


def all_slots() -> dict[int, dict]:
    return {slot.pop("pk"): slot for slot in AppointmentSlot.objects.values("pk", *COLUMNS)}


def changed_columns(before: dict[int, dict]) -> set[str]:
    """By a writer, in the slots that were there before."""
    after = all_slots()
    return {name for pk in before.keys() & after.keys() for name in COLUMNS if before[pk][name] != after[pk][name]}


@pytest.mark.parametrize("name", WRITERS)
def test_each_writer_changes_its_own_columns_alone(name, tmp_path, settings):
    settings.BOOKJOB_PURGE_PERSONAL_DATA, settings.VAR_DIR = True, tmp_path
    write, own = WRITERS[name]
    before = all_slots()
    with clock_stands_at(BEFORE):
        write(tmp_path)
    assert changed_columns(before) <= own
    assert changed_columns(before) or all_slots().keys() != before.keys()


def test_a_slot_that_moves_takes_what_staff_said_with_it(tmp_path):
    """Where a zone changed its rule, another slot takes the place of the one that was moved, hidden as that was."""
    moved = {slot.start: slot for slot in AppointmentSlot.objects.filter(booked=0, is_withdrawn=False)}
    there = set(AppointmentSlot.objects.values_list("pk", flat=True))
    with clock_stands_at(BEFORE):
        AppointmentSlot.objects.exclude(start__in=moved).update(utc_offset=0)
        AppointmentSlot.objects.filter(start__in=moved).update(utc_offset=-60)
        run("check_time_zones", "--apply")
    new = AppointmentSlot.objects.exclude(pk__in=there)
    for slot in new:
        old = moved[slot.start + HOUR]
        assert [getattr(slot, name) for name in ("is_open", "closed_reason", "external_id", "source")] == [
            getattr(old, name) for name in ("is_open", "closed_reason", "external_id", "source")
        ]
    assert new.exists()


def test_the_first_test_would_notice_a_writer_that_opens_all():
    before = all_slots()
    AppointmentSlot.objects.update(is_open=True, closed_reason="", is_withdrawn=True)
    assert changed_columns(before) == {"is_open", "closed_reason", "is_withdrawn"}
