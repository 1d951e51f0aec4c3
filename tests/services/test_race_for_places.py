"""Many callers at once, over HTTP to gunicorn with its workers, as phones do it."""

from datetime import timedelta

import pytest

from tests.conftest import SERVER
from tests.support import helpers
from tests.support.helpers import at_once

# Two that write at the same moment meet in the first one, or in one of these if the machine is busy.
ROUNDS = 20


def drop_guards(database):
    """Take the database's own last word away. (On SQLite tests.support.apps.unguarded ignores checks.)"""
    for name in (
        "work_order_one_active_per_claim",
        "work_order_one_active_per_order_and_slot",
        "work_order_one_booked_after_another",
    ):
        database.execute(f"DROP INDEX {name}")
    if not database.url.startswith("sqlite"):
        database.execute("ALTER TABLE bookings_appointmentslot DROP CONSTRAINT slot_booked_within_capacity")


class TestTheLastPlaces:
    def test_three_places_go_to_three_of_forty(self, service):
        body = service.make_slot(capacity=3)
        answers = at_once([lambda order=order: service.book(f"WO-{order}", body) for order in range(40)])
        assert sorted(answer.status for answer in answers) == [200] * 3 + [409] * 37
        for answer in answers:
            if answer.status == 409:
                params = {"error": "slot_unavailable", "reason": "full", "alternatives": []}
                assert answer.json()["detail"]["params"] == params
        numbers = {answer.json()["OrderNum"] for answer in answers if answer.status == 200}
        assert {number for (number,) in service.database.execute("SELECT order_num FROM bookings_workorder")} == numbers
        assert len(numbers) == 3
        verified = service.manage("verify_bookings")
        assert (verified.returncode, verified.stdout) == (0, "")

    def test_the_test_above_would_notice_a_missing_guard(self, start_service):
        service = start_service("tests.support.apps.unguarded", WEB_CONCURRENCY="1")
        drop_guards(service.database)
        body = service.make_slot(capacity=3)
        answers = at_once([lambda order=order: service.book(f"WO-{order}", body) for order in range(40)])
        # The first four were held until all of them had seen three free places.
        assert [answer.status for answer in answers].count(200) > 3
        verified = service.manage("verify_bookings")
        assert verified.returncode == 1
        assert "places for 3." in verified.stdout


@pytest.mark.skipif(not SERVER, reason="SQLite has one isolation")
@pytest.mark.parametrize("is_set", [True, False])
def test_the_databases_own_isolation_makes_no_booking_fail(start_service, empty_database, is_set):
    """tests.support.apps.serializable says nothing of it when it connects, and fails."""
    empty_database.execute(f"ALTER DATABASE {empty_database.name} SET default_transaction_isolation = 'serializable'")
    service = start_service("bookjob_site.wsgi" if is_set else "tests.support.apps.serializable")
    body = service.make_slot(capacity=60 * ROUNDS)

    def all_are_booked(number):
        answers = at_once([lambda order=order: service.book(f"WO-{number}-{order}", body) for order in range(60)])
        return {answer.status for answer in answers} == {200}

    # Without it one fails as soon as two write at the same moment.
    assert all(all_are_booked(number) for number in range(1 if is_set else ROUNDS)) == is_set
    assert service.manage("verify_bookings").stdout == ""


class TestTheSameBodyManyTimesAtOnce:
    def test_twenty_copies_get_one_number(self, service):
        body = service.make_slot(capacity=30)
        answers = at_once([lambda: service.book("WO-1", body)] * 20)
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert service.database.execute("SELECT booked FROM bookings_appointmentslot") == [(1,)]
        assert service.database.execute("SELECT COUNT(*) FROM bookings_workorder") == [(1,)]

    def test_no_copy_hears_that_the_place_which_another_one_took_was_the_last(self, service):
        """Most of the rounds failed while a refusal was final; ten of them leave no room for luck."""
        for round in range(10):
            body = service.make_slot(capacity=1, start=helpers.tomorrow() + timedelta(hours=3 * round))
            answers = at_once([lambda order=f"WO-{round}", body=body: service.book(order, body)] * 10)
            assert [answer.status for answer in answers] == [200] * 10
            assert len({answer.body for answer in answers}) == 1

    @pytest.mark.parametrize("policy", ["single", "multiple", "move"])
    def test_copies_that_choose_among_several_slots_get_one_number(self, start_service, policy):
        service = start_service(BOOKJOB_FOLLOWUP_POLICY=policy)
        body = service.make_slot(capacity=1)
        for worker in range(7):
            service.database.execute(
                'INSERT INTO bookings_appointmentslot (area_id, start, "end", order_type, worker, capacity, booked,'
                f" is_open) SELECT area_id, start, \"end\", '', 'w{worker}', 1, 0, is_open"
                " FROM bookings_appointmentslot WHERE worker = ''"
            )
        answers = at_once([lambda: service.book("WO-1", body)] * 20)
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert service.database.execute("SELECT SUM(booked) FROM bookings_appointmentslot") == [(1,)]

    def test_the_tests_above_would_notice_a_missing_guard(self, start_service):
        service = start_service("tests.support.apps.unguarded", WEB_CONCURRENCY="1")
        drop_guards(service.database)
        body = service.make_slot(capacity=30)
        answers = at_once([lambda: service.book("WO-1", body)] * 20)
        assert len({answer.json()["OrderNum"] for answer in answers if answer.status == 200}) > 1
        assert service.manage("verify_bookings").returncode == 1
