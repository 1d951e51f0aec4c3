"""Searches that found nothing are written although no search comes after them, and when the service stops."""

import json

from tests.operations.test_metrics import wait_for

NOWHERE = json.dumps({"Location": {"ServiceAreaID": "NOWHERE"}})


def test_they_are_written_without_another_search(start_service):
    # Takes as long as a process waits between two writings: that is what it is about.
    service = start_service(WEB_CONCURRENCY="1")

    def search():
        assert service.request("POST", "/api/v1/appointments/search", NOWHERE).json()["TimeConstraints"] == []

    def counted() -> int:
        return service.database.execute("SELECT COALESCE(SUM(number), 0) FROM bookings_emptysearch")[0][0]

    search()
    wait_for(lambda: counted() == 1)
    search()  # too soon to be written after its answer
    search()
    wait_for(lambda: counted() == 3)
    search()
    service.stop()
    assert counted() == 4
