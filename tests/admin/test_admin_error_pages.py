"""What goes wrong in the admin is said in its look, with the id of the request and a way back."""

from functools import partial
from unittest import mock

import pytest
from django import db
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.test import Client
from psycopg.errors import ReadOnlySqlTransaction

from tests.conftest import SERVER
from tests.support import desk
from tests.support.helpers import request

pytestmark = pytest.mark.django_db

BOARD = "bookings.admin.overview.board._tiles"


def read_only():
    fault = db.InternalError("cannot execute UPDATE in a read-only transaction")
    fault.__cause__ = ReadOnlySqlTransaction()
    return fault


CASES = [
    (SuspiciousOperation("x"), 400, "This request cannot be read"),
    (PermissionDenied(), 403, "You may not do this"),
    (Http404(), 404, "There is nothing at this address"),
    (RuntimeError("secret detail"), 500, "Something went wrong here"),
    (db.OperationalError("secret detail"), 503, "The booking system is busy or being restarted"),
    (db.InterfaceError("secret detail"), 503, "The booking system is busy or being restarted"),
    (read_only(), 503, "The booking system is busy or being restarted"),
]


@pytest.fixture
def viewer():
    client = desk.person("viewer")
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize(("fault", "status", "said"), CASES)
def test_each_has_its_page(viewer, fault, status, said):
    came = {"HTTP_HOST": "testserver", "HTTP_REFERER": "http://testserver/admin/bookings/workorder/?q=a&p=2"}
    with mock.patch(BOARD, side_effect=fault):
        answer = viewer.get("/admin/", HTTP_X_REQUEST_ID="from-the-proxy-7", **came)
    page = answer.content.decode()
    assert answer.status_code == status
    for text in (said, "from-the-proxy-7", "bookings/desk.css", 'href="/admin/bookings/workorder/?q=a&amp;p=2"'):
        assert text in page, text
    assert 'href="/admin/"' in page
    assert "secret detail" not in page
    assert ("Retry-After" in answer) == (status == 503)


@pytest.mark.skipif(not SERVER, reason="SQLite is a file of this machine, there is nothing to be away from")
def test_the_database_is_really_away(service):
    """Every page of someone who has a cookie asks for the session first."""
    cookie = {"Cookie": "sessionid=0123456789abcdefghijklmnopqrstuv"}
    pages = ("/admin/", "/admin/bookings/workorder/")
    ask = [partial(request, service.port, "GET", page, headers=cookie) for page in pages]
    assert [call().status for call in ask] == [302, 302]  # to the log-in
    with service.database.away():
        for answer in (call() for call in ask):
            page = answer.body.decode()
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "The booking system is busy or being restarted" in page
            assert "bookings/desk.css" in page
            assert service.database.name not in page
    assert [call().status for call in ask] == [302, 302]
    assert "Traceback" not in service.log.read_text()


def test_no_page_of_an_error_asks_the_database(viewer, django_assert_num_queries):
    from bookings.admin import error_page

    request = viewer.get("/admin/").wsgi_request
    with django_assert_num_queries(0):
        for status in error_page.TEXTS:
            assert "desk.css" in error_page.draw(request, status).content.decode()


def test_the_database_is_away_before_anybody_is_known():
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "a" * 32
    away = mock.patch("django.contrib.sessions.backends.db.SessionStore.load", side_effect=db.OperationalError("gone"))
    with away:
        assert client.get("/admin/").status_code == 503


def test_what_was_typed_can_be_sent_again_when_the_database_is_back(viewer):
    slot = desk.slot_in()
    supervisor = desk.person("supervisor")
    supervisor.raise_request_exception = False
    with mock.patch("bookings.supply.slots.add", side_effect=db.OperationalError("gone")):
        answer = supervisor.post(
            "/admin/bookings/appointmentslot/add/",
            {
                "area": slot.area_id,
                "day": "2100-01-01",
                "begins": "8:00",
                "ends": "9:00",
                "capacity": 1,
                "worker": '"a',
            },
        )
    assert answer.status_code == 503
    assert 'name="worker" value="&quot;a"' in answer.content.decode()
    assert "Send it again" in answer.content.decode()


@pytest.mark.parametrize("path", ["/admin/nothing/", "/nothing-here", "/admin/bookings/workorder/%00/"])
def test_an_address_that_leads_nowhere(viewer, path):
    answer = viewer.get(path)
    assert answer.status_code in (400, 404)
    assert "To the board" in answer.content.decode()


@pytest.mark.parametrize("came", ["https://evil.example/admin/", "http://testserver/elsewhere", "nonsense", "http://["])
def test_the_way_back_leads_only_to_ourselves(viewer, came):
    answer = viewer.get("/admin/nothing/", HTTP_HOST="testserver", HTTP_REFERER=came)
    assert answer.status_code == 404
    assert ">Back<" not in answer.content.decode()
