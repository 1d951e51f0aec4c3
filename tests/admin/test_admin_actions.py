"""What staff do to bookings: every action over every state and role, on one and on many, and nothing twice."""

import re
from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError
from django.utils import timezone
from psycopg.errors import DeadlockDetected

from bookings import services
from bookings.admin import actions as desk_actions
from bookings.admin.orders import work_order_actions
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.services import wishes
from bookings.supply import slots
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

FORMS = {
    "review": {"note": "Parts checked"},
    "note": {"note": "Rings back at noon"},
    "cancel": {"reason": "Customer cancelled", "more": "Moved house"},
}


@pytest.fixture(autouse=True)
def all_is_well_after_each_test(db, capsys):
    yield
    call_command("verify_bookings")


@pytest.fixture
def dispatcher():
    return desk.person("dispatcher")


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def work_order():
    return desk.book(desk.slot_in())


def state():
    """Everything that an action could have changed."""
    return (
        list(WorkOrder.objects.order_by("pk").values()),
        list(AppointmentSlot.objects.order_by("pk").values()),
        HistoryEntry.objects.count(),
    )


def form_of(action, target=None):
    return FORMS.get(action) or {"slot": target.pk, "reason": "Asked for it"}


def last_entry(work_order):
    return work_order.history.last()


def moved_text(work_order, slot):
    return f"{work_order} moved to {slot}, {slot.worker or 'pool'}. Call {work_order.phone or 'the customer'}."


def done_of(action):
    return {"review": "reviewed", "move": "moved", "cancel": "cancelled"}[action]


class TestOne:
    def test_review(self, dispatcher, work_order):
        answer = desk.perform(dispatcher, "review", work_order, **FORMS["review"])
        assert desk.said(answer) == ["1 reviewed."]
        work_order.refresh_from_db()
        assert work_order.reviewed_by == dispatcher.user.username
        assert work_order.reviewed_at is not None
        entry = last_entry(work_order)
        assert (entry.event, entry.by, entry.via, entry.reason) == (
            "reviewed",
            dispatcher.user.username,
            "admin",
            "Parts checked",
        )
        assert desk.numbers(dispatcher) == []

    def test_note(self, dispatcher, work_order):
        answer = desk.perform(dispatcher, "note", work_order, **FORMS["note"])
        assert desk.said(answer) == ["1 noted."]
        assert (last_entry(work_order).event, last_entry(work_order).reason) == ("noted", "Rings back at noon")
        assert "Rings back at noon" in answer.content.decode()

    def test_cancel_gives_the_place_back_to_the_api_at_once(self, dispatcher):
        slot = desk.slot_in(capacity=1)
        work_order = desk.book(slot, "WO-1")
        body = helpers.booking(slot.start, slot.end)
        assert helpers.post("WO-2", body).status_code == 409
        answer = desk.perform(dispatcher, "cancel", work_order, **FORMS["cancel"])
        assert desk.said(answer) == ["1 cancelled."]
        work_order.refresh_from_db()
        assert (work_order.status, work_order.cancel_reason) == ("cancelled", "Customer cancelled: Moved house")
        assert work_order.cancelled_by == dispatcher.user.username
        assert helpers.post("WO-2", body).status_code == 200

    def test_the_cancelled_order_can_be_booked_again_under_a_new_number(self, dispatcher, work_order):
        desk.perform(dispatcher, "cancel", work_order, **FORMS["cancel"])
        again = desk.book(work_order.slot, UserName="tech.jones")
        assert again.order_num != work_order.order_num

    def test_move_takes_one_place_and_gives_the_other_back(self, dispatcher, work_order):
        target = desk.slot_in(days=1, capacity=1)
        page = dispatcher.get(f"{desk.LIST}act/move/", {"chosen": desk.chosen(work_order)})
        assert f'value="{target.pk}"' in page.content.decode()
        answer = desk.perform(dispatcher, "move", work_order, slot=target.pk, reason="Asked for it")
        assert desk.said(answer) == [moved_text(work_order, target)]
        work_order.refresh_from_db()
        assert (work_order.slot_id, work_order.visit_start) == (target.pk, target.start)
        assert list(AppointmentSlot.objects.order_by("start").values_list("booked", flat=True)) == [0, 1]
        details = last_entry(work_order).details
        assert details["after"]["slot"] == target.pk
        assert details["before"]["slot"] != target.pk

    def test_move_to_another_area(self, dispatcher, work_order):
        target = desk.slot_in("BOSTON", "America/New_York")
        address = f"{desk.LIST}act/move/"
        page = dispatcher.post(address, {"chosen": desk.chosen(work_order), "do": "look", "area": "BOSTON"})
        assert f'value="{target.pk}"' in page.content.decode()
        assert "America/New_York" in page.content.decode()
        desk.perform(dispatcher, "move", work_order, slot=target.pk, area="BOSTON")
        work_order.refresh_from_db()
        assert work_order.area.code == "BOSTON"

    def test_a_move_shows_only_what_can_be_taken(self, dispatcher, work_order):
        now = timezone.now()
        desk.slot_in(days=1, capacity=1, order_type="OTHER")
        desk.slot_in(days=2, is_open=False)
        desk.slot_in(days=3, capacity=0)
        helpers.make_slot("LEEDS", now - timedelta(hours=3))
        helpers.make_slot("LEEDS", now + timedelta(minutes=30))
        free = desk.slot_in(days=4)
        page = dispatcher.get(f"{desk.LIST}act/move/", {"chosen": desk.chosen(work_order)}).content.decode()
        assert re.findall(r'name="slot" value="(\d+)"', page) == [str(free.pk)]

    def test_a_place_that_is_gone_meanwhile_is_said_and_others_are_shown(self, dispatcher, work_order):
        target, other = desk.slot_in(days=1, capacity=1), desk.slot_in(days=2)
        desk.book(target, "WO-2")
        before = state()
        answer = desk.perform(dispatcher, "move", work_order, slot=target.pk)
        assert "This appointment is not free any more" in answer.content.decode()
        assert f'value="{other.pk}"' in answer.content.decode()
        assert state() == before

    def test_a_place_that_goes_in_the_last_moment_is_not_taken(self, dispatcher, work_order):
        target = desk.slot_in(days=1, capacity=1)

        def somebody_is_faster(**arguments):
            desk.book(target, "WO-2")
            return services_move(**arguments)

        services_move = services.move
        with mock.patch.object(services, "move", somebody_is_faster):
            answer = desk.perform(dispatcher, "move", work_order, slot=target.pk)
        (said,) = desk.said(answer)
        assert said == f"1 skipped. This appointment is full. {work_order.order_num} stays where it is."
        # The page to choose from is there again.
        assert answer.request["PATH_INFO"].endswith("/act/move/")
        work_order.refresh_from_db()
        assert work_order.slot_id != target.pk

    def test_moving_by_service_refuses_the_same_slot_and_another_order_type(self, work_order):
        with pytest.raises(services.BookingError, match="in this appointment already"):
            services.move(work_order=work_order, slot=work_order.slot, by="ann")
        with pytest.raises(services.BookingError, match="for orders of the type OTHER only"):
            services.move(work_order=work_order, slot=desk.slot_in(days=1, order_type="OTHER"), by="ann")

    def test_a_move_that_the_database_ends_for_a_booking_is_said(self, dispatcher, work_order):
        """Both hold what the other wants: the slot, and the order's only active booking."""
        target = desk.slot_in(days=1)
        before = state()
        ended = OperationalError("deadlock detected")
        ended.__cause__ = DeadlockDetected("deadlock detected")
        with mock.patch("bookings.services.changes._swap", side_effect=ended):
            (said,) = desk.said(desk.perform(dispatcher, "move", work_order, slot=target.pk))
        assert "Order WO-1 is being booked right now. Look at it again before you repeat this." in said
        assert state() == before

    def test_an_order_may_not_be_moved_onto_another_booking_of_its_own(self, dispatcher, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "multiple"
        one, two = desk.book(desk.slot_in(), "WO-1"), desk.book(desk.slot_in(days=1), "WO-1")
        answer = desk.perform(dispatcher, "move", one, slot=two.slot_id)
        assert "has another booking in the appointment" in desk.said(answer)[0]
        one.refresh_from_db()
        assert one.slot_id != two.slot_id

    @pytest.mark.parametrize("policy", ["one", "move"])
    def test_one_of_several_can_be_moved_once_the_setting_allows_no_more(self, settings, policy):
        settings.BOOKJOB_FOLLOWUP_POLICY = "multiple"
        several = [desk.book(desk.slot_in(days=days), "WO-1") for days in range(2)]
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        for days, work_order in enumerate(several, 3):
            services.move(work_order=work_order, slot=desk.slot_in(days=days), by="ann")
        one, two = WorkOrder.objects.active().order_by("pk")
        with pytest.raises(services.BookingError, match="has another booking in the appointment"):
            services.move(work_order=one, slot=two.slot, by="ann")
        free = desk.slot_in(days=9)
        assert helpers.post("WO-1", helpers.booking(free.start, free.end)).status_code == 409

    def test_a_slot_that_was_removed_meanwhile_is_said(self, work_order):
        target = desk.slot_in(days=1)
        AppointmentSlot.objects.filter(pk=target.pk).delete()
        there_a_moment_ago = mock.patch("bookings.services.changes._check_fits")
        with there_a_moment_ago, pytest.raises(services.BookingError, match="is there no longer") as refused:
            services.move(work_order=work_order, slot=target, by="ann")
        assert refused.value.error == "slot_not_found"

    def test_a_fault_that_is_no_other_booking_is_told_as_none(self, work_order):
        target = desk.slot_in(days=1)
        AppointmentSlot.objects.filter(pk=work_order.slot_id).update(booked=0)  # which the move would count below 0
        before = state()
        with pytest.raises(IntegrityError):
            services.move(work_order=work_order, slot=target, by="ann")
        assert state() == before
        AppointmentSlot.objects.filter(pk=work_order.slot_id).update(booked=1)


@pytest.mark.parametrize("action", ["review", "move", "note", "cancel"])
class TestNothingTwice:
    def test_a_double_click_does_it_once(self, dispatcher, work_order, action):
        target = desk.slot_in(days=1)
        versions = desk.chosen(work_order)
        desk.perform(dispatcher, action, versions=versions, **form_of(action, target))
        after = state()
        answer = desk.perform(dispatcher, action, versions=versions, **form_of(action, target))
        assert state() == after
        first = "Your note was saved" if action == "note" else f"{work_order} {done_of(action)}"
        assert desk.said(answer) == [f"{first}. The second click changed nothing."]

    def test_what_is_not_the_same_is_no_second_click(self, dispatcher, work_order, action):
        """From the same page, but with other words or another slot: it is told that it was not done."""
        versions = desk.chosen(work_order)
        desk.perform(dispatcher, action, versions=versions, **form_of(action, desk.slot_in(days=1)))
        other = {"note": "Other words", "reason": "Other", "slot": desk.slot_in(days=2).pk}
        answer = desk.perform(dispatcher, action, versions=versions, **other)
        assert desk.said(answer)[0].startswith("1 skipped."), desk.said(answer)

    def test_the_second_of_two_people_is_told_what_happened(self, dispatcher, work_order, action):
        target, versions = desk.slot_in(days=1), desk.chosen(work_order)
        services.add_note(work_order=work_order, by="ann", note="Dog in the yard")
        after = state()
        answer = desk.perform(dispatcher, action, versions=versions, **form_of(action, target))
        (said,) = desk.said(answer)
        assert f"{work_order.order_num} was changed meanwhile (noted by ann, " in said
        assert "(Europe/London)" in said
        assert state() == after

    def test_a_page_that_is_opened_late_says_so(self, dispatcher, work_order, action):
        versions = desk.chosen(work_order)
        services.add_note(work_order=work_order, by="ann", note="")
        answer = dispatcher.get(f"{desk.LIST}act/{action}/", {"chosen": versions})
        expected = f"Changed since you opened it: {work_order.order_num}. This page shows how it is now."
        assert desk.said(answer) == [expected]

    def test_on_a_cancelled_booking(self, dispatcher, work_order, action):
        target = desk.slot_in(days=1)
        services.cancel(work_order=work_order, by="ann", reason="Other")
        work_order.refresh_from_db()
        page = desk.text_of(dispatcher.get(f"{desk.LIST}act/{action}/", {"chosen": desk.chosen(work_order)}))
        after = state()
        answer = desk.perform(dispatcher, action, work_order, **form_of(action, target))
        if action == "note":
            assert desk.said(answer) == ["1 noted."]
            return
        assert f"1 will be skipped: {work_order.order_num} is cancelled" in page
        assert 'value="perform"' not in page
        (said,) = desk.said(answer)
        assert f"{work_order.order_num} was cancelled by ann, " in said
        assert state() == after


def test_a_reviewed_booking_is_not_reviewed_again(dispatcher, work_order):
    services.review(work_order=work_order, by="ann")
    work_order.refresh_from_db()
    (said,) = desk.said(desk.perform(dispatcher, "review", work_order, note=""))
    assert f"{work_order.order_num} was reviewed by ann, " in said


@pytest.mark.parametrize(
    ("action", "data", "complaint"),
    [
        ("cancel", {}, "This field is required"),
        ("cancel", {"reason": "Because"}, "Select a valid choice"),
        ("note", {"note": " "}, "This field is required"),
        ("note", {"note": "x" * 2001}, "at most 2000 characters"),
        ("move", {}, "Choose an appointment."),
        ("move", {"slot": "999999"}, "not free any more"),
        ("move", {"slot": "x"}, "not free any more"),
    ],
)
def test_what_is_filled_in_wrongly_changes_nothing(dispatcher, work_order, action, data, complaint):
    desk.slot_in(days=1)
    before = state()
    answer = desk.perform(dispatcher, action, work_order, **data)
    assert complaint in answer.content.decode()
    assert state() == before


class TestMany:
    @pytest.fixture
    def five(self):
        slot = desk.slot_in(capacity=5)
        return [desk.book(slot, f"WO-{number}") for number in range(5)]

    def test_the_list_asks_first(self, supervisor, five):
        before = state()
        keys = [row.pk for row in five]
        answer = supervisor.post(desk.LIST + "?view=all", {"action": "cancel", "_selected_action": keys})
        page = re.sub(r"\s+", " ", answer.content.decode())
        assert "Cancel booking: 5 work orders" in page
        assert "Its place can be booked by others at once." in page
        assert all(row.order_num in page for row in five)
        assert state() == before

    @pytest.mark.parametrize("action", ["review", "note", "cancel", "move"])
    def test_done_and_skipped_are_reported(self, supervisor, five, action):
        target = desk.slot_in(days=1, capacity=9)
        versions = desk.chosen(*five)
        services.cancel(work_order=five[2], by="ann", reason="Other")
        done = work_order_actions.WORK_ORDER_ACTIONS[["review", "move", "note", "cancel"].index(action)].done
        answer = desk.perform(supervisor, action, versions=versions, **form_of(action, target))
        first, second = desk.said(answer)
        where = f" to {target}, pool. Call the customers" if action == "move" else ""
        assert first == f"4 {done}{where}."
        assert second.startswith(f"1 skipped. {five[2].order_num} was cancelled by ann, ")

    def test_a_move_of_many_goes_as_far_as_there_is_room(self, supervisor, five):
        target = desk.slot_in(days=1, capacity=2)
        answer = desk.perform(supervisor, "move", *five, slot=target.pk)
        first, second = desk.said(answer)
        assert first == f"2 moved to {target}, pool. Call the customers."
        assert second.startswith("3 skipped. This appointment is full.")
        target.refresh_from_db()
        assert target.booked == 2

    def test_each_is_a_transaction_of_its_own(self, supervisor, five):
        real = services.cancel

        def fails_for_one(*, work_order, by, reason, seen_version):
            if work_order.pk == five[1].pk:
                raise services.BookingError("unavailable", "Not now.")
            real(work_order=work_order, by=by, reason=reason)

        with mock.patch.object(services, "cancel", fails_for_one):
            answer = desk.perform(supervisor, "cancel", *five, **FORMS["cancel"])
        assert desk.said(answer) == ["4 cancelled.", "1 skipped. Not now."]
        assert WorkOrder.objects.active().get().pk == five[1].pk

    def test_all_that_the_filter_finds(self, supervisor, five):
        other = desk.book(desk.slot_in(days=3), "WO-9", OrderType="OTHER")
        answer = supervisor.post(
            desk.LIST + "?order_type=OTHER",
            {"action": "review", "_selected_action": [other.pk], "select_across": "1"},
        )
        assert answer.context["chosen"] == desk.chosen(other)

    def test_too_many_at_once_are_refused(self, supervisor, five, monkeypatch):
        monkeypatch.setattr(desk_actions, "MAX_ROWS", 4)
        keys = [row.pk for row in five]
        answer = supervisor.post(desk.LIST, {"action": "review", "_selected_action": keys}, follow=True)
        assert desk.said(answer) == ["Choose 4 at most. Narrow the list with its filters and try again."]
        assert desk.perform(supervisor, "review", *five).status_code == 403

    def test_a_database_that_fails_in_the_middle(self, supervisor, five, monkeypatch):
        """What was done by then is told; where that is nothing, the page of the fault says so."""
        review, asked = services.review, []

        def fail_after_two(**arguments):
            asked.append(1)
            if len(asked) > 2:
                raise OperationalError("no lock")
            return review(**arguments)

        monkeypatch.setattr(services, "review", fail_after_two)
        answer = desk.perform(supervisor, "review", *five)
        assert desk.said(answer) == [
            f"{len(five) - 2} not tried: the database gave no answer in time. Try these again in a moment.",
            "2 reviewed.",
        ]
        assert WorkOrder.objects.filter(reviewed_at=None).count() == len(five) - 2
        supervisor.raise_request_exception = False
        assert desk.perform(supervisor, "review", *five[2:]).status_code == 503

    def test_a_thousand_travel_with_one_form(self, supervisor, five):
        """Django takes a thousand fields at most; all that was chosen is one."""
        answer = supervisor.post(desk.LIST, {"action": "note", "_selected_action": [row.pk for row in five]})
        assert answer.content.decode().count('name="chosen"') == 1

    def test_where_a_page_leads_back_to(self, supervisor, five):
        back = f"{desk.LIST}?view=all"
        answer = desk.perform(supervisor, "review", five[0], back=back)
        assert answer.redirect_chain[0][0] == back
        answer = desk.perform(supervisor, "review", five[1], back="https://evil.example.org/")
        assert answer.redirect_chain[0][0] == f"{desk.LIST}{five[1].pk}/change/"


class TestRoles:
    ALLOWED = {
        "viewer": set(),
        "dispatcher": {"review", "move", "note", "cancel", "unreview"},
        "supervisor": {"review", "move", "note", "cancel", "unreview"},
    }

    @pytest.mark.parametrize("role", ALLOWED)
    @pytest.mark.parametrize("action", ["review", "move", "note", "cancel"])
    def test_on_one(self, role, action):
        client, work_order, target = desk.person(role), desk.book(desk.slot_in()), desk.slot_in(days=1)
        before = state()
        page = client.get(f"{desk.LIST}{work_order.pk}/change/").content.decode()
        answer = desk.perform(client, action, work_order, **form_of(action, target))
        is_allowed = action in self.ALLOWED[role]
        assert (f"/act/{action}/?chosen=" in page) == is_allowed
        assert answer.status_code == (200 if is_allowed else 403)
        assert (state() != before) == is_allowed

    @pytest.mark.parametrize("role", ALLOWED)
    @pytest.mark.parametrize("action", ["review", "move", "note", "cancel", "csv", "xlsx"])
    def test_on_many(self, role, action):
        client, slot = desk.person(role), desk.slot_in()
        rows = [desk.book(slot, "WO-1"), desk.book(slot, "WO-2")]
        is_allowed = role == "supervisor" or (role == "dispatcher" and action in ("review", "move", "note"))
        before = state()
        assert (action in desk.offered(client, desk.LIST)) == is_allowed
        keys = [row.pk for row in rows]
        answer = client.post(desk.LIST, {"action": action, "_selected_action": keys})
        if action in ("csv", "xlsx"):
            answer = desk.export(client, action, *rows)
            is_file = answer.get("Content-Disposition", "").startswith("attachment")
            assert is_file == answer.streaming == is_allowed
            if is_file:
                answer.getvalue()  # to its end, which closes the file
            return
        if not is_allowed:
            assert desk.perform(client, action, *rows, **form_of(action, desk.slot_in(days=1))).status_code == 403
            assert state()[0] == before[0]

    def test_nobody_without_a_role_sees_anything(self, client, django_user_model):
        work_order = desk.book(desk.slot_in())
        client.force_login(django_user_model.objects.create(username="new", is_staff=True))
        for address in (desk.LIST, f"{desk.LIST}{work_order.pk}/change/", desk.SLOTS, f"{desk.LIST}act/cancel/"):
            assert client.get(address).status_code == 403, address
        assert "Ask your administrator" in client.get("/admin/").content.decode()

    def test_nobody_who_is_not_logged_in_gets_further_than_the_log_in(self, client):
        work_order = desk.book(desk.slot_in())
        before = state()
        answer = client.post(f"{desk.LIST}act/cancel/", {"chosen": desk.chosen(work_order), "do": "perform"})
        assert answer.templates[0].name == "admin/login.html"
        assert state() == before
        assert client.get(f"{desk.LIST}act/cancel/")["Location"].startswith("/admin/login/")

    def test_there_is_no_other_action(self, supervisor):
        assert supervisor.get(f"{desk.LIST}act/delete/").status_code == 404

    @pytest.mark.parametrize("role", ALLOWED)
    def test_nobody_edits_or_deletes_by_hand(self, role):
        client, work_order = desk.person(role), desk.book(desk.slot_in())
        before = state()
        for row, model in ((work_order, "workorder"), (work_order.slot, "appointmentslot")):
            root = f"/admin/bookings/{model}/"
            assert client.post(f"{root}{row.pk}/change/", {"status": "cancelled", "booked": 0}).status_code == 403
            assert client.post(f"{root}{row.pk}/delete/", {"post": "yes"}).status_code == 403
            client.post(root, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
        assert client.post(f"{desk.LIST}add/", {}).status_code == 403
        assert state() == before


class TestRestrictedToAreas:
    """Leeds only: in every list, count, link, action, export and field to choose from."""

    @pytest.fixture
    def ours(self):
        return desk.book(desk.slot_in(), "WO-1", Account={"AccountNum": "C-1"})

    @pytest.fixture
    def theirs(self):
        return desk.book(desk.slot_in("BOSTON", "America/New_York"), "WO-2", Account={"AccountNum": "C-1"})

    @pytest.fixture
    def restricted(self, ours):
        return desk.person("supervisor", ours.area)

    def test_lists_searches_and_filters(self, restricted, ours, theirs):
        assert desk.numbers(restricted) == [ours.order_num]
        assert desk.numbers(restricted, q="WO-2") == []
        assert desk.numbers(restricted, area="BOSTON") == []
        assert desk.numbers(restricted, window=theirs.slot_id) == []
        assert desk.numbers(restricted, arrived="today") == [ours.order_num]
        assert "Boston" not in restricted.get(desk.LIST).content.decode()
        slots_shown = restricted.get(desk.SLOTS).context["cl"].result_list
        assert [slot.pk for slot in slots_shown] == [ours.slot_id]
        areas = restricted.get("/admin/bookings/servicearea/").context["cl"].result_list
        assert [area.code for area in areas] == ["LEEDS"]

    def test_the_board(self, restricted, ours, theirs):
        board = restricted.get("/admin/").context["board"]
        assert {tile["title"]: tile["count"] for tile in board["tiles"]}["To review"] == "1"
        assert [row.area.code for row in board["rows"]] == ["LEEDS"]
        assert "Boston" not in restricted.get("/admin/", {"area": "BOSTON"}).content.decode()

    def test_pages_of_others(self, restricted, ours, theirs):
        for address in (
            f"{desk.LIST}{theirs.pk}/change/",
            f"{desk.SLOTS}{theirs.slot_id}/change/",
            f"/admin/bookings/servicearea/{theirs.area_id}/change/",
        ):
            answer = restricted.get(address)
            assert answer.status_code == 302
            assert "WO-2" not in answer.content.decode()
        assert theirs.order_num not in restricted.get(f"{desk.LIST}{ours.pk}/change/").content.decode()

    def test_actions(self, restricted, ours, theirs):
        before = state()
        answer = desk.perform(restricted, "cancel", theirs, **FORMS["cancel"])
        assert desk.said(answer) == ["Nothing was chosen that you may see. Choose again."]
        desk.perform(restricted, "close", theirs.slot, model="appointmentslot", reason="Snow")
        # Nor is a place of theirs taken.
        assert "BOSTON" not in restricted.get(f"{desk.LIST}act/move/", {"chosen": desk.chosen(ours)}).content.decode()
        other = desk.slot_in("BOSTON", "America/New_York", days=1)
        desk.perform(restricted, "move", ours, slot=other.pk, area="BOSTON")
        other.delete()
        assert state() == before

    def test_of_many_only_ours_are_done(self, restricted, ours, theirs):
        answer = desk.perform(restricted, "review", ours, theirs)
        assert desk.said(answer) == ["1 reviewed."]
        theirs.refresh_from_db()
        assert theirs.reviewed_at is None

    def test_exports(self, restricted, ours, theirs):
        answer = desk.export(restricted, "csv", ours, theirs, query="?view=all", select_across="1")
        text = answer.getvalue().decode()
        assert ours.order_num in text
        assert theirs.order_num not in text

    def test_a_closure_and_a_range_of_days(self, restricted, ours, theirs):
        page = restricted.get(f"{desk.SLOTS}days/").content.decode()
        assert "Boston" not in page
        day = theirs.visit_start.date()
        answer = restricted.get(f"{desk.SLOTS}days/", {"area": theirs.area_id, "day": day, "until": day, "do": "close"})
        assert "Select a valid choice" in answer.content.decode()

    def test_refusals_and_new_areas(self, restricted, ours, theirs):
        helpers.post("WO-2", helpers.booking(Location={"LocationNum": "L", "ServiceAreaID": "BOSTON"}))
        helpers.post("WO-1", helpers.booking(Location={"LocationNum": "L", "ServiceAreaID": "LEEDS"}))
        helpers.post("WO-3", helpers.booking(Location={"LocationNum": "L", "ServiceAreaID": "NOWHERE"}))
        shown = restricted.get("/admin/bookings/refusal/").context["cl"].result_list
        # One that belongs to no area is for all: it would be seen by none otherwise.
        assert [refusal.original_order for refusal in shown] == ["WO-3", "WO-1"]
        assert restricted.get("/admin/bookings/servicearea/add/").status_code == 403

    def test_restricted_to_nothing_sees_nothing(self, ours):
        client = desk.person("supervisor", ours.area)
        client.user.area_restriction.areas.clear()
        assert desk.numbers(client, view="all") == []
        assert client.get("/admin/").status_code == 200


def test_a_closed_slot_asks_for_its_bookings(supervisor, dispatcher, work_order):
    services.review(work_order=work_order, by="ann")
    work_order.refresh_from_db()
    versions = desk.chosen(work_order)
    slots.close(slot=work_order.slot, by="sue", reason="Snow")
    work_order.refresh_from_db()
    assert (work_order.reviewed_at, work_order.reviewed_by) == (None, "")
    assert (last_entry(work_order).event, last_entry(work_order).reason) == ("closed", "Snow")
    (said,) = desk.said(desk.perform(dispatcher, "note", versions=versions, note="x"))
    assert "was changed meanwhile (closed by sue, " in said
    assert "The slot is closed: Snow." in desk.text_of(dispatcher.get(f"{desk.LIST}{work_order.pk}/change/"))


def test_the_history_names_the_request(dispatcher, work_order):
    answer = dispatcher.post(
        f"{desk.LIST}act/review/",
        {"chosen": desk.chosen(work_order), "do": "perform", "note": ""},
        headers={"X-Request-ID": "from-the-proxy-1"},
    )
    assert answer["X-Request-ID"] == "from-the-proxy-1"
    assert last_entry(work_order).request_id == "from-the-proxy-1"
    booked = work_order.history.first()
    assert (booked.via, booked.by, len(booked.request_id)) == ("api", "tech.jones", 32)


def test_a_request_id_that_is_none_is_replaced(client):
    answer = client.get("/admin/login/", headers={"X-Request-ID": "<script>"})
    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])


class TestMovingOutOfAClosedSlot:
    def test_it_counts_as_reviewed(self, dispatcher, work_order):
        target = desk.slot_in(days=1)
        slots.close(slot=work_order.slot, by="sue", reason="Snow")
        said = desk.said(desk.perform(dispatcher, "move", work_order, slot=target.pk))
        assert said == [moved_text(work_order, target)]
        work_order.refresh_from_db()
        assert work_order.reviewed_by == dispatcher.user.username
        assert last_entry(work_order).details["reviewed"] is True

    def test_out_of_an_open_one_it_waits_to_be_reviewed_as_before(self, dispatcher, work_order):
        target = desk.slot_in(days=1)
        desk.perform(dispatcher, "move", work_order, slot=target.pk)
        work_order.refresh_from_db()
        assert work_order.reviewed_at is None


def iso(instant):
    return instant.isoformat()


class TestWhatAMoveOffers:
    def asked(self, client, *work_orders, **data):
        return client.post(f"{desk.LIST}act/move/", {"chosen": desk.chosen(*work_orders), **data}).context["form"].shown

    def test_whole_days_and_where_the_later_ones_are(self, supervisor, monkeypatch):
        monkeypatch.setattr("bookings.admin.orders.moving.MOVE_SLOTS", 3)
        monkeypatch.setattr("bookings.admin.orders.moving.MOVE_DAYS", 5)
        work_order = desk.book(desk.slot_in(days=2))
        free = [desk.slot_in(days=day, hour=hour) for day in (3, 4, 5, 12) for hour in (8, 10)]
        days = [slot.start.date() for slot in free]
        first = self.asked(supervisor, work_order, first_day=days[0])
        assert first.slots == free[:4]
        assert (first.number, first.later, first.is_cut) == (4, days[4], False)
        second = self.asked(supervisor, work_order, first_day=days[0], later=first.later)
        assert second.slots == free[4:6]
        # The next one lies beyond what a page looks at, and is named all the same.
        assert second.later == days[6]
        third = self.asked(supervisor, work_order, later=second.later)
        assert third.slots == free[6:]
        assert third.later is None

    def test_a_day_with_more_than_a_page_holds_says_so(self, supervisor, monkeypatch):
        monkeypatch.setattr("bookings.admin.orders.moving.MOST_OF_A_DAY", 2)
        work_order = desk.book(desk.slot_in(days=2))
        free = [desk.slot_in(days=3, hour=hour) for hour in (8, 10, 12)]
        day = free[0].start.date()
        shown = self.asked(supervisor, work_order, first_day=day)
        assert (shown.number, shown.last, shown.later, shown.is_cut) == (2, day, day + timedelta(days=1), True)

    def test_the_parts_that_come_after_a_choice_are_told_before_and_after(self, supervisor):
        early, late = desk.slot_in(days=1, hour=10), desk.slot_in(days=5)
        due = [early.start + timedelta(days=1), early.start - timedelta(hours=1)]
        parts = [{"ProdNum": f"P-{number}", "EstimatedDelivery": day.isoformat()} for number, day in enumerate(due)]
        present = desk.slot_in(days=3)
        work_order, other = desk.book(present, "WO-1", RequiredParts=parts), desk.book(present, "WO-2")
        shown = self.asked(supervisor, work_order, first_day=early.start.date())
        texts = {slot.pk: slot.against for slot in shown.slots}
        assert (texts[early.pk], texts[late.pk]) == (["1 of 2 parts come later."], [])
        shown = self.asked(supervisor, work_order, other, first_day=early.start.date())
        assert shown.slots[0].against == ["parts of 1 booking come later."]
        said = desk.said(desk.perform(supervisor, "move", work_order, slot=early.pk, although="on"))
        assert said == [moved_text(work_order, early), "1 of 2 parts come after the new visit begins."]

    def test_the_same_time_comes_first_and_the_workers_of_a_window_stand_together(self, supervisor):
        present = desk.slot_in(days=2, worker="anna")
        work_order = desk.book(present)
        same = [desk.slot_in(days=2, worker=worker) for worker in ("ben", "carla")]
        later = [desk.slot_in(days=2, hour=15, worker=worker) for worker in ("ben", "carla")]
        desk.slot_in(days=2, hour=12, area="BOSTON", zone="America/New_York")
        shown = self.asked(supervisor, work_order)
        assert shown.same_time == same
        assert [[window.slots for window in windows] for _, windows in shown.days] == [[later]]
        # Wherever the days begin that are shown: it is the same time.
        assert self.asked(supervisor, work_order, first_day=present.start.date() + timedelta(days=9)).same_time == same
        # Several bookings have no time in common, and another area not theirs.
        other = desk.book(desk.slot_in(days=3), "WO-2")
        assert self.asked(supervisor, work_order, other).same_time == []
        assert self.asked(supervisor, work_order, area="BOSTON").same_time == []

    def test_what_speaks_against_a_slot_needs_a_tick(self, supervisor, settings):
        settings.BOOKJOB_UNAVAILABLE_TYPES = ["N"]
        present, early, away, good = (desk.slot_in(days=day) for day in (5, 1, 7, 8))
        wishes = [
            {"Type": "N", "Period": {"Start": iso(away.start), "End": iso(away.end)}},
            {"Type": "Y", "Period": {"Start": iso(early.start), "End": iso(good.end)}},
        ]
        due = early.start + timedelta(days=1)
        body = helpers.booking(present.start, present.end, Location={"LocationNum": "L-1", "ServiceAreaID": "LEEDS"})
        body["TimeConstraints"] += wishes
        body["RequiredParts"] = [{"ProdNum": "P-1", "EstimatedDelivery": iso(due)}, {"ProdNum": "P-2"}]
        settings.BOOKJOB_SLOT_POINTER = "/TimeConstraints/0"
        work_order = helpers.make_booking("WO-1", body)
        area = present.area
        shown = self.asked(supervisor, work_order, first_day=early.start.date())
        not_there = "The customer is not there then."
        assert {slot.pk: slot.against for slot in shown.slots} == {
            early.pk: ["1 of 2 parts come later."],
            away.pk: [not_there],
            good.pk: [],
        }
        # Drawn where they fall, and said where they do not need to be looked for.
        notes = [window.note for _, windows in shown.days for window in windows if window.note]
        assert notes == [
            f"{area.period_text(early.start, good.end)}: the customer is there",
            f"{area.instant_text(due)}: 1 of 2 parts are there",
            f"{area.period_text(away.start, away.end)}: the customer is not there",
        ]
        page = desk.text_of(supervisor.get(f"{desk.LIST}act/move/", {"chosen": desk.chosen(work_order)}))
        assert f"1 of 2 parts expected by {area.instant_text(due)}" in page
        for slot, against in ((early, "1 of 2 parts come later."), (away, not_there)):
            refused = desk.text_of(desk.perform(supervisor, "move", work_order, slot=slot.pk))
            assert f"{against} Tick this to move all the same, or choose another." in refused
            work_order.refresh_from_db()
            assert work_order.slot_id == present.pk
        said = desk.said(desk.perform(supervisor, "move", work_order, slot=away.pk, although="on"))
        assert said == [moved_text(work_order, away), not_there]
        # What named the slot before is no wish: the way back needs no tick.
        work_order.refresh_from_db()
        assert desk.said(desk.perform(supervisor, "move", work_order, slot=present.pk)) == [
            moved_text(work_order, present)
        ]

    def test_what_named_its_slot_is_no_wish_whatever_the_history_says(self):
        """An earlier release did not write the place into the line of a booking."""
        row = WorkOrder.objects.get(pk=desk.book(desk.slot_in()).pk)
        row.pk, row.order_num, row.original_order, row.claim = None, "OLD-1", "OLD-1", "OLD-1"
        row._state.adding = True
        row.save()
        assert not row.history.exists()
        assert wishes.customer_times([row.pk])[row.pk].is_open
        row.delete()  # verify_bookings looks after each test

    def test_of_many_bookings_each_counts(self, supervisor, settings):
        present, other = desk.slot_in(days=5), desk.slot_in(days=9)
        settings.BOOKJOB_SLOT_POINTER = "/TimeConstraints/0"
        rows = []
        for number in range(120):
            body = helpers.booking(present.start, present.end, Location={"LocationNum": "L", "ServiceAreaID": "LEEDS"})
            # The last one alone is not there on the other day.
            until = other.end if number < 119 else other.start
            body["TimeConstraints"] += [{"Period": {"Start": iso(present.start), "End": iso(until)}}]
            AppointmentSlot.objects.filter(pk=present.pk).update(capacity=500)
            rows.append(helpers.make_booking(f"WO-{number}", body))
        (slot,) = [slot for slot in self.asked(supervisor, *rows).slots if slot.pk == other.pk]
        assert slot.against == ["Not all of the customers are there then."]
        (slot,) = [slot for slot in self.asked(supervisor, *rows[:-1]).slots if slot.pk == other.pk]
        assert slot.against == []

    def test_a_refused_move_keeps_the_way_back(self, dispatcher, work_order):
        target = desk.slot_in(days=1)
        desk.book(target, "WO-9")
        AppointmentSlot.objects.filter(pk=target.pk).update(capacity=1)
        back = f"{desk.LIST}?view=all&area=LEEDS&q=a%26b"
        with mock.patch("bookings.services.move", side_effect=services.BookingError("slot_unavailable", "Gone.")):
            other = desk.slot_in(days=9)
            answer = desk.perform(dispatcher, "move", work_order, slot=other.pk, back=back)
        assert answer.context["back"] == back


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "1999-12-31"])
def test_years_in_which_nobody_plans_are_refused_with_a_message(supervisor, day):
    slot = desk.slot_in()
    given = {"area": slot.area_id, "day": day, "until": day, "begins": "08:00", "ends": "09:00", "capacity": 1}
    for answer in (
        supervisor.post(f"{desk.SLOTS}add/", given),
        supervisor.get(f"{desk.SLOTS}days/", given | {"do": "close"}),
        supervisor.post("/admin/bookings/blackout/add/", given | {"reason": "x"}),
    ):
        assert answer.status_code == 200
        assert "Choose a year from " in answer.content.decode()
