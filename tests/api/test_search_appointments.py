"""ServiceMobility searches free appointments (contract, section 4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client

from bookings import offers
from bookings.models import AppointmentSlot
from bookings.offers import searching
from tests.support.helpers import END, NOW, START, booking, clock_stands_at, make_area, make_slot, post, sample, search

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


def found(body=None) -> list[str]:
    """The starts of the offers, without the date where it is 4 December."""
    answer = search({"Location": {"ServiceAreaID": "LEEDS"}} if body is None else body)
    assert answer.status_code == 200, answer.content
    starts = [offer["Period"]["Start"] for offer in answer.json()["TimeConstraints"]]
    return [start.removeprefix("2026-12-04T").removesuffix(":00.000Z") for start in starts]


def message(body=None) -> str:
    answer = search({"Location": {"ServiceAreaID": "LEEDS"}} if body is None else body)
    assert (answer.status_code, answer.json()["TimeConstraints"]) == (200, [])
    return answer.json()["StatusMsg"]


def wish(start, end, kind="1001") -> dict:
    return {"Type": kind, "Period": {"Start": start.isoformat(), "End": end.isoformat()}}


def leeds(**properties) -> dict:
    return {"Location": {"ServiceAreaID": "LEEDS"}} | properties


class TestItWorks:
    def test_it_works(self, settings):
        settings.BOOKJOB_OFFER_TYPE = "1001"
        settings.BOOKJOB_UNAVAILABLE_TYPES = ["1002"]
        slot = make_slot()
        answer = search(sample("search_full.json"))
        assert answer.status_code == 200
        assert answer.json() == {
            "StatusMsg": "",
            "TimeConstraints": [
                {
                    "ID": offers.offer_id(slot.area_id, START, END),
                    "Desc": "Fri 4 Dec 2026, 13:00-15:00 (Europe/London)",
                    "Type": "1001",
                    "Period": {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"},
                }
            ],
        }

    def test_by_postcode(self):
        make_area().postcode_prefixes.create(prefix="LS", country="GB")
        make_slot()
        assert found(sample("search_by_postcode.json")) == ["13:00"]

    def test_by_the_default_area(self, settings):
        make_slot()
        settings.BOOKJOB_DEFAULT_AREA = "LEEDS"
        assert found({}) == ["13:00"]

    def test_desc_is_on_the_areas_clock(self):
        make_area("BOSTON", "America/New_York")
        make_slot("BOSTON", start=datetime(2026, 12, 5, 4, tzinfo=UTC))
        (offer,) = search({"Location": {"ServiceAreaID": "BOSTON"}}).json()["TimeConstraints"]
        assert offer["Desc"] == "Fri 4 Dec 2026, 23:00-Sat 5 Dec 01:00 (America/New_York)"

    def test_a_period_is_offered_once_and_sorted(self):
        for worker in ("a", "b", "c"):
            make_slot(worker=worker, start=START + HOUR)
            make_slot(worker=worker)
        assert found() == ["13:00", "14:00"]

    def test_at_most_so_many(self, settings):
        settings.BOOKJOB_MAX_OFFERS = 2
        for hours in range(4):
            make_slot(start=START + hours * HOUR)
        assert found() == ["13:00", "14:00"]

    def test_the_body_may_be_empty_but_must_be_an_object(self):
        assert search({}).status_code == 200
        assert search([]).status_code == 400
        assert search({"TimeConstraints": [{}]}).status_code == 200
        answer = search({"TimeConstraints": [{}, {"Desc": "x"}]})
        assert answer.json()["detail"]["dataPath"] == "/TimeConstraints/1/Period"

    def test_a_place_that_comes_free_while_it_is_found_out_why_there_is_none(self, monkeypatch):
        make_slot(capacity=1, booked=1)
        ask = searching._what_left_nothing

        def given_back_before(*arguments):
            AppointmentSlot.objects.update(booked=0)
            return ask(*arguments)

        monkeypatch.setattr(searching, "_what_left_nothing", given_back_before)
        assert found() == ["13:00"]

    def test_the_statements_do_not_grow_with_the_slots(self, django_assert_num_queries):
        """One for area and periods; one more to say why there are none."""
        for hours in range(40):
            make_slot(start=START + hours * HOUR)
        with django_assert_num_queries(1):
            assert len(found()) == 40
        AppointmentSlot.objects.update(is_open=False)
        with django_assert_num_queries(2):
            message()


class TestWhoMayAndHow:
    def test_without_a_token(self):
        answer = Client().post("/api/v1/appointments/search", {}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (401, 401)

    def test_other_methods(self):
        assert search({}, method="GET").status_code == 405

    def test_one_trailing_slash_is_no_part_of_the_address(self):
        assert search({}, path="/api/v1/appointments/search/").status_code == 200
        assert search({}, path="/api/v1/appointments/search//").status_code == 404


class TestRulesOfTheSlot:
    @pytest.mark.parametrize(
        ("fields", "now", "said"),
        [
            ({"start": NOW - 2 * HOUR}, NOW, "No appointments are planned in Leeds from now on."),
            ({}, START - 2 * HOUR, "The appointments in Leeds begin too soon to be booked; no later ones are planned."),
            (
                {"start": NOW + timedelta(days=22)},
                NOW,
                "There is no appointment in Leeds within the next 21 days; later ones cannot be booked yet.",
            ),
            ({"is_open": False}, NOW, "All appointments in Leeds in the next 21 days are closed for bookings."),
            ({"capacity": 0}, NOW, "All appointments in Leeds in the next 21 days are full."),
            ({"order_type": "1002"}, NOW, "No appointments are planned in Leeds for orders of this kind."),
        ],
    )
    def test_what_breaks_one_is_not_offered(self, fields, now, said):
        make_slot(**fields)
        with clock_stands_at(now):
            assert message() == said

    def test_order_types(self):
        make_slot(order_type="1001")
        make_slot(start=START + HOUR)
        assert found(leeds(OrderType="1001")) == ["13:00", "14:00"]
        assert found(leeds(OrderType="1002")) == ["14:00"]
        assert found() == ["14:00"]


class TestWishes:
    def test_parts_that_are_not_there_yet(self):
        make_slot()
        make_slot(start=START + 3 * HOUR)
        parts = [
            {"ProdNum": "A", "EstimatedDelivery": (START - HOUR).isoformat()},
            {"ProdNum": "B", "EstimatedDelivery": (START + HOUR).isoformat()},
            {"ProdNum": "C", "EstimatedDelivery": "2027-12-04T00:00:00Z", "Delete": True},
            {"ProdNum": "D", "EstimatedDelivery": ""},
        ]
        assert found(leeds(RequiredParts=parts)) == ["16:00"]
        parts[0]["EstimatedDelivery"] = "2026-12-09T10:00:00Z"
        assert message(leeds(RequiredParts=parts)) == (
            "No appointment in Leeds is free after the delivery of the parts, which is expected on"
            " Wed 9 Dec 2026, 10:00 (Europe/London)."
        )

    def test_when_the_customer_is_available(self):
        for hours in (0, 1, 2, 5):
            make_slot(start=START + hours * HOUR)
        times = [wish(START, END + HOUR), wish(START + 5 * HOUR, END + 5 * HOUR)]
        assert found(leeds(TimeConstraints=times)) == ["13:00", "14:00", "18:00"]
        assert found(leeds(TimeConstraints=times[0])) == ["13:00", "14:00"]
        none = [wish(START, START + HOUR), wish(START + HOUR, END)]
        assert message(leeds(TimeConstraints=none)) == "No free appointment in Leeds fits the customer's own times."

    def test_when_the_customer_is_not(self, settings):
        settings.BOOKJOB_UNAVAILABLE_TYPES = ["1002"]
        for hours in (-2, 0, 1, 2, 5):
            make_slot(start=START + hours * HOUR)
        assert found(leeds(TimeConstraints=[wish(START, START + HOUR, 1002)])) == ["11:00", "14:00", "15:00", "18:00"]
        both = [wish(START, START + HOUR, "1002"), wish(START, START + 5 * HOUR)]
        assert found(leeds(TimeConstraints=both)) == ["14:00", "15:00"]

    def test_as_many_times_as_may_be_sent(self, settings):
        settings.BOOKJOB_UNAVAILABLE_TYPES = ["1002"]
        make_slot()
        times = [wish(START + hour * HOUR, START + (hour + 1) * HOUR, str(1001 + hour % 2)) for hour in range(200)]
        assert message(leeds(TimeConstraints=times)).startswith("No free appointment")
        assert search(leeds(TimeConstraints=[*times, times[0]])).status_code == 400


class TestNoArea:
    def test_an_unknown_one(self):
        body = {"Location": {"ServiceAreaID": "ATLANTIS"}}
        assert message(body) == "There is no service area ATLANTIS."

    def test_none(self):
        assert message({}) == "No service area takes care of this place."


@pytest.mark.slow  # fills a table
class TestTheIndex:
    def test_the_slots_are_read_from_an_index(self, plan_of):
        make_area("HULL")
        for code in ("LEEDS", "HULL"):
            area = make_area(code)
            AppointmentSlot.objects.bulk_create(
                AppointmentSlot(area=area, start=START + n * HOUR, end=END + n * HOUR, worker=str(worker))
                for n in range(-500, 1500)
                for worker in range(3)
            )
        statements = []

        def note(execute, text, values, many, context):
            statements.append((text, values))
            return execute(text, values, many, context)

        with connection.execute_wrapper(note):
            assert len(found({"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": "1001"})) == 50
            assert post("WO-1", booking()).status_code == 200
        of_search, of_booking = [each for each in statements if each[0].startswith("WITH area AS")]
        for plan in (plan_of(of_search), plan_of(of_booking)):
            assert "slot_exists_once_per_worker_and_type" in plan or "USING INDEX" in plan
            assert "Seq Scan on bookings_appointmentslot" not in plan
            assert "SCAN bookings_appointmentslot" not in plan  # as SQLite says it

    def test_no_index_holds_how_many_places_are_booked(self):
        """Each booking would have to rewrite it: without one, PostgreSQL updates the slot's row in place (HOT)."""
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%appointmentslot%'")
            else:
                cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'bookings_appointmentslot'")
            indexes = [text for (text,) in cursor.fetchall()]
            assert len(indexes) > 4
            assert not [text for text in indexes if "booked" in text or "capacity" in text]
            if connection.vendor == "postgresql":
                cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'bookings_appointmentslot'")
                assert cursor.fetchone() == (["fillfactor=85"],)


class TestWhatIsOfferedCanBeBooked:
    @pytest.mark.parametrize("with_id", [True, False])
    def test_as_it_was_offered(self, with_id):
        make_slot(capacity=1, worker="a")
        make_slot(capacity=1, worker="b")
        for order in ("WO-1", "WO-2"):
            (offer,) = search(leeds()).json()["TimeConstraints"]
            if not with_id:
                del offer["ID"]
            assert post(order, booking(TimeConstraints=offer)).status_code == 200
        assert message() == "All appointments in Leeds in the next 21 days are full."
