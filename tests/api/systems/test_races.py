"""Two systems and staff at the same work order at the same moment, and one request many times at once."""

import json
from collections.abc import Iterator
from functools import partial

from tests.support.helpers import at_once
from tests.support.histories import desk

ORDERS = 6


def act(service, key, number, name, body, **headers):
    headers = {"Authorization": f"Bearer {key}", "x_access_token": ""} | headers
    return service.request("POST", f"/api/v1/workorders/{number}/{name}", json.dumps(body), **headers)


def keys_of(service, *names):
    return [service.manage("make_key", name, "--scope", "work_orders:write").stdout.strip() for name in names]


def cancel_at_once(service, orders: int) -> Iterator[tuple[int, int]]:
    """Each order is cancelled by two systems and by staff at once: how many were told that they did it, and lines."""
    first, second = keys_of(service, "erp", "call-centre")
    body = service.make_slot(capacity=4 * ORDERS)
    for number in range(2 * ORDERS):  # so that a place that is given back twice breaks no constraint
        service.book(f"WO-other-{number}", body)
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
