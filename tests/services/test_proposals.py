"""Where bookings that cannot stay could go: the nearest place that fits, and no place twice."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings import clock, offers, services, wire
from bookings.db import sql
from bookings.models import Ability, AppointmentSlot, OrderType, ServiceArea, Worker, WorkOrder
from bookings.services import proposals, wishes
from bookings.supply.closing import blackouts
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def ill(worker="anna", area="LEEDS"):
    """From now on, for a month."""
    now = clock.now()
    given = {"area": helpers.make_area(area), "start": now, "end": now + 30 * DAY, "reason": "ill", "by": "sue"}
    blackouts.close_slots(worker=worker, **given)


def propose(*bookings, also=()):
    rows = WorkOrder.objects.filter(pk__in=[row.pk for row in bookings]).select_related("area", "slot__area")
    return proposals.propose(list(rows.order_by("pk")), also, clock.now())


def slot(worker="", hour=12, days=0, area="LEEDS", **fields):
    return desk.slot_in(area, hour=hour, days=days, worker=worker, **({"capacity": 1} | fields))


class TestOrderOfPreference:
    def test_the_same_time_with_another_person(self):
        order = desk.book(slot("anna"))
        slot("ben", hour=15)
        same = slot("ben")
        ill()
        (found,) = propose(order)
        assert (found.slot, found.is_same_time, found.days_later) == (same, True, 0)

    def test_the_same_day_before_another_day_and_the_nearest_of_it(self):
        order = desk.book(slot("anna", hour=9))
        slot("ben", hour=9, days=1)
        slot("ben", hour=15)
        nearest = slot("cem", hour=11)
        slot("cem", hour=8)  # never earlier than the customer was told
        ill()
        (found,) = propose(order)
        assert (found.slot, found.is_same_time, found.days_later) == (nearest, False, 0)

    def test_other_areas_only_if_they_are_named_and_only_for_the_day(self):
        order = desk.book(slot("anna", hour=9))
        later, elsewhere = slot("ben", days=1), slot("cem", hour=14, area="HULL")
        ill()
        hull = ServiceArea.objects.get(code="HULL")
        assert propose(order)[0].slot == later
        assert propose(order, also=[hull])[0].slot == elsewhere
        nearer = slot("ben", hour=16)
        assert propose(order, also=[hull])[0].slot == nearer, "the same area before another one"

    def test_what_only_this_order_type_can_have_comes_first(self):
        order = desk.book(slot("anna"), OrderType="REPAIR")
        slot("ben")
        slot("cem", order_type="INSTALL")
        special = slot("dan", order_type="REPAIR")
        ill()
        assert propose(order)[0].slot == special


class TestWhatDoesNotFit:
    def test_before_the_parts(self):
        start = helpers.tomorrow(12)
        due = (start + 26 * HOUR).isoformat()
        order = desk.book(slot("anna"), RequiredParts=[{"ProdNum": "A", "EstimatedDelivery": due}])
        slot("ben")
        slot("ben", days=1)
        ill()
        (found,) = propose(order)
        assert found.slot is None
        assert found.why_not.startswith("No place is free after the parts, which are expected by ")
        after = slot("ben", days=2)
        assert propose(order)[0].slot == after

    @override_settings(BOOKJOB_UNAVAILABLE_TYPES=["BUSY"])
    def test_the_customers_own_times(self):
        place = slot("anna")
        free = {"Start": place.start.isoformat(), "End": (place.start + 30 * HOUR).isoformat()}
        busy = {
            "Start": (place.start - HOUR).isoformat(),
            "End": (place.start + 5 * HOUR).isoformat(),
        }
        chosen = {"Period": {"Start": place.start.isoformat(), "End": place.end.isoformat()}}
        times = [chosen, {"Type": "FREE", "Period": free}, {"Type": "BUSY", "Period": busy}]
        order = desk.book(place, TimeConstraints=times)
        slot("ben")
        slot("ben", hour=14)
        slot("ben", days=2)
        ill()
        assert [(row.slot, row.why_not) for row in propose(order)] == [(None, proposals.NOT_IN_TIMES)]
        fitting = slot("ben", hour=18)
        assert propose(order)[0].slot == fitting

    def test_slots_outside_of_the_customers_times_are_not_looked_at(self, monkeypatch):
        """So that hundreds of bookings that fit nowhere do not take minutes among thousands of free slots."""
        place = slot("anna")
        end = place.start + 200 * DAY
        free = {"Period": {"Start": end.isoformat(), "End": (end + HOUR).isoformat()}}
        chosen = {"Period": {"Start": place.start.isoformat(), "End": place.end.isoformat()}}
        order = desk.book(place, TimeConstraints=[chosen, free])
        for days in range(1, 20):
            slot("ben", days=days)
        ill()
        looked_at, fit = [], offers.CustomerTimes.fit
        monkeypatch.setattr(
            offers.CustomerTimes, "fit", lambda self, *period: looked_at.append(period) or fit(self, *period)
        )
        assert [(row.slot, row.why_not) for row in propose(order)] == [(None, proposals.NOT_IN_TIMES)]
        assert len(looked_at) <= 2  # one for each look

    def test_what_named_the_slot_is_no_wish_also_after_a_move(self):
        order = desk.book(slot("anna"))
        services.move(work_order=order, slot=slot("anna", days=1), by="sue")
        assert wishes.customer_times([order.pk]) == {order.pk: wishes.ANY_TIME}
        later = slot("ben", days=3)
        ill()
        assert propose(order)[0].slot == later

    def test_what_no_booking_could_take_either(self):
        """Closed, withdrawn, full, kept back, or too near: the rules are those of a booking."""
        helpers.make_area("LEEDS", safety_percent=50)
        order = desk.book(slot("anna", capacity=2))
        slot("ben", is_open=False)
        slot("cem", is_withdrawn=True)
        slot("dan", booked=1)
        slot("eva", capacity=2, booked=1)
        near = clock.now() + timedelta(minutes=5)
        helpers.make_slot("LEEDS", near, near + HOUR, worker="fred")
        ill()
        assert [row.why_not for row in propose(order)] == [proposals.NOTHING_FREE]

    def test_a_slot_for_another_order_type(self):
        order = desk.book(slot("anna"), OrderType="REPAIR")
        slot("ben", order_type="INSTALL")
        ill()
        assert propose(order)[0].slot is None

    def test_a_worker_who_cannot_do_it_or_is_not_active(self):
        order = desk.book(slot("anna"), OrderType="REPAIR")
        slot("ben")
        slot("cem")
        OrderType.objects.create(code="INSTALL")
        Worker.objects.create(code="ben")
        Worker.objects.create(code="cem", is_active=False)
        Ability.objects.create(worker_id="ben", order_type_id="INSTALL")
        ill()
        assert propose(order)[0].slot is None
        Ability.objects.all().delete()
        assert propose(order)[0].slot.worker == "ben"

    def test_a_practice_area_helps_no_other(self):
        order = desk.book(slot("anna"))
        practice = helpers.make_area("HULL", is_practice=True)
        slot("ben", area="HULL")
        ill()
        assert propose(order, also=[practice])[0].slot is None


class TestSeveral:
    def test_no_place_is_proposed_twice(self):
        orders = [desk.book(slot("anna", hour=hour), f"WO-{hour}") for hour in (8, 11, 14)]
        first, second = slot("ben", hour=8), slot("ben", hour=11)
        ill()
        found = propose(*orders)
        assert [row.slot for row in found] == [first, second, None]
        assert found[2].why_not == proposals.NOTHING_FREE

    def test_who_can_keep_the_time_does_before_another_one_gets_it(self):
        early = desk.book(slot("anna", hour=8), "WO-1")
        late = desk.book(slot("anna", hour=14), "WO-2")
        only = slot("ben", hour=14)
        ill()
        found = propose(early, late)
        assert [row.slot for row in found] == [None, only]
        assert found[0].why_not == proposals.ALL_GIVEN

    def test_of_a_pool_as_many_as_there_are_places(self):
        place = slot("anna", capacity=4)
        orders = [desk.book(place, f"WO-{number}") for number in range(4)]
        pool = slot(capacity=3)
        desk.book(pool, "WO-9")
        ill()
        assert [row.slot for row in propose(*orders)] == [pool, pool, None, None]

    def test_the_statements_do_not_grow_with_the_bookings(self):
        place = slot("anna", capacity=9)
        orders = [desk.book(place, f"WO-{number}") for number in range(9)]
        slot(capacity=9)
        ill()

        def statements(some):
            rows = list(WorkOrder.objects.filter(pk__in=[row.pk for row in some]).select_related("area", "slot__area"))
            with CaptureQueriesContext(
                connection,
            ) as ran:
                proposals.propose(rows, [], clock.now())
            return len(ran)

        assert statements(orders[:1]) == statements(orders)


@given(
    times=st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(1, 10)), max_size=4),
    start=st.integers(0, 24),
    length=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_the_customers_times_say_the_same_in_python_and_in_sql(times, start, length):
    base = helpers.NOW
    with override_settings(BOOKJOB_UNAVAILABLE_TYPES=["BUSY"]):
        found = offers.customer_times(
            wire.TimeConstraint.model_validate(
                {
                    "Type": "BUSY" if is_busy else "",
                    "Period": {
                        "Start": (base + first * HOUR).isoformat(),
                        "End": (base + (first + hours) * HOUR).isoformat(),
                    },
                }
            )
            for is_busy, first, hours in times
        )
    begin, end = base + start * HOUR, base + (start + length) * HOUR
    hours = (base + number * HOUR for number in range(start, 40))
    assert found.may_begin(begin) == next((hour for hour in hours if found.fit(hour, hour + HOUR / 60)), None)
    if found.is_open:
        assert found.fit(begin, end)
        return
    text, values = found.condition()
    periods = '(SELECT %s AS start, %s AS "end")'
    if connection.vendor == "postgresql":
        periods = '(SELECT CAST(%s AS timestamptz) AS start, CAST(%s AS timestamptz) AS "end")'
    row = [sql.as_parameter(begin), sql.as_parameter(end), *values]
    ((kept,),) = sql.run(f"SELECT COUNT(*) FROM {periods} AS slot WHERE {text}", row).rows
    assert bool(kept) == found.fit(begin, end)


def test_slots_that_are_proposed_can_be_moved_to():
    """The proposals and the move go by the same rules: each of them succeeds."""
    orders = [desk.book(slot("anna", hour=hour), f"WO-{hour}") for hour in (8, 11, 14)]
    slot("ben", hour=11)
    slot(hour=15, capacity=2)
    ill()
    for row in propose(*orders):
        order = WorkOrder.objects.select_related("slot__area").get(pk=row.work_order.pk)
        services.move(work_order=order, slot=row.slot, by="sue")
    assert AppointmentSlot.objects.filter(worker="anna", booked__gt=0).count() == 0
    # Who moved them has looked at them: they left the list of what needs attention.
    assert not WorkOrder.objects.needing_attention().exists()
