"""Random files of slots: what was exported comes back, and every file that can be reached is reached."""

import contextlib
import io
import random
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
from bookings.sentences import counted
from tests.supply.test_import_slots import HEAD, export
from tests.support.environment import examples
from tests.support.helpers import START, booking, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db
examples = settings(
    max_examples=examples(6, torture=300),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HOUR = timedelta(hours=1)
WORKERS = ["", "anna", "bob"]
PLACES = st.tuples(st.sampled_from(["LEEDS", "TOKYO"]), st.sampled_from(WORKERS), st.integers(0, 7))
BUSY = ("worker", "start", "end", "booked", "is_withdrawn")


@pytest.fixture
def imported(tmp_path):
    def run(text: str, *flags: str) -> list[str]:
        (tmp_path / "slots.csv").write_text(text, newline="")
        output = io.StringIO()
        with contextlib.suppress(SystemExit):
            call_command("import_slots", str(tmp_path / "slots.csv"), *flags, stdout=output)
        return output.getvalue().splitlines()

    return run


def who(place) -> tuple:
    """A worker is at one place at a time; a pool has each of its slots once."""
    area, worker, hour = place
    return (worker or area, hour)


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=6)
sentences = st.lists(st.sampled_from("aÄ字,;\t'\"=\n\r ") | words, max_size=8).map("".join).map(str.strip)


@examples
@given(st.data())
def test_what_was_exported_comes_back(imported, data):
    places = data.draw(st.lists(PLACES, min_size=1, max_size=8, unique_by=who))
    with transaction.atomic():
        make_area("TOKYO", "Asia/Tokyo")
        for number, (area, worker, hour) in enumerate(places):
            is_open = data.draw(st.booleans())
            make_slot(
                area,
                start=START + hour * HOUR,
                end=START + (hour + 1) * HOUR,
                worker=worker,
                external_id=f"P-{number}{data.draw(words)}",
                order_type=data.draw(words),
                capacity=data.draw(st.integers(1, 10_000)),
                is_open=is_open,
                closed_reason="" if is_open else data.draw(sentences),
                is_withdrawn=data.draw(st.booleans()),
            )
        before, text = list(AppointmentSlot.objects.order_by("pk").values()), export()
        assert imported(text) == [f"0 slots created, 0 changed, {len(places)} kept, 0 rows refused."]
        assert list(AppointmentSlot.objects.order_by("pk").values()) == before
        # And where there is nothing yet, all of it is made.
        AppointmentSlot.objects.all().delete()
        assert imported(text) == [f"{counted(len(places), 'slot')} created, 0 changed, 0 kept, 0 rows refused."]
        found = list(AppointmentSlot.objects.order_by("external_id").values())
        for slot in [*before, *found]:
            del slot["id"]
        assert found == sorted(before, key=lambda slot: slot["external_id"])
        transaction.set_rollback(True)


def file_of(state, draw) -> str:
    rows = [
        f"{key},{area},{(START + hour * HOUR).isoformat()},{(START + (hour + 1) * HOUR).isoformat()},,{worker},1,yes\n"
        for key, (area, worker, hour) in state.items()
    ]
    draw.shuffle(rows)
    return HEAD + "".join(rows)


@examples
@given(st.data())
def test_every_state_is_reached_from_every_other(imported, data):
    states = []
    for _ in range(3):
        places = data.draw(st.lists(PLACES, min_size=6, max_size=6, unique_by=who))
        states.append({f"P-{number}": place for number, place in enumerate(places)})
    draw = random.Random(data.draw(st.integers()))
    with transaction.atomic():
        make_area("LEEDS")
        make_area("TOKYO", "Asia/Tokyo")
        for state in states:
            said = imported(file_of(state, draw))
            assert said[-1].endswith(" 0 rows refused.")
            assert reached() == state
        transaction.set_rollback(True)


def reached() -> dict:
    areas = {area.pk: area.code for area in ServiceArea.objects.all()}
    shown = AppointmentSlot.objects.filter(is_withdrawn=False)
    return {slot.external_id: (areas[slot.area_id], slot.worker, (slot.start - START) // HOUR) for slot in shown}


@examples
@given(st.data())
def test_bookings_stay_and_no_worker_is_at_two_places(imported, data):
    """What stands in the way of a row is refused with it, and its slot stays; all others are reached."""
    first, second = (
        {
            f"P-{number}": place
            for number, place in enumerate(data.draw(st.lists(PLACES, min_size=5, max_size=5, unique_by=who)))
        }
        for _ in range(2)
    )
    draw = random.Random(data.draw(st.integers()))
    with transaction.atomic(), clock_stands_at():
        make_area("LEEDS")
        make_area("TOKYO", "Asia/Tokyo")
        imported(file_of(first, draw))
        for number, slot in enumerate(AppointmentSlot.objects.filter(area__code="LEEDS").order_by("pk")[:3]):
            make_booking(f"WO-{number}", booking(slot.start, slot.end))
        promised = set(WorkOrder.objects.values_list("order_num", "slot_id", "slot__start", "slot__worker"))
        text = file_of(second, draw)
        said = imported(text)
        assert set(WorkOrder.objects.values_list("order_num", "slot_id", "slot__start", "slot__worker")) == promised
        refused = {text.splitlines()[int(line.split()[1]) - 1].split(",")[0] for line in said if "is refused" in line}
        assert len(refused) == len(said) - 1
        assert reached() == {key: (first if key in refused else second)[key] for key in first} | {
            key: place for key, place in reached().items() if not key
        }
        busy = [slot for slot in AppointmentSlot.objects.values(*BUSY) if slot["booked"] or not slot["is_withdrawn"]]
        times = [(slot["worker"], slot["start"]) for slot in busy if slot["worker"]]
        assert len(times) == len(set(times))
        # A second run finds the same in the way.
        assert imported(text)[:-1] == said[:-1]
        transaction.set_rollback(True)
