"""The rules are asked about each slot."""

from datetime import time, timedelta

import pytest

from bookings import offers
from bookings.models import AppointmentSlot
from bookings.supply.closing import blackouts
from tests.support.helpers import END, NOW, START, booking, clock_stands_at, make_area, make_slot, sample, search
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

LEEDS = {"Location": {"ServiceAreaID": "LEEDS"}}


@pytest.fixture(autouse=True)
def clock():
    with clock_stands_at() as clock:
        yield clock


@pytest.fixture
def key() -> str:
    return make_key("explain")


def explain(key, body=LEEDS, **more):
    return call("POST", "/api/v1/appointments/explain", body | more, key=key)


def broken(answer) -> list[dict[str, str]]:
    """Of each slot the broken rules with their remedies."""
    return [
        {verdict["rule"]: verdict.get("remedy", "") for verdict in slot["Verdicts"] if not verdict["kept"]}
        for slot in answer.json()["Slots"]
    ]


def test_it_works(key):
    make_slot(capacity=2, worker="a")
    answer = explain(key)
    assert answer.status_code == 200
    (slot,) = answer.json().pop("Slots")
    verdicts = slot.pop("Verdicts")
    assert slot == {
        "Period": {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"},
        "Worker": "a",
        "OrderType": "",
        "Free": 2,
        "IsOffered": True,
    }
    assert [verdict["rule"] for verdict in verdicts] == [
        "order_type",
        "worker",
        "past",
        "notice",
        "horizon",
        "closed",
        "full",
    ]
    assert verdicts[0] == {"rule": "order_type", "kept": True, "message": "It takes orders of this type."}
    assert (answer.json()["ServiceAreaID"], answer.json()["Message"], answer.json()["Next"]) == ("LEEDS", "", "")


def test_every_rule_and_its_remedy(key):
    area = make_area(safety_percent=50, cutoff_days=1, cutoff_time=time(8))
    make_slot(start=NOW - timedelta(hours=1))
    make_slot(start=NOW + timedelta(hours=1))
    make_slot(start=NOW + timedelta(hours=20), worker="cut off")
    make_slot(start=START, order_type="1002", worker="type")
    make_slot(start=START, is_open=False, closed_reason="ill", worker="x closed")
    make_slot(start=START, capacity=2, booked=2, worker="y full")
    make_slot(start=START, capacity=2, booked=1, worker="z margin")
    blackouts.close_slots(area=area, start=END, end=END + timedelta(hours=9), reason="storm", by="anna")
    make_slot(start=END + timedelta(hours=1), is_withdrawn=True, blackout=area.blackouts.get())
    part = {"ProdNum": "A", "EstimatedDelivery": (START + timedelta(hours=2)).isoformat()}
    times = [{"Period": {"Start": START.isoformat(), "End": (START + timedelta(days=1)).isoformat()}}]
    answer = explain(key, RequiredParts=[part], TimeConstraints=times)
    found = broken(answer)
    assert [list(rules) for rules in found] == [
        ["past", "notice", "cutoff", "parts", "customer"],
        ["notice", "cutoff", "parts", "customer"],
        ["cutoff", "parts", "customer"],
        ["order_type", "parts"],
        ["closed", "parts"],
        ["full", "margin", "parts"],
        ["margin", "parts"],
        ["closed"],
    ]
    assert found[1]["notice"] == "Shorten the notice of 120 minutes (BOOKJOB_NOTICE_MINUTES)."
    assert found[2]["cutoff"] == "Raise the cut-off of Leeds, which is 08:00, 1 day before."
    assert found[3]["order_type"] == "Make a slot that takes orders without a type, or give the order another type."
    assert found[4]["closed"] == "Open the slot, which staff have closed (ill)."
    assert found[5]["full"] == (
        "Free one place of Fri 4 Dec 2026, 13:00 (Europe/London), or give the slot more places."
    )
    assert found[6]["margin"] == "Raise the 50 percent of Leeds that may be booked, or give the slot more places."
    assert found[7]["closed"] == "Lift the blackout (storm). Put the slot back into its plan."
    assert found[4]["parts"] == "The parts come on Fri 4 Dec 2026, 15:00 (Europe/London): have them earlier."
    assert (
        answer.json()["Message"]
        == search(LEEDS | {"RequiredParts": [part], "TimeConstraints": times}).json()["StatusMsg"]
    )


def test_a_period_that_is_named_is_there_beyond_the_horizon(key):
    far = NOW + timedelta(days=30)
    make_slot(start=far)
    assert explain(key).json()["Slots"] == []
    body = booking(far, far + (END - START))
    (rules,) = broken(explain(key, body))
    assert rules == {
        "horizon": "Book it from Wed 9 Dec 2026, 09:00 (Europe/London) on, or lengthen the horizon of 21 days"
        " (BOOKJOB_HORIZON_DAYS)."
    }


def test_the_body_of_a_booking(key):
    slot = make_slot(capacity=0)
    offer = {"ID": offers.offer_id(slot.area_id, slot.start, slot.end)}
    (rules,) = broken(explain(key, booking(TimeConstraints=offer)))
    assert list(rules) == ["full"]
    assert explain(key, sample("book_full.json")).status_code == 200


def test_pages_and_the_statements_of_each(key, django_assert_num_queries):
    for number in range(20):
        make_slot(start=START + timedelta(hours=number))
    call("POST", "/api/v1/appointments/search", LEEDS, key=key)  # its last use is written
    starts, cursor = [], ""
    for size, left in ((3, 17), (10, 7), (10, 0)):
        with django_assert_num_queries(3):  # the key, what a search says, the slots
            page = explain(key, Limit=size, Cursor=cursor).json()
        starts += [slot["Period"]["Start"] for slot in page["Slots"]]
        cursor = page["Next"]
        assert bool(cursor) == bool(left)
    assert len(set(starts)) == 20
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"Limit": 0}, "/Limit"),
        ({"Limit": 1_001}, "/Limit"),
        ({"Limit": "x"}, "/Limit"),
        ({"Cursor": "x"}, "/Cursor"),
        ({"Cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE="}, "/Cursor"),
        ({"OrderType": ["x"]}, "/OrderType"),
    ],
)
def test_a_bad_body(key, more, pointer):
    answer = explain(key, **more)
    assert (answer.status_code, answer.json()["detail"]["dataPath"]) == (400, pointer)


def test_an_area_that_is_not_there_or_not_for_this_key(key):
    make_slot()
    nothing = {"ServiceAreaID": "", "Slots": [], "Next": ""}
    assert explain(key, {"Location": {"ServiceAreaID": "HULL"}}).json() == nothing | {
        "Message": "There is no service area HULL."
    }
    restricted = make_key("explain", name="other", areas=[make_area("HULL")])
    # As one that is not there: the answer says nothing of areas of others.
    assert explain(restricted).json() == nothing | {"Message": "There is no service area LEEDS."}


def test_it_needs_its_scope():
    answer = explain(make_key("search", "book", "work_orders:read"))
    assert answer.json()["detail"]["params"] == {"error": "forbidden", "scope": "explain"}
    assert AppointmentSlot.objects.count() == 0
