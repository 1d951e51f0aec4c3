"""Workers and types of orders on the desk: looked at by all who see slots, changed by supervisors of all areas."""

import pytest
from django.urls import reverse

from bookings.models import Ability, OrderType, ServiceArea, Worker
from bookings.supply import first_sight
from tests.support import desk
from tests.support.forms import fields_of
from tests.support.helpers import make_area

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker():
    first_sight.note(workers=["jo", "al"], order_types=["pump", "boiler"])
    return Worker.objects.get(code="jo")


def address(worker) -> str:
    return reverse("admin:bookings_worker_change", args=[worker.pk])


def form(worker, **more) -> dict:
    rows = {"abilities-TOTAL_FORMS": 1, "abilities-INITIAL_FORMS": 0, "abilities-0-worker": worker.code}
    return {"name": "", "is_active": "on", "abilities-0-order_type": ""} | rows | more


def test_a_supervisor_says_what_a_worker_can_do(worker):
    supervisor = desk.person("supervisor")
    answer = supervisor.post(address(worker), form(worker, name="Jo Hill", **{"abilities-0-order_type": "pump"}))
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    worker.refresh_from_db()
    assert (worker.name, [str(found) for found in Ability.objects.all()]) == ("Jo Hill", ["jo can do pump"])
    listed = supervisor.get(reverse("admin:bookings_worker_changelist"), {"q": "Hill"}).content.decode()
    assert "Jo Hill" in listed


def test_the_code_stays(worker):
    desk.person("supervisor").post(address(worker), form(worker, code="other"))
    assert Worker.objects.filter(code="jo").exists()


def test_types_that_are_not_active_are_not_proposed(worker):
    OrderType.objects.filter(code="boiler").update(is_active=False)
    page = desk.person("supervisor").get(address(worker)).content.decode()
    assert 'value="pump"' in page
    assert 'value="boiler"' not in page


@pytest.mark.parametrize(("role", "areas"), [("viewer", []), ("dispatcher", []), ("supervisor", ["LEEDS"])])
def test_others_look(worker, role, areas):
    person = desk.person(role, *map(make_area, areas))
    assert person.get(address(worker)).status_code == 200
    assert person.post(address(worker), form(worker, name="Mine")).status_code == 403
    assert person.get(reverse("admin:bookings_worker_add")).status_code == 403
    assert not Worker.objects.filter(name="Mine").exists()


@pytest.mark.parametrize("model", ["worker", "ordertype"])
def test_none_is_deleted(worker, model):
    supervisor = desk.person("supervisor")
    key = {"worker": worker, "ordertype": OrderType.objects.first()}[model].pk
    assert supervisor.post(reverse(f"admin:bookings_{model}_delete", args=[key]), {"post": "yes"}).status_code == 403
    assert supervisor.get(reverse(f"admin:bookings_{model}_changelist")).status_code == 200


@pytest.mark.parametrize("path", ["worker", "ordertype", "servicearea"])
def test_a_page_writes_only_what_was_changed_on_it(path, worker):
    """A planning system and a supervisor change the same row, each something else."""
    make_area("LEEDS", name="Leeds")
    supervisor = desk.person("supervisor")
    row = {"worker": worker, "ordertype": OrderType.objects.get(code="pump"), "servicearea": ServiceArea.objects.get()}
    one = row[path]
    page = reverse(f"admin:bookings_{path}_change", args=[one.pk])
    typed = fields_of(supervisor.get(page).content.decode()) | {"name": "Another name"}
    other = {"safety_percent": 80} if path == "servicearea" else {"is_active": False}
    type(one).objects.filter(pk=one.pk).update(**other)
    assert supervisor.post(page, typed).status_code == 302
    found = type(one).objects.filter(pk=one.pk).values(*other, "name").get()
    assert found == other | {"name": "Another name"}
