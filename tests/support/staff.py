"""Dispatch staff in a process of their own: commands as JSON lines on stdin, one answer each on stdout.

`python -m tests.support.staff` calls the services as the admin does, on the database of DATABASE_URL.
"""

import json
import sys

import django

if __name__ == "__main__":
    django.setup()

from django import db

from bookings import services
from bookings.db.faults import is_away
from bookings.models import AppointmentSlot, WorkOrder
from bookings.supply import slots
from bookings.telemetry import origin

BY = "dispatcher"


def cancel(order: str) -> dict:
    if not (work_order := active(order)):
        return {"error": "none"}
    services.cancel(work_order=work_order, by=BY, reason="")
    return {"ok": True, "number": work_order.order_num, "slot": work_order.slot_id}


def move(order: str, slot: int) -> dict:
    if not (work_order := active(order)):
        return {"error": "none"}
    before = work_order.slot_id
    services.move(work_order=work_order, slot=find(slot), by=BY)
    return {"ok": True, "number": work_order.order_num, "slot": before}


def review(order: str) -> dict:
    if not (work_order := active(order)):
        return {"error": "none"}
    services.review(work_order=work_order, by=BY)
    return {"ok": True}


def close(slot: int) -> dict:
    slots.close(slot=find(slot), by=BY, reason="storm")
    return {"ok": True}


def reopen(slot: int) -> dict:
    slots.reopen(slot=find(slot), by=BY)
    return {"ok": True}


def resize(slot: int, capacity: int) -> dict:
    slots.resize(slot=find(slot), capacity=capacity, by=BY)
    return {"ok": True}


def active(order: str) -> WorkOrder | None:
    return WorkOrder.objects.active().filter(original_order=order).select_related("slot__area").first()


def find(slot: int) -> AppointmentSlot:
    return AppointmentSlot.objects.select_related("area").get(pk=slot)


COMMANDS = {command.__name__: command for command in (cancel, move, review, close, reopen, resize)}


def answer(do: str, request_id: str, arguments: dict) -> dict:
    db.close_old_connections()  # as each request of the admin begins
    token = origin.current.set(origin.Origin("admin", request_id))
    try:
        return COMMANDS[do](**arguments)
    except services.BookingError as refusal:
        return {"error": refusal.error}
    except db.Error as fault:
        if not is_away(fault):
            raise
        return {"unknown": str(fault)}
    finally:
        origin.current.reset(token)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
