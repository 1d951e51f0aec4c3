"""Bookings, moves and cancellations arrive at ServiceMobility, as contract section 6 has it."""

import os
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.delivery import receivers
from bookings.models import AppointmentSlot, Delivery, DeliveryEntry, Receiver, WorkOrder
from bookings.services import feed
from tests.delivery.conftest import Delivering
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

# A thousand in `make torture`.
MOVES = min(1000, int(os.environ.get("TORTURE_OPERATIONS") or 21))


def fresh(work_order):
    return WorkOrder.objects.select_related("slot__area").get(pk=work_order.pk)


def move(work_order, slot, **more):
    services.move(work_order=fresh(work_order), slot=slot, by="dispatcher", **more)


def cancel(work_order, reason="The customer called"):
    services.cancel(work_order=fresh(work_order), by="dispatcher", reason=reason)


def test_it_works(deliver, slot):
    booked = desk.book(slot)
    deliver()
    there = deliver.there(booked)
    assert there["OrderNum"] == booked.order_num
    assert (there["UserName"], there["PrimaryUserName"], there["DispatchStatus"]) == ("ann", "ann", 3)
    assert there["PlannedStartDate"] == f"{slot.start:%Y-%m-%dT%H:%M:%S}.000Z"
    assert there["PlannedDur"] == 120
    assert there["Location"] == {"LocationNum": "L-1", "ServiceAreaID": "LEEDS"}
    assert there["Account"] == {"AccountNum": "C-1"}
    assert [document["OrderNum"] for document in deliver.simulator.devices()["ann"]] == [booked.order_num]
    delivery = deliver.of(booked)
    assert (delivery.due_at, delivery.needs_person, delivery.is_uncertain) == (None, "", False)
    assert [entry.event for entry in delivery.entries.all()] == ["accepted"]


def test_a_booking_a_move_and_a_cancellation_ask_and_write_nothing_of_receivers(slot, connect, add_webhook):
    later = desk.slot_in(days=1)

    def statements(order):
        with CaptureQueriesContext(connection) as seen:
            booked = desk.book(slot, order)
            move(booked, later)
            cancel(booked)
        return [query["sql"] for query in seen]

    before = statements("WO-1")
    connect()
    add_webhook()
    after = statements("WO-2")
    assert len(after) == len(before)
    assert not [sql for sql in after if "bookings_receiver" in sql or "bookings_delivery" in sql]


def test_what_is_in_step_costs_no_call(deliver, slot):
    booked = desk.book(slot)
    deliver()
    count = len(deliver.simulator.calls)
    services.review(work_order=fresh(booked), by="dispatcher")
    services.add_note(work_order=fresh(booked), by="dispatcher", note="Ring twice")
    deliver()
    assert len(deliver.simulator.calls) == count
    assert not Delivery.objects.open().exists()


def test_a_move_is_a_dispatch_and_touches_nothing_else(deliver, slot):
    booked = desk.book(slot)
    deliver()
    deliver.simulator.orders.patch(booked.order_num, {"Notes": [{"Author": "ann", "Text": "Gate code 12"}]})
    later = desk.slot_in(days=1, worker="bob")
    move(booked, later)
    deliver()
    assert deliver.calls() == [("PUT", "WorkOrder"), ("PUT", "Dispatch")]
    there = deliver.there(booked)
    assert (there["UserName"], there["PlannedStartDate"]) == ("bob", f"{later.start:%Y-%m-%dT%H:%M:%S}.000Z")
    assert there["Notes"] == [{"Author": "ann", "Text": "Gate code 12"}]
    assert list(deliver.simulator.devices()) == ["bob"]


def test_a_move_to_a_pool_takes_it_off_the_device(deliver, slot):
    booked = desk.book(slot)
    deliver()
    move(booked, desk.slot_in(days=1))
    deliver()
    assert deliver.there(booked)["DispatchStatus"] == 1
    assert not [worker for worker in deliver.simulator.devices() if worker]


@pytest.mark.parametrize(("way", "calls"), [("patch", ("PATCH", "WorkOrder")), ("put", ("PUT", "WorkOrder"))])
def test_a_move_by_other_means(connect, deliver, slot, way, calls):
    connect(move=way)
    booked = desk.book(slot)
    deliver()
    move(booked, desk.slot_in(days=1, worker="bob"))
    deliver()
    assert deliver.calls()[1:] == [calls]
    assert list(deliver.simulator.devices()) == ["bob"]


def test_without_workers_servicemobility_assigns(connect, deliver, slot):
    connect(worker="none")
    booked = desk.book(slot)
    deliver()
    assert "UserName" not in deliver.there(booked)
    assert deliver.there(booked)["DispatchStatus"] == 1


def test_a_cancellation_leaves_the_device(deliver, slot):
    booked = desk.book(slot)
    deliver()
    cancel(booked)
    deliver()
    assert deliver.there(booked) is None
    assert deliver.of(booked).pushed_rest == ""
    # Once more is no harm: it is gone, whatever removed it.
    receivers.send_again(deliver.of(booked), by="dispatcher")
    deliver()
    assert not Delivery.objects.open().exists()


def test_booked_and_cancelled_before_the_first_push_is_no_call_at_all(deliver, slot):
    booked = desk.book(slot)
    cancel(booked)
    deliver()
    assert deliver.simulator.calls == []
    assert not Delivery.objects.open().exists()


def test_a_call_that_was_not_made_changes_nothing_of_when_it_was_in_step(deliver, slot):
    never, there = desk.book(slot, "WO-1"), desk.book(slot, "WO-2")
    cancel(never)
    deliver()
    since = deliver.of(there).pushed_at
    services.add_note(work_order=fresh(there), by="dispatcher", note="Ring twice")
    deliver()
    assert (deliver.of(never).pushed_at, deliver.of(there).pushed_at) == (None, since)


def test_cancelled_during_the_first_push(deliver, slot):
    booked = desk.book(slot)
    deliver.simulator.add_fault("lost_answer", method="PUT", times=1)
    deliver()
    assert deliver.of(booked).is_uncertain
    cancel(booked)
    deliver.until_settled()
    assert deliver.there(booked) is None
    assert deliver.calls()[-1] == ("DELETE", "WorkOrder")


def test_a_put_that_may_still_be_on_its_way_is_followed_by_a_delete(deliver, slot):
    """It has not arrived, says the look; the DELETE comes after it all the same."""
    booked = desk.book(slot)
    deliver.simulator.add_fault("reset", method="PUT", times=1)
    deliver()
    cancel(booked)
    deliver.until_settled()
    # The second one a minute later.
    assert deliver.calls() == [("PUT", "WorkOrder"), ("DELETE", "WorkOrder"), ("DELETE", "WorkOrder")]


def pass_by(deliver, seconds):
    deliver.clock.gone += seconds
    deliver()


def test_a_put_that_is_done_there_after_the_delete(deliver, slot):
    """A server that is slow does it once the caller has given up."""
    booked = desk.book(slot)
    deliver.simulator.add_fault("reset", method="PUT", times=1)
    deliver()
    cancel(booked)
    pass_by(deliver, 10)
    assert (deliver.calls()[-1], deliver.of(booked).pushed_rest) == (("DELETE", "WorkOrder"), "")
    deliver.simulator.orders.put(booked.order_num, {"UserName": "ann"})
    deliver()
    assert deliver.there(booked)
    assert deliver.of(booked).wanted_at  # it is not taken as done yet
    pass_by(deliver, 60)
    assert deliver.there(booked) is None
    assert not Delivery.objects.open().exists()


def test_a_move_that_is_done_there_after_a_later_one(deliver, slot):
    booked = desk.book(slot)
    deliver()
    early, last = (desk.slot_in(days=day, worker=f"worker-{day}") for day in (1, 2))
    move(booked, early)
    deliver.simulator.add_fault("reset", method="PUT", times=1)
    deliver()
    move(booked, last)
    pass_by(deliver, 10)
    assert deliver.there(booked)["UserName"] == "worker-2"
    deliver.simulator.orders.dispatch(booked.order_num, {"UserName": "worker-1"})
    pass_by(deliver, 60)
    assert deliver.there(booked)["UserName"] == "worker-2"
    assert not Delivery.objects.open().exists()
    count = len(deliver.simulator.calls)
    pass_by(deliver, 600)
    assert len(deliver.simulator.calls) == count


def test_move_move_cancel_becomes_one_call(deliver, slot):
    booked = desk.book(slot)
    deliver()
    for day in (1, 2):
        move(booked, desk.slot_in(days=day))
    cancel(booked)
    deliver()
    assert deliver.calls()[1:] == [("DELETE", "WorkOrder")]


def test_a_rebooking_with_a_new_body_is_a_dispatch_and_a_put(deliver, slot, settings):
    settings.BOOKJOB_FOLLOWUP_POLICY = "move"
    booked = desk.book(slot)
    deliver()
    other = desk.slot_in(days=1, worker="bob")
    again = desk.book(other, Account={"AccountNum": "C-2"})
    assert again.pk == booked.pk
    deliver()
    assert deliver.calls()[1:] == [("PUT", "Dispatch"), ("PUT", "WorkOrder")]
    assert deliver.there(booked)["Account"] == {"AccountNum": "C-2"}


def test_a_rebooking_with_the_same_body_but_its_period_is_a_dispatch_alone(deliver, slot, settings):
    settings.BOOKJOB_FOLLOWUP_POLICY = "move"
    desk.book(slot)
    deliver()
    desk.book(desk.slot_in(days=1, worker="bob"))
    deliver()
    assert deliver.calls()[1:] == [("PUT", "Dispatch")]


def test_a_new_booking_of_a_cancelled_order_is_another_one(deliver, slot):
    first = desk.book(slot)
    deliver()
    cancel(first)
    second = desk.book(slot, Account={"AccountNum": "C-2"})
    deliver()
    assert (deliver.there(first), deliver.there(second)["Account"]) == (None, {"AccountNum": "C-2"})


def test_a_prefix_with_a_slash_and_other_letters(deliver, slot, settings):
    settings.BOOKJOB_ORDER_PREFIX = "Fü/ 1-"
    booked = desk.book(slot)
    deliver()
    assert deliver.there(booked)["OrderNum"] == booked.order_num
    assert quote(booked.order_num, safe="") != booked.order_num
    move(booked, desk.slot_in(days=1, worker="bob"))
    deliver()
    assert deliver.there(booked)["UserName"] == "bob"
    cancel(booked)
    deliver()
    assert deliver.there(booked) is None


@pytest.mark.parametrize("status", [6, 7, 8, 4096, 4097, 1001, 6.0, "6"])
def test_what_the_field_has_begun_is_never_overwritten(deliver, slot, status):
    moved, cancelled, kept = (desk.book(slot, f"WO-{number}") for number in range(3))
    deliver()
    for booked in (moved, cancelled, kept):
        deliver.simulator.orders.act(booked.order_num, status, "I am there")
    before = deliver.simulator.orders.all()
    count = len(deliver.calls())
    move(moved, desk.slot_in(days=1, worker="bob"))
    cancel(cancelled)
    receivers.send_again(deliver.of(kept), by="dispatcher")
    deliver()
    assert deliver.simulator.orders.all() == before
    assert len(deliver.calls()) == count
    for booked in (moved, cancelled):
        assert "Decide with the technician" in deliver.of(booked).needs_person
    assert deliver.of(kept).needs_person == ""


def test_a_purged_order_is_never_pushed_empty(deliver, slot):
    waiting, there = desk.book(slot, "WO-1"), desk.book(slot, "WO-2")
    deliver()
    before = deliver.there(there)
    move(waiting, desk.slot_in(days=1))
    WorkOrder.objects.update(body="{}", account_name="", purged_at=helpers.NOW, change_num=None)
    count = len(deliver.simulator.calls)
    deliver()
    assert len(deliver.simulator.calls) == count
    assert deliver.there(there) == before
    assert not Delivery.objects.open().exists()


def test_only_what_changes_after_the_connection(connect, slot, simulator):
    earlier, cancelled, untouched = (desk.book(slot, f"WO-{number}") for number in range(3))
    connect()
    deliver = Delivering(simulator)
    deliver()
    assert simulator.calls == []
    move(earlier, desk.slot_in(days=1, worker="bob"))
    cancel(cancelled)  # something else may have told ServiceMobility of it
    deliver()
    assert deliver.there(earlier)["UserName"] == "bob"
    assert [call.method for call in simulator.calls if call.order == cancelled.order_num] == ["GET"]
    assert deliver.there(untouched) is None


def test_after_a_restore_it_looks_before_it_writes_and_puts_right(deliver, slot):
    same, lost_move, lost_cancel = (desk.book(slot, f"WO-{number}") for number in range(3))
    deliver()
    orders = deliver.simulator.orders
    orders.dispatch(lost_move.order_num, {"UserName": "bob"})
    orders.delete(lost_cancel.order_num)
    begun = desk.book(slot, "WO-9")
    deliver()
    orders.act(begun.order_num, 6)
    feed.begin_epoch()
    count = len(deliver.calls())
    deliver()
    assert deliver.calls()[count:] == [("PUT", "Dispatch"), ("PUT", "WorkOrder")] or deliver.calls()[count:] == [
        ("PUT", "WorkOrder"),
        ("PUT", "Dispatch"),
    ]
    assert deliver.there(lost_move)["UserName"] == "ann"
    assert deliver.there(lost_cancel)["UserName"] == "ann"
    assert deliver.there(same)["UserName"] == "ann"
    assert DeliveryEntry.objects.filter(event="new_epoch").count() == 1


def test_a_template_is_what_ours_is_merged_over(connect, deliver, slot, tmp_path):
    template = tmp_path / "template.json"
    template.write_text(
        '{"Priority": 3, "OrderStatus": 9, "Location": {"Address": {"Country": "GB"}, "LocationNum": "X"}}'
    )
    connect(template=str(template))
    booked = desk.book(slot)
    deliver()
    there = deliver.there(booked)
    assert (there["Priority"], there["OrderStatus"]) == (3, 9)
    assert there["Location"] == {"Address": {"Country": "GB"}, "LocationNum": "L-1", "ServiceAreaID": "LEEDS"}


def test_a_thousand_moves_while_it_is_paused_become_one_call(deliver, slot):
    booked, days = desk.book(slot), [desk.slot_in(days=day, worker=f"worker-{day}") for day in (1, 2)]
    deliver()
    receivers.pause(Receiver.objects.get(), reason="Upgrade", by="boss")
    for number in range(MOVES):
        move(booked, days[number % 2])
        deliver()
    receivers.resume(Receiver.objects.get(), by="boss")
    deliver()
    assert deliver.calls()[1:] == [("PUT", "Dispatch")]
    assert deliver.there(booked)["UserName"] == f"worker-{2 - MOVES % 2}"


def test_the_whole_of_a_full_body_in_canonical_names(deliver):
    helpers.make_area("LEEDS")
    slot = AppointmentSlot.objects.get(pk=desk.slot_in(worker="ann").pk)
    body = helpers.sample("book_vendor_spellings.json")
    body |= {"TimeConstraints": helpers.booking(slot.start, slot.end)["TimeConstraints"], "OrderType": ""}
    body["Location"] = body["Location"] | {"ServiceAreaID": "LEEDS"}
    booked = helpers.make_booking("WO-1", body)
    deliver()
    there = deliver.there(booked)
    text = str(there)
    for spelling in ("AddressLine", "LocNum'", "LocNumber", "Qty:", "FlexForms", "FlexAttrs", "FlexView"):
        assert spelling not in text
    assert [part["Qty"] for part in there["RequiredParts"]]
    assert [asset["InServiceDate"][-5:] for asset in there["Assets"] if "InServiceDate" in asset] == [".000Z"]
