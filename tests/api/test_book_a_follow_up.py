"""ServiceMobility books a follow-up (contract, section 5), through the API and down to the rows."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from bookings import offers, services
from bookings.db import sql
from bookings.models import AppointmentSlot, HistoryEntry, PartOrder, Refusal, RequiredPart, WorkOrder
from bookings.services import booking as booking_service
from tests.support.helpers import (
    END,
    NOW,
    START,
    booking,
    clock_stands_at,
    error,
    make_area,
    make_booking,
    make_slot,
    path_of,
    post,
    sample,
    words_of,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


def refused(answer, status, word):
    """The refusal's detail, after a look that it is one and that nothing was written."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert body["code"] == status
    assert body["detail"]["params"]["error"] == word
    assert body["detail"]["message"]
    return body["detail"]


def copy_of(work_order, **changed):
    """Another row of the kind, cancelled, under a key of a million and more."""
    columns = {field.attname: getattr(work_order, field.attname) for field in WorkOrder._meta.concrete_fields}
    own = {"id": 10**6 + int(changed["claim"]), "status": "cancelled", "cancelled_at": NOW, "booked_after": None}
    changed = own | changed
    return WorkOrder(**(columns | changed))


def set_last_numbers(last):
    """The next keys of work orders and part orders are those after `last`."""
    with connection.cursor() as cursor:
        for table in ("bookings_workorder", "bookings_partorder"):
            if connection.vendor == "sqlite":
                cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last, table])
            else:
                cursor.execute("SELECT setval(%s, %s)", [f"{table}_id_seq", last])


def nothing_was_written():
    return not WorkOrder.objects.exists() and not AppointmentSlot.objects.exclude(booked=0).exists()


class TestItWorks:
    def test_it_works(self):
        slot = make_slot(capacity=2)
        answer = post("WO-100234", sample("book_full.json"))
        assert answer.status_code == 200
        work_order = WorkOrder.objects.get()
        first, second = PartOrder.objects.order_by("pk")
        assert answer.json() == {
            "OrderNum": work_order.order_num,
            "OrderedParts": [
                {"PartOrderNum": first.part_order_num, "Parts": ["PUMP-17B", "SEAL-3"]},
                {"PartOrderNum": "PO-EXT-77", "Parts": ["HOSE-2"]},
            ],
        }
        assert work_order.order_num == f"FU-{work_order.pk}"
        assert first.part_order_num == f"PO-{first.pk}"
        assert (first.is_issued_here, second.is_issued_here) == (True, False)
        slot.refresh_from_db()
        assert slot.booked == 1
        assert {
            name: getattr(work_order, name)
            for name in [
                "original_order",
                "slot_id",
                "status",
                "account_num",
                "account_name",
                "location_num",
                "location_name",
                "address",
                "postcode",
                "phone",
                "order_type",
                "worker",
                "caller",
                "created_at",
                "cancelled_at",
            ]
        } == {
            "original_order": "WO-100234",
            "slot_id": slot.pk,
            "status": "booked",
            "account_num": "C-20417",
            "account_name": "Hannah Brandt",
            "location_num": "L-20417-1",
            "location_name": "Home",
            "address": "14 Mill Lane, Flat 2, Leeds, West Yorkshire, GB",
            "postcode": "LS1 4AP",
            "phone": "+44 113 496 0000",
            "order_type": "1001",
            "worker": "tech.jones",
            "caller": "tech.jones",
            "created_at": NOW,
            "cancelled_at": None,
        }
        parts = RequiredPart.objects.values_list(
            "position", "prod_num", "replaces", "quantity", "price", "description", "estimated_delivery"
        )
        delivery = datetime(2026, 12, 3, 10, tzinfo=UTC)
        assert list(parts) == [
            (0, "PUMP-17B", "PUMP-17", 1, None, "Drain pump, new type", delivery),
            (1, "SEAL-3", "", 4, Decimal("2.15"), "", None),
            (2, "HOSE-2", "", Decimal("0.5"), 0, "", None),
        ]
        (entry,) = HistoryEntry.objects.all()
        assert (entry.work_order, entry.event, entry.by, entry.at) == (work_order, "booked", "tech.jones", NOW)
        assert entry.details["after"]["slot"] == slot.pk

    def test_a_managed_account_and_location_are_numbers_only(self):
        make_slot()
        answer = post("WO-100235", sample("book_managed.json"))
        assert answer.status_code == 200
        assert answer.json()["OrderedParts"] == []

    def test_the_vendors_contradictions_are_read(self):
        make_slot()
        answer = post("WO 100/236", sample("book_vendor_spellings.json"))
        assert answer.status_code == 200
        work_order = WorkOrder.objects.get()
        assert (work_order.original_order, work_order.location_num) == ("WO 100/236", "L-20417-1")
        assert work_order.address == "14 Mill Lane, Flat 2, Leeds, West Yorkshire, GB"
        assert [part.quantity for part in work_order.required_parts.all()] == [1, 4, Decimal("0.5")]

    @pytest.mark.parametrize("name", ["book_full.json", "book_managed.json", "book_vendor_spellings.json"])
    def test_the_body_comes_back_losslessly(self, name):
        make_slot()
        body = sample(name)
        text = json.dumps(body | {"Unknown": {"ü": [1, 2.50, 1e-7, 12345678901234567890, "\u2028 \\u0041"]}}, indent=1)
        assert post(body["OriginalOrderNum"], text).status_code == 200
        assert WorkOrder.objects.get().body == text

    @pytest.mark.parametrize(
        "order",
        [
            "WO 1",
            "WO/1",
            "/WO",
            "WO/",
            "a/followup",
            "..",
            ".",
            "WO-Ü-漢字-🔧",
            "%2F",
            "WO?x=1#y",
            "a\nb",
            "a+b",
            "x" * 200,
        ],
    )
    def test_order_numbers_are_free_text(self, order):
        make_slot()
        answer = post(order, booking(OriginalOrderNum=order))
        assert answer.status_code == 200, answer.content
        assert WorkOrder.objects.get().original_order == order

    def test_a_part_is_ordered_where_it_is_sent_and_how_urgently(self):
        make_slot()
        parts = [
            {"ProdNum": "A", "ShipToLocation": "1", "Urgency": "1"},
            {"ProdNum": "B", "ShipToLocation": "2", "Urgency": "1"},
            {"ProdNum": "C", "ShipToLocation": 1, "Urgency": "1"},
            {"ProdNum": "D", "ShipToLocation": "1", "Urgency": "2"},
            {"ProdNum": "E", "PartOrderNum": "X"},
            {"ProdNum": "F", "PartOrderNum": "X", "ShipToLocation": "9"},
            {"ProdNum": "G", "Delete": True},
            {"PartStatus": "the round thing", "Qty": 2},
        ]
        answer = post("WO-1", booking(RequiredParts=parts)).json()
        assert [ordered["Parts"] for ordered in answer["OrderedParts"]] == [["A", "C"], ["B"], ["D"], ["E", "F"]]
        assert answer["OrderedParts"][3]["PartOrderNum"] == "X"
        assert RequiredPart.objects.get(prod_num="").part_order is None
        assert not RequiredPart.objects.filter(prod_num="G").exists()

    def test_a_part_order_of_ours_may_come_back_with_another_order(self):
        make_slot(capacity=2)
        first = post("WO-1", booking(RequiredParts=[{"ProdNum": "A"}])).json()
        number = first["OrderedParts"][0]["PartOrderNum"]
        second = post("WO-2", booking(RequiredParts=[{"ProdNum": "A", "PartOrderNum": number}])).json()
        assert second["OrderedParts"] == first["OrderedParts"]

    @pytest.mark.parametrize(
        "period",
        [
            {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"},
            {"Start": "2026-12-04T14:00:00+01:00", "End": "2026-12-04T10:00:00-05:00"},
            {"Start": "2026-12-04T13:00Z", "End": "2026-12-04 15:00:00.000000z"},
            {"Start": "2026-12-04t13:00:00+0000", "End": "2026-12-04T15:00:00.0000000Z"},
            {"Start": "2026-12-04T18:45:00+05:45", "End": "2026-12-04T15:00:00"},
        ],
    )
    def test_the_period_is_an_instant_in_any_spelling(self, period):
        make_slot()
        assert post("WO-1", booking(TimeConstraints={"Period": period})).status_code == 200

    def test_numbers_that_came_with_parts_do_not_stop_the_next_one_of_ours(self, monkeypatch):
        """Not 400 of them either. Where the sequence stands, only a booking tells: earlier tests drew from it."""
        monkeypatch.setattr(sql, "alone", transaction.atomic)  # what fails must not end the transaction of the test
        make_slot(capacity=9)
        (ordered,) = post("WO-0", booking(RequiredParts=[{"ProdNum": "A"}])).json()["OrderedParts"]
        last = int(ordered["PartOrderNum"].removeprefix("PO-"))
        parts = [{"ProdNum": "A"}, {"ProdNum": "B", "Urgency": "2"}]
        parts += [{"ProdNum": "C", "PartOrderNum": f"PO-{last + step}"} for step in range(1, 401)]
        answer = post("WO-1", booking(RequiredParts=parts))
        assert answer.status_code == 200, answer.content
        numbers = [ordered["PartOrderNum"] for ordered in answer.json()["OrderedParts"]]
        assert len(set(numbers)) == 402
        assert post("WO-1", booking(RequiredParts=parts)).json() == answer.json()

    @pytest.mark.parametrize("policy", ["single", "move"])
    def test_numbers_of_an_earlier_prefix_do_not_stop_the_next_one(self, settings, monkeypatch, policy):
        """300 in a row: those of FU-1 and PO-1, once the prefixes are FU- and PO- again."""
        monkeypatch.setattr(sql, "alone", transaction.atomic)
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        make_slot(capacity=20)
        make_slot(start=START + HOUR)
        parts = [{"ProdNum": "A"}, {"ProdNum": "B", "Urgency": "2"}]
        other = make_booking("WO-9", booking(RequiredParts=parts))
        last = max(other.pk, *(order.pk for order in other.part_orders.all()))
        taken = range(last + 1, last + 301)
        WorkOrder.objects.bulk_create([copy_of(other, order_num=f"FU-{number}", claim=str(number)) for number in taken])
        # Their keys are far from their numbers, as those of another prefix are. The sequences stand where they stood.
        PartOrder.objects.bulk_create(
            PartOrder(id=10**6 + number, work_order=other, part_order_num=f"PO-{number}") for number in taken
        )
        set_last_numbers(last)
        answers = [post(f"WO-{number}", booking(RequiredParts=parts)) for number in range(1, 5)]
        assert [answer.status_code for answer in answers] == [200] * 4, answers[0].content
        if policy == "move":
            answer = post("WO-1", booking(START + HOUR, END + HOUR, RequiredParts=[{"ProdNum": "A", "Urgency": "3"}]))
            assert answer.status_code == 200
            answers[0] = answer
        shown = [answer.json()["OrderNum"] for answer in answers]
        assert len(set(shown)) == 4
        assert not set(shown) & {f"FU-{number}" for number in taken}

    def test_a_price_of_many_digits_is_rounded_in_its_column_only(self):
        make_slot()
        text = json.dumps(booking(RequiredParts=[{"ProdNum": "A", "Price": 59.970000000000006, "Qty": 0.1 + 0.2}]))
        work_order = make_booking(body=text)
        part = work_order.required_parts.get()
        assert (part.price, part.quantity) == (Decimal("59.97"), Decimal("0.3"))
        assert work_order.body == text

    def test_a_byte_order_mark_is_no_part_of_the_body(self):
        make_slot()
        assert post("WO-1", b"\xef\xbb\xbf" + json.dumps(booking()).encode()).status_code == 200

    def test_numbers_are_never_used_again(self):
        make_slot()
        first = make_booking()
        services.cancel(work_order=first, by="dispatcher", reason="customer called")
        second = make_booking(body=booking(UserName="tech.jones"))
        assert (first.order_num, second.order_num) == (f"FU-{first.pk}", f"FU-{second.pk}")
        assert second.pk > first.pk

    def test_a_refusal_and_a_repeat_use_no_number(self):
        """A gap in the numbers would look like a lost booking."""
        for worker in "abcd":
            make_slot(worker=worker)
        make_slot(start=START + HOUR, capacity=1, booked=1)
        later = START + 24 * HOUR
        make_slot(start=later)
        parts = [{"ProdNum": "A"}, {"ProdNum": "B", "Urgency": "now"}]
        answers = []
        for number in range(4):
            answers.append(post(f"WO-{number}", booking(RequiredParts=parts)).json())
            refused(post("WO-9", booking(START + HOUR, END + HOUR, RequiredParts=parts)), 409, "slot_unavailable")
            refused(post(f"WO-{number}", booking(UserName="b")), 409, "conflicting_duplicate")
            body = booking(RequiredParts=parts)
            body["TimeConstraints"][0]["ID"] = offers.offer_id(make_area().pk, START + HOUR, END + HOUR)
            refused(post("WO-9", body), 400, "invalid_request")
            both = booking(RequiredParts=parts)
            both["TimeConstraints"] += booking(later, later + (END - START))["TimeConstraints"]
            refused(post("WO-9", both), 400, "invalid_request")
            assert post(f"WO-{number}", booking(RequiredParts=parts)).json() == answers[-1]
        numbers = [int(answer["OrderNum"].removeprefix("FU-")) for answer in answers]
        part_numbers = [
            int(part["PartOrderNum"].removeprefix("PO-")) for answer in answers for part in answer["OrderedParts"]
        ]
        assert numbers == list(range(numbers[0], numbers[0] + 4))
        assert part_numbers == list(range(part_numbers[0], part_numbers[0] + 8))

    def test_prefixes_are_settings_and_old_numbers_stay(self, settings):
        make_slot(capacity=2)
        old = make_booking()
        settings.BOOKJOB_ORDER_PREFIX, settings.BOOKJOB_PART_ORDER_PREFIX = "V-", "T-"
        answer = post("WO-2", booking(RequiredParts=[{"ProdNum": "A"}])).json()
        assert answer["OrderNum"].startswith("V-")
        assert answer["OrderedParts"][0]["PartOrderNum"].startswith("T-")
        assert WorkOrder.objects.filter(order_num=old.order_num).exists()


class TestTheSlotThatIsMeant:
    def test_by_the_id_of_an_offer(self):
        slot = make_slot()
        constraint = booking()["TimeConstraints"][0] | {"ID": offers.offer_id(slot.area_id, START, END)}
        assert post("WO-1", booking(TimeConstraints=[constraint])).status_code == 200

    def test_an_id_of_another_offer_is_refused(self):
        slot = make_slot()
        constraint = booking()["TimeConstraints"][0] | {"ID": offers.offer_id(slot.area_id, START, START)}
        detail = refused(post("WO-1", booking(TimeConstraints=[constraint])), 400, "invalid_request")
        assert detail["dataPath"] == "/TimeConstraints/0/ID"
        assert nothing_was_written()

    @pytest.mark.parametrize("given", ["", "slot-", "slot-abc", "slot-äöü", "7f3c", 12, None, "slot-" + "A" * 60])
    def test_an_id_that_is_not_ours_means_nothing(self, given):
        make_slot()
        constraint = booking()["TimeConstraints"][0] | {"ID": given}
        assert post("WO-1", booking(TimeConstraints=[constraint])).status_code == 200

    @pytest.mark.parametrize("year", [1, 1899, 3000, 9999])
    def test_an_id_that_was_made_up_names_a_date(self, year):
        """What cannot be shown on an area's clock is not kept with a refusal either."""
        slot, start = make_slot(), datetime(year, 1, 1, 12, tzinfo=UTC)
        given = offers.offer_id(slot.area_id, start, start + timedelta(hours=1))
        assert offers.read_id(given) is None

    def test_of_several_one_must_match(self):
        make_slot()
        other = {"Period": {"Start": "2026-12-04T08:00:00Z", "End": "2026-12-04T10:00:00Z"}}
        both = [other, *booking()["TimeConstraints"]]
        assert post("WO-1", booking(TimeConstraints=both)).status_code == 200

    def test_several_that_match_are_ambiguous(self):
        make_slot()
        make_slot(start=START + timedelta(hours=2))
        both = [
            *booking()["TimeConstraints"],
            *booking(START + timedelta(hours=2), END + timedelta(hours=2))["TimeConstraints"],
        ]
        refused(post("WO-1", booking(TimeConstraints=both)), 400, "invalid_request")
        assert nothing_was_written()

    def test_by_the_id_of_an_offer_alone(self):
        """In the area that offered it, whatever the location says."""
        slot = make_slot("BOSTON", capacity=2)
        make_area("LEEDS")
        alone = {"ID": offers.offer_id(slot.area_id, START, END)}
        assert make_booking("WO-1", booking(TimeConstraints=[alone])).slot == slot
        assert make_booking("WO-2", booking(TimeConstraints=alone)).slot == slot

    @pytest.mark.parametrize("area", [0, -1, 2**63, 2**70])
    def test_the_id_of_no_area_means_nothing(self, area):
        detail = refused(
            post("WO-1", booking(TimeConstraints=[{"ID": offers.offer_id(area, START, END)}])), 400, "invalid_request"
        )
        assert detail["dataPath"] == "/TimeConstraints"
        make_slot()
        detail = refused(
            post("WO-1", booking(TimeConstraints=[{"ID": offers.offer_id(999, START, END)}])), 404, "slot_not_found"
        )
        assert detail["dataPath"] == "/TimeConstraints/0/ID"

    PERIOD = booking()["TimeConstraints"][0]["Period"]
    LATER = booking(START + 2 * HOUR, END + 2 * HOUR)["TimeConstraints"][0]["Period"]
    WISH = {"Desc": "afternoons", "Period": {"Start": "2026-12-01T12:00:00Z", "End": "2026-12-31T18:00:00Z"}}

    @pytest.mark.parametrize(
        ("pointer", "elsewhere"),
        [
            ("", {"Period": PERIOD}),
            ("", {"PlannedStartDate": PERIOD["Start"], "PlannedEndDate": PERIOD["End"]}),
            ("", {"Period": {"Start": "soon"}, "PlannedStartDate": PERIOD["Start"], "PlannedEndDate": PERIOD["End"]}),
            ("/Visit", {"Visit": PERIOD}),
            ("/Visit", {"Visit": {"Period": PERIOD}}),
            ("/Visit", {"Visit": {"PlannedStartDate": PERIOD["Start"], "PlannedEndDate": PERIOD["End"]}}),
            ("/Visit/0/a~1b", {"Visit": [{"a/b": [WISH, {"Period": PERIOD}]}]}),
            ("/Visit/9", {"Visit": [WISH], "Period": PERIOD}),
            ("/Visit", {"Visit": "tomorrow", "Period": PERIOD}),
        ],
    )
    @pytest.mark.parametrize("times", [None, [], [WISH], {"Desc": "x", "ID": "7"}])
    def test_in_other_places(self, settings, pointer, elsewhere, times):
        """What fits no slot is a wish, and what cannot be read there is absent."""
        settings.BOOKJOB_SLOT_POINTER = pointer
        make_slot()
        make_slot(start=START + 2 * HOUR)
        body = booking(**elsewhere) | {"TimeConstraints": times}
        assert make_booking(body=body).slot.start == START
        assert post("WO-1", body).json()["OrderNum"] == WorkOrder.objects.get().order_num

    def test_by_the_id_at_the_pointer(self, settings):
        settings.BOOKJOB_SLOT_POINTER = "/FlexAttrs/visit/slot/0"
        slot = make_slot()
        flex = {"visit": {"slot": [offers.offer_id(slot.area_id, START, END)]}}
        assert make_booking(body=booking(FlexAttrs=flex, TimeConstraints=[self.WISH])).slot == slot

    @pytest.mark.parametrize(
        ("pointer", "visits", "fault"),
        [
            ("/Visits/2/at", [{"at": LATER}, {}, {"at": PERIOD}], "/Visits/2/at"),
            ("/Visits/2/at", [{"at": LATER}, None, {"at": [None, PERIOD]}], "/Visits/2/at/1"),
            ("/Visits/1/at", [{"at": ""}, {"at": PERIOD}, {"at": LATER}], "/Visits/1/at"),
            ("/Visits/1/1", [[], [{"Start": ""}, PERIOD], [LATER, LATER]], "/Visits/1/1"),
            ("/Visits/1", {"0": "", "1": PERIOD}, "/Visits/1"),
            ("/Visits/1", {"0": "", "1": [PERIOD]}, "/Visits/1/0"),
            # Nothing is there, so that another place names it.
            ("/Visits/1", [{"at": LATER}, {}], "/TimeConstraints/0/Period"),
            ("/Visits/9", [{"at": LATER}], "/TimeConstraints/0/Period"),
            ("/Visits/at/0", [{"at": LATER}], "/TimeConstraints/0/Period"),
        ],
    )
    def test_an_index_of_the_pointer_counts_in_the_body_as_it_came(self, settings, pointer, visits, fault):
        settings.BOOKJOB_SLOT_POINTER = pointer
        slot = make_slot()
        make_slot(start=START + 2 * HOUR)
        body = booking(Visits=visits)
        if fault.startswith("/Visits"):
            body |= {"TimeConstraints": None}
        assert make_booking(body=body).slot == slot
        make_slot("HULL", start=START - HOUR)
        elsewhere = body | {"Location": {"LocationNum": "L-1", "ServiceAreaID": "HULL"}}
        detail = refused(post("WO-2", elsewhere), 404, "slot_not_found")
        assert detail["dataPath"] == fault

    def test_the_first_place_decides(self, settings):
        settings.BOOKJOB_SLOT_POINTER = "/Visit"
        make_slot()
        make_slot(start=START + 2 * HOUR)
        later = booking(START + 2 * HOUR, END + 2 * HOUR)["TimeConstraints"]
        assert make_booking("WO-1", booking(Period=later[0]["Period"])).slot.start == START
        assert make_booking("WO-2", booking(Visit=later)).slot.start == START + 2 * HOUR
        both = {"Visit": [later[0], {"Period": self.PERIOD}]}
        detail = refused(post("WO-3", booking(**both)), 400, "invalid_request")
        assert (detail["message"], detail["dataPath"]) == ("Visit names several appointments. Choose one.", "/Visit")

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            ({"TimeConstraints": [{}, {"ID": ""}, WISH]}, "/TimeConstraints/2/Period"),
            ({"TimeConstraints": WISH}, "/TimeConstraints/Period"),
            ({"TimeConstraints": None, "Visit": ["", WISH["Period"]]}, "/Visit/1"),
            ({"TimeConstraints": None, "Visit": [7, WISH]}, "/Visit/1/Period"),
            ({"TimeConstraints": None, "Visit": WISH["Period"]}, "/Visit"),
            ({"TimeConstraints": None, "Visit": WISH}, "/Visit/Period"),
        ],
    )
    def test_the_place_of_a_fault_is_one_in_the_body_as_it_came(self, settings, body, place):
        settings.BOOKJOB_SLOT_POINTER = "/Visit"
        make_slot()
        assert refused(post("WO-1", booking(**body)), 404, "slot_not_found")["dataPath"] == place

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            ({"TimeConstraints": [WISH, {"Period": PERIOD}]}, "/TimeConstraints/1/Period"),
            ({"TimeConstraints": {"Period": PERIOD}}, "/TimeConstraints/Period"),
            ({"TimeConstraints": [WISH], "Visit": ["", PERIOD]}, "/Visit/1"),
            ({"TimeConstraints": [WISH], "Period": PERIOD}, "/Period"),
            (
                {"TimeConstraints": [WISH], "PlannedStartDate": PERIOD["Start"], "PlannedEndDate": PERIOD["End"]},
                "/PlannedStartDate",
            ),
        ],
    )
    def test_the_place_of_a_slot_that_cannot_be_taken(self, settings, body, place):
        settings.BOOKJOB_SLOT_POINTER = "/Visit"
        make_slot(capacity=0)
        assert refused(post("WO-1", booking(**body)), 409, "slot_unavailable")["dataPath"] == place
        assert Refusal.objects.get().visit_start == START  # of the slot, not of the wish

    def test_nothing_fits_in_any_place(self):
        make_slot()
        detail = refused(
            post("WO-1", booking(TimeConstraints=[self.WISH], Period=self.WISH["Period"])), 404, "slot_not_found"
        )
        assert detail["dataPath"] == "/TimeConstraints/0/Period"

    def test_another_order_types_slot_does_not_exist(self):
        make_slot(order_type="1002")
        refused(post("WO-1", booking(OrderType="1001")), 404, "slot_not_found")
        refused(post("WO-1", booking()), 404, "slot_not_found")
        assert post("WO-1", booking(OrderType="1002")).status_code == 200

    def test_the_asked_for_worker_is_preferred_then_the_most_room(self):
        make_slot(worker="a", capacity=2)
        make_slot(worker="b", capacity=5)
        make_slot(worker="c", capacity=1)
        workers = [make_booking(f"WO-{number}", booking(UserName="c")).slot.worker for number in range(2)]
        assert workers == ["c", "b"]

    def test_if_the_first_is_taken_meanwhile_the_next_is_taken(self, monkeypatch):
        make_slot(worker="a", capacity=5)
        make_slot(worker="b", capacity=1)
        best_of = booking_service.best_of

        def somebody_is_faster(*arguments):
            slot = best_of(*arguments)
            AppointmentSlot.objects.filter(pk=slot.pk, worker="a").update(booked=5)
            return slot

        monkeypatch.setattr(booking_service, "best_of", somebody_is_faster)
        assert make_booking().slot.worker == "b"
        assert list(AppointmentSlot.objects.order_by("worker").values_list("booked", flat=True)) == [5, 1]

    def test_more_parts_and_words_than_sqlite_takes_parameters_at_once(self):
        make_slot()
        parts = [{"ProdNum": f"A{number} B{number} C{number}"} for number in range(900)]
        connection.ensure_connection()
        if connection.vendor == "sqlite":
            before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        try:
            assert post("WO-1", booking(RequiredParts=parts)).status_code == 200
        finally:
            if connection.vendor == "sqlite":
                connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)
        assert RequiredPart.objects.count() == 900
        assert len(words_of(WorkOrder.objects.get())) > 2500

    def test_if_the_database_ends_it_for_a_move_it_is_tried_again(self, monkeypatch):
        """Both hold what the other wants: the slot, and the order's only active booking."""
        make_slot()
        write_if, calls = sql.write_if, []

        def ended_once(*arguments, **more):
            calls.append(arguments)
            if len(calls) == 1:
                raise OperationalError("deadlock detected") from DeadlockDetected("deadlock detected")
            return write_if(*arguments, **more)

        monkeypatch.setattr(sql, "write_if", ended_once)
        assert post("WO-1", booking()).status_code == 200
        assert len(calls) == 2

    def test_another_fault_of_the_database_is_not(self, monkeypatch):
        make_slot()

        def fails(*arguments, **more):
            raise OperationalError("disk full")

        monkeypatch.setattr(sql, "write_if", fails)
        refused(post("WO-1", booking()), 503, "unavailable")


class TestTheArea:
    def test_by_the_longest_postcode_prefix(self):
        make_area("BRADFORD").postcode_prefixes.create(prefix="L", country="GB")
        make_area("LEEDS").postcode_prefixes.create(prefix="LS1", country="")
        make_area("PARIS").postcode_prefixes.create(prefix="LS14", country="FR")
        make_slot()
        location = {"Address": {"Zip": "ls1 4ap", "Country": "gb"}}
        assert post("WO-1", booking(Location=location)).status_code == 200

    def test_else_the_default_area(self, settings):
        make_slot()
        body = booking(Location={"LocationNum": "L-1"})
        detail = refused(post("WO-1", body), 404, "slot_not_found")
        assert detail["message"] == "No service area takes care of this place."
        settings.BOOKJOB_DEFAULT_AREA = "LEEDS"
        assert post("WO-1", body).status_code == 200

    def test_an_unknown_area(self):
        make_slot()
        answer = post("WO-1", booking(Location={"LocationNum": "L-1", "ServiceAreaID": "ATLANTIS"}))
        message = "There is no service area ATLANTIS."
        assert answer.json() == error(404, "slot_not_found", message, "/Location/ServiceAreaID")


class TestRepeats:
    def test_the_same_body_answers_the_same(self):
        make_slot(capacity=5)
        body = sample("book_full.json")
        first = post("WO-100234", body)
        reordered = dict(reversed(body.items()))
        assert post("WO-100234", json.dumps(reordered, indent=3)).content == first.content
        assert AppointmentSlot.objects.get().booked == 1
        assert HistoryEntry.objects.count() == 1

    def test_equal_as_json_not_as_bytes(self):
        make_slot(capacity=5)
        text = json.dumps(booking(RequiredParts=[{"ProdNum": "A", "Qty": "QTY"}]))
        first = post("WO-1", text.replace('"QTY"', "1")).json()
        for same in ("1.0", "10e-1", "1.000"):
            assert post("WO-1", text.replace('"QTY"', same)).json() == first
        for other in ("1.0000000000000000001", "true", '"1"'):
            answer = post("WO-1", text.replace('"QTY"', other))
            assert answer.json() != first

    @pytest.mark.parametrize("state", ["full", "past", "closed", "inside the notice"])
    def test_whatever_became_of_the_slot(self, state):
        slot = make_slot(capacity=1)
        first = post("WO-1", booking())
        if state == "closed":
            AppointmentSlot.objects.update(is_open=False)
        moment = {"past": END, "inside the notice": START - timedelta(minutes=5)}.get(state, NOW)
        with clock_stands_at(moment):
            assert post("WO-1", booking()).json() == first.json()
            refused(post("WO-2", booking()), 409, "slot_unavailable")
        slot.refresh_from_db()
        assert slot.booked == 1

    def test_a_cancelled_booking_does_not_count(self):
        slot = make_slot()
        first = make_booking()
        services.cancel(work_order=first, by="dispatcher", reason="wrong address")
        slot.refresh_from_db()
        assert slot.booked == 0
        second = make_booking(body=booking(UserName="tech.jones"))
        assert second.order_num != first.order_num
        first.refresh_from_db()
        assert (first.status, first.cancelled_by, first.cancel_reason) == ("cancelled", "dispatcher", "wrong address")

    def test_another_body_for_the_same_slot(self):
        make_slot(capacity=5)
        first = make_booking()
        answer = post("WO-1", booking(UserName="tech.other"))
        assert answer.json() == error(
            409,
            "conflicting_duplicate",
            f"This appointment is booked for the order already, as {first.order_num}, with other details."
            " Ask dispatch to change it.",
            OrderNum=first.order_num,
        )
        assert AppointmentSlot.objects.get().booked == 1


class TestPolicies:
    later = (START + timedelta(hours=2), END + timedelta(hours=2))

    def slots(self):
        return make_slot(capacity=2), make_slot(start=self.later[0], capacity=2)

    def booked(self):
        return list(AppointmentSlot.objects.order_by("start").values_list("booked", flat=True))

    def test_single(self):
        self.slots()
        first = make_booking()
        answer = post("WO-1", booking(*self.later))
        where = "Fri 4 Dec 2026, 13:00-15:00 (Europe/London)"
        message = f"The order has a follow-up already: {first.order_num}, {where}. Ask dispatch to move it."
        period = {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"}
        found = {"OrderNum": first.order_num, "Status": "booked", "Period": period}
        assert answer.json() == error(409, "already_booked", message, **found)
        assert self.booked() == [1, 0]

    def test_multiple(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "multiple"
        self.slots()
        first, second = make_booking(), make_booking(body=booking(*self.later))
        assert first.order_num != second.order_num
        assert self.booked() == [1, 1]
        assert post("WO-1", booking()).json()["OrderNum"] == first.order_num
        refused(post("WO-1", booking(UserName="x")), 409, "conflicting_duplicate")

    def test_move(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        before, after = self.slots()
        parts = [{"ProdNum": "A"}, {"ProdNum": "B", "Urgency": "2"}]
        first = post("WO-1", booking(RequiredParts=parts)).json()
        new = [{"ProdNum": "C"}, {"ProdNum": "D", "Urgency": "3"}]
        moved = post("WO-1", booking(*self.later, RequiredParts=new)).json()
        assert moved["OrderNum"] == first["OrderNum"]
        assert self.booked() == [0, 1]
        # The part order of the same group keeps its number; the one that nothing is left of is kept for its return.
        assert moved["OrderedParts"][0] == {"PartOrderNum": first["OrderedParts"][0]["PartOrderNum"], "Parts": ["C"]}
        assert moved["OrderedParts"][1]["PartOrderNum"] != first["OrderedParts"][1]["PartOrderNum"]
        assert post("WO-1", booking(*self.later, RequiredParts=new)).json() == moved
        assert [part.prod_num for part in RequiredPart.objects.all()] == ["C", "D"]
        entry = HistoryEntry.objects.get(event="moved")
        assert (entry.details["before"]["slot"], entry.details["after"]["slot"]) == (before.pk, after.pk)
        assert json.loads(entry.details["before"]["body"]) == booking(RequiredParts=parts)

    def test_a_move_to_a_full_slot_changes_nothing(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        self.slots()
        make_booking()
        AppointmentSlot.objects.filter(start=self.later[0]).update(capacity=0)
        refused(post("WO-1", booking(*self.later)), 409, "slot_unavailable")
        assert self.booked() == [1, 0]

    def test_a_move_back_and_forth(self, settings):
        """The same order, slot and body always get the same answer, where none of them is a late copy."""
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        self.slots()
        here = booking(RequiredParts=[{"ProdNum": "A", "Urgency": "1"}])
        there = booking(*self.later, RequiredParts=[{"ProdNum": "B", "Urgency": "2"}])
        answers = []
        for hours in range(3):
            with clock_stands_at(NOW + hours * HOUR):
                answers.append([post("WO-1", body).json() for body in (here, there)])
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0]["OrderNum"] == answers[0][1]["OrderNum"]
        assert self.booked() == [0, 1]

    def test_a_move_with_the_part_order_that_was_answered(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        self.slots()
        (ordered,) = post("WO-1", booking(RequiredParts=[{"ProdNum": "A"}])).json()["OrderedParts"]
        parts = [{"ProdNum": "A", "PartOrderNum": ordered["PartOrderNum"]}, {"ProdNum": "B"}]
        moved = post("WO-1", booking(*self.later, RequiredParts=parts))
        assert moved.status_code == 200
        assert moved.json()["OrderedParts"] == [{"PartOrderNum": ordered["PartOrderNum"], "Parts": ["A", "B"]}]
        assert post("WO-1", booking(*self.later, RequiredParts=parts)).json() == moved.json()

    def test_a_fault_that_is_no_race_is_told_as_one(self, monkeypatch):
        make_slot()

        def broken(*args, **kwargs):
            raise IntegrityError("something else")

        monkeypatch.setattr(booking_service, "_insert", broken)
        refused(post("WO-1", booking()), 500, "server_error")


class TestRefusalsOfTheSlot:
    def test_it_does_not_exist(self):
        make_area()
        answer = post("WO-1", booking())
        period = "Fri 4 Dec 2026, 13:00-15:00 (Europe/London)"
        message = f"There is no such appointment: {period}. Search again and choose another."
        path = "/TimeConstraints/0/Period"
        assert answer.json() == error(404, "slot_not_found", message, path, area="LEEDS")

    @pytest.mark.parametrize(
        ("reason", "fields", "now"),
        [
            ("full", {"capacity": 0}, NOW),
            ("closed", {"is_open": False}, NOW),
            ("past", {}, START),
            ("past", {}, END + timedelta(days=400)),
            ("notice", {}, START - timedelta(minutes=120)),
            ("horizon", {}, START - timedelta(days=21, seconds=1)),
        ],
    )
    def test_it_breaks_a_rule(self, reason, fields, now):
        make_slot(**fields)
        with clock_stands_at(now):
            detail = refused(post("WO-1", booking()), 409, "slot_unavailable")
        assert detail["params"] == {"error": "slot_unavailable", "reason": reason, "alternatives": []}
        assert nothing_was_written()

    @pytest.mark.parametrize("now", [START - timedelta(minutes=120, seconds=1), START - timedelta(days=21)])
    def test_just_within_the_rules(self, now):
        make_slot()
        with clock_stands_at(now):
            assert post("WO-1", booking()).status_code == 200

    def test_a_full_slot_names_the_next_three_open_ones(self):
        make_slot(capacity=0)
        for hours in (-2, 2, 4, 6, 8):
            make_slot(start=START + timedelta(hours=hours))
        detail = refused(post("WO-1", booking()), 409, "slot_unavailable")
        assert detail["message"] == (
            "This appointment is full. Choose another one than Fri 4 Dec 2026, 13:00-15:00 (Europe/London)."
        )
        assert [offer["Desc"] for offer in detail["params"]["alternatives"]] == [
            "Fri 4 Dec 2026, 15:00-17:00 (Europe/London)",
            "Fri 4 Dec 2026, 17:00-19:00 (Europe/London)",
            "Fri 4 Dec 2026, 19:00-21:00 (Europe/London)",
        ]

    @pytest.mark.django_db(transaction=True)  # around the booking there is no other transaction
    def test_nothing_stays_of_a_booking_that_fails_at_its_last_statement(self, monkeypatch):
        make_slot()

        def more_than_there_are(slot, now):
            return f"UPDATE {offers.SLOTS} SET booked = capacity + 1 WHERE id = %s", [slot.pk]

        monkeypatch.setattr(offers, "taking", more_than_there_are)
        refused(post("WO-1", booking(RequiredParts=[{"ProdNum": "A"}])), 500, "server_error")
        assert nothing_was_written()
        assert not HistoryEntry.objects.exists()


class TestTheDoor:
    @pytest.mark.parametrize("order", ["{0}", "WO-{0}", " ", "\t\u00a0 ", "\u3000"])
    def test_service_mobility_is_not_set_up(self, order):
        make_slot()
        detail = refused(post(order, booking()), 400, "invalid_request")
        assert "RestApi.BookJob" in detail["message"]
        assert nothing_was_written()

    def test_one_trailing_slash_is_accepted(self, client):
        make_slot()
        headers = {"x-access-token": services_token()}
        sent = {"content_type": "application/json", "headers": headers}
        answers = [client.post(path_of("WO/1") + slashes, booking(), **sent).status_code for slashes in ("", "/", "//")]
        assert answers == [200, 200, 405]
        assert WorkOrder.objects.get().original_order == "WO/1"
        assert client.post("/api/v1/appointments/search/", {}, **sent).status_code == 200
        assert client.post("/api/v1/appointments/search//", {}, **sent).status_code == 404
        for path in ("auth/token/", "workorders/", "workorders/FU-1/", "schema/", "docs/"):
            assert client.get(f"/api/v1/{path}", headers=headers).status_code != 404 or path == "workorders/FU-1/"

    def test_other_methods(self, client):
        answer = client.get(path_of("WO-1"), headers={"x-access-token": services_token()})
        message = "This address does not take that method."
        assert (answer.status_code, answer.json()) == (405, error(405, "method_not_allowed", message))
        assert answer["Allow"] == "POST"

    @pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "text/json"])
    def test_other_content_types(self, content_type):
        refused(post("WO-1", booking(), content_type=content_type), 415, "unsupported_media_type")

    def test_a_charset_and_an_odd_accept_header_cost_no_booking(self):
        make_slot()
        answer = post("WO-1", booking(), content_type="Application/JSON; charset=utf-8", HTTP_ACCEPT="text/html")
        assert answer.status_code == 200

    def test_the_address_decides_where_the_body_names_another_order(self):
        """That is the root of a chain of follow-ups."""
        make_slot()
        assert make_booking("WO-2", booking(OriginalOrderNum="WO-1")).original_order == "WO-2"

    def test_documented_statuses_only(self, settings):
        settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY = True
        make_area()
        answer = post("WO-1", booking())
        assert (answer.status_code, answer.json()["code"]) == (500, 404)
        assert answer.json()["detail"]["params"]["error"] == "slot_not_found"
        assert post("WO-1", booking(), token="x").status_code == 401
        assert post("WO-1", "[]").status_code == 500

    def test_the_statements_of_a_booking(self, django_assert_num_queries):
        """All that is looked at, and the booking.

        That is one statement on PostgreSQL, and on SQLite begin, the numbers, five inserts, the place, commit.
        """
        make_slot(capacity=9)
        post("WO-0", booking())  # in an area that was never seen the numbers are drawn by themselves
        statements = 2 if connection.vendor == "postgresql" else 10
        with django_assert_num_queries(statements):
            post("WO-1", booking(RequiredParts=[{"ProdNum": "A"}]))
        with django_assert_num_queries(statements):
            parts = [{"ProdNum": str(number), "Urgency": str(number)} for number in range(40)]
            post("WO-2", booking(RequiredParts=parts))
        with django_assert_num_queries(3):  # the same; this one with its slot, its part orders
            post("WO-2", booking(RequiredParts=parts))


def services_token():
    from bookings.access.tokens import issue_token

    return issue_token("tech.jones")
