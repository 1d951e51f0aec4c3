"""What was accepted can be read: feed, pages, exports, search; never a 5xx, never another value."""

import csv
import io
import json
from decimal import Decimal

import openpyxl
import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.access import tokens
from bookings.admin.orders import exports
from bookings.models import WorkOrder
from tests.support import desk, helpers
from tests.support.environment import examples

pytestmark = pytest.mark.django_db

EXTREMES = st.sampled_from(
    [
        *("", None, True, False, 0, -1, 7, 1.5, 1002.0, 1e300, 10**300),
        *("x", "=1+1", "x" * 201, "x" * 10_001, "\ufdfd\u202e\x01"),
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-14:00"),
        *("2999-12-31", "1900-01-01", "2026-12-04T13:00:00+14:00"),
        *("99999999999.9999", "99999999999.99999", "-0.00001", "1e1000000", "1e-1000000"),
        *([], {}, [[]], [7], ["x"], {"a": 7}, [{"a": [None]}], {"a": {"b": ["x"]}}),
    ]
)
PATHS = [
    *(("Account", name) for name in ("AccountNum", "AccountType", "Name", "Notes", "Website", "Contacts", "Addresses")),
    *(("Location", name) for name in ("LocationNum", "Name", "Notes", "Email", "SigReq", "Contacts")),
    *(("Location", "Address", name) for name in ("AddrLine1", "City", "Country", "Lat", "Lon", "Region", "Zip")),
    *(("Assets", 0, name) for name in ("AssetNum", "Desc", "InServiceDate", "LastServiceDate", "FlexView", "Type")),
    *(("RequiredParts", 0, name) for name in ("ProdNum", "Qty", "Price", "EstimatedDelivery", "PartOrderNum")),
    *(("RequiredParts", 0, name) for name in ("PartStatus", "ProdAttrs", "ShipToLocation", "Urgency", "Delete")),
    *((name,) for name in ("FlexAttrs", "FlexForms", "OrderType", "OriginalOrderNum", "UserName", "Unknown")),
]


def with_values(body: dict, values: dict) -> dict:
    body = json.loads(json.dumps(body)) | {"Assets": [{"Desc": "Boiler"}], "RequiredParts": [{"ProdNum": "A"}]}
    for path, value in values.items():
        node = body
        for step in path[:-1]:
            node = node[step] if isinstance(step, int) else node.setdefault(step, {})
        node[path[-1]] = value
    return body


@settings(max_examples=examples(16), deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.dictionaries(st.sampled_from(PATHS), EXTREMES, min_size=1, max_size=6))
def test_what_was_accepted_is_read_back_everywhere(values):
    with transaction.atomic():
        slot = desk.slot_in(order_type="", capacity=5)
        reader = desk.person("supervisor")
        body = with_values(helpers.booking(slot.start, slot.end), values)
        answer = helpers.post("WO-1", body)
        assert answer.status_code in (200, 400, 404), answer.content
        if answer.status_code == 200:
            read_everywhere(WorkOrder.objects.get(), body, reader)
        transaction.set_rollback(True)


def read_everywhere(work_order: WorkOrder, body: dict, reader: Client) -> None:
    shown = list(work_order.required_parts.values_list("quantity", flat=True))
    came = body["RequiredParts"][0].get("Qty")
    # Of a list or an object that was accepted nothing is there: it is absent.
    if shown and came != "" and isinstance(came, str | int | float):
        assert abs(shown[0] - Decimal(json.dumps(came).strip('"'))) <= Decimal("0.00005")
    for path in (
        desk.LIST + "?view=all",
        f"{desk.LIST}{work_order.pk}/change/",
        f"{desk.SLOTS}{work_order.slot_id}/change/",
        desk.LIST + "?view=all&q=" + work_order.order_num,
    ):
        page = reader.get(path, follow=True)
        assert page.status_code == 200, path
    for kind in ("csv", "xlsx"):
        export = desk.export(reader, kind, work_order, query="?view=all")
        content = export.getvalue()
        rows = (
            list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
            if kind == "csv"
            else [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(content)).active]
        )
        assert list(rows[0]) == list(exports.COLUMNS)
        assert rows[1][0] == work_order.order_num
    user = reader.user
    user.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
    token = tokens.issue_token(user.username)
    for path in ("/api/v1/workorders", f"/api/v1/workorders/{work_order.order_num}"):
        answer = Client().get(path, headers={"x-access-token": token})
        assert answer.status_code == 200, answer.content
        found = answer.json()
        found = found["WorkOrders"][0] if "WorkOrders" in found else found
        assert found["Body"] == body
    searched = helpers.search({name: value for name, value in body.items() if name != "TimeConstraints"})
    assert searched.status_code in (200, 400), searched.content
