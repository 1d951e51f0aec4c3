"""What must never be true is refused by the database itself: a row that each constraint allows, one that it refuses."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from bookings.db import sql
from bookings.models import (
    AppointmentSlot,
    HistoryEntry,
    PartOrder,
    PostcodePrefix,
    RequiredPart,
    ServiceArea,
    WorkOrder,
)
from tests.support.helpers import START, make_area, make_slot

pytestmark = pytest.mark.django_db


@contextmanager
def refused(error=IntegrityError):
    with pytest.raises(error), transaction.atomic():
        yield


def make_order(slot=None, number=1, **fields):
    now = timezone.now()
    slot = slot or make_slot(worker=str(number))
    return WorkOrder.objects.create(
        **(
            {
                "order_num": f"FU-{number}",
                "original_order": "WO-1",
                "claim": f"WO-1/{number}",
                "slot": slot,
                "area": slot.area,
                "visit_start": slot.start,
                "created_at": now,
                "changed_at": now,
            }
            | fields
        )
    )


def test_an_area_has_a_code_of_its_own():
    make_area("LEEDS")
    with refused():
        ServiceArea.objects.create(code="LEEDS", name="x", time_zone="UTC")
    with refused():
        ServiceArea.objects.create(code="", name="x", time_zone="UTC")


def test_a_postcode_prefix_belongs_to_one_area():
    PostcodePrefix.objects.create(area=make_area("A"), prefix="LS", country="GB")
    PostcodePrefix.objects.create(area=make_area("B"), prefix="LS", country="US")
    with refused():
        PostcodePrefix.objects.create(area=make_area("B"), prefix="LS", country="GB")
    with refused():
        PostcodePrefix.objects.create(area=make_area("B"), prefix="")


def test_a_slot_ends_after_it_starts():
    make_slot(start=START, end=START + timedelta(seconds=1))
    with refused():
        make_slot(start=START, end=START)


def test_a_slot_is_booked_within_its_capacity():
    make_slot(capacity=2, booked=2)
    with refused():
        make_slot(worker="a", capacity=2, booked=3)
    with refused():
        AppointmentSlot.objects.update(booked=3)
    with refused():
        AppointmentSlot.objects.update(capacity=1)
    with refused():
        AppointmentSlot.objects.update(booked=-1)


def test_a_slot_exists_once_for_each_worker_and_order_type():
    make_slot()
    make_slot(worker="a")
    make_slot(order_type="1")
    make_slot(area="HULL")
    with refused():
        make_slot()


def test_a_slot_with_bookings_and_its_area_stay():
    slot = make_order().slot
    with refused(DatabaseError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM bookings_appointmentslot WHERE id = %s", [slot.pk])
        connection.check_constraints()


def test_a_number_is_held_once():
    make_order(number=1)
    with refused():
        make_order(number=2, order_num="FU-1")


def test_one_active_booking_for_each_order_and_slot():
    slot = make_slot(capacity=5)
    make_order(slot, 1, status="cancelled", cancelled_at=timezone.now())
    make_order(slot, 2)
    make_order(slot, 3, original_order="WO-2")
    with refused():
        make_order(slot, 4)


def test_one_active_booking_for_each_claim():
    make_order(number=1, claim="WO-1", status="cancelled", cancelled_at=timezone.now())
    make_order(number=2, claim="WO-1")
    with refused():
        make_order(number=3, claim="WO-1")


def test_cancelled_exactly_when_there_is_a_time_of_cancelling():
    with refused():
        make_order(number=1, status="cancelled")
    with refused():
        make_order(number=2, cancelled_at=timezone.now())
    with refused():
        make_order(number=3, status="lost")


def test_reviewed_by_somebody():
    make_order(number=1, reviewed_at=timezone.now(), reviewed_by="d")
    with refused():
        make_order(number=2, reviewed_at=timezone.now())
    with refused():
        make_order(number=3, reviewed_by="d")


def test_each_booking_of_an_order_comes_after_another_one():
    """booking.py goes by the name of the constraint: SQLite says the columns alone."""
    make_order(number=1, booked_after=0)
    make_order(number=2, booked_after=1)
    make_order(number=3, booked_after=0, original_order="WO-2")
    for number in (4, 5):  # those of earlier releases do not say it
        make_order(number=number)
    with pytest.raises(IntegrityError) as fault, transaction.atomic():
        make_order(number=6, booked_after=1)
    assert sql.broken_constraint(fault.value, WorkOrder) == "work_order_one_booked_after_another"


def test_a_place_in_the_feed_is_given_once():
    for number, place in enumerate([None, None, 1, 2]):
        make_order(number=number, change_num=place)
    with refused():
        make_order(number=9, change_num=2)


def test_a_work_order_has_an_original_order():
    with refused():
        make_order(original_order="")


def test_a_part_order_number_is_issued_once():
    first, second = make_order(number=1), make_order(number=2)
    PartOrder.objects.create(work_order=first, part_order_num="PO-1")
    PartOrder.objects.create(work_order=second, part_order_num="PO-1", is_issued_here=False)
    with refused():
        PartOrder.objects.create(work_order=second, part_order_num="PO-1")
    with refused():
        PartOrder.objects.create(work_order=first, part_order_num="PO-1", is_issued_here=False)


def test_parts_have_a_position_and_no_negative_quantity():
    order = make_order()
    RequiredPart.objects.create(work_order=order, position=0, quantity=0)
    with refused():
        RequiredPart.objects.create(work_order=order, position=0, quantity=1)
    with refused():
        RequiredPart.objects.create(work_order=order, position=1, quantity=-1)


class TestTheHistory:
    def entry(self):
        return HistoryEntry.objects.create(work_order=make_order(), event="booked", at=timezone.now())

    def test_is_about_something(self):
        with refused():
            HistoryEntry.objects.create(event="booked", at=timezone.now())

    def test_is_only_added_to(self):
        entry = self.entry()
        with refused(TypeError):
            entry.save()
        with refused(TypeError):
            entry.delete()

    def test_is_only_added_to_past_the_models_too(self):
        self.entry()
        with refused(DatabaseError):
            HistoryEntry.objects.update(reason="better")
        with refused(DatabaseError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM bookings_historyentry")
        assert HistoryEntry.objects.get().reason == ""


@transaction.atomic
def test_a_plain_statement_is_refused_where_the_transaction_will_be_rolled_back():
    """Else what it writes would be lost without a word."""
    transaction.set_rollback(True)
    with pytest.raises(transaction.TransactionManagementError):
        sql.run("UPDATE bookings_servicearea SET name = 'Lost'")
