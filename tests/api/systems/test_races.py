"""Two systems and staff at the same work order at the same moment, and one request many times at once."""

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from tests.support.helpers import at_once, booking, tomorrow
from tests.support.histories import desk

ORDERS = 6


def act(service, key, number, name, body, **headers):
    headers = {"Authorization": f"Bearer {key}", "x_access_token": ""} | headers
    return service.request("POST", f"/api/v1/workorders/{number}/{name}", json.dumps(body), **headers)


def keys_of(service, *names):
    return [service.manage("make_key", name, "--scope", "work_orders:write").stdout.strip() for name in names]


def slot_for(service, orders: int):
    """A slot with places for all, and taken ones: to give back one twice or thrice breaks no constraint."""
    body = service.make_slot(capacity=4 * orders)
    for number in range(2 * min(orders, ORDERS)):
        service.book(f"WO-other-{number}", body)
    if orders > ORDERS:  # without the guards, which verify_bookings is not asked about
        service.database.execute("UPDATE bookings_appointmentslot SET booked = %s", 2 * orders)
    return body


def cancel_at_once(service, orders: int) -> Iterator[tuple[int, int]]:
    """Each order is cancelled by two systems and by staff at once: how many were told that they did it, and lines."""
    first, second = keys_of(service, "erp", "call-centre")
    body = slot_for(service, orders)
    with desk(service.database.url) as ask:
        ask("review", "", {"order": "none"})  # it is up
        for number in range(orders):
            order = f"WO-{number}"
            booked = service.book(order, body).json()["OrderNum"]
            erp, call_centre = (
                partial(act, service, key, booked, "cancel", {"Reason": "x"}) for key in (first, second)
            )
            answers = at_once([erp, call_centre, partial(ask, "cancel", "desk", {"order": order})])
            done = [answers[0].status == 200, answers[1].status == 200, "ok" in answers[2]]
            lines = service.database.execute(
                "SELECT COUNT(*) FROM bookings_historyentry WHERE event = 'cancelled' AND work_order_id ="
                " (SELECT id FROM bookings_workorder WHERE order_num = %s)",
                booked,
            )
            yield sum(done), lines[0][0]


def test_one_of_two_systems_and_staff_cancels(start_service):
    service = start_service()
    assert list(cancel_at_once(service, ORDERS)) == [(1, 1)] * ORDERS
    assert service.manage("verify_bookings").stdout == ""


def test_the_test_above_would_notice_a_missing_guard(start_service):
    service = start_service("tests.support.apps.unversioned")
    assert any(found != (1, 1) for found in cancel_at_once(service, 100))  # the first one, as a rule


def move_at_once(service, orders=ORDERS) -> Iterator[tuple[list[int], int, int]]:
    """Two systems, each as it read the order, and staff move it: the systems' statuses, how many did it, and lines."""
    first, second = keys_of(service, "erp", "call-centre")
    body = slot_for(service, orders)
    elsewhere = [service.make_slot(4 * orders, tomorrow(hour))["TimeConstraints"][0] for hour in (15, 18, 21)]
    (staffs,) = service.database.execute("SELECT id FROM bookings_appointmentslot ORDER BY start DESC LIMIT 1")
    with desk(service.database.url) as ask:
        ask("review", "", {"order": "none"})  # it is up
        for number in range(orders):
            order = f"WO-{number}"
            booked = service.book(order, body).json()["OrderNum"]
            moves = [
                partial(act, service, key, booked, "move", {"Period": there["Period"]}, If_Match='"1"')
                for key, there in zip((first, second), elsewhere, strict=False)
            ]
            answers = at_once([*moves, partial(ask, "move", "desk", {"order": order, "slot": staffs[0]})])
            systems = [answer.status for answer in answers[:2]]
            lines = service.database.execute(
                "SELECT COUNT(*) FROM bookings_historyentry WHERE event = 'moved' AND work_order_id ="
                " (SELECT id FROM bookings_workorder WHERE order_num = %s)",
                booked,
            )
            yield systems, systems.count(200) + ("ok" in answers[2]), lines[0][0]


def test_of_two_systems_that_read_the_same_one_moves_it_and_staff_beside_them(start_service):
    service = start_service()
    told = list(move_at_once(service))
    # Staff move it as it is by then, so that theirs may come after that of a system.
    assert all(systems.count(200) <= 1 <= done == lines for systems, done, lines in told), told
    assert {status for systems, _, _ in told for status in systems} <= {200, 409, 412}
    assert service.manage("verify_bookings").stdout == ""


def test_the_test_above_would_notice_a_missing_version(start_service):
    service = start_service("tests.support.apps.unversioned")
    assert any(systems == [200, 200] for systems, _, _ in move_at_once(service, 100))  # the first one, as a rule


class TestTwoPlanningSystems:
    """Two calls write the same slots at once, with other places, while phones book them."""

    SLOTS = 60

    def rows(self, capacity) -> str:
        return json.dumps(
            {
                "Slots": [
                    {
                        "ExternalID": f"P-{number}",
                        "ServiceAreaID": "LEEDS",
                        "Start": (start := tomorrow() + timedelta(days=number % 10)).isoformat(),
                        "End": (start + timedelta(hours=2)).isoformat(),
                        "Worker": f"w{number}",
                        "Capacity": capacity,
                    }
                    for number in range(self.SLOTS)
                ]
            }
        )

    def test_each_slot_is_there_once_and_no_booking_is_lost(self, start_service):
        service = start_service()
        service.make_slot(1, tomorrow(20))  # the area
        first, second = (
            service.manage("make_key", name, "--scope", "supply:write").stdout.strip() for name in ("plan", "erp")
        )

        def put(key, capacity):
            headers = {"Authorization": f"Bearer {key}", "x_access_token": ""}
            return service.request("PUT", "/api/v1/slots", self.rows(capacity), **headers)

        def book(order):
            start = tomorrow() + timedelta(days=int(order) % 10)
            return service.book(f"WO-{order}", booking(start, start + timedelta(hours=2)))

        assert put(first, 2).json()["Created"] == self.SLOTS
        answers = at_once(
            [partial(put, first, 3), partial(put, second, 4)] + [partial(book, str(number)) for number in range(20)]
        )
        assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers]
        for answer in answers[:2]:
            told = answer.json()
            assert (told["Changed"] + told["Kept"], told["RefusedCount"]) == (self.SLOTS, 0)
        rows = service.database.execute(
            "SELECT capacity, COUNT(*) FROM bookings_appointmentslot WHERE external_id <> '' GROUP BY capacity"
        )
        assert sum(count for _, count in rows) == self.SLOTS
        assert {capacity for capacity, _ in rows} <= {3, 4}
        assert service.database.execute("SELECT SUM(booked) FROM bookings_appointmentslot") == [(20,)]
        assert service.manage("verify_bookings").stdout == ""


def note_at_once(service) -> int:
    """The same note eight times at once, with the same Idempotency-Key: how often it was written."""
    (key,) = keys_of(service, "erp")
    booked = service.book("WO-1", service.make_slot(capacity=1)).json()["OrderNum"]
    answers = at_once([lambda: act(service, key, booked, "note", {"Note": "x"}, Idempotency_Key="4f9c")] * 8)
    assert {answer.status for answer in answers} <= {200, 409}
    # Those that were told to come again hear what the first one heard.
    again = act(service, key, booked, "note", {"Note": "x"}, Idempotency_Key="4f9c")
    assert again.status == 200
    return service.database.execute("SELECT COUNT(*) FROM bookings_historyentry WHERE event = 'noted'")[0][0]


def test_a_request_that_comes_at_once_is_done_once(start_service):
    assert note_at_once(start_service()) == 1


def test_the_test_above_would_notice_a_missing_claim(start_service):
    assert note_at_once(start_service("tests.support.apps.unversioned")) > 1
