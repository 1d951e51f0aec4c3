"""The board: every number is right, and is a link to the list that holds just that many."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import services
from bookings.admin import days
from bookings.models import Refusal, WorkOrder
from bookings.supply import slots
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer():
    return desk.person("viewer")


def board(client, **query):
    answer = client.get("/admin/", query)
    assert answer.status_code == 200
    return answer.context["board"]


def behind(client, link) -> int:
    """How many rows the list behind a link holds."""
    return client.get(link).context["cl"].result_count


def windows(client, **query):
    return {
        row.area.code: [(window.text, window.booked, window.capacity) for window in row.windows if window.slots]
        for row in board(client, **query)["rows"]
    }


def test_each_tile_counts_what_is_behind_it(viewer):
    slot = desk.slot_in(capacity=9)
    due = (slot.start + timedelta(hours=1)).isoformat()
    desk.book(slot, "WO-1", RequiredParts=[{"ProdNum": "A", "EstimatedDelivery": due}])
    reviewed, cancelled = desk.book(slot, "WO-2"), desk.book(slot, "WO-3")
    services.review(work_order=reviewed, by="ann")
    services.cancel(work_order=cancelled, by="ann", reason="Other")
    closed = desk.slot_in("BOSTON", "America/New_York")
    desk.book(closed, "WO-4")
    slots.close(slot=closed, by="sue", reason="Snow")
    helpers.post("WO-1", helpers.booking(slot.start, slot.end, Account={"AccountNum": "other"}))
    old = desk.book(slot, "WO-5")
    WorkOrder.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))

    tiles = board(viewer)["tiles"]
    assert {tile["title"]: tile["count"] for tile in tiles} == {
        "To review": "3",
        "New since yesterday": "4",
        "In a closed slot": "1",
        "Parts after the visit": "1",
        "Cancelled today": "1",
        "Refused today": "1",
        "Areas whose slots end": "1",
    }
    for tile in tiles:
        assert behind(viewer, tile["link"]) == int(tile["count"]), tile


def test_the_tiles_of_some_areas(viewer):
    desk.book(desk.slot_in(), "WO-1")
    desk.book(desk.slot_in("BOSTON", "America/New_York"), "WO-2")
    for codes, count in ((["LEEDS"], 1), (["LEEDS", "BOSTON"], 2), (["NOWHERE"], 2)):
        for tile in board(viewer, area=codes)["tiles"][:2]:
            assert tile["count"] == str(count), (codes, tile)
    tile = board(viewer, area=["LEEDS", "BOSTON"])["tiles"][0]
    assert behind(viewer, tile["link"]) == 2


def test_a_day_shows_each_window_of_each_area(viewer):
    pool, own = desk.slot_in(capacity=2), desk.slot_in(capacity=1, worker="tech.silva")
    desk.slot_in("BOSTON", "America/New_York", hour=15, capacity=5)
    desk.book(pool, "WO-1", UserName="stranger")
    day = pool.start.astimezone(pool.area.zone).date()
    local = f"{pool.start.astimezone(pool.area.zone):%H:%M}-{pool.end.astimezone(pool.area.zone):%H:%M}"
    shown = windows(viewer, day=day)
    assert shown["LEEDS"] == [(local, 1, 3)]
    assert [(booked, capacity) for _, booked, capacity in shown["BOSTON"]] == [(0, 5)]
    (window,) = next(row for row in board(viewer, day=day)["rows"] if row.area.code == "LEEDS").windows
    assert behind(viewer, window.link) == 1
    page = viewer.get("/admin/", {"day": day}).content.decode()
    assert "1/3" in page
    assert "Europe/London" in page
    assert "America/New_York" in page
    slots.close(slot=pool, by="sue", reason="Snow")
    slots.close(slot=own, by="sue", reason="Snow")
    assert "closed 1" in viewer.get("/admin/", {"day": day}).content.decode()


def test_a_week_shows_seven_days_of_each_area(viewer):
    slot = desk.slot_in()
    desk.book(slot)
    day = slot.start.astimezone(slot.area.zone).date()
    (row,) = board(viewer, day=day, span="week")["rows"]
    assert len(row.windows) == 7
    (window,) = [window for window in row.windows if window.slots]
    assert (window.booked, window.capacity, window.text) == (1, 3, f"{day:%a} {day.day}")
    assert row.windows[0].text.startswith("Mon")
    assert behind(viewer, window.link) == 1


def test_a_visit_before_midnight_stands_on_the_areas_own_day(viewer):
    """06:30 in UTC is the evening before in Los Angeles."""
    start = helpers.tomorrow(6) + timedelta(minutes=30)
    helpers.make_area("LA", "America/Los_Angeles")
    slot = helpers.make_slot("LA", start)
    local = slot.start.astimezone(slot.area.zone).date()
    assert local == start.date() - timedelta(days=1)
    assert len(windows(viewer, day=local)["LA"]) == 1
    assert windows(viewer, day=start.date())["LA"] == []


def test_the_coming_weeks(viewer):
    near, far = desk.slot_in(capacity=4), desk.slot_in(days=8, capacity=6)
    desk.book(near, "WO-1")
    desk.book(far, "WO-2")
    desk.slot_in(days=9, capacity=7, is_open=False)
    weeks = board(viewer)["weeks"]
    assert len(weeks) == 6
    assert sum(week.booked for week in weeks) == 2
    assert sum(week.free for week in weeks) == 3 + 5
    for week in weeks:
        assert behind(viewer, week.booked_link) == week.booked
        first = parse_qs(urlsplit(week.free_link).query)["day"][0]
        assert days.read_day(first).weekday() == 0
        free = viewer.get(week.free_link).context["cl"].result_list
        assert sum(slot.free for slot in free) == week.free


def test_who_is_next_to_review(viewer):
    late, soon = desk.book(desk.slot_in(days=3), "WO-1"), desk.book(desk.slot_in(), "WO-2")
    assert [row.pk for row in board(viewer)["next"]] == [soon.pk, late.pk]
    services.review(work_order=soon, by="ann")
    assert [row.pk for row in board(viewer)["next"]] == [late.pk]


@pytest.mark.parametrize(
    "query", [{"day": "nonsense"}, {"span": "x"}, {"area": ""}, {"day": "9999-12-31"}, {"day": "0001-01-01"}]
)
def test_odd_questions_are_answered_all_the_same(viewer, query):
    helpers.make_area()
    assert viewer.get("/admin/", query).status_code == 200


def test_without_areas(viewer):
    page = viewer.get("/admin/").content.decode()
    assert "There are no areas yet. Ask your administrator to add one." in page
    assert "Everything is reviewed" not in page


def test_without_areas_who_may_is_led_to_the_first_one():
    client = desk.person("supervisor")
    for url in ("/admin/", "/admin/bookings/servicearea/", "/admin/bookings/appointmentslot/planner/"):
        assert 'href="/admin/bookings/servicearea/add/">Add the first one</a>' in client.get(url).content.decode()


def test_queries_do_not_grow(viewer):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            viewer.get("/admin/")
        return len(captured)

    desk.book(desk.slot_in(), "WO-1")
    queries()  # the first page of a session notes when it began
    few = queries()
    for number in range(2, 8):
        desk.book(desk.slot_in(days=number), f"WO-{number}")
    assert queries() == few


@pytest.mark.parametrize("span", ["day", "week"])
def test_the_database_sums_the_slots(viewer, span):
    """One row for a window, and for a moment of the coming weeks, however many people work in it."""
    for number in range(1, 5):
        desk.slot_in(worker=f"w{number}", capacity=number)
    day = desk.slot_in(worker="ill", capacity=9, is_open=False).start.date()
    viewer.get("/admin/")
    with CaptureQueriesContext(connection) as captured:
        shown = board(viewer, day=day, span=span)["rows"]
    (window,) = [window for row in shown for window in row.windows if window.slots]
    assert (window.slots, window.closed, window.booked, window.capacity) == (5, 1, 0, 10)
    slots = [query["sql"] for query in captured if 'FROM "bookings_appointmentslot"' in query["sql"]]
    assert slots
    assert [text for text in slots if "SUM(" not in text and "LIMIT 1" not in text] == []


class TestRefusals:
    def test_what_was_refused_is_kept_with_its_reason(self, viewer):
        slot = desk.slot_in(capacity=0)
        refused = helpers.post("WO-1", helpers.booking(slot.start, slot.end))
        assert refused.status_code == 409
        refusal = Refusal.objects.get()
        assert (refusal.error, refusal.original_order, refusal.caller) == ("slot_unavailable", "WO-1", "tech.jones")
        assert refusal.area == slot.area
        assert refusal.request_id == refused["X-Request-ID"]
        page = viewer.get("/admin/bookings/refusal/").content.decode()
        assert "This appointment is full." in page
        assert "(Europe/London)" in page

    def test_it_is_only_looked_at(self, viewer):
        helpers.post("WO-1", helpers.booking())
        key = Refusal.objects.get().pk
        assert viewer.post(f"/admin/bookings/refusal/{key}/delete/", {"post": "yes"}).status_code == 403
        assert viewer.get("/admin/bookings/refusal/add/").status_code == 403
        assert viewer.get("/admin/bookings/refusal/", {"q": "WO-1"}).context["cl"].result_count == 1
        assert viewer.get("/admin/bookings/refusal/", {"q": "WO-2"}).context["cl"].result_count == 0
        assert viewer.get("/admin/bookings/refusal/", {"refused": "today"}).context["cl"].result_count == 1
