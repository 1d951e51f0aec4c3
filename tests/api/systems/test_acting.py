"""Other systems cancel, move, review and note work orders: the same as the desk does."""

from datetime import timedelta

import pytest

from bookings import offers, services
from bookings.access import tokens
from bookings.models import AppointmentSlot, HistoryEntry, KeptAnswer, WorkOrder
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
    post,
)
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
LATER = START + timedelta(hours=4)
ACTS = {
    "cancel": {"Reason": "The customer is away."},
    "move": {"Period": {"Start": LATER.isoformat(), "End": (LATER + (END - START)).isoformat()}},
    "review": {"Note": "The parts are here."},
    "note": {"Note": "Ring twice."},
}
each_act = pytest.mark.parametrize("act", ACTS)


@pytest.fixture(autouse=True)
def clock():
    with clock_stands_at() as clock:
        yield clock


@pytest.fixture
def order() -> WorkOrder:
    make_slot(capacity=3)
    make_slot(start=LATER, capacity=3)
    return make_booking()


@pytest.fixture
def key() -> str:
    return make_key("work_orders:write", "work_orders:read")


def path(order, act="") -> str:
    return f"/api/v1/workorders/{order.order_num}" + (f"/{act}" if act else "")


def send(order, act, key, body=None, **headers):
    return call("POST", path(order, act), ACTS[act] if body is None else body, key=key, **headers)


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]["params"]["error"]


class TestItWorks:
    def test_cancel(self, order, key):
        answer = send(order, "cancel", key, {"Reason": "The customer is away.", "By": "a.hill"})
        assert answer.status_code == 200, answer.content
        found = answer.json()
        assert (found["Status"], found["CancelReason"]) == ("cancelled", "The customer is away.")
        assert found["History"][-1]["By"] == "a.hill"
        assert found["History"][-1]["Via"] == "api"
        assert found["History"][-1]["Details"] == {"key": "erp"}
        assert found == call("GET", path(order), key=key).json()
        assert AppointmentSlot.objects.get(start=START).booked == 0

    def test_move_to_a_period(self, order, key):
        found = send(order, "move", key).json()
        assert found["Place"]["Period"]["Start"] == "2026-12-04T17:00:00.000Z"
        # Without a person, the key did it.
        assert (found["History"][-1]["Event"], found["History"][-1]["By"]) == ("moved", "key erp")
        assert [slot.booked for slot in AppointmentSlot.objects.order_by("start")] == [0, 1]

    def test_move_to_an_alternative(self, order, key):
        offered = call("GET", path(order, "alternatives"), key=key)
        assert offered.status_code == 200
        (offer,) = offered.json()["TimeConstraints"]
        assert send(order, "move", key, {"ID": offer["ID"]}).json()["Place"]["Period"] == offer["Period"]

    def test_move_to_a_worker_in_another_area(self, order, key):
        make_slot("HULL", start=LATER, worker="b")
        body = ACTS["move"] | {"ServiceAreaID": "hull", "Worker": "b"}
        place = send(order, "move", key, body).json()["Place"]
        assert (place["ServiceAreaID"], place["Worker"]) == ("HULL", "b")

    def test_review_and_note(self, order, key):
        assert send(order, "review", key).json()["Reviewed"] == "2026-11-30T09:00:00.000Z"
        history = send(order, "note", key).json()["History"]
        assert [(line["Event"], line["Reason"]) for line in history[1:]] == [
            ("reviewed", "The parts are here."),
            ("noted", "Ring twice."),
        ]

    def test_without_alternatives(self, order, key):
        AppointmentSlot.objects.filter(start=LATER).update(is_open=False)
        assert call("GET", path(order, "alternatives"), key=key).json() == {
            "StatusMsg": "There is no free appointment in Leeds to move it to.",
            "TimeConstraints": [],
        }

    def test_the_statements_do_not_grow(self, order, key, django_assert_max_num_queries):
        for number in range(20):
            services.add_note(work_order=WorkOrder.objects.get(), by="a", note=str(number))
        with django_assert_max_num_queries(25):
            send(order, "note", key)


class TestWhoMay:
    @each_act
    def test_needs_its_scope(self, order, act):
        key = make_key("work_orders:read", "book", "search", "supply:write", "explain")
        assert refusal(send(order, act, key)) == (403, "forbidden")
        assert HistoryEntry.objects.filter(work_order=order).count() == 1

    @each_act
    def test_a_token_never_does(self, order, act, client, django_user_model):
        django_user_model.objects.create_superuser("chief")
        sent = {"x-access-token": tokens.issue_token("chief")}
        answer = client.post(path(order, act), ACTS[act], content_type="application/json", headers=sent)
        assert refusal(answer) == (403, "forbidden")
        assert client.get(path(order, "alternatives"), headers=sent).status_code == 403
        assert HistoryEntry.objects.filter(work_order=order).count() == 1

    @each_act
    def test_another_area_holds_nothing(self, order, act):
        key = make_key(areas=[make_area("HULL")])
        assert refusal(send(order, act, key)) == (404, "not_found")
        assert call("GET", path(order, "alternatives"), key=key).status_code == 404

    def test_nothing_is_moved_into_an_area_that_the_key_may_not_see(self, order):
        make_slot("HULL", start=LATER)
        key = make_key(areas=[make_area()])
        answer = send(order, "move", key, ACTS["move"] | {"ServiceAreaID": "HULL"})
        assert answer.json() == error(404, "slot_not_found", "There is no service area HULL.", "/ServiceAreaID")


class TestRefused:
    @pytest.mark.parametrize(
        ("act", "body", "pointer"),
        [
            ("cancel", {}, "/Reason"),
            ("cancel", {"Reason": "x" * 2_001}, "/Reason"),
            ("cancel", {"Reason": ["x"]}, "/Reason"),
            ("note", {"Note": ""}, "/Note"),
            ("note", {"Note": "x", "By": "x" * 201}, "/By"),
            ("move", {}, ""),
            ("move", {"Period": {"Start": "tomorrow", "End": "later"}}, "/Period/Start"),
        ],
    )
    def test_a_bad_body(self, order, key, act, body, pointer):
        answer = send(order, act, key, body)
        assert refusal(answer) == (400, "invalid_request")
        assert answer.json()["detail"]["dataPath"] == pointer
        assert HistoryEntry.objects.filter(work_order=order).count() == 1

    def test_what_is_done_already(self, order, key):
        send(order, "review", key)
        assert refusal(send(order, "review", key)) == (409, "already_reviewed")
        send(order, "cancel", key)
        assert refusal(send(order, "cancel", key)) == (409, "already_cancelled")
        assert refusal(send(order, "review", key)) == (409, "already_cancelled")
        assert refusal(send(order, "move", key)) == (409, "already_cancelled")
        assert send(order, "note", key).status_code == 200

    def test_where_a_cancelled_one_can_be_moved_to(self, order, key):
        services.cancel(work_order=order, by="anna", reason="storm")
        answer = call("GET", path(order, "alternatives"), key=key)
        assert answer.json() == error(
            409,
            "already_cancelled",
            f"{order.order_num} was cancelled by anna, Mon 30 Nov 2026, 09:00 (Europe/London): storm.",
        )

    def test_places_that_cannot_be_had(self, order, key):
        same = {"Period": {"Start": START.isoformat(), "End": END.isoformat()}}
        assert refusal(send(order, "move", key, same)) == (409, "same_slot")
        elsewhere = {"Period": {"Start": END.isoformat(), "End": LATER.isoformat()}}
        assert refusal(send(order, "move", key, elsewhere)) == (404, "slot_not_found")
        assert refusal(send(order, "move", key, ACTS["move"] | {"Worker": "b"})) == (404, "slot_not_found")
        assert refusal(send(order, "move", key, {"ID": "x"})) == (400, "invalid_request")
        AppointmentSlot.objects.filter(start=LATER).update(booked=3)
        full = send(order, "move", key)
        assert refusal(full) == (409, "slot_unavailable")
        assert full.json()["detail"]["params"]["reason"] == "full"
        assert HistoryEntry.objects.filter(work_order=order).count() == 1


class TestIds:
    """As in a booking: an ID of ours names the appointment, a period beside it agrees, another ID is ignored."""

    PERIOD = ACTS["move"]["Period"]

    def of_ours(self, area, start=LATER) -> str:
        return offers.offer_id(area.pk, start, start + (END - START))

    @pytest.mark.parametrize("beside", [{}, {"Period": PERIOD}, {"ServiceAreaID": "HULL"}])
    def test_one_of_ours(self, order, key, beside):
        assert send(order, "move", key, {"ID": self.of_ours(order.area)} | beside).status_code == 200
        order.refresh_from_db()
        assert order.visit_start == LATER

    def test_a_period_that_is_another_one(self, order, key):
        body = {"ID": self.of_ours(order.area, START), "Period": self.PERIOD}
        of_move = send(order, "move", key, body).json()
        of_booking = post("WO-2", booking(TimeConstraints=[body])).json()
        assert (of_move["detail"].pop("dataPath"), of_booking["detail"].pop("dataPath")) == (
            "/ID",
            "/TimeConstraints/0/ID",
        )
        for answer in (of_move, of_booking):
            answer["detail"]["params"].pop("errors", None)
        assert of_move == of_booking
        assert of_move["code"] == 400
        assert WorkOrder.objects.get().visit_start == START

    def test_another_id_is_ignored(self, order, key):
        assert send(order, "move", key, {"ID": "x", "Period": self.PERIOD}).status_code == 200

    def test_one_of_an_area_that_is_not_there(self, order, key):
        answer = send(order, "move", key, {"ID": offers.offer_id(10**9, LATER, LATER + HOUR)})
        assert (refusal(answer), answer.json()["detail"]["dataPath"]) == ((404, "slot_not_found"), "/ID")


class TestWhatWasElsewhere:
    """Of a booking that came from another area a reader who is restricted reads when it was, and no more."""

    def test_the_body_of_before(self, key, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        make_slot()
        make_slot("YORK")
        before = make_booking(body=booking(Account={"AccountNum": "C-1", "Name": "Mill Lane Bakery"}))
        moved = make_booking(body=booking(Location={"LocationNum": "L-1", "ServiceAreaID": "YORK"}))
        assert moved.pk == before.pk
        york = make_key("work_orders:read", name="york", areas=[make_area("YORK")])
        of_all, of_york = (call("GET", path(moved), key=reader).json() for reader in (key, york))
        of_feed = call("GET", "/api/v1/workorders", key=york).json()["WorkOrders"][0]
        assert "Mill Lane Bakery" in of_all["History"][1]["Details"]["before"]["body"]
        assert of_york["History"][1]["Details"]["before"] == {"start": START.isoformat(), "end": END.isoformat()}
        assert of_york == of_feed
        assert "Mill Lane Bakery" not in str(of_york)
        assert of_york["History"][1]["Details"]["after"] == of_all["History"][1]["Details"]["after"]


class TestIfMatch:
    @each_act
    def test_what_was_read_is_what_is_changed(self, order, key, act):
        read = call("GET", path(order), key=key)["ETag"]
        assert read == '"1"'
        answer = send(order, act, key, If_Match=f'"7", {read}')
        assert (answer.status_code, answer["ETag"]) == (200, '"2"')

    @each_act
    @pytest.mark.parametrize("tag", ['"1"', 'W/"2"', '"x"'])
    def test_a_stale_one_is_told_what_happened(self, order, key, act, tag):
        services.add_note(work_order=order, by="anna", note="x")
        answer = send(order, act, key, If_Match=tag)
        assert answer.json() == error(
            412,
            "changed_meanwhile",
            f"{order.order_num} was changed meanwhile (noted by anna, Mon 30 Nov 2026, 09:00 (Europe/London)). Look at"
            " it again before you repeat this.",
            OrderNum=order.order_num,
        )
        assert WorkOrder.objects.get().version == 2

    def test_a_stale_one_of_what_is_cancelled(self, order, key):
        services.cancel(work_order=order, by="anna", reason="storm")
        assert refusal(send(order, "cancel", key, If_Match='"1"')) == (412, "changed_meanwhile")
        assert refusal(send(order, "cancel", key)) == (409, "already_cancelled")

    def test_any(self, order, key):
        services.add_note(work_order=order, by="anna", note="x")
        assert send(order, "note", key, If_Match="*").status_code == 200

    @pytest.mark.parametrize("text", ["1", '"1', '"1" "2"', ",", ""])
    def test_a_bad_one(self, order, key, text):
        assert refusal(send(order, "note", key, If_Match=text)) == (400, "invalid_request")


class TestIdempotency:
    @each_act
    def test_it_is_done_once(self, order, key, act):
        first, second = (send(order, act, key, Idempotency_Key="4f9c") for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 200)
        assert (first.content, first["ETag"]) == (second.content, second["ETag"])
        assert "Idempotency-Replayed" not in first
        assert second["Idempotency-Replayed"] == "true"
        assert HistoryEntry.objects.filter(work_order=order).count() == 2

    def test_plain_or_quoted(self, order, key):
        send(order, "note", key, Idempotency_Key="4f9c")
        send(order, "note", key, Idempotency_Key='"4f9c"')
        assert HistoryEntry.objects.filter(work_order=order).count() == 2

    def test_the_content_is_compared(self, order, key):
        send(order, "note", key, {"Note": "x", "By": "a"}, Idempotency_Key="4f9c")
        again = send(order, "note", key, '{"By": "a",  "Note": "x"}', Idempotency_Key="4f9c")
        assert again["Idempotency-Replayed"] == "true"
        for act, body in (("note", {"Note": "y", "By": "a"}), ("review", {"Note": "x", "By": "a"})):
            answer = send(order, act, key, body, Idempotency_Key="4f9c")
            assert answer.json() == error(
                422,
                "idempotency_mismatch",
                "The Idempotency-Key 4f9c came before with another content. Send this with a key of its own.",
            )
        assert HistoryEntry.objects.filter(work_order=order).count() == 2

    def test_each_key_has_its_own(self, order, key):
        send(order, "note", key, Idempotency_Key="4f9c")
        send(order, "note", make_key(name="other"), Idempotency_Key="4f9c")
        assert HistoryEntry.objects.filter(work_order=order).count() == 3

    def test_for_24_hours(self, order, key, clock):
        send(order, "note", key, Idempotency_Key="4f9c")
        clock.now = lambda: NOW + timedelta(hours=24)
        send(order, "note", key, Idempotency_Key="4f9c")
        assert HistoryEntry.objects.filter(work_order=order).count() == 2
        clock.now = lambda: NOW + timedelta(hours=24, seconds=1)
        send(order, "note", key, Idempotency_Key="4f9c")
        assert HistoryEntry.objects.filter(work_order=order).count() == 3
        assert KeptAnswer.objects.count() == 1

    def test_while_the_first_still_runs(self, order, key, clock):
        send(order, "note", key, Idempotency_Key="4f9c")
        KeptAnswer.objects.update(status=0, body="")
        assert refusal(send(order, "note", key, Idempotency_Key="4f9c")) == (409, "still_running")
        # Its process died: another one may begin it anew.
        clock.now = lambda: NOW + timedelta(seconds=61)
        assert send(order, "note", key, Idempotency_Key="4f9c").status_code == 200
        assert HistoryEntry.objects.filter(work_order=order).count() == 3

    def test_its_process_died_before_it_answered(self, order, key):
        send(order, "note", key, Idempotency_Key="4f9c")
        KeptAnswer.objects.update(body="")
        assert send(order, "note", key, Idempotency_Key="4f9c").json()["OrderNum"] == order.order_num
        assert HistoryEntry.objects.filter(work_order=order).count() == 2

    def test_a_refusal_comes_again(self, order, key):
        AppointmentSlot.objects.filter(start=LATER).update(is_open=False)
        first = send(order, "move", key, Idempotency_Key="4f9c")
        AppointmentSlot.objects.filter(start=LATER).update(is_open=True)
        second = send(order, "move", key, Idempotency_Key="4f9c")
        assert refusal(first) == (409, "slot_unavailable")
        assert (first.status_code, first.content) == (second.status_code, second.content)

    @pytest.mark.parametrize(
        ("fault", "status"), [(RuntimeError(), 500), (services.Refused("unavailable", "Try again in a moment."), 503)]
    )
    def test_a_fault_does_not(self, order, key, monkeypatch, fault, status):
        def fail(**who):
            raise fault

        with monkeypatch.context() as broken:
            broken.setattr("bookings.services.add_note", fail)
            assert send(order, "note", key, Idempotency_Key="4f9c").status_code == status
        assert send(order, "note", key, Idempotency_Key="4f9c").status_code == 200
        assert HistoryEntry.objects.filter(work_order=order).count() == 2

    @pytest.mark.parametrize("text", ["", '""', "x" * 256, "a b", '"a', "ä"])
    def test_a_bad_one(self, order, key, text):
        assert refusal(send(order, "note", key, Idempotency_Key=text)) == (400, "invalid_request")
        assert HistoryEntry.objects.filter(work_order=order).count() == 1
