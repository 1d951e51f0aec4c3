"""What an earlier release stored and this one would not: no reader fails on it."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from bookings.access import tokens
from bookings.models import RequiredPart, WorkOrder
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
        answer = desk.export(supervisor, action, work_order)
        assert answer.status_code == 200
        assert work_order.order_num.encode() in b"".join(answer) or action == "xlsx"
    reader = django_user_model.objects.create_user("erp")
    reader.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
    headers = {"x-access-token": tokens.issue_token("erp")}
    for path in ("", f"/{work_order.order_num}"):
        assert Client().get(f"/api/v1/workorders{path}", headers=headers).status_code == 200
