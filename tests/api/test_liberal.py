"""A booking is refused only for what decides it; what cannot be read elsewhere is kept, and staff see it."""

import json
import logging
import re
from datetime import UTC, datetime

import pytest

from bookings import clock, offers
from bookings.models import WorkOrder
from bookings.offers import type_codes
from tests.support import desk, helpers
from tests.support.helpers import booking, clock_stands_at, make_booking, make_slot, post, search

pytestmark = pytest.mark.django_db

LOOSE = [
    ({"FlexAttrs": {"location": 5}}, "FlexAttrs.location"),
    ({"FlexAttrs": {"a": {"b": [0] * 1_001}}}, "FlexAttrs.a.b"),
    ({"FlexAttrs": {"a": {"b": ["x", "", 7]}}}, "FlexAttrs.a.b[2]"),
    ({"FlexForms": "one"}, "FlexForms"),
    ({"Assets": "one"}, "Assets"),
    ({"Assets": [{}, 7, {"Desc": "Boiler"}]}, "Assets[1]"),
    ({"Assets": [{"FlexView": [{"Items": [7]}]}]}, "Assets[0].FlexView[0].Items[0]"),
    ({"Assets": [{"InServiceDate": "June"}]}, "Assets[0].InServiceDate"),
    ({"Assets": [{"IsComponent": "no"}]}, "Assets[0].IsComponent"),
    ({"Account": {"AccountNum": "C-1", "Name": 7}}, "Account.Name"),
    ({"Account": {"AccountNum": "C-1", "Notes": "x" * 10_001}}, "Account.Notes"),
    ({"Account": {"AccountNum": "C-1", "Website": ["x"]}}, "Account.Website"),
    ({"Account": {"AccountNum": "C-1", "IsActive": 1}}, "Account.IsActive"),
    ({"Account": {"AccountNum": "C-1", "Contacts": [{"Phones": ["0113"]}]}}, "Account.Contacts[0].Phones[0]"),
    ({"Location": {"ServiceAreaID": "LEEDS", "SigReq": "yes"}}, "Location.SigReq"),
    ({"Location": {"ServiceAreaID": "LEEDS", "Address": {"Lat": "north"}}}, "Location.Address.Lat"),
    ({"Location": {"ServiceAreaID": "LEEDS", "Address": {"Lon": 181}}}, "Location.Address.Lon"),
    ({"Location": {"ServiceAreaID": "LEEDS", "Address": "14 Mill Lane"}}, "Location.Address"),
    ({"RequiredParts": [{"ProdNum": "A", "Price": "cheap"}]}, "RequiredParts[0].Price"),
    ({"RequiredParts": [{"ProdNum": "A", "EstimatedDelivery": "soon"}]}, "RequiredParts[0].EstimatedDelivery"),
    ({"RequiredParts": [{"ProdNum": "A", "ProdAttrs": "x"}]}, "RequiredParts[0].ProdAttrs"),
    ({"OriginalOrderNum": ["x"]}, "OriginalOrderNum"),
]


@pytest.mark.parametrize(("properties", "name"), LOOSE)
def test_what_decides_nothing_costs_no_booking(properties, name):
    slot = desk.slot_in()
    body = booking(slot.start, slot.end, **properties)
    work_order = make_booking("WO-1", body)
    assert json.loads(work_order.body) == body
    page = desk.person("supervisor").get(f"{desk.LIST}{work_order.pk}/change/").content.decode()
    assert f"1 property could not be read: {name}." in re.sub(r"\s+", " ", page)


def test_a_page_of_a_body_that_was_read_says_nothing():
    work_order = desk.book(desk.slot_in())
    assert "could not be read" not in (
        desk.person("supervisor").get(f"{desk.LIST}{work_order.pk}/change/").content.decode()
    )


def test_numbers_are_texts_in_every_identifier():
    slot = desk.slot_in(order_type="")
    make = {"AccountNum": 10047, "AccountType": 1002.0}
    parts = [{"ProdNum": 17, "PartOrderNum": 5.0, "Qty": "2"}]
    location = {"LocationNum": 7, "ServiceAreaID": "LEEDS", "Address": {"Zip": 1010}}
    location["Contacts"] = [{"Phones": [{"PhoneNum": 1134960000}]}]
    properties = {"Account": make, "Location": location, "RequiredParts": parts, "OrderType": 1001, "UserName": 12.0}
    work_order = make_booking("WO-1", booking(slot.start, slot.end, **properties))
    assert (work_order.account_num, work_order.location_num, work_order.postcode) == ("10047", "7", "1010")
    assert (work_order.order_type, work_order.worker, work_order.phone) == ("1001", "12", "1134960000")
    part = work_order.required_parts.get()
    assert (part.prod_num, part.part_order.part_order_num) == ("17", "5")


def test_the_type_of_a_time_is_the_same_as_a_number(settings):
    make_slot()
    settings.BOOKJOB_UNAVAILABLE_TYPES = ["1002"]
    period = booking()["TimeConstraints"][0]["Period"]
    for code in ("1002", 1002, 1002.0, " 1002 "):
        with clock_stands_at():
            answer = search(
                {"Location": {"ServiceAreaID": "LEEDS"}, "TimeConstraints": [{"Type": code, "Period": period}]}
            )
        assert answer.json()["TimeConstraints"] == [], code


def test_an_error_never_grows_with_the_request():
    answer = post("WO-1", booking(RequiredParts=[{"Qty": "x"}] * 1_000))
    params = answer.json()["detail"]["params"]
    assert (answer.status_code, len(params["errors"]), params["error_count"]) == (400, 50, 1_000)
    assert len(answer.content) < 64 * 1024
    answer = post("WO-1", json.dumps(booking()).replace('"Account"', '"' + "k" * 900_000 + '": "\\u0000", "Account"'))
    assert answer.status_code == 400
    assert len(answer.content) < 64 * 1024


def test_a_repeat_of_a_body_that_was_stored_under_an_older_rule():
    slot = desk.slot_in()
    body = booking(slot.start, slot.end)
    work_order = make_booking("WO-1", body)
    WorkOrder.objects.filter(pk=work_order.pk).update(fingerprint="0" * 64)
    for repeat in (body, body | {"Assets": [], "Notes": None, "FlexAttrs": {"a": {"b": [""]}}}):
        assert post("WO-1", repeat).json()["OrderNum"] == work_order.order_num
    other = post("WO-1", body | {"Notes": "x"})
    assert other.json()["detail"]["params"]["error"] == "conflicting_duplicate"
    assert WorkOrder.objects.count() == 1


@pytest.mark.parametrize("no_date", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999Z", "1899-12-31T00:00:00Z"])
class TestAPeriodOfNoDates:
    """What .NET writes where there is none is absent."""

    @pytest.fixture(autouse=True)
    def _clock(self):
        with clock_stands_at():
            yield

    @pytest.fixture
    def nothing(self, no_date):
        return {"Start": no_date, "End": no_date}

    def test_in_a_booking(self, nothing):
        slot = make_slot()
        named = booking()["TimeConstraints"][0]
        by_id = {"ID": offers.offer_id(slot.area_id, slot.start, slot.end)}
        for number, times in enumerate(
            (
                [{"Desc": "", "Period": nothing}, named],
                [named, {"Type": "1001", "Period": {"End": nothing["End"]}}],
                by_id | {"Period": nothing},
            )
        ):
            slot.capacity += 1
            slot.save()
            assert make_booking(f"WO-{number}", booking(TimeConstraints=times)).slot == slot

    def test_where_nothing_else_names_the_slot(self, nothing):
        answer = post("WO-1", booking(TimeConstraints=[{"Period": nothing}])).json()["detail"]
        assert answer["message"].startswith("TimeConstraints names no appointment")

    def test_its_place_counts(self, nothing):
        make_slot(capacity=0)
        times = [{"Period": nothing}, *booking()["TimeConstraints"]]
        answer = post("WO-1", booking(TimeConstraints=times)).json()["detail"]
        assert answer["dataPath"] == "/TimeConstraints/1/Period"

    def test_in_a_search(self, nothing):
        make_slot()
        asked = {"Location": {"ServiceAreaID": "LEEDS"}, "TimeConstraints": [{"Desc": "", "Period": nothing}]}
        assert len(search(asked).json()["TimeConstraints"]) == 1
        asked["TimeConstraints"].append({"Type": "1002", "Period": nothing})
        faults = search(asked).json()["detail"]
        assert (faults["dataPath"], faults["message"]) == (
            "/TimeConstraints/1/Period",
            "TimeConstraints[1].Period is missing.",
        )


class TestDays:
    def test_blanks_around_cost_nothing(self):
        make_slot()
        for day in ("2026-12-03", " 2026-12-03\t"):
            asked = {"RequiredParts": [{"ProdNum": "A", "EstimatedDelivery": day}]}
            with clock_stands_at():
                answer = search({"Location": {"ServiceAreaID": "LEEDS"}} | asked)
            assert len(answer.json()["TimeConstraints"]) == 1, day

    def test_a_delivery_on_a_day_is_there_at_its_end_on_the_area_s_clock(self):
        area = {"Location": {"ServiceAreaID": "BOSTON"}}
        for day, hour in ((4, 15), (5, 4), (5, 15)):
            make_slot("BOSTON", datetime(2026, 12, day, hour, tzinfo=UTC))  # 5 Dec 04:00 UTC is 4 Dec in Boston
        helpers.ServiceArea.objects.filter(code="BOSTON").update(time_zone="America/New_York")
        with clock_stands_at():
            answer = search(area | {"RequiredParts": [{"ProdNum": "A", "EstimatedDelivery": "2026-12-04"}]}).json()
        assert [offer["Period"]["Start"] for offer in answer["TimeConstraints"]] == ["2026-12-05T15:00:00.000Z"]

    def test_a_booking_keeps_the_end_of_the_day(self):
        slot = desk.slot_in()
        parts = [{"ProdNum": "A", "EstimatedDelivery": "2026-07-01"}]
        work_order = make_booking("WO-1", booking(slot.start, slot.end, RequiredParts=parts))
        assert work_order.parts_due_at == datetime(2026, 7, 1, 22, 59, 59, 999_000, tzinfo=UTC)  # London's summer

    def test_a_search_is_refused_for_a_delivery_that_cannot_be_read(self):
        answer = search({"RequiredParts": [{"EstimatedDelivery": "soon"}]})
        assert answer.json()["detail"]["dataPath"] == "/RequiredParts/0/EstimatedDelivery"


class TestClockTexts:
    @pytest.mark.parametrize(
        ("start", "end", "text"),
        [
            (datetime(2026, 10, 25, 0), datetime(2026, 10, 25, 1), "01:00 BST-01:00 GMT"),
            (datetime(2026, 10, 24, 23), datetime(2026, 10, 25, 3), "00:00 BST-03:00 GMT"),
            (datetime(2026, 10, 25, 1), datetime(2026, 10, 25, 2), "01:00 GMT-02:00 GMT"),
            (datetime(2026, 10, 25, 2), datetime(2026, 10, 25, 3), "02:00-03:00"),
            (datetime(2026, 3, 29, 0), datetime(2026, 3, 29, 2), "00:00 GMT-03:00 BST"),
            (datetime(2026, 12, 4, 13), datetime(2026, 12, 4, 15), "13:00-15:00"),
        ],
    )
    def test_the_letters_stand_where_the_clock_alone_would_not_tell(self, start, end, text):
        start, end = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
        assert f", {text} (" in clock.period_text(start, end, "Europe/London")
        assert make_slot(start=start, end=end).hours == text


def test_the_log_says_once_a_day_which_types_came(settings, caplog):
    make_slot()
    type_codes._told.clear()
    body = {
        "Location": {"ServiceAreaID": "LEEDS"},
        "TimeConstraints": booking()["TimeConstraints"] + [booking()["TimeConstraints"][0] | {"Type": 1002}],
    }
    with caplog.at_level(logging.WARNING, "bookings"), clock_stands_at():
        for _ in range(3):
            search(body)
    assert [record.getMessage() for record in caplog.records if "BOOKJOB_UNAVAILABLE_TYPES" in record.getMessage()] == [
        "TimeConstraints came with the Type '', '1002' while BOOKJOB_UNAVAILABLE_TYPES is empty: all of them are read"
        " as times when the customer is available. Name the codes that mean not available."
    ]
    caplog.clear()
    type_codes._told.clear()
    settings.BOOKJOB_UNAVAILABLE_TYPES = ["1002"]
    search(body)
    assert "BOOKJOB_UNAVAILABLE_TYPES" not in caplog.text
