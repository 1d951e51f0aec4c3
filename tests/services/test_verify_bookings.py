"""Operators prove that the data is right."""

import pytest
from django.core.management import call_command

from bookings.models import AppointmentSlot, PartOrder, RequiredPart, SearchDocument, WorkOrder
from tests.conftest import SERVER
from tests.services.test_race_for_places import drop_guards
from tests.support.helpers import booking, clock_stands_at, make_booking, make_slot


@pytest.mark.django_db
def test_silent_when_all_is_well(capsys):
    call_command("verify_bookings")
    make_slot(capacity=3)
    with clock_stands_at():
        make_booking("WO-1", booking(RequiredParts=[{"ProdNum": "A"}]))
        make_booking("WO-2")
    call_command("verify_bookings")
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
def test_a_wrong_count(capsys):
    slot = make_slot(capacity=3)
    with clock_stands_at():
        make_booking()
    AppointmentSlot.objects.update(booked=2)
    with pytest.raises(SystemExit, match="1"):
        call_command("verify_bookings")
    assert capsys.readouterr().out == (
        f"Slot {slot.pk} has 1 active bookings, but counts 2 as booked.\n"
        "Area LEEDS has 2 bookings on the board, but 1 in the list.\n"
    )


@pytest.mark.django_db
def test_a_place_that_was_not_given_back(capsys):
    slot = make_slot(capacity=3)
    with clock_stands_at():
        work_order = make_booking()
    WorkOrder.objects.filter(pk=work_order.pk).update(status="cancelled", cancelled_at=work_order.created_at)
    with pytest.raises(SystemExit):
        call_command("verify_bookings")
    assert capsys.readouterr().out == (
        f"Slot {slot.pk} has 0 active bookings, but counts 1 as booked.\n"
        "Area LEEDS has 1 bookings on the board, but 0 in the list.\n"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["removed", "of another"])
def test_a_part_order_that_is_not_there(capsys, fault):
    """No foreign key says it: the statement of the booking writes both."""
    make_slot(capacity=3)
    with clock_stands_at():
        work_order = make_booking("WO-1", booking(RequiredParts=[{"ProdNum": "A"}]))
        other = make_booking("WO-2")
    if fault == "removed":
        PartOrder.objects.all().delete()
    else:
        PartOrder.objects.update(work_order=other)
    with pytest.raises(SystemExit):
        call_command("verify_bookings")
    told = f"Part A of work order {work_order.order_num} stands in a part order that is not of this work order.\n"
    assert capsys.readouterr().out == told


@pytest.mark.skipif(not SERVER, reason="SQLite has the foreign keys")
@pytest.mark.django_db
def test_what_belongs_to_a_work_order_that_is_not_there(capsys):
    """No foreign key says it on PostgreSQL: the statement of the booking writes all of it."""
    PartOrder.objects.create(work_order_id=99, part_order_num="PO-9")
    RequiredPart.objects.create(work_order_id=99, position=0, prod_num="A", quantity=1)
    SearchDocument.objects.create(work_order_id=99, words="a")
    with pytest.raises(SystemExit):
        call_command("verify_bookings")
    assert capsys.readouterr().out.splitlines() == [
        "Part A of a work order that does not exist (99).",
        "Part order PO-9 of a work order that does not exist (99).",
        "Words to search by of a work order that does not exist (99).",
    ]


class TestFaultsThatTheDatabaseWouldRefuse:
    """With the constraints taken away, as after a bad restore."""

    def test_each_is_named(self, empty_database, start_service):
        service = start_service()
        service.book("WO-1", service.make_slot(capacity=1) | {"RequiredParts": [{"ProdNum": "A"}]})
        drop_guards(service.database)
        execute = service.database.execute
        columns = [name for name in self.columns(service) if name not in ("id", "order_num", "booked_after")]
        quoted = ", ".join(f'"{name}"' for name in columns)
        execute(
            f"INSERT INTO bookings_workorder (order_num, {quoted}) SELECT 'FU-99', {quoted} FROM bookings_workorder"
        )
        verified = service.manage("verify_bookings")
        assert (verified.returncode, verified.stderr) == (1, "")
        assert verified.stdout.splitlines() == [
            "Slot 1 has 2 active bookings, but counts 1 as booked.",
            "Slot 1 has 2 active bookings, but places for 1.",
            "Order WO-1 has 2 active bookings in slot 1.",
            "2 active bookings hold the claim 'WO-1'.",
            "Work order FU-99 has 0 parts, but stands in the lists with 1.",
            "Work order FU-99 cannot be found: it has no words to search by. Run: manage.py index_work_orders",
            "Work order FU-99 has no entry in its history that says how it came to be.",
            "Area LEEDS has 1 bookings on the board, but 2 in the list.",
        ]

    def columns(self, service):
        return [field.column for field in WorkOrder._meta.concrete_fields]
