"""A slot never changes area, start, end, order type or worker, whatever writes: the database refuses it."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from bookings.db import triggers
from bookings.models import AppointmentSlot
from tests.support.helpers import END, START, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db
PLACE = ["area_id", "start", "end", "order_type", "worker"]


def elsewhere(column):
    return {
        "area_id": make_area("YORK").pk,
        "start": START.replace(hour=12),
        "end": END.replace(hour=18),
        "order_type": "A",
        "worker": "anna",
    }[column]


@pytest.mark.parametrize("is_booked", [True, False])
@pytest.mark.parametrize("column", PLACE)
def test_its_place_never_changes(column, is_booked):
    slot = make_slot()
    if is_booked:
        with clock_stands_at():
            make_booking()
    with pytest.raises(IntegrityError, match="a slot never changes"), transaction.atomic():
        AppointmentSlot.objects.update(**{column: elsewhere(column)})
    setattr(slot, column, elsewhere(column))
    with pytest.raises(IntegrityError, match="a slot never changes"), transaction.atomic():
        slot.save()
    assert AppointmentSlot.objects.filter(area__code="LEEDS", start=START, end=END, order_type="", worker="").exists()


def test_its_key_never_changes():
    make_slot()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE bookings_appointmentslot SET id = id + 1")


def test_everything_else_of_it_may_change():
    slot = make_slot()
    slot.capacity, slot.is_open, slot.closed_reason, slot.external_id = 7, False, "Snow", "P-1"
    slot.save()
    assert AppointmentSlot.objects.get().capacity == 7


def drop(name):
    table = triggers.TRIGGERS[connection.vendor][name]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if connection.vendor == "postgresql" else ""))


def test_all_triggers_are_there_after_migrate():
    assert triggers.missing() == []


@pytest.mark.parametrize("name", triggers.TRIGGERS[connection.vendor])
def test_one_that_is_missing_is_told(name, capsys):
    drop(name)
    assert triggers.missing() == [name]
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, f"triggers missing: {name}")
    with pytest.raises(SystemExit):
        call_command("verify_bookings")
    assert capsys.readouterr().out.splitlines() == [
        f"The trigger {name} is missing: what it guards can be changed by anybody."
    ]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite cannot switch a trigger off")
def test_one_that_is_switched_off_is_missing():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bookings_appointmentslot DISABLE TRIGGER slot_stays_in_place")
    assert triggers.missing() == ["slot_stays_in_place"]
