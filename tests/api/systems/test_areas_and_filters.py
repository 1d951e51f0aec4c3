"""Planning systems write and read areas, and close, open and resize slots by what they are."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.models import AppointmentSlot, ServiceArea
from tests.api.systems.test_slots import NOTHING, refusal
from tests.support.helpers import START, clock_stands_at, make_area, make_booking, make_slot, search
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

AREAS = "/api/v1/areas"
LEEDS = {
    "ServiceAreaID": "LEEDS",
    "Name": "Leeds",
    "TimeZone": "Europe/London",
    "Aliases": ["LS"],
    "Postcodes": [{"Prefix": "LS", "Country": "GB"}],
    "CutoffDays": 1,
    "CutoffTime": "17:00",
    "SafetyPercent": 80,
}


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


@pytest.fixture
def key() -> str:
    return make_key("supply:write", "supply:read")


def put(key, *rows, query="", **headers):
    return call("PUT", AREAS + query, {"Areas": rows}, key=key, **headers)


def act(what, key, query="", **body):
    times = {"From": "2026-12-04T00:00:00Z", "Until": "2026-12-05T00:00:00Z"}
    return call("POST", f"/api/v1/slots/{what}{query}", {"ServiceAreaID": "leeds"} | times | body, key=key)


class TestAreas:
    def test_it_works(self, key):
        assert put(key, LEEDS).json() == NOTHING | {"Created": 1}
        assert call("GET", AREAS, key=key).json() == {"Areas": [LEEDS], "Next": ""}
        assert put(key, LEEDS).json() == NOTHING | {"Kept": 1}
        assert put(key, {"ServiceAreaID": "ls", "SafetyPercent": 90}).json() == NOTHING | {"Changed": 1}
        (told,) = call("GET", AREAS, key=key).json()["Areas"]
        assert told == LEEDS | {"SafetyPercent": 90}
        make_slot()
        answer = search({"Location": {"Address": {"Zip": "LS1 4AP", "Country": "GB"}}}).json()
        assert len(answer["TimeConstraints"]) == 1

    def test_a_refused_row_is_named_and_the_others_are_written(self, key):
        answer = put(key, LEEDS, {"ServiceAreaID": "YORK"}, "no object").json()
        assert (answer["Created"], answer["RefusedCount"]) == (1, 2)
        assert [row["Row"] for row in answer["Refused"]] == [2, 3]

    @pytest.mark.parametrize("absent", [None, "", {}, []])
    def test_rows_are_counted_with_those_that_are_absent(self, key, absent):
        answer = put(key, absent, LEEDS, absent, LEEDS).json()
        assert answer["Created"] == 1
        assert [refused["Row"] for refused in answer["Refused"]] == [1, 3, 4]
        assert answer["Refused"][2]["message"] == "row 2 has LEEDS, too"

    def test_no_rows_are_nothing_to_do(self, key):
        assert put(key).json() == NOTHING

    def test_what_is_named_empty_is_taken_away(self, key):
        put(key, LEEDS)
        emptied = {"Aliases": [], "Postcodes": [], "CutoffDays": None, "CutoffTime": None}
        first = put(key, {"ServiceAreaID": "LEEDS"}, Idempotency_Key="a")
        assert first.json() == NOTHING | {"Kept": 1}
        other = put(key, {"ServiceAreaID": "LEEDS"} | emptied, Idempotency_Key="a")
        assert refusal(other) == (422, "idempotency_mismatch")
        assert put(key, {"ServiceAreaID": "LEEDS"} | emptied).json() == NOTHING | {"Changed": 1}
        (told,) = call("GET", AREAS, key=key).json()["Areas"]
        assert told == LEEDS | emptied
        assert put(key, told).json() == NOTHING | {"Kept": 1}

    @pytest.mark.parametrize("query", ["?dry_run=1", "?strict=1"])
    def test_nothing_is_written(self, key, query):
        answer = put(key, LEEDS, {"ServiceAreaID": "YORK"}, query=query)
        assert answer.status_code == (422 if "strict" in query else 200)
        assert not ServiceArea.objects.exists()

    def test_the_same_request_is_done_once(self, key):
        first, again = (put(key, LEEDS, Idempotency_Key="a") for _ in range(2))
        assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")

    def test_a_key_for_some_areas(self, key):
        put(key, LEEDS, LEEDS | {"ServiceAreaID": "YORK", "Aliases": [], "Postcodes": []})
        york = make_key("supply:write", "supply:read", name="york", areas=[make_area("YORK")])
        assert [area["ServiceAreaID"] for area in call("GET", AREAS, key=york).json()["Areas"]] == ["YORK"]
        answer = put(york, LEEDS | {"Name": "Mine"}, LEEDS | {"ServiceAreaID": "NEW", "Aliases": [], "Postcodes": []})
        assert answer.json()["RefusedCount"] == 2
        assert not ServiceArea.objects.filter(name="Mine").exists()

    def test_pages(self, key):
        for code in ("A", "B", "C"):
            make_area(code)
        first = call("GET", f"{AREAS}?limit=2", key=key).json()
        last = call("GET", f"{AREAS}?limit=2&cursor={first['Next']}", key=key).json()
        assert [area["ServiceAreaID"] for page in (first, last) for area in page["Areas"]] == ["A", "B", "C"]
        assert last["Next"] == ""

    def test_statements_do_not_grow_with_the_areas(self, key):
        numbers = []
        call("GET", AREAS, key=key)  # its use is written
        for code in ("A", "B"):
            make_area(code)
            with CaptureQueriesContext(connection) as statements:
                call("GET", AREAS, key=key)
            numbers.append(len(statements))
        assert numbers[0] == numbers[1]

    @pytest.mark.parametrize("body", [{}, {"Areas": {}}, {"Areas": [{}] * 10_001}, [], "x", ""])
    def test_wrong_bodies(self, key, body):
        assert refusal(call("PUT", AREAS, body, key=key)) == (400, "invalid_request")

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=x", f"cursor={2**63}"])
    def test_wrong_questions(self, key, query):
        assert refusal(call("GET", f"{AREAS}?{query}", key=key)) == (400, "invalid_request")

    def test_a_code_that_no_database_takes(self, key):
        for path in ("/api/v1/slots?area=%00", "/api/v1/blackouts?area=%00"):
            assert refusal(call("GET", path, key=key)) == (400, "invalid_request")

    @pytest.mark.parametrize(("method", "scope"), [("GET", "supply:write"), ("PUT", "supply:read")])
    def test_scopes(self, method, scope):
        assert refusal(call(method, AREAS, {"Areas": []}, key=make_key(scope))) == (403, "forbidden")


class TestSlotsByFilter:
    @pytest.fixture
    def slots(self):
        made = [("jo", 0), ("al", 0), ("jo", 4), ("", 4)]
        return [make_slot(start=START + timedelta(hours=hours), worker=worker, capacity=2) for worker, hours in made]

    def test_close_and_open(self, key, slots):
        make_booking()
        answer = act("close", key, Workers=["jo", "al"], Hours=["12:00-14:00"], Reason="Meeting", By="a.hill")
        assert answer.json() == {"Changed": 2, "Kept": 0, "Bookings": 1, "RefusedCount": 0, "Refused": []}
        closed = AppointmentSlot.objects.filter(is_open=False)
        assert list(closed.order_by("pk")) == slots[:2]
        line = closed[0].history.last()
        assert (line.event, line.by, line.reason, line.via) == ("closed", "a.hill", "Meeting", "api")
        assert act("close", key, Workers=["jo"], Reason="Other").json()["Changed"] == 1
        assert act("open", key, query="?dry_run=1").json()["Changed"] == 3
        assert act("open", key, Weekdays=["fri"]).json()["Changed"] == 3
        assert act("open", key, Weekdays=["mon"]).json()["Changed"] == 0
        assert not AppointmentSlot.objects.filter(is_open=False).exists()

    def test_resize(self, key, slots):
        for number in range(2):
            make_booking(f"WO-{number}")
        answer = act("resize", key, Capacity=1).json()
        assert answer["Changed"] + answer["RefusedCount"] == 4
        assert all(slot.booked <= slot.capacity for slot in AppointmentSlot.objects.all())

    @pytest.mark.parametrize("empty", ["", [], [""], [None], ["jo", ""]])
    @pytest.mark.parametrize("name", ["Workers", "OrderTypes", "Weekdays", "Hours"])
    def test_a_filter_that_is_empty_is_not_none(self, key, slots, name, empty):
        assert refusal(act("close", key, Reason="Meeting", **{name: empty})) == (400, "invalid_request")
        assert not AppointmentSlot.objects.filter(is_open=False).exists()

    def test_an_area_that_the_key_does_not_see(self, slots):
        york = make_key("supply:write", areas=[make_area("YORK")])
        assert refusal(act("close", york, Reason="Meeting")) == (400, "invalid_request")
        assert not AppointmentSlot.objects.filter(is_open=False).exists()

    @pytest.mark.parametrize(
        ("what", "wrong"),
        [
            ("close", {}),
            ("close", {"Reason": " "}),
            ("close", {"Reason": "x", "From": "tomorrow"}),
            ("close", {"Reason": "x", "Until": "2026-12-04T00:00:00Z"}),
            ("close", {"Reason": "x", "Weekdays": ["Friday"]}),
            ("close", {"Reason": "x", "Hours": ["8-12"]}),
            ("close", {"Reason": "x", "Workers": ["x"] * 101}),
            ("resize", {}),
            ("resize", {"Capacity": 0}),
            ("resize", {"Capacity": 10_001}),
            ("resize", {"Capacity": "2"}),
        ],
    )
    def test_wrong_bodies(self, key, slots, what, wrong):
        assert refusal(act(what, key, **wrong)) == (400, "invalid_request")

    @pytest.mark.parametrize("what", ["close", "open", "resize"])
    def test_scopes_and_methods(self, key, what):
        assert refusal(act(what, make_key("supply:read", name="other"))) == (403, "forbidden")
        assert refusal(call("GET", f"/api/v1/slots/{what}", key=key)) == (405, "method_not_allowed")
