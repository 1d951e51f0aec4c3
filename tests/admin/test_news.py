"""What came since a page was opened, asked once a minute by the page itself."""

import time

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from bookings.models import Refusal
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

NEWS = "/admin/bookings/workorder/news/"
POLL = {"X-Bookjob-Poll": "1"}


@pytest.fixture
def viewer():
    return desk.person("viewer")


def ask(client, since="", **headers):
    return client.get(NEWS, {"since": since}, headers=POLL | headers)


def refuse(order, hour=8):
    """A booking of a slot that is full."""
    full = desk.slot_in(hour=hour, capacity=0)
    assert helpers.post(order, helpers.booking(full.start, full.end)).status_code == 409


def test_from_the_first_question_on(viewer):
    place = desk.slot_in(capacity=9)
    desk.book(place, "WO-1")
    refuse("WO-2")
    first = ask(viewer).json()
    assert (first["new"], first["refused"]) == (0, 0)
    for number in (3, 4, 5):
        desk.book(place, f"WO-{number}")
    refuse("WO-6", hour=9)
    assert ask(viewer, first["since"]).json() == {"since": first["since"], "new": 3, "refused": 1}


def test_nothing_is_sent_where_nothing_has_changed(viewer):
    answer = ask(viewer)
    since, etag = answer.json()["since"], answer["ETag"]
    again = ask(viewer, since, **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    desk.book(desk.slot_in())
    assert ask(viewer, since, **{"If-None-Match": etag}).json()["new"] == 1


def test_only_the_areas_that_one_may_see(viewer):
    leeds, hull = desk.slot_in(), desk.slot_in("HULL")
    client = desk.person("viewer", leeds.area)
    since = ask(client).json()["since"]
    desk.book(hull, "WO-1")
    desk.book(leeds, "WO-2")
    Refusal.objects.create(
        at=leeds.start, error="slot_unavailable", message="Full.", original_order="WO-3", area=hull.area
    )
    assert (ask(client, since).json()["new"], ask(client, since).json()["refused"]) == (1, 0)
    assert ask(viewer, since).json()["new"] == 2


@pytest.mark.parametrize("since", ["Infinity", "1", "1.", "-1.2", "٣.٣", f"{'9' * 30}.1", "x.y", "1.2.3"])
def test_what_is_no_place_is_none(viewer, since):
    desk.book(desk.slot_in())
    assert ask(viewer, since).json()["new"] == 0


def test_a_crowd_is_not_counted_to_its_end(viewer, monkeypatch):
    monkeypatch.setattr("bookings.admin.news.MOST", 2)
    place = desk.slot_in(capacity=9)
    for number in range(3):
        desk.book(place, f"WO-{number}")
    assert ask(viewer, "0.0").json()["new"] == 2


def test_who_may_ask(client, django_user_model):
    assert ask(client).status_code == 302
    client.force_login(django_user_model.objects.create(username="x", is_staff=True))
    assert ask(client).status_code == 403


def test_the_statements_are_few_and_do_not_grow(viewer):
    def statements():
        with CaptureQueriesContext(connection) as ran:
            ask(viewer, "0.0")
        return len(ran)

    few, place = statements(), desk.slot_in(capacity=9)
    for number in range(5):
        desk.book(place, f"WO-{number}")
    assert statements() == few <= 7


@override_settings(BOOKJOB_SESSION_IDLE_MINUTES=30)
def test_a_session_does_not_live_longer_by_it(viewer):
    def seen(value=None):
        session = viewer.session
        if value is not None:
            session["seen"] = session["began"] = value
            session.save()
        return Session.objects.get().get_decoded()["seen"]

    before = seen(int(time.time()) - 20 * 60)
    assert ask(viewer).status_code == 200
    assert seen() == before
    viewer.get("/admin/")
    assert seen() > before, "a page that a person opens does count"
    seen(int(time.time()) - 31 * 60)
    assert ask(viewer).status_code == 302, "and it ends in its time"
