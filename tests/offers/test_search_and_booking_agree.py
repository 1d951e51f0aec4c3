"""Over random calendars, search and booking never disagree (Hypothesis)."""

from collections import Counter
from datetime import time, timedelta

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.models import Ability, ApiKey, AppointmentSlot, Blackout, Refusal, ServiceArea, Worker
from bookings.supply import first_sight
from bookings.supply.closing import blackouts
from tests.support.environment import examples
from tests.support.helpers import NOW, booking, clock_stands_at, make_area, make_slot, post, search
from tests.support.systems import call, make_key

HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)

slots = st.fixed_dictionaries(
    {
        "start": st.integers(-30, 24 * 23).map(lambda hours: NOW + hours * HOUR),
        "length": st.integers(1, 4),
        "capacity": st.integers(0, 2),
        "taken": st.integers(0, 2),
        "is_open": st.booleans(),
        "order_type": st.sampled_from(["", "1001", "1002"]),
        "worker": st.sampled_from(["", "a", "b"]),
        "area": st.sampled_from(["LEEDS", "HULL"]),
    }
)
periods = st.tuples(st.integers(-30, 24 * 23), st.integers(1, 200)).map(
    lambda pair: {
        "Start": (NOW + pair[0] * HOUR).isoformat(),
        "End": (NOW + (pair[0] + pair[1]) * HOUR).isoformat(),
    }
)
jobs = st.fixed_dictionaries(
    {
        "OrderType": st.sampled_from(["", "1001", "1002"]),
        "UserName": st.sampled_from(["", "a", "c"]),
        "TimeConstraints": st.lists(
            st.fixed_dictionaries({"Type": st.sampled_from(["1001", 1002]), "Period": periods}), max_size=3
        ),
        "RequiredParts": st.lists(
            st.fixed_dictionaries(
                {
                    "ProdNum": st.just("A"),
                    "EstimatedDelivery": st.integers(-10, 400).map(lambda hours: (NOW + hours * HOUR).isoformat()),
                }
            ),
            max_size=2,
        ),
    }
)


crews = st.fixed_dictionaries(
    {
        "inactive": st.sets(st.sampled_from(["a", "b"]), max_size=1),
        "abilities": st.dictionaries(st.sampled_from(["a", "b"]), st.sets(st.sampled_from(["1001", "1002"]))),
        "absences": st.lists(
            st.tuples(st.sampled_from(["a", "b"]), st.integers(-2, 20), st.integers(1, 5)), max_size=2
        ),
    }
)

WISHES = {"parts", "customer"}


def explained_slots(body) -> list[dict]:
    key = make_key("explain", name=f"key {ApiKey.objects.count()}")
    found, cursor = [], ""
    while True:
        page = call("POST", "/api/v1/appointments/explain", body | {"Limit": 3, "Cursor": cursor}, key=key).json()
        found += page["Slots"]
        cursor = page["Next"]
        if not cursor:
            return found
        assert len(page["Slots"]) == 3


def first_broken(explained, period) -> Counter:
    """How many slots of a period break which rule first."""
    of_period = [slot for slot in explained if (slot["Period"]["Start"], slot["Period"]["End"]) == period]
    broken = [
        [verdict["rule"] for verdict in slot["Verdicts"] if not verdict["kept"] and verdict["rule"] not in WISHES]
        for slot in of_period
    ]
    return Counter(rules[0] for rules in broken if rules)


def fits(slot, job, crew) -> bool:
    """The rules of the slot as contract section 5 lists them, written down a second time and in Python."""
    return (
        slot.area.code == "LEEDS"
        and slot.is_open
        and slot.booked < slot.capacity
        and NOW + 2 * HOUR < slot.start <= NOW + timedelta(days=21)
        and slot.order_type in ("", job["OrderType"])
        and slot.worker not in crew["inactive"]
        and job["OrderType"] in (crew["abilities"].get(slot.worker) or [job["OrderType"]])
        and not any(is_absent(slot, *absence) for absence in crew["absences"])
    )


def is_absent(slot, worker, first, days) -> bool:
    begins, ends = (moment.astimezone(slot.area.zone).date() for moment in (slot.start, slot.end - MICROSECOND))
    day = NOW.date() + timedelta(days=first)
    return slot.worker == worker and begins < day + timedelta(days=days) and ends >= day


def wanted(slot, job) -> bool:
    """The wishes of the request as section 4 lists them."""
    start, end = slot.start.isoformat(), slot.end.isoformat()
    free = [time["Period"] for time in job["TimeConstraints"] if time["Type"] == "1001"]
    busy = [time["Period"] for time in job["TimeConstraints"] if time["Type"] == 1002]
    return (
        all(part["EstimatedDelivery"] <= start for part in job["RequiredParts"])
        and not any(period["Start"] < end and period["End"] > start for period in busy)
        and (not free or any(period["Start"] <= start and end <= period["End"] for period in free))
    )


def enter(crew) -> None:
    """What workers can do, who is active, and who is absent."""
    first_sight.note(workers=["a", "b"], order_types=["1001", "1002"])
    Worker.objects.filter(code__in=crew["inactive"]).update(is_active=False)
    for worker, types in crew["abilities"].items():
        Ability.objects.bulk_create(Ability(worker_id=worker, order_type_id=one) for one in types)
    for worker, first, days in crew["absences"]:
        day = NOW.date() + timedelta(days=first)
        absence = Blackout.absence(worker, day, day + timedelta(days=days - 1))
        times = {"start": absence.start, "end": absence.end}
        blackouts.close_slots(area=None, worker=worker, **times, reason="Leave", by="anna")


@pytest.mark.django_db
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(calendar=st.lists(slots, max_size=12), job=jobs, crew=crews)
@override_settings(BOOKJOB_UNAVAILABLE_TYPES=["1002"])
def test_search_and_booking_never_disagree(calendar, job, crew):
    with transaction.atomic(), clock_stands_at():
        for fields in calendar:
            fields = dict(fields)
            length, taken = fields.pop("length"), fields.pop("taken")
            AppointmentSlot.objects.get_or_create(
                area=make_area(fields.pop("area")),
                start=fields["start"],
                end=fields["start"] + length * HOUR,
                worker=fields.pop("worker"),
                order_type=fields.pop("order_type"),
                defaults=fields | {"booked": min(taken, fields["capacity"])},
            )
        enter(crew)
        rows = list(AppointmentSlot.objects.select_related("area"))
        offers = search(job | {"Location": {"ServiceAreaID": "LEEDS"}}).json()
        offered = {(offer["Period"]["Start"], offer["Period"]["End"]): offer for offer in offers["TimeConstraints"]}
        as_offered = {
            tuple(moment.isoformat().replace("+00:00", ".000Z") for moment in (row.start, row.end)): row for row in rows
        }

        # What is offered is what fits and is wanted, computed independently.
        expected = {
            period
            for period in as_offered
            if any(
                fits(row, job, crew) and wanted(row, job)
                for row in rows
                if (row.start, row.end) == self_period(as_offered, period)
            )
        }
        assert set(offered) == expected
        assert (offers["StatusMsg"] == "") == bool(offered)

        # What the rules say of each slot, asked page by page, is what they do.
        explained = explained_slots(job | {"Location": {"ServiceAreaID": "LEEDS"}})
        for slot in explained:
            period = slot["Period"]["Start"], slot["Period"]["End"]
            assert slot["IsOffered"] == all(verdict["kept"] for verdict in slot["Verdicts"])
            (row,) = [
                row
                for row in rows
                if as_offered.get(period)
                and (row.start, row.end) == self_period(as_offered, period)
                and (row.worker, row.order_type) == (slot["Worker"], slot["OrderType"])
                and row.area.code == "LEEDS"
            ]
            kept = {verdict["rule"]: verdict["kept"] for verdict in slot["Verdicts"]}
            assert slot["IsOffered"] == (fits(row, job, crew) and wanted(row, job)), slot
            assert all(is_kept for rule, is_kept in kept.items() if rule not in WISHES) == fits(row, job, crew), slot
        offered_there = {(slot["Period"]["Start"], slot["Period"]["End"]) for slot in explained if slot["IsOffered"]}
        assert offered_there == set(offered)

        # Each period can be booked exactly if a slot of it keeps the rules, whatever the wishes.
        for number, (period, row) in enumerate(as_offered.items()):
            bookable = any(fits(other, job, crew) for other in rows if (other.start, other.end) == (row.start, row.end))
            constraint = {"Period": {"Start": period[0], "End": period[1]}}
            if period in offered and number % 2:
                constraint = offered[period]
            body = booking(OrderType=job["OrderType"], UserName=job["UserName"], TimeConstraints=constraint)
            with transaction.atomic():
                answer = post(f"WO-{number}", body)
                assert (answer.status_code == 200) == bookable, (answer.content, period)
                assert answer.status_code in (200, 404, 409)
                # What is kept of a refusal is what the rules say of each slot of the period, counted.
                if refusal := Refusal.objects.first():
                    assert refusal.verdicts == first_broken(explained_slots(body), period)
                assert (refusal is None) == bookable
                transaction.set_rollback(True)
        transaction.set_rollback(True)


def self_period(as_offered, period):
    return as_offered[period].start, as_offered[period].end


@pytest.mark.django_db
def test_a_change_of_the_areas_rules_counts_from_the_next_request_on():
    """Both assume the rules that they saw the last time, and have to notice that they are others."""
    area = make_area()
    make_slot(capacity=4, booked=1)
    with clock_stands_at():
        for number, (rules, outcome) in enumerate(
            [
                ({}, 200),
                ({"safety_percent": 50}, 409),
                ({"safety_percent": 100}, 200),
                ({"cutoff_days": 366, "cutoff_time": time(0, 1)}, 409),
                ({"cutoff_days": None, "cutoff_time": None}, 200),
            ]
        ):
            ServiceArea.objects.update(**rules)
            for _ in range(2):
                offered = search({"Location": {"ServiceAreaID": area.code}}).json()["TimeConstraints"]
                assert bool(offered) == (outcome == 200), rules
            assert post(f"WO-{number}", booking()).status_code == outcome, rules
        ServiceArea.objects.update(code="YORK")
        assert post("WO-9", booking()).json()["code"] == 404
        assert (
            search({"Location": {"ServiceAreaID": area.code}}).json()["StatusMsg"] == "There is no service area LEEDS."
        )
