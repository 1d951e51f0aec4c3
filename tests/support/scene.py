"""A dispatch office in the middle of its day, for the browser tests and the screenshots.

    DATABASE_URL=sqlite:////tmp/scene.sqlite3 python -m tests.support.scene --bookings 40

Two areas in different time zones, three people with a role each, and bookings that came in over the API.
"""

import argparse
import json
import random
from datetime import timedelta

PASSWORD = "desk-password-of-the-tests"  # of every person here
PEOPLE = ["viewer", "dispatcher", "supervisor"]
NAMES = ["Hannah Brandt", "Amir Aziz", "Müller & Söhne", "Ruth Okafor", "Ivy Clarke", "Chen Wei", "Northern Bakery Ltd"]
STREETS = ["Mill Lane", "Canal Road", "Park Row", "Station Street", "Hill Top"]
PRODUCTS = [
    ("PUMP-17", "Circulation pump"),
    ("VALVE-3", "Safety valve"),
    ("SEAL-9", "Door seal"),
    ("PCB-44", "Control board"),
]
AREAS = [("LEEDS", "Leeds", "Europe/London", "GB", "LS"), ("BOSTON", "Boston", "America/New_York", "US", "021")]


def make_people():
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import Group, User

    password = make_password(PASSWORD)  # once: it takes a third of a second
    for name in PEOPLE:
        user, _ = User.objects.get_or_create(username=name, email=f"{name}@example.org", is_staff=True)
        user.password = password
        user.save()
        user.groups.add(Group.objects.get(name=name))
        make_session(user)


def make_session(user):
    """What the log-in makes: few tests are about it, and a password takes a third of a second to check."""
    from django.conf import settings
    from django.contrib import auth
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    said = {
        auth.SESSION_KEY: str(user.pk),
        auth.BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    ends = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    Session.objects.create(
        session_key=session_of(user.username), session_data=SessionStore().encode(said), expire_date=ends
    )


def session_of(name):
    return f"session-of-{name:x<21}"


def make_calendar(days=28, capacity=4):
    from django.core.management import call_command
    from django.utils import timezone

    for code, name, zone, _, _ in AREAS:
        call_command(
            "seed_slots",
            f"--area={code}",
            f"--name={name}",
            f"--time-zone={zone}",
            f"--from={timezone.now().date()}",
            f"--days={days}",
            "--weekdays=mon-sat",
            "--hours=08:00-12:00,13:00-17:00",
            "--length=120",
            f"--capacity={capacity}",
            verbosity=0,
        )


def job(number, slot, draw):
    """A Book Job Object as a technician's phone sends it."""
    area = next(area for area in AREAS if area[0] == slot.area.code)
    name = draw.choice(NAMES)
    parts = [
        {
            "ProdNum": product,
            "Qty": draw.randint(1, 3),
            "ProdAttrs": {"Desc": text},
            "PartStatus": "on order",
            "ShipToLocation": draw.choice(["VAN-3", "DEPOT-1"]),
            "EstimatedDelivery": slot.start.replace(hour=12).isoformat(),
        }
        for product, text in draw.sample(PRODUCTS, draw.choice([0, 0, 1, 2]))
    ]
    return {
        "Account": {"AccountNum": f"C-{1000 + number % 37}", "AccountType": "1002", "Name": name},
        "OrderType": draw.choice(["REPAIR", "REPAIR", "INSTALL", "SERVICE"]),
        "UserName": draw.choice(["", "tech.jones", "tech.silva"]),
        "OriginalOrderNum": f"WO-{4000 + number}",
        "Location": {
            "LocationNum": f"L-{number}",
            "ServiceAreaID": slot.area.code,
            "Notes": "Ring twice.",
            "Address": {
                "AddrLine1": f"{draw.randint(1, 99)} {draw.choice(STREETS)}",
                "City": area[1],
                "Country": area[3],
                "Zip": f"{area[4]}{draw.randint(1, 9)} {draw.randint(1, 9)}AB",
            },
            "Contacts": [
                {
                    "FirstName": name.split()[0],
                    "LastName": name.split()[-1],
                    "IsPrimary": True,
                    "Email": "customer@example.org",
                    "Phones": [{"PhoneNum": f"+44 113 496 0{number % 1000:03}", "PhoneType": "mobile"}],
                }
            ],
        },
        "Assets": [
            {
                "AssetNum": f"A-{number}",
                "Desc": "Combi boiler",
                "Mfg": "Acme",
                "Model": "B-200",
                "SerialNum": f"SN{number:06}",
                "FlexView": [
                    {"ID": "1", "Title": "Readings", "Items": [{"ID": "p", "Label": "Pressure", "Value": "1.4 bar"}]}
                ],
            }
        ],
        "RequiredParts": parts,
        "TimeConstraints": [{"Period": {"Start": slot.start.isoformat(), "End": slot.end.isoformat()}}],
    }


def make_bookings(count, seed=1):
    from django.utils import timezone

    from bookings import offers, services
    from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
    from bookings.supply import slots
    from tests.support import helpers

    draw = random.Random(seed)
    for number in range(count):
        free = [
            slot
            for area in ServiceArea.objects.all()
            for slot in area.slots.filter(offers.as_filter(offers.takeable(timezone.now(), area))).order_by("start")[
                :30
            ]
        ]
        if not free:
            break
        slot = draw.choice(free)
        answer = helpers.post(f"WO-{4000 + number}", json.dumps(job(number, slot, draw)))
        assert answer.status_code == 200, answer.content
        work_order = WorkOrder.objects.get(order_num=answer.json()["OrderNum"])
        fate = draw.random()
        if fate < 0.45:
            services.review(work_order=work_order, by="dispatcher", note="")
        elif fate < 0.52:
            services.cancel(work_order=work_order, by="dispatcher", reason="Customer cancelled")
    # Refused, because the order has a booking already.
    if booked := WorkOrder.objects.active().first():
        other = booked.area.slots.filter(offers.as_filter(offers.takeable(timezone.now(), booked.area))).last()
        helpers.post(booked.original_order, job(900, other, draw) | {"OriginalOrderNum": booked.original_order})
    for slot in AppointmentSlot.objects.filter(start__gt=timezone.now(), area__code="BOSTON").order_by("start")[3:5]:
        slots.close(slot=slot, by="supervisor", reason="Snow")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bookings", type=int, default=40)
    parser.add_argument("--capacity", type=int, default=4)
    options = parser.parse_args()
    import django

    django.setup()
    make_people()
    make_calendar(capacity=options.capacity)
    make_bookings(options.bookings)


if __name__ == "__main__":
    main()
