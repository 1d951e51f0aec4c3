"""Book, repeat, move, cancel, close, change capacity in random order, against a model of a few lines (Hypothesis)."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bookings import services
from bookings.models import AppointmentSlot, WorkOrder
from bookings.services import booking as booking_service
from bookings.supply import slots
from tests.support.environment import examples
from tests.support.helpers import NOW, START, booking, clock_stands_at, make_slot, post

ORDERS = st.sampled_from(["WO-1", "WO-2", "WO-3"])
PLACES = st.integers(0, 2)


class Desk(RuleBasedStateMachine):
    """The model: who is where, what was answered, how large and open each slot is."""

    policy = "single"

    @initialize()
    def calendar(self):
        self.clock.now = lambda: NOW
        self.slots = [make_slot(start=START + timedelta(hours=2 * number), capacity=2) for number in range(3)]
        self.capacity, self.is_open = [2, 2, 2], [True, True, True]
        self.where: dict[str, dict[int, str]] = {order: {} for order in ("WO-1", "WO-2", "WO-3")}
        self.numbers: set[str] = set()
        self.granted: set[tuple[str, int]] = set()  # bodies that are late copies by now, unless they are repeats

    def taken(self, place):
        return sum(place in places for places in self.where.values())

    def body(self, place):
        slot = self.slots[place]
        return booking(slot.start, slot.end)

    @rule(order=ORDERS, place=PLACES)
    def book(self, order, place):
        answer = post(order, self.body(place))
        mine = self.where[order]
        if place in mine:
            assert (answer.status_code, answer.json()["OrderNum"]) == (200, mine[place])
            return
        room = self.is_open[place] and self.taken(place) < self.capacity[place]
        if (order, place) in self.granted:
            still = mine and (self.policy != "multiple")
            assert answer.json()["detail"]["params"]["error"] == ("already_booked" if still else "cancelled_meanwhile")
        elif mine and self.policy == "single":
            assert answer.json()["detail"]["params"]["error"] == "already_booked"
        elif not room:
            assert answer.json()["detail"]["params"]["error"] == "slot_unavailable"
        elif mine and self.policy == "move":
            ((old, number),) = mine.items()
            assert answer.json()["OrderNum"] == number
            del mine[old]
            mine[place] = number
            self.granted.add((order, place))
        else:
            number = answer.json()["OrderNum"]
            assert number not in self.numbers
            self.numbers.add(number)
            mine[place] = number
            self.granted.add((order, place))

    @rule()
    def wait_until_no_copy_is_late(self):
        later = self.clock.now() + booking_service.LATE_COPY
        self.clock.now = lambda: later
        self.granted.clear()

    @rule(order=ORDERS, place=PLACES)
    def send_another_body(self, order, place):
        if place in self.where[order]:
            answer = post(order, self.body(place) | {"UserName": "else"})
            assert answer.json()["detail"]["params"]["error"] == "conflicting_duplicate"

    @precondition(lambda self: any(self.where.values()))
    @rule(data=st.data())
    def cancel(self, data):
        order = data.draw(st.sampled_from([order for order, mine in self.where.items() if mine]))
        place = data.draw(st.sampled_from(sorted(self.where[order])))
        work_order = WorkOrder.objects.get(order_num=self.where[order].pop(place))
        services.cancel(work_order=work_order, by="dispatcher", reason="")
        with pytest.raises(services.BookingError):
            services.cancel(work_order=work_order, by="dispatcher", reason="")

    @precondition(lambda self: any(self.where.values()))
    @rule(data=st.data(), place=PLACES)
    def staff_move(self, data, place):
        order = data.draw(st.sampled_from([order for order, mine in self.where.items() if mine]))
        old = data.draw(st.sampled_from(sorted(self.where[order])))
        work_order = WorkOrder.objects.select_related("slot__area").get(order_num=self.where[order][old])
        room = self.is_open[place] and self.taken(place) < self.capacity[place]
        try:
            slot = AppointmentSlot.objects.select_related("area").get(pk=self.slots[place].pk)
            services.move(work_order=work_order, slot=slot, by="dispatcher")
        except services.BookingError:
            assert place in self.where[order] or not room
        else:
            assert room
            # The stored body still names the old appointment, so a repeat of it is the same booking: cancel it here,
            # which keeps the model to what a technician sends.
            self.where[order][place] = self.where[order].pop(old)
            self._cancel_at(order, place)

    def _cancel_at(self, order, place):
        work_order = WorkOrder.objects.get(order_num=self.where[order].pop(place))
        services.cancel(work_order=work_order, by="dispatcher", reason="")

    @rule(place=PLACES)
    def close_or_open(self, place):
        slot = AppointmentSlot.objects.select_related("area").get(pk=self.slots[place].pk)
        if slot.is_open:
            slots.close(slot=slot, by="supervisor", reason="storm")
        else:
            slots.reopen(slot=slot, by="supervisor")
        self.is_open[place] = not self.is_open[place]

    @rule(place=PLACES, capacity=st.integers(0, 3))
    def resize(self, place, capacity):
        slot = AppointmentSlot.objects.select_related("area").get(pk=self.slots[place].pk)
        try:
            slots.resize(slot=slot, capacity=capacity, by="supervisor")
        except services.BookingError:
            assert capacity < self.taken(place) or capacity == self.capacity[place]
        else:
            self.capacity[place] = capacity

    @invariant()
    def the_rows_are_what_was_answered(self):
        if not hasattr(self, "slots"):
            return
        active = {(order.original_order, order.slot_id, order.order_num) for order in WorkOrder.objects.active()}
        assert active == {
            (order, self.slots[place].pk, number)
            for order, mine in self.where.items()
            for place, number in mine.items()
        }
        booked = dict(AppointmentSlot.objects.values_list("pk", "booked"))
        assert booked == {slot.pk: self.taken(place) for place, slot in enumerate(self.slots)}


@pytest.mark.django_db
@pytest.mark.parametrize("policy", ["single", "multiple", "move"])
def test_the_rows_always_are_what_was_answered(policy):
    class InTransaction(Desk):
        """Each run in a transaction of its own, which is taken back."""

        def __init__(self):
            super().__init__()
            self.savepoint = transaction.atomic()
            self.savepoint.__enter__()

        def teardown(self):
            call_command("verify_bookings")
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    InTransaction.policy = policy
    assert connection.in_atomic_block
    with override_settings(BOOKJOB_FOLLOWUP_POLICY=policy), clock_stands_at() as InTransaction.clock:
        few = settings(max_examples=examples(4, torture=240), stateful_step_count=25, deadline=None)
        run_state_machine_as_test(InTransaction, settings=few)
