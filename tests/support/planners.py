"""A planner in a process of their own, like tests.support.staff: changes of the supply as JSON lines on stdin.

`python -m tests.support.planners` runs the commands that operators run, and what the admin calls, on the database of
DATABASE_URL. Each line is {"seed": N}: what is done is drawn from the number.
"""

import io
import json
import random
import sys
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()

from django import db
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from bookings import services
from bookings.models import AppointmentSlot, Blackout, ServiceArea
from bookings.supply import slots
from bookings.supply.closing import closings
from bookings.supply.from_systems import slot_rows, upserts

WORKERS = ["anna", "bob", "carol"]
IMPORTED = ["ivan", "judy"]
DAYS = 4


def first_day():
    return timezone.now().date() + timedelta(days=2)


def run(command: str, *arguments: str) -> None:
    call_command(command, *arguments, stdout=io.StringIO(), stderr=io.StringIO())


def template(draw: random.Random, folder: Path) -> None:
    """One of many plans after another: hours, workers and places, with what the one before had hidden."""
    begin = draw.randrange(7, 11)
    rows = ["area,workers,from,days,hours,length,capacity"]
    for workers in (",".join(draw.sample(WORKERS, 2)), ""):
        hours = f"{begin:02}:00-{begin + 6:02}:00"
        length, capacity = draw.choice([60, 90, 120]), draw.randrange(1, 4)
        rows.append(f'{code()},"{workers}",{first_day()},{DAYS},{hours},{length},{capacity}')
    file = folder / "plan.csv"
    file.write_text("\n".join(rows))
    run("seed_slots", f"--template={file}", "--prune", "--yes", *(["--resize"] if draw.random() < 0.5 else []))


def import_file(draw: random.Random, folder: Path) -> None:
    """The same ids at other times, workers and areas, open and closed."""
    rows = ["external_id,area,start,end,worker,capacity,open"]
    for number in range(12):
        day, hour = first_day() + timedelta(days=draw.randrange(DAYS)), draw.randrange(7, 16)
        period = f"{day}T{hour:02}:00Z,{day}T{hour + 1:02}:00Z"
        rows.append(f"P-{number},{code()},{period},{draw.choice(IMPORTED)},{draw.randrange(1, 3)},{draw_yes(draw)}")
    file = folder / "import.csv"
    file.write_text("\n".join(rows))
    run("import_slots", str(file))


def scope(draw: random.Random, folder: Path) -> None:
    """What another system sends of a day over the API: what it does not name there is withdrawn."""
    found, day = ServiceArea.objects.get(), first_day() + timedelta(days=draw.randrange(DAYS))
    begin = datetime.combine(day, time(7), UTC)
    rows = []
    for number in range(draw.randrange(1, 6)):
        start = begin + timedelta(hours=draw.randrange(9))
        period = {"Start": start.isoformat(), "End": (start + timedelta(hours=1)).isoformat()}
        what = {"Worker": draw.choice(IMPORTED), "Capacity": draw.randrange(1, 3)}
        rows.append({"ExternalID": f"P-{draw.randrange(12)}-{number % 2}", "ServiceAreaID": found.code} | period | what)
    there = upserts.Scope(found, begin, begin + timedelta(hours=10))
    upserts.upsert_slots(slot_rows.read_objects(rows), by="planner", scope=there, strict=draw.random() < 0.3)


def change(draw: random.Random, folder: Path) -> None:
    """Many slots at once, by their hours."""
    period = [f"--area={code()}", f"--from={first_day()}", f"--until={first_day() + timedelta(days=DAYS)}"]
    begin = draw.randrange(7, 15)
    hours = f"--hours={begin:02}:00-{begin + 2:02}:00"
    if draw.random() < 0.5:
        run("change_slots", "resize", *period, hours, f"--capacity={draw.randrange(1, 4)}")
    else:
        run("change_slots", "close", *period, hours, "--reason=storm")
        run("change_slots", "open", *period)


def areas(draw: random.Random, folder: Path) -> None:
    """The codes and postcodes of an area beside searches that go by them."""
    file = folder / "areas.csv"
    aliases = ",".join(draw.sample(["WC 1", "WC 2", "WC 3"], 2))
    file.write_text(f'area,aliases,postcodes\n{code()},"{aliases}","{draw.choice(["LS", "GB LS1"])}"\n')
    run("import_areas", str(file))


def draw_yes(draw: random.Random) -> str:
    return draw.choice(["yes", "yes", "no"])


def blackout(draw: random.Random, folder: Path) -> None:
    day = first_day() + timedelta(days=draw.randrange(DAYS))
    who = [] if draw.random() < 0.5 else [f"--worker={draw.choice(WORKERS)}"]
    period = [f"--area={code()}", f"--from={day}T08:00", f"--until={day}T{draw.randrange(9, 18):02}:00", *who]
    run("close_slots", *period, "--reason=Fair")
    if draw.random() < 0.8:
        run("open_slots", f"--area={code()}", f"--from={day}", f"--until={day}", *who)


def absence(draw: random.Random, folder: Path) -> None:
    """What another system says of a worker, for all areas: ill, on other days than before, mostly well again."""
    start = datetime.combine(first_day() + timedelta(days=draw.randrange(DAYS)), time(), UTC)
    said = Blackout(
        worker=draw.choice(WORKERS + IMPORTED),
        external_id=f"A-{draw.randrange(3)}",
        start=start,
        end=start + timedelta(days=draw.randrange(1, 3)),
        reason="ill",
    )
    closings.upsert([(said.external_id, said)], by="planner")
    if draw.random() < 0.8:
        closings.lift(Blackout.objects.filter(area=None, external_id=said.external_id), by="planner")


def place(draw: random.Random, folder: Path) -> None:
    """What staff do to one slot: its places, closing and opening, a new one."""
    slot = draw.choice(list(AppointmentSlot.objects.select_related("area").filter(start__gt=timezone.now())[:200]))
    match draw.randrange(3):
        case 0:
            slots.resize(slot=slot, capacity=draw.randrange(4), by="planner")
        case 1:
            slots.close(slot=slot, by="planner", reason="storm")
            slots.reopen(slot=slot, by="planner")
        case 2:
            start = slot.start + timedelta(minutes=30)
            slots.add(area=slot.area, start=start, end=start + timedelta(hours=1), capacity=1, by="planner")


def area(draw: random.Random, folder: Path) -> None:
    """The rules of an area, its code for a moment, and its zone, which stays while it has slots."""
    found = ServiceArea.objects.get()
    found.safety_percent = draw.choice([100, 100, 50])
    found.code = draw.choice(["LEEDS", "LEEDS", "LEEDS-WEST"])
    found.full_clean()
    found.save()
    found.time_zone = "Asia/Tokyo"
    found.full_clean()
    raise AssertionError("The zone of an area with slots was changed.")


def purge(draw: random.Random, folder: Path) -> None:
    run("purge", f"--before={timezone.now().date()}")


def code() -> str:
    return ServiceArea.objects.get().code


KINDS = [template] * 4 + [import_file] * 3 + [scope] * 3 + [blackout] * 3 + [absence] * 3 + [change] * 2 + [place] * 6
KINDS += [area] * 2 + [areas] + [purge]


def answer(seed: int, folder: Path) -> dict:
    db.close_old_connections()
    draw = random.Random(seed)
    kind = draw.choice(KINDS)
    try:
        kind(draw, folder)
    except (CommandError, SystemExit, services.BookingError, ValidationError, db.OperationalError) as refusal:
        return {"do": kind.__name__, "refused": str(refusal)}
    return {"do": kind.__name__}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="planner-") as name:
        for line in sys.stdin:
            print(json.dumps(answer(**json.loads(line), folder=Path(name))), flush=True)
