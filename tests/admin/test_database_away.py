"""Whatever a database that takes nothing raises: pages that do much say how far they came, and the drill waits.

Not only OperationalError: a primary that became a standby, or that ended a session, raises InternalError.
"""

import ast
from unittest import mock

import pytest

from bookings import services
from bookings.db.faults import leave_standby
from bookings.models import WorkOrder
from bookings.operations import drill
from bookings.supply import slot_changes
from bookings.supply.from_plans import schedules
from bookings.supply.from_systems import area_upserts
from tests.admin import test_capacity, test_imports, test_schedule_saves
from tests.support import desk, faults
from tests.support.environment import ROOT
from tests.support.helpers import make_area

pytestmark = pytest.mark.django_db


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


class Failing:
    """Does what it stands for, but raises at its call number `last`."""

    def __init__(self, does, fault, last):
        self.does, self.fault, self.left = does, fault, last

    def __call__(self, *given, **more):
        self.left -= 1
        if not self.left:
            raise self.fault
        return self.does(*given, **more)


def act(supervisor, fault):
    slot = desk.slot_in(capacity=3)
    orders = [desk.book(slot, f"WO-{number}") for number in range(3)]
    with mock.patch.object(services, "review", Failing(services.review, fault, 3)):
        said = desk.said(desk.perform(supervisor, "review", *orders))
    assert said == [
        "1 not tried: the database gave no answer in time. Try these again in a moment.",
        "2 reviewed.",
    ]
    assert WorkOrder.objects.filter(reviewed_at=None).count() == 1


def change_capacity(supervisor, fault):
    places = [desk.slot_in(worker=f"w{number}") for number in range(101)]
    page = test_capacity.ask(supervisor, "more", places[0])
    with mock.patch.object(slot_changes, "_write", Failing(slot_changes._write, fault, 2)):
        rest = test_capacity.confirm(supervisor, page)
    assert "100 slots changed from this page already" in desk.said(rest)[0]


def import_file(supervisor, fault):
    with mock.patch.object(area_upserts, "upsert_areas", side_effect=fault):
        answer = test_imports.write(supervisor, test_imports.AREAS, test_imports.FILE)
    assert "import the file once more" in desk.said(answer)[0]


def save_schedule(supervisor, fault):
    area = make_area()
    with mock.patch.object(schedules, "_check", side_effect=fault):
        done = supervisor.post(test_schedule_saves.ADD, test_schedule_saves.given(area=area.pk), follow=True)
    assert desk.said(done) == ["Saved. Its slots follow tonight."]


def drill_the_service(supervisor, fault):
    with mock.patch.object(drill.db.connection, "close"), mock.patch.object(drill.time, "sleep") as slept:
        assert drill.when_reached(Failing(lambda: "rows", fault, 1)) == "rows"
    slept.assert_called_once()


PLACES = [act, change_capacity, import_file, save_schedule, drill_the_service]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", faults.AWAY, ids=lambda fault: str(fault))
def test_what_was_done_is_told(supervisor, place, fault):
    place(supervisor, fault)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", faults.OTHERS, ids=lambda fault: type(fault).__name__)
def test_another_fault_is_a_fault(supervisor, place, fault):
    with pytest.raises(type(fault)):
        place(supervisor, fault)


@pytest.mark.parametrize("folder", ["admin", "operations", "management"])
def test_no_place_names_one_kind_alone(folder):
    """Each catches all, and asks `db.faults`."""
    for file in (ROOT / "bookings" / folder).rglob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"OperationalError", "InterfaceError", "InternalError"}, file


def test_a_standby_is_left():
    connection = mock.Mock(in_atomic_block=False)
    with mock.patch("bookings.db.faults.db.connection", connection):
        for fault in faults.AWAY:
            leave_standby(fault)
    assert connection.close.call_count == 2
