"""What the demo shows on the desk: bookings in every state over the coming three weeks, and what went wrong with some.

All of it goes through the services, as a technician's and a dispatcher's clicks do. It lies around today, and repeats
itself nowhere: each day of each area is filled once, so that a later run fills the days that are new.
"""

import json
import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from bookings import clock, offers, services, wire
from bookings.documents import read_body
from bookings.models import AppointmentSlot, Refusal, ServiceArea, WorkOrder
from bookings.refusals import Refused
from bookings.supply.closing import blackouts

DAYS = 20  # within the booking horizon
# The simulated ServiceMobility does not know it (bookjob_site/demo.py): what is booked for it needs a person.
UNKNOWN_ACCOUNT = "C-9"
CUSTOMERS = ["Northern Bakery Ltd", "Mill Lane Dental", "Harbour Hotel", "Canal Road School", "Park Row Gym"]
STREETS = ["Mill Lane", "Canal Road", "Park Row", "Station Street", "Hill Top"]
# The numbers are among those that are given to no subscriber, for films and the like.
PLACES = {"LEEDS": ("Leeds", "GB", "LS1 4AB", "0113 496 010"), "BOSTON": ("Boston", "US", "02118", "617-555-010")}
PARTS = [("PUMP-17", "Circulation pump"), ("VALVE-3", "Safety valve"), ("SEAL-9", "Door seal"), ("PCB-44", "Board")]
ORDER_TYPES = ["REPAIR", "REPAIR", "INSTALL", "SERVICE"]


def fill() -> tuple[int, int]:
    """Fill what is empty; says how many bookings that made, and how many were refused."""
    before = WorkOrder.objects.count(), Refusal.objects.count()
    for area in ServiceArea.objects.filter(code__in=PLACES).order_by("code"):
        today = clock.now().astimezone(area.zone).date()
        for number in range(DAYS + 1):
            _fill_day(area, today + timedelta(number), number)
        _close(area)
    for order, period, area in _to_refuse():
        _book(order, area, *period, random.Random(order))
    return WorkOrder.objects.count() - before[0], Refusal.objects.count() - before[1]


def _fill_day(area: ServiceArea, day: date, number: int) -> None:
    begins = f"WO-{area.code}-{day:%y%m%d}-"
    if WorkOrder.objects.filter(original_order__startswith=begins).exists():
        return
    draw = random.Random(begins)
    for count in range(1, draw.randint(3, 5)):
        # One place of each period stays free, for those who try the curl of `make run`.
        free = [slot for slot in _free(area, day) if slot.capacity - slot.booked > 1]
        if not free:
            return
        slot = draw.choice(free)
        needs_person = area.code == "LEEDS" and count == 1 and number % 10 == 2
        _book(f"{begins}{count}", area, slot.start, slot.end, draw, account=UNKNOWN_ACCOUNT if needs_person else "")
        _decide(f"{begins}{count}", draw)


def _free(area: ServiceArea, day: date | None = None) -> list[AppointmentSlot]:
    """What can be booked now, on one day of the area's clock or on all."""
    slots = area.slots.filter(offers.as_filter(offers.takeable(clock.now(), area))).order_by("start", "pk")
    if day:
        begin = datetime.combine(day, time.min, area.zone)
        slots = slots.filter(start__gte=begin, start__lt=begin + timedelta(days=1))
    return list(slots)


def _book(
    order: str, area: ServiceArea, start: datetime, end: datetime, draw: random.Random, *, account: str = ""
) -> bool:
    """As a technician's phone does; whether it was booked. A refusal is kept for the desk."""
    body = read_body(json.dumps(_job(order, area, start, end, draw, account)).encode())
    job = wire.BookJob.model_validate(body.document)
    try:
        services.book(order=order, job=job, body=body.text, fingerprint=body.fingerprint, caller="api")
    except Refused:
        return False
    return True


def _job(
    order: str, area: ServiceArea, start: datetime, end: datetime, draw: random.Random, account: str
) -> dict[str, Any]:
    city, country, postcode, phone = PLACES[area.code]
    name = draw.choice(CUSTOMERS)
    # Some parts come after the visit.
    arrives = start + (timedelta(days=2) if draw.random() < 0.15 else timedelta(days=-1))
    parts = [
        {
            "ProdNum": product,
            "Qty": draw.randint(1, 3),
            "ProdAttrs": {"Desc": text},
            "PartStatus": "on order",
            "ShipToLocation": draw.choice(["VAN-3", "DEPOT-1"]),
            "EstimatedDelivery": wire.vendor_time(arrives),
        }
        for product, text in draw.sample(PARTS, draw.choice([0, 1, 2]))
    ]
    return {
        "Account": {"AccountNum": account or f"C-{1000 + CUSTOMERS.index(name)}", "AccountType": "1001", "Name": name},
        "OrderType": draw.choice(ORDER_TYPES),
        "OriginalOrderNum": order,
        "UserName": draw.choice(["", "ann.smith", "bob.jones"]) if area.code == "LEEDS" else "",
        "Location": {
            "LocationNum": f"L-{order}",
            "ServiceAreaID": area.code,
            "Notes": draw.choice(["", "Ring twice.", "The key is at the reception."]),
            "Address": {
                "AddrLine1": f"{draw.randint(1, 99)} {draw.choice(STREETS)}",
                "City": city,
                "Country": country,
                "Zip": postcode,
            },
            "Contacts": [
                {
                    "LastName": name,
                    "IsPrimary": True,
                    "Email": "customer@example.org",
                    "Phones": [{"PhoneNum": f"{phone}{CUSTOMERS.index(name)}"}],
                }
            ],
        },
        "RequiredParts": parts,
        "TimeConstraints": [{"Period": {"Start": wire.vendor_time(start), "End": wire.vendor_time(end)}}],
    }


def _decide(order: str, draw: random.Random) -> None:
    """What a dispatcher did with it: most are reviewed, some moved, cancelled or noted, the rest waits."""
    work_order = WorkOrder.objects.active().filter(original_order=order).select_related("slot", "area").first()
    fate = draw.random()
    if work_order is None or fate > 0.75:
        return
    if fate < 0.1:
        services.cancel(work_order=work_order, by="dispatcher", reason="Customer cancelled")
    elif fate < 0.2:
        others = [slot for slot in _free(work_order.area) if slot.start > work_order.visit_start and slot.booked == 0]
        if others:
            services.move(work_order=work_order, slot=others[0], by="dispatcher", reason="The customer asked for it")
    elif fate < 0.3:
        services.add_note(work_order=work_order, by="dispatcher", note="Asked the supplier when the part comes.")
    else:
        services.review(work_order=work_order, by="dispatcher")


def _close(area: ServiceArea) -> None:
    """A day of snow in one country, the absence of a worker in the other; both hit bookings. One at a time."""
    soon = clock.now() + timedelta(days=4)
    if area.blackouts.in_force().filter(end__gt=clock.now()).exists():
        return
    hit = WorkOrder.objects.active().filter(area=area, visit_start__gt=soon).select_related("slot")
    if area.code == "LEEDS":
        hit = hit.exclude(slot__worker="")
    if work_order := hit.order_by("visit_start", "pk").first():
        begin = datetime.combine(work_order.visit_start.astimezone(area.zone).date(), time.min, area.zone)
        worker = work_order.slot.worker
        reason = f"{worker} is ill" if worker else "Snow"
        end = begin + timedelta(days=1)
        blackouts.close_slots(area=area, start=begin, end=end, reason=reason, by="supervisor", worker=worker)


def _to_refuse() -> Iterator[tuple[str, tuple[datetime, datetime], ServiceArea]]:
    """Bookings that will be refused, once a day: one too many, a closed day, a second visit, a time that is none."""
    area = ServiceArea.objects.filter(code="LEEDS").first()
    begins = f"WO-{clock.now():%y%m%d}-"
    if area is None or Refusal.objects.filter(original_order__startswith=begins).exists():
        return
    free = [slot for slot in _free(area) if slot.start > clock.now() + timedelta(days=3)]
    if free:
        period = free[0].start, free[0].end
        for number in range(sum(slot.capacity - slot.booked for slot in free if (slot.start, slot.end) == period) + 1):
            yield f"{begins}{number + 1}", period, area
    closed = AppointmentSlot.objects.filter(blackout__isnull=False, start__gt=clock.now(), area__code="BOSTON").first()
    if closed:
        yield f"{begins}closed", (closed.start, closed.end), closed.area
    booked = WorkOrder.objects.active().filter(area=area).order_by("pk").first()
    if booked and free:
        yield booked.original_order, (free[-1].start, free[-1].end), area
    if free:
        yield f"{begins}night", (free[-1].start.replace(hour=2), free[-1].start.replace(hour=3)), area
