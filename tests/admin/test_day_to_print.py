"""A day to print: for each worker all bookings of the day and no other, whole or not at all."""

import itertools
import random
from datetime import timedelta
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import clock, services
from bookings.admin.orders import paper
from bookings.models import WorkOrder
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

PAGE = f"{desk.LIST}day/"
ZONES = {"LEEDS": "Europe/London", "BOSTON": "America/New_York", "TOKYO": "Asia/Tokyo"}


@pytest.fixture
def viewer():
    return desk.person("viewer")


def day_of(order):
    return order.visit_start.astimezone(order.area.zone).date()


def look(client, day, **query):
    answer = client.get(PAGE, {"day": str(day)} | query)
    assert answer.status_code == 200
    return answer


def blocks(answer):
    return [(block.name, [visit.order.order_num for visit in block.visits]) for block in answer.context["blocks"]]


def test_what_a_worker_needs_at_the_door(viewer):
    place = desk.slot_in(worker="anna")
    late, soon = place.start + timedelta(hours=3), place.start - timedelta(hours=3)
    contact = {"FirstName": "Ruth", "Phones": [{"PhoneNum": "+44 113 496 0000"}], "IsPrimary": True}
    order = desk.book(
        place,
        Account={"AccountNum": "C-1", "Name": "Müller & Söhne", "Notes": "Pays by invoice"},
        Location={
            "Address": {"AddrLine1": "1 Mill Lane", "City": "Leeds", "Zip": "LS1 4AP"},
            "Contacts": [contact],
            "Notes": "Code 1234",
            "SigReq": True,
        },
        RequiredParts=[
            {"ProdNum": "PUMP-17", "ProdAttrs": {"Desc": "Pump"}, "Qty": 2, "EstimatedDelivery": late.isoformat()},
            {"ProdNum": "SEAL-9", "ProdAttrs": {"Desc": "Seal"}, "Qty": 1, "EstimatedDelivery": soon.isoformat()},
        ],
    )
    services.add_note(work_order=order, by="ben", note="Bring the ladder", seen_version=1)
    text = desk.text_of(look(viewer, day_of(order)))
    for told in (
        order.order_num, place.hours, "Europe/London", "Müller &amp; Söhne", order.address, order.postcode, order.phone,
        "Pays by invoice", "Code 1234", "Bring the ladder (ben)", "Signature", "2 &times; PUMP-17 Pump",
    ):  # fmt: skip
        assert told in text, told
        assert told
    assert text.count("late: ") == 1
    assert text.index("PUMP-17") < text.index("late: ") < text.index("SEAL-9")


def test_all_of_the_day_and_no_other(viewer):
    """Random rows around midnight in three zones, against a count of our own."""
    draw = random.Random(20)
    kinds = list(itertools.product(ZONES, range(3), range(24), ["anna", "Ben", ""]))
    orders = []
    for code, days, hour, worker in draw.sample(kinds, 60):
        place = desk.slot_in(code, ZONES[code], days, hour, worker=worker)
        orders.append(desk.book(place, f"WO-{len(orders)}"))
    for order in draw.sample(orders, 15):
        services.cancel(work_order=order, by="ann", reason="Other")
    booked = list(WorkOrder.objects.active().select_related("area", "slot"))
    shown = 0
    for day in {day_of(order) for order in orders}:
        expected: dict = {}
        for order in sorted(booked, key=lambda order: (order.visit_start, order.pk)):
            if day_of(order) == day:
                name = order.slot.worker or f"pool of {order.area.name}"
                expected.setdefault(name, []).append(order.order_num)
        found = blocks(look(viewer, day))
        assert dict(found) == expected
        assert [name for name, _ in found] == sorted(
            expected, key=lambda name: (name.startswith("pool of"), name.casefold())
        )
        shown += sum(len(numbers) for _, numbers in found)
    assert shown == len(booked) == 45


def test_chosen_areas_and_workers(viewer):
    ours = desk.book(desk.slot_in(hour=11, worker="anna"), "WO-1")
    other = desk.book(desk.slot_in(hour=13, worker="ben"), "WO-2")
    pool = desk.book(desk.slot_in(hour=15), "WO-3")
    york = desk.book(desk.slot_in("YORK", worker="anna", hour=9), "WO-4")
    day = day_of(ours)

    def numbers(**query):
        return [number for _, found in blocks(look(viewer, day, **query)) for number in found]

    # One worker has one page, also with bookings in two areas.
    assert blocks(look(viewer, day))[0] == ("anna", [york.order_num, ours.order_num])
    assert numbers(area="YORK") == [york.order_num]
    assert numbers(worker=["ben", "pool"]) == [other.order_num, pool.order_num]
    assert numbers(worker="anna", area=["LEEDS"]) == [ours.order_num]
    # What is ticked stays ticked, and is never taken for all workers.
    answer = look(viewer, day, worker="zoe")
    assert blocks(answer) == []
    assert ("zoe", True) in answer.context["workers"]
    assert len(numbers(area="NOWHERE")) == 4


@pytest.mark.parametrize("day", ["", "tomorrow", "0001-01-01", "2026-02-30", "9999-12-31", "2026-12-04' OR 1=1"])
def test_a_day_that_is_none_is_today(viewer, day):
    desk.slot_in()
    assert look(viewer, day).context["asked"].day == clock.now().astimezone(helpers.make_area().zone).date()


def test_restricted_to_areas():
    ours, theirs = desk.book(desk.slot_in(), "WO-1"), desk.book(desk.slot_in("YORK", worker="zoe"), "WO-2")
    client = desk.person("dispatcher", ours.area)
    for query in ({}, {"area": "YORK"}, {"area": ["YORK", "LEEDS"]}, {"worker": ["zoe", "pool"]}):
        answer = look(client, day_of(ours), **query)
        assert blocks(answer) == [("pool of Leeds", [ours.order_num])]
        assert theirs.order_num not in desk.text_of(answer)
        assert "York" not in desk.text_of(answer)


def test_without_a_role_or_a_log_in(client, django_user_model):
    assert client.get(PAGE).status_code == 302
    client.force_login(django_user_model.objects.create(username="new", is_staff=True))
    assert client.get(PAGE).status_code == 403


def test_167_are_167_by_as_many_statements_as_one(viewer):
    place = desk.slot_in(worker="anna", capacity=167)
    desk.book(place, "WO-1", RequiredParts=[{"ProdNum": "P-1"}])
    day = place.start.astimezone(place.area.zone).date()
    look(viewer, day)
    counts = []
    for number in (1, 167):
        for other in range(WorkOrder.objects.count(), number):
            order = desk.book(place, f"WO-1-{other}", RequiredParts=[{"ProdNum": f"P-{other}"}])
            if other % 10 == 0:
                services.add_note(work_order=order, by="ben", note="Look", seen_version=1)
        with CaptureQueriesContext(connection) as found:
            ((name, numbers),) = blocks(look(viewer, day))
        assert (name, len(set(numbers))) == ("anna", number)
        counts.append(len(found))
    assert counts[0] == counts[1]


def test_more_than_a_page_holds_are_not_cut(viewer):
    orders = [
        desk.book(desk.slot_in(hour=hour, worker=worker), f"WO-{worker}")
        for hour, worker in ((9, "anna"), (12, "ben"), (15, "cleo"))
    ]
    with mock.patch.object(paper, "MOST", 2):
        answer = look(viewer, day_of(orders[0]))
        assert blocks(answer) == []
        assert "These are more than 2 bookings." in desk.text_of(answer)
        assert len(blocks(look(viewer, day_of(orders[0]), worker=["anna", "cleo"]))) == 2
    assert len(blocks(look(viewer, day_of(orders[0])))) == 3


def test_it_is_linked_from_where_days_are_looked_at():
    dispatcher = desk.person("dispatcher")
    order = desk.book(desk.slot_in(worker="anna"))
    asked = f"?day={day_of(order)}&amp;area=LEEDS"
    for page in ("/admin/", f"{desk.SLOTS}planner/", desk.LIST):
        answer = dispatcher.get(page, {"day": str(day_of(order)), "area": "LEEDS"})
        assert f'href="{PAGE}{asked}"' in answer.content.decode(), page
    assert (
        f"{asked}&amp;worker=anna"
        in dispatcher.get(desk.LIST, {"day": str(day_of(order)), "area": "LEEDS", "worker": "anna"}).content.decode()
    )
