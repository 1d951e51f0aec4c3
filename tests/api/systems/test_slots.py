"""Planning systems write slots by their external ids, and read them."""

import io
import json
from datetime import timedelta

import pytest
from django.test import Client

from bookings.api import bulk
from bookings.models import AppointmentSlot
from bookings.supply import turns
from tests.support.helpers import END, START, clock_stands_at, error, make_area, make_booking, make_slot
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

SLOTS = "/api/v1/slots"
NOTHING = {"Created": 0, "Changed": 0, "Kept": 0, "Withdrawn": 0, "RefusedCount": 0, "Refused": [], "Remark": ""}


@pytest.fixture(autouse=True)
def _area():
    make_area()
    with clock_stands_at():
        yield


@pytest.fixture
def key() -> str:
    return make_key("supply:write", "supply:read")


def row(number=1, **more) -> dict:
    start = START + number * timedelta(hours=3)
    return {
        "ExternalID": f"P-{number}",
        "ServiceAreaID": "LEEDS",
        "Start": start.isoformat(),
        "End": (start + (END - START)).isoformat(),
    } | more


def put(key, *rows, query="", body=None, **headers):
    return call("PUT", SLOTS + query, {"Slots": rows} if body is None else body, key=key, **headers)


def lines(key, text, query=""):
    return Client().generic(
        "PUT", SLOTS + query, text, content_type="application/x-ndjson", headers={"Authorization": f"Bearer {key}"}
    )


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]["params"]["error"]


class TestMistakes:
    def test_a_key_twice(self, key):
        text = json.dumps(row())[:-1] + ', "ExternalID": "P-2"}'
        assert refusal(put(key, body=f'{{"Slots": [{text}]}}')) == (400, "invalid_request")
        assert lines(key, text).json()["RefusedCount"] == 1
        assert not AppointmentSlot.objects.exists()

    @pytest.mark.parametrize("wrong", [{"Capacity": True}, {"IsOpen": "yes"}, {"ServiceAreaID": {}}])
    def test_a_row_of_a_wrong_type_keeps_its_name(self, key, wrong):
        (told,) = put(key, row() | wrong).json()["Refused"]
        assert told["ExternalID"] == "P-1"

    def test_a_period_that_ends_before_it_begins(self, key):
        period = "?area=LEEDS&from=2026-12-05T00:00:00Z&until=2026-12-04T00:00:00Z"
        assert refusal(put(key, row(), query=period)) == (400, "invalid_request")


class TestWriting:
    def test_it_works(self, key):
        answer = put(key, row(1), row(2, Capacity=3, Worker="a", OrderType=1001))
        assert (answer.status_code, answer.json()) == (200, NOTHING | {"Created": 2})
        slot = AppointmentSlot.objects.get(external_id="P-2")
        assert (slot.capacity, slot.worker, slot.order_type) == (3, "a", "1001")
        (line,) = slot.history.all()
        assert (line.by, line.via, line.details["key"]) == ("key erp", "api", "erp")
        assert put(key, row(1), row(2, Capacity=4)).json() == NOTHING | {"Kept": 1, "Changed": 1}

    def test_lines(self, key):
        text = "\n".join([json.dumps(row(1)), "", json.dumps(row(2)), "{", "[]"])
        answer = lines(key, text)
        assert answer.json() == NOTHING | {
            "Created": 2,
            "RefusedCount": 2,
            "Refused": [
                {"Row": 3, "ExternalID": "", "message": "it is no object"},
                {"Row": 4, "ExternalID": "", "message": "it is no object"},
            ],
        }

    def test_a_refused_row_is_named_and_the_others_are_written(self, key):
        answer = put(key, row(1, ServiceAreaID="YORK"), row(2))
        assert answer.json() == NOTHING | {
            "Created": 1,
            "RefusedCount": 1,
            "Refused": [{"Row": 1, "ExternalID": "P-1", "message": "there is no area 'YORK'"}],
        }

    def test_strict(self, key):
        answer = put(key, row(1), row(2, ServiceAreaID="YORK"), query="?strict=1")
        message = "there is no area 'YORK'"
        assert answer.json() == error(
            422,
            "rows_refused",
            f"Nothing was written, for rows are refused (1). The first one: {message}.",
            "/Slots/1",
            errors=[{"dataPath": "/Slots/1", "message": message}],
            error_count=1,
        )
        assert AppointmentSlot.objects.count() == 0
        assert put(key, row(1), query="?strict=1").json()["Created"] == 1

    def test_strict_says_what_was_written_before_a_booking_came(self, key, monkeypatch):
        """Two bookings take a slot that is to have one place, after the rows were checked."""
        make_slot(capacity=3, external_id="P-0")
        write = turns.write

        def after_bookings(step):
            monkeypatch.setattr(turns, "write", write)
            make_booking("WO-1"), make_booking("WO-2")
            return write(step)

        monkeypatch.setattr(turns, "write", after_bookings)
        answer = put(key, row(0, Capacity=1), row(1), query="?strict=1")
        message = "2 bookings stand in this slot, and it would have 1 place"
        refused = {"Row": 1, "ExternalID": "P-0", "message": message}
        assert answer.json() == NOTHING | {"Created": 1, "RefusedCount": 1, "Refused": [refused]}
        assert AppointmentSlot.objects.filter(external_id="P-1").exists()

    def test_dry_run(self, key):
        assert put(key, row(1), query="?dry_run=1").json() == NOTHING | {"Created": 1}
        assert AppointmentSlot.objects.count() == 0

    def test_what_is_not_named_is_withdrawn(self, key):
        put(key, row(1), row(2), row(3))
        until = (START + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"?area=leeds&from=2026-12-01T00:00:00Z&until={until}"
        assert put(key, row(1), query=query).json() == NOTHING | {"Kept": 1, "Withdrawn": 1}
        found = AppointmentSlot.objects.order_by("start").values_list("is_withdrawn", flat=True)
        assert list(found) == [False, True, False]
        nothing = put(key, query=query)
        assert refusal(nothing) == (400, "invalid_request")
        assert AppointmentSlot.objects.filter(is_withdrawn=True).count() == 1

    def test_a_booking_stays_where_it_is(self, key):
        put(key, row(0))
        order = make_booking()
        moved = row(0, Start=(START + timedelta(hours=1)).isoformat(), End=(END + timedelta(hours=1)).isoformat())
        report = put(key, moved).json()
        assert order.slot.start == START
        assert report["RefusedCount"] + report["Changed"] == 1
        order.slot.refresh_from_db()
        assert order.slot.booked == 1

    def test_once(self, key):
        first, second = (put(key, row(1), Idempotency_Key="night") for _ in range(2))
        assert (first.json(), second.json()) == (NOTHING | {"Created": 1},) * 2
        assert second["Idempotency-Replayed"] == "true"
        assert refusal(put(key, row(2), Idempotency_Key="night")) == (422, "idempotency_mismatch")

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "[]",
            "{}",
            '{"Slots": {}}',
            '{"Slots": [',
            '{"Slots": [{}',
            '{"Slots": [{} {}]}',
            '{"Slots": [{},]}',
            '{"Slots": []} x',
            '{"Slots": [], "Other": 1}',
            '{"Slots": [NaN]}',
            '{"Slots": [' + "[" * 100_000 + "]}",
            b'{"Slots": ["\xff"]}',
        ],
    )
    def test_a_bad_body(self, key, body):
        assert refusal(put(key, body=body)) == (400, "invalid_request")
        assert AppointmentSlot.objects.count() == 0

    def test_too_large(self, key, monkeypatch):
        monkeypatch.setattr(bulk.RowsParser, "limit", 1_000)
        monkeypatch.setattr(bulk.LinesParser, "limit", 2_000)
        rows = [row(number) for number in range(10)]
        assert put(key, *rows).json()["detail"]["params"] == {"error": "too_large", "limit": 1_000}
        assert lines(key, "\n".join(map(json.dumps, rows)) * 2).json()["detail"]["params"]["limit"] == 2_000
        assert lines(key, "x" * 1_500).json()["RefusedCount"] == 1
        assert AppointmentSlot.objects.count() == 0

    def test_a_line_that_never_ends(self, key):
        assert refusal(lines(key, "x" * (bulk.MAX_ROW + 1))) == (400, "invalid_request")

    @pytest.mark.parametrize("size", [bulk.MAX_ROW, 3 * bulk.PIECE])
    def test_an_element_that_is_larger_than_a_row(self, key, size):
        """Small objects weigh thirty times their text."""
        large = [{}] * (size // 3)
        answer = put(key, body=f'{{"Slots": [{json.dumps(row(1))}, {json.dumps(large)}]}}')
        assert refusal(answer) == (400, "invalid_request")
        assert "larger than 65536 bytes" in answer.json()["detail"]["message"]
        assert AppointmentSlot.objects.count() == 0

    def test_more_rows_than_are_taken(self, key, monkeypatch):
        monkeypatch.setattr(bulk, "MAX_ROWS", 3)
        four = [row(number) for number in range(4)]
        for answer in (put(key, *four), lines(key, "\n".join(map(json.dumps, four)))):
            assert refusal(answer) == (400, "invalid_request")
        assert AppointmentSlot.objects.count() == 0
        assert put(key, *four[:3]).json()["Created"] == 3

    @pytest.mark.parametrize("piece", range(40, 60))
    def test_rows_are_read_whole_wherever_a_piece_ends(self, monkeypatch, piece):
        monkeypatch.setattr(bulk, "PIECE", piece)
        monkeypatch.setattr(bulk, "MAX_ROW", 30)
        rows = [12345, "text", {"a": [1, 2]}, -1.5, None, "x" * 28, *range(40)]
        file = io.BytesIO(json.dumps({"Slots": rows}).encode())
        assert list(bulk.Rows(file, "", are_lines=False).read("Slots")) == rows

    @pytest.mark.parametrize(
        "query", ["?strict=perhaps", "?area=LEEDS", "?area=YORK&from=x", "?from=2026-12-01T00:00Z"]
    )
    def test_a_bad_query(self, key, query):
        assert refusal(put(key, row(1), query=query)) == (400, "invalid_request")
        assert AppointmentSlot.objects.count() == 0


class TestReading:
    def test_it_works(self, key):
        make_slot(worker="a", external_id="P-1", is_open=False, closed_reason="ill", capacity=2)
        assert call("GET", SLOTS, key=key).json() == {
            "Slots": [
                {
                    "ExternalID": "P-1",
                    "ServiceAreaID": "LEEDS",
                    "Start": "2026-12-04T13:00:00.000Z",
                    "End": "2026-12-04T15:00:00.000Z",
                    "OrderType": "",
                    "Worker": "a",
                    "Capacity": 2,
                    "IsOpen": True,
                    "Booked": 0,
                    "Free": 0,
                    "HiddenReason": "ill",
                }
            ],
            "Next": "",
        }

    def test_what_was_read_can_be_written(self, key):
        put(key, row(1, Worker="a"), row(2))
        read = call("GET", SLOTS, key=key).json()["Slots"]
        assert put(key, *read).json() == NOTHING | {"Kept": 2}

    def test_pages_and_the_statements_of_each(self, key, django_assert_num_queries):
        put(key, *(row(number) for number in range(12)))
        found, cursor = [], ""
        for limit in (5, 5, 5):
            with django_assert_num_queries(2):  # the key, the slots
                page = call("GET", f"{SLOTS}?limit={limit}&cursor={cursor}", key=key).json()
            found += [slot["ExternalID"] for slot in page["Slots"]]
            cursor = page["Next"]
        assert (found, cursor) == ([f"P-{number}" for number in range(12)], "")

    def test_filters(self, key):
        put(key, row(1, Worker="a"), row(2), row(3))
        make_slot("HULL")
        begin, end = ((START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (4, 7))
        for query, number in {
            "": 4, "?area=leeds": 3, "?worker=a": 1, f"?from={begin}": 2, f"?from={begin}&until={end}": 1,
        }.items():  # fmt: skip
            assert len(call("GET", SLOTS + query, key=key).json()["Slots"]) == number, query

    @pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?cursor=x", "?area=YORK", "?from=tomorrow"])
    def test_a_bad_query(self, key, query):
        assert refusal(call("GET", SLOTS + query, key=key)) == (400, "invalid_request")


class TestWhoMay:
    def test_each_needs_its_scope(self):
        read, write = make_key("supply:read"), make_key("supply:write", name="other")
        assert refusal(put(read, row(1))) == (403, "forbidden")
        assert refusal(call("GET", SLOTS, key=write)) == (403, "forbidden")
        assert AppointmentSlot.objects.count() == 0

    def test_only_in_its_areas(self):
        make_slot(external_id="P-9")
        key = make_key("supply:write", "supply:read", areas=[make_area("HULL")])
        answer = put(key, row(1), row(2, ServiceAreaID="HULL"))
        assert (answer.json()["Created"], answer.json()["RefusedCount"]) == (1, 1)
        assert put(key, row(9, ServiceAreaID="HULL")).json()["RefusedCount"] == 1  # it is a slot of another area
        assert [slot["ExternalID"] for slot in call("GET", SLOTS, key=key).json()["Slots"]] == ["P-2"]
        assert refusal(call("GET", f"{SLOTS}?area=LEEDS", key=key)) == (400, "invalid_request")
