"""Ill, or snow: what is closed, what is proposed, what is moved, and who may do it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import clock, services
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, WorkOrder
from bookings.supply.closing import blackouts
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

CLEAR = "/admin/bookings/blackout/clear/"
PLAN = f"{CLEAR}plan/"


@pytest.fixture
def dispatcher():
    return desk.person("dispatcher")


def slot(worker="anna", hour=12, days=0, area="LEEDS", **fields):
    return desk.slot_in(area, hour=hour, days=days, worker=worker, **({"capacity": 1} | fields))


def form(days=7, **data):
    today = clock.now().date()
    return {"workers": "anna", "day": today, "until": today + timedelta(days=days), "reason": "Ill"} | data


def close(client, **data):
    return client.post(CLEAR, form(**data) | {"do": "close"}, follow=True)


def ticks(answer) -> list[str]:
    return re.findall(r'name="move" value="([^"]+)"', answer.content.decode())


def confirm(client, answer, chosen=None):
    keys = [row.pk for row in answer.context["closed"]]
    moves = ticks(answer) if chosen is None else chosen
    given = {"b": keys, "move": moves, "do": "move", "since": answer.context["since"]}
    return client.post(PLAN, given, follow=True)


class TestClosing:
    def test_a_worker_and_then_the_moves(self, dispatcher):
        order = desk.book(slot(), Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
        services.review(work_order=order, by="ann")
        place = slot("ben")
        answer = close(dispatcher)
        assert desk.said(answer) == ["Closed: 1 slot. Slots that are made later are closed too."]
        blackout = Blackout.objects.get()
        assert (blackout.worker, blackout.reason, blackout.closed_by) == ("anna", "Ill", dispatcher.user.username)
        text = desk.text_of(answer)
        assert "1 booking has to go elsewhere" in text
        assert f"<b>same time</b>: {place}" in text
        assert WorkOrder.objects.get().slot_id != place.pk, "nothing is moved before it is confirmed"

        answer = confirm(dispatcher, answer)
        assert desk.said(answer) == ["1 moved. The call list is below."]
        text = desk.text_of(answer)
        assert "Call list: 1 moved" in text
        assert "Ruth Okafor" in text
        assert "No other booking stands in this time" in text
        moved = WorkOrder.objects.get()
        assert moved.slot == place
        assert moved.reviewed_by == dispatcher.user.username, "it needs no second review"
        line = moved.history.last()
        assert (line.event, line.by, line.via, line.reason) == ("moved", dispatcher.user.username, "admin", "Ill")

    def test_an_area_whole(self, dispatcher):
        desk.book(slot())
        slot("ben", days=3)
        answer = close(dispatcher, workers="", areas=[helpers.make_area().pk], days=2)
        assert [row.worker for row in answer.context["closed"]] == [""]
        assert "<b>3 days later</b>" in desk.text_of(answer)

    def test_a_worker_in_each_area_where_there_are_slots_of_theirs(self, dispatcher):
        slot()
        slot(area="HULL", hour=16)
        slot("ben", area="BOSTON", zone="America/New_York")
        close(dispatcher)
        assert sorted(row.area.code for row in Blackout.objects.all()) == ["HULL", "LEEDS"]

    def test_a_worker_in_one_area_alone(self, dispatcher):
        slot()
        slot(area="HULL", hour=16)
        close(dispatcher, areas=[helpers.make_area("HULL").pk])
        assert [row.area.code for row in Blackout.objects.all()] == ["HULL"]

    def test_the_hours_are_those_of_each_areas_clock(self, dispatcher):
        leeds, boston = slot().area, slot("ben", area="BOSTON", zone="America/New_York").area
        day = clock.now().date() + timedelta(days=1)
        times = {"day": day, "until": day, "begins": "10:00", "ends": "12:30"}
        close(dispatcher, workers="", areas=[leeds.pk, boston.pk], **times)
        for row in Blackout.objects.all():
            shown = [f"{moment.astimezone(row.area.zone):%H:%M}" for moment in (row.start, row.end)]
            assert shown == ["10:00", "12:30"]

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            ({"workers": ""}, "Name a worker or choose an area."),
            ({"workers": "ana"}, "Did you mean anna?"),
            ({"workers": "anna, zzz"}, "There is no worker &#x27;zzz&#x27;."),
            ({"until": "2020-01-01"}, "This is not after the beginning."),
            ({"day": "2020-01-01", "until": "2020-01-02"}, "This time is over."),
            ({"day": "no"}, "Enter a valid date."),
            ({"areas": ["Infinity"]}, "is not a valid value"),
            ({"reason": ""}, "This field is required."),
            ({"workers": ",".join(f"w{number}" for number in range(60))}, "These are more than 50."),
        ],
    )
    def test_what_cannot_be_closed(self, dispatcher, data, said):
        slot()
        answer = close(dispatcher, **data)
        assert answer.status_code == 200
        assert said in desk.text_of(answer)
        assert not Blackout.objects.exists()

    def test_the_same_time_twice(self, dispatcher):
        desk.book(slot())
        close(dispatcher)
        answer = close(dispatcher)
        assert "anna was closed for this time already" in desk.said(answer)[1]
        assert Blackout.objects.count() == 1
        assert len(answer.context["rows"]) == 1

    def test_the_address_may_say_who_and_when(self, dispatcher):
        slot()
        answer = dispatcher.get(CLEAR, {"workers": "anna", "area": "LEEDS", "day": "2026-12-04", "until": "2026-12-05"})
        text = answer.content.decode()
        for value in ('value="anna"', "2026-12-04", "2026-12-05", "checked"):
            assert value in text


class TestMoving:
    def test_what_is_unticked_stays(self, dispatcher):
        orders = [desk.book(slot(hour=hour), f"WO-{hour}") for hour in (8, 11)]
        slot("ben", hour=8)
        slot("ben", hour=11)
        answer = close(dispatcher)
        keep = [tick for tick in ticks(answer) if not tick.startswith(f"{orders[0].pk}:")]
        answer = confirm(dispatcher, answer, keep)
        assert [row["order"] for row in answer.context["moved"]] == [orders[1]]
        assert [row.order for row in answer.context["rows"]] == [orders[0]]
        assert "Still here: 1 booking has to go elsewhere" in desk.text_of(answer)

    def test_a_place_that_a_booking_took_meanwhile(self, dispatcher):
        order = desk.book(slot(), "WO-1")
        place = slot("ben")
        answer = close(dispatcher)
        taken = desk.book(place, "WO-2")
        answer = confirm(dispatcher, answer)
        (said,) = desk.said(answer)
        assert said.startswith("1 skipped.")
        assert f"{order} stays where it is." in said
        place.refresh_from_db()
        assert (place.booked, WorkOrder.objects.get(slot=place)) == (1, taken)

    def test_a_booking_that_was_changed_meanwhile(self, dispatcher):
        order = desk.book(slot())
        slot("ben")
        answer = close(dispatcher)
        services.add_note(work_order=WorkOrder.objects.get(), by="ann", note="Wants a call")
        answer = confirm(dispatcher, answer)
        assert f"{order} was changed meanwhile (noted by ann" in desk.said(answer)[0]
        assert WorkOrder.objects.get().slot == order.slot

    def test_a_second_click_changes_nothing_and_says_so(self, dispatcher):
        desk.book(slot())
        slot("ben")
        answer = close(dispatcher)
        confirm(dispatcher, answer)
        again = confirm(dispatcher, answer)
        assert desk.said(again) == ["1 moved. The second click changed nothing."]
        assert len(again.context["moved"]) == 1, "the call list is that of the first click"
        assert HistoryEntry.objects.filter(event="moved").count() == 1

    def test_nothing_ticked(self, dispatcher):
        desk.book(slot())
        answer = confirm(dispatcher, close(dispatcher), [])
        assert desk.said(answer) == ["Nothing was ticked, so nothing was moved."]

    @pytest.mark.parametrize("tick", ["Infinity:1:1", "1:1", "1:-1:1", "٣:1:1", f"{'9' * 30}:1:1", "x", ""])
    def test_what_is_no_tick_moves_nothing(self, dispatcher, tick):
        desk.book(slot())
        answer = confirm(dispatcher, close(dispatcher), [tick])
        assert answer.status_code == 200
        assert not HistoryEntry.objects.filter(event="moved").exists()

    def test_the_call_list_can_be_looked_at_again(self, dispatcher):
        desk.book(slot(), "WO-1")
        slot("ben")
        answer = confirm(dispatcher, close(dispatcher))
        address = answer.request["PATH_INFO"] + "?" + answer.request["QUERY_STRING"]
        again = desk.person("dispatcher").get(address)
        assert len(again.context["moved"]) == 1
        for since in ("", "x", "1.2", "9" * 30, "9" * 18):
            assert dispatcher.get(PLAN, {"b": answer.context["closed"][0].pk, "since": since}).context["moved"] == []

    def test_the_call_list_holds_all_of_the_job(self, dispatcher):
        """What two presses moved, and what was moved on its own between them; nothing that stood elsewhere."""
        orders = [desk.book(slot(hour=hour), f"WO-{hour}") for hour in (6, 9, 12)]
        others = [slot("ben", hour=hour, capacity=2) for hour in (6, 9, 12)]
        elsewhere = desk.book(slot("cy"), "WO-99")
        answer = close(dispatcher)
        first = [tick for tick in ticks(answer) if tick.startswith(f"{orders[0].pk}:")]
        answer = confirm(dispatcher, answer, first)
        for order, place in ((orders[1], others[1]), (elsewhere, others[2])):
            order.refresh_from_db()
            desk.perform(dispatcher, "move", order, slot=place.pk, area="LEEDS")
        answer = dispatcher.get(answer.context["here"])
        assert [row.order for row in answer.context["rows"]] == [orders[2]]
        answer = confirm(dispatcher, answer)
        assert [row["order"] for row in answer.context["moved"]] == orders
        assert all(row["before"] for row in answer.context["moved"])

    def test_the_call_list_of_one_who_came_by_the_blackout(self, dispatcher):
        """There is no line in the address to begin with: the list begins with the first press."""
        orders = [desk.book(slot(hour=hour), f"WO-{hour}") for hour in (8, 11)]
        slot("ben", hour=8)
        slot("ben", hour=11)
        key = close(dispatcher).context["closed"][0].pk
        answer = dispatcher.get(PLAN, {"b": key})
        for order in orders:
            answer = confirm(dispatcher, answer, [tick for tick in ticks(answer) if tick.startswith(f"{order.pk}:")])
        assert [row["order"] for row in answer.context["moved"]] == orders


def test_an_absence_has_its_plan_too(dispatcher):
    desk.book(slot())
    place, today = slot("ben"), clock.now().date()
    absence = Blackout.absence("anna", today, today + timedelta(days=9), reason="Ill")
    given = {"start": absence.start, "end": absence.end, "reason": absence.reason}
    closed = blackouts.close_slots(area=None, worker="anna", by="sue", **given).blackout
    answer = confirm(dispatcher, dispatcher.get(PLAN, {"b": closed.pk}))
    assert desk.said(answer) == ["1 moved. The call list is below."]
    assert WorkOrder.objects.get().slot == place


class TestOpeningAgain:
    def test_by_the_person_who_closed(self, dispatcher):
        desk.book(slot())
        answer = close(dispatcher)
        keys = [row.pk for row in answer.context["closed"]]
        answer = dispatcher.post(PLAN, {"b": keys, "do": "open"}, follow=True)
        assert desk.said(answer) == ["Opened again: 1 slot. The bookings stay where they are now."]
        assert AppointmentSlot.objects.get().blackout is None
        assert answer.context["rows"] == []

    def test_not_what_another_person_closed(self, dispatcher):
        given = {"area": slot().area, "start": clock.now(), "end": clock.now() + timedelta(days=9), "reason": "Fair"}
        other = blackouts.close_slots(by="sue", **given).blackout
        assert not dispatcher.get(PLAN, {"b": other.pk}).context["may_open"]
        dispatcher.post(PLAN, {"b": other.pk, "do": "open"})
        other.refresh_from_db()
        assert other.opened_at is None
        assert desk.person("supervisor").get(PLAN, {"b": other.pk}).context["may_open"]


class TestWho:
    @pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("dispatcher", 200), ("supervisor", 200)])
    def test_roles(self, role, status):
        slot()
        client = desk.person(role)
        assert client.get(CLEAR).status_code == status
        assert close(client).status_code == status
        assert Blackout.objects.exists() == (status == 200)
        assert ("Ill or snow" in client.get("/admin/").content.decode()) == (status == 200)

    def test_a_viewer_moves_nothing(self):
        desk.book(slot())
        slot("ben")
        answer = close(desk.person("dispatcher"))
        viewer = desk.person("viewer")
        for call in (viewer.get, viewer.post):
            assert (
                call(PLAN, {"b": answer.context["closed"][0].pk, "do": "move", "move": ticks(answer)}).status_code
                == 403
            )
        assert not HistoryEntry.objects.filter(event="moved").exists()

    def test_only_the_areas_that_one_may_see(self):
        leeds, hull = slot().area, slot("anna", area="HULL", hour=16)
        desk.book(hull)
        client = desk.person("dispatcher", leeds)
        assert list(client.get(CLEAR).context["form"].fields["areas"].queryset) == [leeds]
        close(client)
        assert [row.area for row in Blackout.objects.all()] == [leeds]
        assert "is not one of the available choices" in desk.text_of(close(client, workers="", areas=[hull.area_id]))
        close(desk.person("dispatcher"))
        unseen = Blackout.objects.get(area=hull.area)
        answer = client.get(PLAN, {"b": unseen.pk}, follow=True)
        assert desk.said(answer) == ["There is no such blackout that you may see. Close the time again."]

    @pytest.mark.parametrize("key", ["Infinity", "9" * 30, "-1", "x", "٣"])
    def test_a_key_that_can_be_none(self, dispatcher, key):
        assert dispatcher.get(PLAN, {"b": key}).status_code == 404


def test_the_statements_do_not_grow_with_the_bookings(dispatcher):
    place = slot(capacity=9)
    desk.book(place, "WO-1")
    slot("ben", capacity=9)
    answer = close(dispatcher)
    address = answer.request["PATH_INFO"] + "?" + answer.request["QUERY_STRING"]

    def statements():
        with CaptureQueriesContext(connection) as ran:
            assert dispatcher.get(address).status_code == 200
        return len(ran)

    few = statements()
    AppointmentSlot.objects.filter(pk=place.pk).update(blackout=None)
    for number in range(2, 9):
        desk.book(place, f"WO-{number}", UserName="anna")
    assert statements() == few


def test_the_page_of_a_blackout_leads_there(dispatcher):
    desk.book(slot())
    blackout = close(dispatcher).context["closed"][0]
    page = f"/admin/bookings/blackout/{blackout.pk}/change/"
    assert f"{PLAN}?b={blackout.pk}" in dispatcher.get(page).content.decode()
    assert "Propose new times" not in desk.person("viewer").get(page).content.decode()
