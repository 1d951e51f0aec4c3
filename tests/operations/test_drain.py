"""BOOKJOB_DRAIN_SECONDS: between the order to stop and the stop, /readyz says no and everything else is answered."""

import os
import signal
import time

import pytest
from gunicorn.arbiter import Arbiter

from bookings.operations import drain
from tests.operations.test_faults import workers
from tests.operations.test_metrics import wait_for

# Longer than any test takes: what ends before was ended by something else.
LONG = 300


def is_told(service) -> bool:
    return service.request("GET", "/readyz").json()["status"] == "stopping"


def begin_to_stop(service) -> None:
    service.process.send_signal(signal.SIGTERM)
    wait_for(lambda: is_told(service))


def test_it_stops_when_the_seconds_are_over(start_service):
    service = start_service(BOOKJOB_DRAIN_SECONDS="1")
    began = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_bookings_are_taken_until_a_second_signal_stops_it_at_once(start_service, name):
    service = start_service(BOOKJOB_DRAIN_SECONDS=str(LONG))
    body = service.make_slot(capacity=99)
    begin_to_stop(service)
    for order in range(20):
        assert service.book(f"WO-{order}", body).status == 200
        assert service.request("GET", "/livez").status == 200
        assert service.request("GET", "/readyz").status == 503
    service.process.send_signal(getattr(signal, name))
    assert service.process.wait(60) == 0
    assert service.manage("verify_bookings").stdout == ""


def test_a_worker_that_dies_meanwhile_is_replaced_and_tells_the_same(start_service):
    service = start_service(BOOKJOB_DRAIN_SECONDS=str(LONG), WEB_CONCURRENCY="1")
    begin_to_stop(service)
    (before,) = workers(service)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: workers(service) and workers(service) != [before] and is_told(service))
    service.stop()


def test_without_seconds_it_stops_at_once(service):
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    assert "BOOKJOB_DRAIN_SECONDS" not in service.log.read_text()


def test_gunicorn_has_the_name_that_is_leant_on():
    with pytest.raises(StopIteration):
        Arbiter.handle_term(None)
    assert not drain.is_under_way()
