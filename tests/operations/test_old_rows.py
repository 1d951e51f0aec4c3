"""What an earlier release stored and this one would not: no reader fails on it, and migrations put it right."""

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import F
from django.test import Client

from bookings.access import tokens
from bookings.models import RequiredPart, WorkOrder
from tests.conftest import manage
from tests.support import desk

pytestmark = pytest.mark.django_db

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
DELIVERY = datetime(2027, 3, 1, 12, tzinfo=UTC)


def order_with(*deliveries, order="WO-1", zone="Europe/London") -> WorkOrder:
    """As the release before stored what it could read."""
    work_order = desk.book(
        desk.slot_in(area=f"AREA {order}", zone=zone), order, RequiredParts=[{"ProdNum": "A"} for _ in deliveries]
    )
    for part, due in zip(work_order.required_parts.order_by("position"), deliveries, strict=True):
        RequiredPart.objects.filter(pk=part.pk).update(estimated_delivery=due)
    due = max((due for due in deliveries if due), default=None)
    WorkOrder.objects.filter(pk=work_order.pk).update(parts_due_at=due)
    return work_order


@pytest.mark.parametrize(("due", "zone"), [(FIRST, "America/New_York"), (LAST, "Pacific/Auckland")])
def test_no_reader_fails_on_a_delivery_at_the_end_of_the_calendar(due, zone, django_user_model):
    work_order = order_with(due, zone=zone)
    supervisor = desk.person("supervisor")
    pages = ["", "bookings/workorder/?view=all", f"bookings/workorder/{work_order.pk}/change/"]
    for page in [*pages, "bookings/workorder/?parts=late&view=all", "bookings/workorder/?parts=waiting&view=all"]:
        assert supervisor.get(f"/admin/{page}", follow=True).status_code == 200, page
    asked = desk.perform(supervisor, "move", work_order)
    assert asked.status_code == 200
    for action in ("csv", "xlsx"):
        answer = supervisor.post(desk.LIST, {"action": action, "_selected_action": [work_order.pk]})
        assert answer.status_code == 200
        assert work_order.order_num.encode() in b"".join(answer) or action == "xlsx"
    reader = django_user_model.objects.create_user("erp")
    reader.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
    headers = {"x-access-token": tokens.issue_token("erp")}
    for path in ("", f"/{work_order.order_num}"):
        assert Client().get(f"/api/v1/workorders{path}", headers=headers).status_code == 200


def test_deliveries_that_make_no_sense_are_none(monkeypatch):
    first, last = order_with(FIRST, order="WO-1"), order_with(DELIVERY, LAST, order="WO-2")
    sound, without = order_with(DELIVERY, order="WO-3"), order_with(None, order="WO-4")
    WorkOrder.objects.update(change_num=F("pk"))
    migration = import_module("bookings.migrations.0039_read_impossible_dates_as_none")
    monkeypatch.setattr(migration, "BATCH", 1)
    for _ in range(2):  # the second run changes nothing
        migration.empty(apps, SimpleNamespace(connection=connection))
        found = WorkOrder.objects.order_by("pk").values_list("pk", "parts_due_at", "change_num", "version")
        assert list(found) == [
            (first.pk, None, None, first.version + 1),
            (last.pk, DELIVERY, None, last.version + 1),
            (sound.pk, DELIVERY, sound.pk, sound.version),
            (without.pk, None, without.pk, without.version),
        ]
        deliveries = RequiredPart.objects.order_by("work_order_id", "position").values_list(
            "estimated_delivery", flat=True
        )
        assert list(deliveries) == [None, DELIVERY, None, DELIVERY, None]


def test_an_area_with_a_time_zone_of_no_place_stops_the_migration_before_it_writes(empty_database):
    assert manage(empty_database, "migrate", "bookings", "0025").returncode == 0
    for code, zone in (("LEEDS", "localtime"), ("YORK", "Europe/London"), ("HULL", "Factory")):
        empty_database.execute(
            "INSERT INTO bookings_servicearea (code, name, time_zone) VALUES (%s, 'x', %s)", code, zone
        )
    stopped = manage(empty_database, "migrate")
    assert stopped.returncode == 1
    assert "a time zone of no place: LEEDS (localtime), HULL (Factory). Give each" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    empty_database.execute("UPDATE bookings_servicearea SET time_zone = 'Europe/London'")
    done = manage(empty_database, "migrate")
    assert done.returncode == 0, done.stderr
