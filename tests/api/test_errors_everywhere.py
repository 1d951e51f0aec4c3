"""Every error of the API has the vendor's body, wherever it comes from (contract, section 2)."""

import contextlib
import errno
import json
from unittest import mock

import pytest
from django import db
from django.test import Client, override_settings

from bookings import services
from bookings.access import tokens
from bookjob_site import wsgi
from tests.support import faults
from tests.support.helpers import booking, clock_stands_at, error, make_slot, post, search

pytestmark = pytest.mark.django_db


class Broken:
    """A middleware with a fault, as a later version or another package may bring it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        raise RuntimeError("secret of the middleware")


class WithoutDatabase(Broken):
    def __call__(self, request):
        raise db.OperationalError("connection to server at 10.9.8.7 failed")


def client():
    return Client(raise_request_exception=False)


@contextlib.contextmanager
def with_first(middleware):
    """Pages and API with one middleware more."""
    from django.conf import settings

    more = {
        name: [*getattr(settings, name), f"{__name__}.{middleware.__name__}"]
        for name in ("MIDDLEWARE", "API_MIDDLEWARE")
    }
    with override_settings(**more), mock.patch.object(wsgi, "api", wsgi.ApiHandler()):
        yield


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v1/nothing", "/api/v2/appointments/search", "/api/v1/docs/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
def test_an_unknown_address(path, method):
    answer = client().generic(method, path)
    assert (answer.status_code, answer.json()) == (404, error(404, "not_found", "There is nothing at this address."))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_a_wrong_method(method):
    answer = search({}, method=method)
    assert answer.status_code == 405
    assert answer.json() == error(405, "method_not_allowed", "This address does not take that method.")
    assert "POST" in answer["Allow"]


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/schema"])
def test_a_wrong_method_of_a_page_is_told_as_everywhere(path):
    answer = client().post(path)
    assert (answer.status_code, answer["Content-Type"], answer.json()["code"]) == (405, "application/json", 405)


def test_no_caller_writes_into_the_schema():
    assert b"evil" not in client().get("/api/v1/schema?version=evil").content


def test_broken_json():
    answer = post("WO-1", b"{'Account': 1}")
    assert answer.status_code == 400
    message = "The request body is no JSON: Expecting property name enclosed in double quotes in line 1, column 2."
    assert answer.json()["detail"]["message"] == message


def test_a_fault_in_a_middleware():
    with with_first(Broken):
        answer = client().post("/api/v1/appointments/search", {}, content_type="application/json")
    assert answer.status_code == 500
    assert answer.json()["detail"]["params"]["error"] == "server_error"
    assert answer.json()["detail"]["params"]["incident"]
    assert b"secret" not in answer.content


def test_a_database_that_is_away_in_a_middleware():
    with with_first(WithoutDatabase):
        answer = client().post("/api/v1/appointments/search", {}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"]["params"] == {"error": "unavailable"}
    assert b"10.9.8.7" not in answer.content


@pytest.mark.parametrize("fault", [db.OperationalError, db.InterfaceError])
def test_a_database_that_is_away_in_a_view(monkeypatch, fault):
    def away(*args, **kwargs):
        raise fault("server closed the connection")

    monkeypatch.setattr("bookings.db.sql.run", away)
    for answer in (search({}), post("WO-1", booking())):
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert answer.json()["detail"]["params"] == {"error": "unavailable"}


def test_something_unforeseen_is_in_the_log_under_its_incident(monkeypatch, caplog):
    def fault(**kwargs):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(services, "book", fault)
    answer = post("WO-1", booking())
    incident = answer.json()["detail"]["params"]["incident"]
    assert answer.status_code == 500
    assert answer.json() == error(
        500,
        "server_error",
        f"Something went wrong here. Try again, and if it stays so, report incident {incident}.",
        incident=incident,
    )
    assert f"Incident {incident}" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 429, 500, 503])
def test_documented_statuses_only_covers_all_of_them(settings, monkeypatch, status):
    settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY = True
    make_slot(capacity=0)
    with clock_stands_at():
        answer = {
            400: lambda: post("WO-1", "["),
            404: lambda: client().get("/api/v1/nothing"),
            405: lambda: search({}, method="GET"),
            409: lambda: post("WO-1", booking()),
            413: lambda: post("WO-1", "x" * 2_000_000),
            415: lambda: post("WO-1", "x", content_type="text/plain"),
            429: throttled(monkeypatch),
            500: in_middleware(Broken),
            503: in_middleware(WithoutDatabase),
        }[status]()
    assert (answer.status_code, answer.json()["code"]) == (500, status)
    assert "error" in answer.json()["detail"]["params"]


def test_and_401_stays(settings):
    settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY = True
    assert post("WO-1", booking(), token="x").status_code == 401


@pytest.mark.parametrize("path", ["workorders", "workorders/", "workorders/FU-1"])
def test_and_so_do_those_of_the_addresses_that_servicemobility_does_not_call(settings, path):
    settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY = True
    for method, status in (("GET", 403), ("POST", 405)):
        answer = client().generic(method, f"/api/v1/{path}", HTTP_X_ACCESS_TOKEN=tokens.issue_token("stranger"))
        assert (answer.status_code, answer.json()["code"]) == (status, status)


def test_the_admin_keeps_its_pages():
    assert client().get("/admin/nothing/").status_code == 302
    answer = client().get("/nothing")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "path",
    [
        "auth/token",
        "appointments/search",
        "workorders/WO-1/followup",
        "workorders",
        "workorders/FU-1",
        "schema",
        "docs",
    ],
)
def test_no_address_describes_itself(path):
    answer = client().options(f"/api/v1/{path}", headers={"x-access-token": tokens.issue_token("stranger")})
    assert (answer.status_code, answer.json()) == (
        405,
        error(405, "method_not_allowed", "This address does not take that method."),
    )


@pytest.mark.parametrize("path", ["/appointments/search", "/API/v1/auth/token", "/api", "/v1/workorders/WO-1/followup"])
def test_a_misspelt_address_is_answered_in_servicemobilitys_body(path):
    expected = error(404, "not_found", "There is nothing at this address.")
    for sent in (
        client().post(path, {}, content_type="application/json"),
        client().get(path, headers={"x-access-token": "x"}),
    ):
        assert (sent.status_code, sent.json()) == (404, expected)
    assert client().get(path)["Content-Type"] == "text/html; charset=utf-8"


def throttled(monkeypatch):
    from rest_framework.exceptions import Throttled

    def too_many(**kwargs):
        raise Throttled(7)

    monkeypatch.setattr("bookings.access.log_in.log_in", too_many)
    body = json.dumps({"username": "a", "password": "b"})
    return lambda: client().post("/api/v1/auth/token", body, content_type="application/json")


def in_middleware(middleware):
    def call():
        with with_first(middleware):
            return client().post("/api/v1/appointments/search", {}, content_type="application/json")

    return call


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, identity"])
def test_a_compressed_body(coding):
    answer = post("WO-1", b"\x1f\x8b", headers=with_token(**{"Content-Encoding": coding}))
    assert (answer.status_code, answer["Accept-Encoding"]) == (415, "identity")
    message = "The request must be sent uncompressed, without Content-Encoding."
    assert answer.json() == error(415, "unsupported_media_type", message)


def test_a_body_that_says_it_is_not_compressed():
    make_slot()
    with clock_stands_at():
        assert post("WO-1", booking(), headers=with_token(**{"Content-Encoding": "identity"})).status_code == 200


def with_token(**headers):
    return {"x-access-token": tokens.issue_token("jo")} | headers


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "JWT"])
def test_a_token_in_the_wrong_header_is_told_where_it_belongs(scheme):
    headers = {"Authorization": f"{scheme} {tokens.issue_token('jo')}"}
    answer = post("WO-1", booking(), headers=headers)
    message = "Send the token in the header x-access-token, without a word before it."
    assert (answer.status_code, answer.json()) == (401, error(401, "invalid_logon", message))
    # Whatever stands there beside a token that is sent as it must be.
    make_slot()
    with clock_stands_at():
        assert post("WO-1", booking(), headers=headers | with_token()).status_code == 200


class Unwritable(Broken):
    fault: Exception

    def __call__(self, request):
        raise self.fault


@pytest.mark.parametrize(
    "fault",
    [
        *faults.AWAY,
        db.OperationalError("database or disk is full"),
        OSError(errno.EROFS, "Read-only file system"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_the_desk_says_503_where_nothing_can_be_written(fault, monkeypatch):
    monkeypatch.setattr(Unwritable, "fault", fault, raising=False)
    with with_first(Unwritable):
        page, of_the_api = client().get("/admin/"), client().get("/api/v1/workorders")
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert (of_the_api.status_code, of_the_api.json()["detail"]["params"]) == (503, {"error": "unavailable"})


def test_other_faults_of_the_desk_are_still_faults(monkeypatch):
    for fault in (*faults.OTHERS, OSError(errno.EPERM, "x"), RuntimeError("x")):
        monkeypatch.setattr(Unwritable, "fault", fault, raising=False)
        with with_first(Unwritable):
            assert client().get("/admin/").status_code == 500
