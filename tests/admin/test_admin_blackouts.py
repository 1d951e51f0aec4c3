"""Closing an area for a time in the admin, seeing what that hits, and undoing it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings import services
from bookings.models import AppointmentSlot, AreaRestriction, Blackout, HistoryEntry, WorkOrder
from bookings.supply import slots
from bookings.supply.closing import blackouts, closings
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

BLACKOUTS = "/admin/bookings/blackout/"
ADD = f"{BLACKOUTS}add/"
SLOT = "appointmentslot"
ROLES = ["viewer", "dispatcher", "supervisor"]


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def slot():
    return desk.slot_in()


def day_of(slot):
    return slot.start.astimezone(slot.area.zone).date()


def form(slot, **data):
    """What is filled in to close the day of a slot."""
    day = day_of(slot)
    return {"area": slot.area_id, "day": day, "until": day, "reason": "Stocktaking"} | data


def close(client, slot, **data):
    """Fill the form in and confirm what it shows."""
    return client.post(ADD, form(slot, **data) | {"do": "perform"}, follow=True)


def closed(slot, **fields) -> Blackout:
    """A blackout that is in force, made by another user."""
    given = {"area": slot.area, "start": slot.start, "end": slot.end, "reason": "Snow", "by": "ann"} | fields
    return blackouts.close_slots(**given).blackout


def page_of(blackout) -> str:
    return f"{BLACKOUTS}{blackout.pk}/change/"


def text_of(answer) -> str:
    """What is read on a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def shown(client, **query):
    return [blackout.pk for blackout in client.get(BLACKOUTS, query).context["cl"].result_list]


class TestClosing:
    def test_asked_first_then_done(self, supervisor, slot):
        work_order = desk.book(slot, Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
        services.review(work_order=work_order, by="ann")
        text = text_of(supervisor.get(ADD))
        for label in ("Area", "Worker", "First day", "Last day", "From", "Until", "Reason"):
            assert label in text, label
        asked = supervisor.post(ADD, form(slot))
        text = text_of(asked)
        for part in ("1 slot of Leeds", "1 booking is affected.", work_order.order_num, "Ruth Okafor", "Stocktaking"):
            assert part in text, part
        assert not Blackout.objects.exists()
        assert not AppointmentSlot.objects.get().is_hidden

        answer = close(supervisor, slot)
        blackout = Blackout.objects.get()
        assert desk.said(answer) == ["1 slot closed.", "Bookings in this time: 1. Move or cancel them."]
        assert answer.redirect_chain[-1][0] == page_of(blackout)
        assert (blackout.closed_by, blackout.reason, blackout.worker) == (supervisor.user.username, "Stocktaking", "")
        slot.refresh_from_db()
        assert (slot.blackout, slot.is_open, slot.booked) == (blackout, True, 1)
        body = helpers.booking(slot.start, slot.end)
        assert helpers.post("WO-2", body).json()["detail"]["params"]["reason"] == "closed"
        # The booking stands, and asks to be reviewed again.
        work_order.refresh_from_db()
        assert (work_order.status, work_order.reviewed_at) == ("booked", None)
        entries = HistoryEntry.objects.filter(event="closed")
        assert {(entry.by, entry.via, entry.reason) for entry in entries} == {
            (supervisor.user.username, "admin", "Stocktaking")
        }
        assert {entry.slot_id or entry.work_order_id for entry in entries} == {slot.pk, work_order.pk}

    def test_what_was_filled_in_can_be_changed(self, supervisor, slot):
        page = supervisor.post(ADD, form(slot, do="edit")).content.decode()
        assert 'value="Stocktaking"' in page
        assert "Show affected bookings" in page
        assert not Blackout.objects.exists()

    @pytest.mark.parametrize(
        ("hours", "first", "last"),
        [
            ({}, "00:00", "00:00"),
            ({"begins": "09:00", "ends": "11:30"}, "09:00", "11:30"),
            ({"begins": "22:00"}, "22:00", "00:00"),
        ],
    )
    def test_times_are_the_areas_clock_and_days_are_whole(self, supervisor, hours, first, last):
        slot = desk.slot_in("TOKYO", "Asia/Tokyo")
        close(supervisor, slot, **hours)
        blackout = Blackout.objects.get()
        start, end = (moment.astimezone(slot.area.zone) for moment in (blackout.start, blackout.end))
        assert (f"{start:%H:%M}", f"{end:%H:%M}", start.date()) == (first, last, day_of(slot))
        assert end.date() == day_of(slot) + timedelta(days=int(last == "00:00"))

    def test_a_time_that_the_clock_skips_begins_when_it_is_put_forward(self, supervisor):
        slot = desk.slot_in("YORK")
        close(supervisor, slot, day="2027-03-28", until="2027-03-28", begins="01:30")
        assert Blackout.objects.get().start == datetime(2027, 3, 28, 1, tzinfo=UTC)

    def test_one_worker(self, supervisor, slot):
        anna, bob = desk.slot_in(worker="anna"), desk.slot_in(worker="bob")
        assert "of anna in Leeds" in text_of(supervisor.post(ADD, form(slot, worker="anna")))
        assert desk.said(close(supervisor, slot, worker="anna")) == ["1 slot closed."]
        hidden = AppointmentSlot.objects.filter(blackout__isnull=False)
        assert list(hidden) == [anna]
        assert bob not in hidden

    def test_nothing_there_yet_and_what_is_added_later_is_hidden(self, supervisor, slot):
        later = day_of(slot) + timedelta(days=9)
        asked = text_of(supervisor.post(ADD, form(slot, day=later, until=later)))
        assert "Leeds has no open slots in this time." in asked
        assert "No booking stands in this time." in asked
        answer = close(supervisor, slot, day=later, until=later)
        assert desk.said(answer) == ["0 slots yet; later ones will be closed."]
        start = slot.start + timedelta(days=9)
        added = slots.add(area=slot.area, start=start, end=start + timedelta(hours=1), capacity=1, by="sue")
        assert added.blackout == Blackout.objects.get()

    def test_a_worker_who_does_not_exist_closes_nothing_and_near_names_are_offered(self, slot):
        supervisor = desk.person("supervisor", slot.area)
        for name in ("tech.jones", "tech.silva"):
            desk.slot_in(days=5, worker=name)
        desk.slot_in("BOSTON", "America/New_York", worker="tech.jonas")
        for worker, said in (
            ("tech.jone", "There is no worker &#x27;tech.jone&#x27;. Did you mean tech.jones"),
            ("Jones", "Did you mean tech.jones?"),
            ("zz", "There is no worker &#x27;zz&#x27;. Check the name."),
        ):
            for answer in (supervisor.post(ADD, form(slot, worker=worker)), close(supervisor, slot, worker=worker)):
                assert said in answer.content.decode(), worker
                # Of an area that this person may not see.
                assert "tech.jonas" not in answer.content.decode()
        assert not Blackout.objects.exists()
        # One who is known has no slot here yet: that is no mistake.
        answer = close(supervisor, slot, worker="tech.jonas")
        assert desk.said(answer) == ["0 slots yet; later ones will be closed."]

    def test_no_stored_text_turns_a_message_round(self, supervisor, slot):
        reason = "\u202e\u0634\u062a\u0627\u0621"
        close(supervisor, slot, reason=reason)
        answer = close(supervisor, slot, reason="Again")
        assert f": <bdi>{reason}</bdi>" in answer.content.decode()
        closed = Blackout.objects.get()
        slot.refresh_from_db()
        slots.close(slot=slot, by="ann", reason="Broken van")
        slot.refresh_from_db()
        opened = desk.perform(supervisor, "open", slot, model="appointmentslot")
        assert f"<bdi>a blackout: {closed.reason}</bdi></a>" in opened.content.decode()

    def test_a_double_click_closes_once(self, supervisor, slot):
        work_order = desk.book(slot)
        close(supervisor, slot)
        services.review(work_order=WorkOrder.objects.get(), by="ann")
        before = [*Blackout.objects.values(), *HistoryEntry.objects.values(), *WorkOrder.objects.values()]
        answer = close(supervisor, slot, reason="Again")
        name = supervisor.user.username
        assert desk.said(answer)[0] == f"This time was closed already, by {name}: Stocktaking"
        assert answer.redirect_chain[-1][0] == page_of(Blackout.objects.get())
        assert [*Blackout.objects.values(), *HistoryEntry.objects.values(), *WorkOrder.objects.values()] == before
        assert work_order.order_num in answer.content.decode()

    def test_it_can_be_closed_again_after_it_was_lifted(self, supervisor, slot):
        close(supervisor, slot)
        blackouts.reopen(blackout=Blackout.objects.get(), by="ann")
        assert desk.said(close(supervisor, slot)) == ["1 slot closed."]
        assert Blackout.objects.count() == 2

    def test_who_books_while_somebody_reads_is_named_afterwards(self, supervisor, slot):
        assert "No booking stands in this time." in text_of(supervisor.post(ADD, form(slot)))
        work_order = desk.book(slot)
        answer = close(supervisor, slot)
        assert desk.said(answer) == ["1 slot closed.", "Bookings in this time: 1. Move or cancel them."]
        assert work_order.order_num in answer.content.decode()

    @pytest.mark.parametrize(
        ("data", "complaint"),
        [
            ({"day": "2020-01-01", "until": "2020-01-02"}, "This time is over."),
            ({"until": "2020-01-01"}, "This is not after the beginning."),
            ({"begins": "12:00", "ends": "12:00"}, "This is not after the beginning."),
            ({"day": "0001-01-01"}, "Choose a year from 2000 to 2199."),
            ({"until": "9999-12-31"}, "Choose a year from 2000 to 2199."),
            ({"day": "soon"}, "Enter a valid date."),
            ({"begins": "25:00"}, "Enter a valid time."),
            ({"reason": "  "}, "This field is required."),
            ({"area": "0"}, "Select a valid choice."),
            ({"worker": "x" * 201}, "at most 200 characters"),
        ],
    )
    @pytest.mark.parametrize("do", ["", "perform"])
    def test_what_cannot_be(self, supervisor, slot, data, complaint, do):
        answer = supervisor.post(ADD, form(slot, do=do) | data)
        assert complaint in answer.content.decode()
        assert not Blackout.objects.exists()

    def test_nothing_runs_out_of_a_reason(self, supervisor, slot):
        answer = close(supervisor, slot, reason="<script>alert(1)</script>")
        again = close(supervisor, slot)
        for page in (answer, again, supervisor.get(BLACKOUTS), supervisor.get(desk.SLOTS)):
            assert b"<script>alert(1)" not in page.content
            assert b"&lt;script&gt;alert(1)" in page.content


class TestTheList:
    def test_a_row_tells_all(self, supervisor, slot):
        for number in range(2):
            desk.book(slot, f"WO-{number}")
        blackout = closed(slot, worker="")
        desk.slot_in(days=5, worker="anna")
        closed(slot, worker="anna", reason="Dentist")
        text = text_of(supervisor.get(BLACKOUTS))
        for part in ("Leeds", "Europe/London", "Snow", "all workers", "anna", "ann", "closed coming"):
            assert part in text, part
        row = supervisor.get(BLACKOUTS).context["cl"].result_list.get(pk=blackout.pk)
        assert (row.slot_count, row.booking_count) == (1, 2)
        blackouts.reopen(blackout=blackout, by="sue")
        text = text_of(supervisor.get(BLACKOUTS, {"state": "open"}))
        assert "opened by sue" in text
        row = supervisor.get(BLACKOUTS).context["cl"].result_list.get(pk=blackout.pk)
        assert (row.slot_count, row.booking_count) == (0, 0)

    def test_each_filter_and_the_search(self, supervisor, slot):
        now, hour = timezone.now(), timedelta(hours=1)
        boston = desk.slot_in("BOSTON", "America/New_York", days=5, worker="tech.silva").area
        coming = closed(slot).pk
        past = closed(slot, start=now - 9 * hour, end=now - hour, reason="Fire").pk
        current = closed(slot, area=boston, start=now - hour, end=now + hour, worker="tech.silva").pk
        lifted = closed(slot, area=boston, reason="Parade")
        blackouts.reopen(blackout=lifted, by="sue")
        for query, found in (
            ({}, {coming, past, current, lifted.pk}),
            ({"state": "closed"}, {coming, past, current}),
            ({"state": "open"}, {lifted.pk}),
            ({"state": "nonsense"}, set()),
            ({"when": "coming"}, {coming, lifted.pk}),
            ({"when": "now"}, {current}),
            ({"when": "past"}, {past}),
            ({"when": "nonsense"}, set()),
            ({"area": "LEEDS"}, {coming, past}),
            ({"area": "BOSTON", "state": "closed"}, {current}),
            ({"q": "fire"}, {past}),
            ({"q": "SILVA"}, {current}),
            ({"q": "nothing-like-it"}, set()),
        ):
            assert set(shown(supervisor, **query)) == found, query

    def test_the_latest_first(self, supervisor, slot):
        first = closed(slot)
        second = closed(slot, start=slot.start + timedelta(days=3), end=slot.end + timedelta(days=3))
        assert shown(supervisor) == [second.pk, first.pk]
        assert shown(supervisor, o="1") == [first.pk, second.pk]

    def test_the_queries_do_not_grow_with_the_rows(self, supervisor, slot, django_assert_max_num_queries):
        def fill(first, last):
            for number in range(first, last):
                other = desk.slot_in(days=number % 9, hour=6 + number // 9, capacity=9)
                desk.book(other, f"WO-{number}")
                closed(other, reason=f"Snow {number}")

        fill(0, 1)
        addresses = [BLACKOUTS, page_of(Blackout.objects.get()), f"{BLACKOUTS}act/open/?chosen="]
        with CaptureQueriesContext(connection) as few:
            read(supervisor, *addresses)
        number = len(few)
        fill(1, 20)
        closed(slot, start=slot.start - timedelta(days=3), end=slot.end + timedelta(days=20), reason="All")
        with django_assert_max_num_queries(number):
            read(supervisor, *addresses)


def read(client, *addresses):
    for address in addresses:
        if address.endswith("chosen="):
            address += " ".join(f"{key}:0" for key in Blackout.objects.values_list("pk", flat=True))
        assert client.get(address).status_code == 200


class TestThePage:
    def test_what_it_says(self, supervisor, slot):
        work_order = desk.book(slot, Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
        blackout = closed(slot)
        answer = supervisor.get(page_of(blackout))
        text = text_of(answer)
        for part in (str(slot), "all workers", "1 closed", "Ruth Okafor", "History", "closed ann", "closed coming"):
            assert part in text, part
        assert reverse("admin:bookings_workorder_change", args=[work_order.pk]) in answer.content.decode()
        days = re.search(r'href="([^"]*appointmentslot/\?[^"]*)"', answer.content.decode())[1].replace("&amp;", "&")
        assert list(supervisor.get(days).context["cl"].result_list) == [slot]

    def test_bookings_in_its_time_that_another_one_hides_are_named_too(self, supervisor, slot):
        work_order = desk.book(slot)
        closed(slot)
        second = closed(slot, reason="Fire", end=slot.end + timedelta(hours=1))
        text = text_of(supervisor.get(page_of(second)))
        assert "0 closed" in text
        assert work_order.order_num in text

    def test_a_cancelled_booking_is_hit_no_more(self, supervisor, slot):
        blackout = desk.book(slot) and closed(slot)
        services.cancel(work_order=WorkOrder.objects.get(), by="ann", reason="Other")
        assert "There are none." in text_of(supervisor.get(page_of(blackout)))

    def test_after_it_was_lifted(self, supervisor, slot):
        blackout = desk.book(slot) and closed(slot)
        blackouts.reopen(blackout=blackout, by="sue")
        text = text_of(supervisor.get(page_of(blackout)))
        for part in (
            "It was opened again. No booking is affected any more.",
            "opened sue",
            "closed ann",
            "opened coming",
        ):
            assert part in text, part

    def test_one_that_is_not_there(self, supervisor):
        answer = supervisor.get(f"{BLACKOUTS}99/change/", follow=True)
        assert "doesn’t exist" in desk.said(answer)[0]

    @pytest.mark.parametrize("page", ["change", "delete", "history"])
    def test_nothing_is_changed_or_deleted_by_hand(self, supervisor, slot, page):
        blackout = closed(slot)
        before = Blackout.objects.values().get()
        given = {"reason": "Forged", "post": "yes"}
        assert supervisor.post(f"{BLACKOUTS}{blackout.pk}/{page}/", given).status_code in (403, 404)
        supervisor.post(BLACKOUTS, {"action": "delete_selected", "_selected_action": [blackout.pk], "post": "yes"})
        assert Blackout.objects.values().get() == before


class TestLifting:
    def test_asked_first_then_done(self, supervisor, slot):
        blackout = desk.book(slot) and closed(slot)
        assert "act/open/?chosen=" in supervisor.get(page_of(blackout)).content.decode()
        asked = supervisor.get(f"{BLACKOUTS}act/open/", {"chosen": f"{blackout.pk}:0"})
        text = text_of(asked)
        assert "The slots that it closes are offered again" in text
        assert "1 slot closed" in text
        assert Blackout.objects.in_force().exists()

        answer = desk.perform(supervisor, "open", model="blackout", versions=f"{blackout.pk}:0")
        assert desk.said(answer) == ["1 opened."]
        assert answer.redirect_chain[-1][0] == page_of(blackout)
        slot.refresh_from_db()
        assert not slot.is_hidden
        blackout.refresh_from_db()
        assert blackout.opened_by == supervisor.user.username
        entry = slot.history.last()
        assert (entry.event, entry.by, entry.via) == ("opened", supervisor.user.username, "admin")
        assert helpers.post("WO-2", helpers.booking(slot.start, slot.end)).status_code == 200

    def test_what_others_hide_stays_hidden(self, supervisor, slot):
        slots.close(slot=slot, by="ann", reason="Road works")
        first, second = closed(slot), closed(slot, end=slot.end + timedelta(hours=1))
        desk.perform(supervisor, "open", model="blackout", versions=f"{first.pk}:0")
        slot.refresh_from_db()
        assert slot.blackout == second
        desk.perform(supervisor, "open", model="blackout", versions=f"{second.pk}:0")
        slot.refresh_from_db()
        assert (slot.blackout, slot.is_hidden) == (None, True)

    def test_two_people_at_once(self, supervisor, slot):
        blackout = closed(slot)
        blackouts.reopen(blackout=blackout, by="sue")
        before = [*Blackout.objects.values(), *HistoryEntry.objects.values()]
        answer = desk.perform(supervisor, "open", model="blackout", versions=f"{blackout.pk}:0")
        assert desk.said(answer) == [f"1 skipped. {blackout} was opened already, by sue."]
        assert [*Blackout.objects.values(), *HistoryEntry.objects.values()] == before
        asked = supervisor.get(f"{BLACKOUTS}act/open/", {"chosen": f"{blackout.pk}:0"})
        assert "Changed since you opened it" in desk.said(asked)[0]
        assert "Nothing will happen." in text_of(asked)
        assert "act/open" not in supervisor.get(page_of(blackout)).content.decode()

    def test_several_from_the_list(self, supervisor, slot):
        other = desk.slot_in(days=1)
        pair = [closed(slot).pk, closed(other).pk]
        asked = supervisor.post(BLACKOUTS, {"action": "open", "_selected_action": pair})
        assert asked.context["number"] == 2
        answer = desk.perform(supervisor, "open", model="blackout", versions=asked.context["chosen"])
        assert desk.said(answer) == ["2 opened."]
        assert not Blackout.objects.in_force().exists()

    def test_the_command_and_the_page_see_the_same(self, supervisor, slot):
        close(supervisor, slot)
        day = day_of(slot)
        call_command("open_slots", "--area=LEEDS", f"--from={day}", f"--until={day}")
        assert "opened open_slots" in text_of(supervisor.get(page_of(Blackout.objects.get())))


class TestSlotsThatABlackoutHides:
    def test_opening_one_says_what_hides_it_and_leads_there(self, supervisor, slot):
        blackout = closed(slot, reason="Snow & <ice>")
        asked = supervisor.get(f"{desk.SLOTS}act/open/", {"chosen": desk.chosen(slot)})
        assert "is closed by" in text_of(asked)
        assert page_of(blackout) in asked.content.decode()
        answer = desk.perform(supervisor, "open", slot, model=SLOT)
        (said,) = desk.said(answer)
        assert said.startswith(f"1 skipped. {slot} is closed by a blackout: Snow &amp; &lt;ice&gt;.")
        assert f'href="{page_of(blackout)}"' in answer.content.decode()
        assert "is open already" not in said
        slot.refresh_from_db()
        assert slot.blackout == blackout

    def test_one_that_staff_closed_too_is_opened_and_stays_hidden(self, supervisor, slot):
        slots.close(slot=slot, by="ann", reason="Road works")
        blackout = closed(slot)
        answer = desk.perform(supervisor, "open", slot, model=SLOT)
        done, stays = desk.said(answer)
        assert done == "1 opened."
        assert stays.startswith(f"{slot} stays closed by ")
        assert page_of(blackout) in stays

    def test_one_that_its_plan_has_no_longer(self, supervisor, slot):
        AppointmentSlot.objects.update(is_withdrawn=True)
        answer = desk.perform(supervisor, "open", slot, model=SLOT)
        assert desk.said(answer) == [f"1 skipped. {slot} is closed: its plan has it no longer."]

    def test_its_page_leads_to_the_blackout(self, supervisor, slot):
        blackout = closed(slot)
        assert page_of(blackout) in supervisor.get(f"{desk.SLOTS}{slot.pk}/change/").content.decode()


class TestWhoMay:
    @pytest.mark.parametrize("role", ROLES)
    def test_roles(self, role, slot):
        client, blackout = desk.person(role), closed(slot)
        may = role == "supervisor"
        page = client.get(BLACKOUTS).content.decode()
        assert (f'href="{ADD}"' in page) == may
        assert (f'href="{ADD}"' in client.get(desk.SLOTS).content.decode()) == may
        assert f'href="{BLACKOUTS}"' in client.get("/admin/").content.decode()
        assert ("act/open/?chosen=" in client.get(page_of(blackout)).content.decode()) == may
        assert ("open" in desk.offered(client, BLACKOUTS)) == may
        before = [*Blackout.objects.values(), *HistoryEntry.objects.values()]
        status = 200 if may else 403
        assert client.get(ADD).status_code == status
        assert client.get(f"{BLACKOUTS}act/open/", {"chosen": f"{blackout.pk}:0"}).status_code == status
        assert close(client, slot).status_code == status
        lifted = desk.perform(client, "open", model="blackout", versions=f"{blackout.pk}:0")
        assert lifted.status_code == status
        assert ([*Blackout.objects.values(), *HistoryEntry.objects.values()] == before) != may

    def test_staff_without_a_role_and_strangers(self, slot, client):
        blackout = closed(slot)
        client.force_login(User.objects.create(username="stranger", is_staff=True))
        addresses = (BLACKOUTS, ADD, page_of(blackout), f"{BLACKOUTS}act/open/?chosen={blackout.pk}:0")
        for address in addresses:
            assert client.get(address).status_code == 403, address
        client.logout()
        for address in addresses:
            assert client.get(address).status_code == 302, address

    def test_of_an_absence_only_what_stands_in_these_areas(self):
        """It counts in all areas: its bookings and slots elsewhere are not told, and who is restricted opens none."""
        slot = desk.slot_in(worker="bob")
        boston = desk.slot_in("BOSTON", "America/New_York", hour=16, worker="bob")
        for at, order in ((slot, "WO-1"), (boston, "WO-2")):
            desk.book(at, order)
        day = datetime.combine(slot.start.astimezone(UTC).date(), datetime.min.time(), UTC)
        away = Blackout(worker="bob", start=day, end=day + timedelta(days=2), reason="ill")
        closings.upsert([("", away)], by="planner")
        row = Blackout.objects.get()
        restricted, boss = desk.person("supervisor", slot.area), desk.person("supervisor")
        seen = {client: client.get(page_of(row)).context for client in (restricted, boss)}
        assert [(context["hit_count"], context["row"].slot_count) for context in seen.values()] == [(1, 1), (2, 2)]
        said = desk.said(desk.perform(restricted, "open", model="blackout", versions=f"{row.pk}:0"))
        assert "counts in areas that you do not see. Ask a supervisor of all areas." in "".join(said)
        assert Blackout.objects.in_force().exists()
        restricted.post(f"{BLACKOUTS}clear/plan/?b={row.pk}", {"do": "open"})
        assert Blackout.objects.in_force().exists()
        desk.perform(boss, "open", model="blackout", versions=f"{row.pk}:0")
        assert not Blackout.objects.in_force().exists()

    def test_only_the_areas_that_somebody_may_see(self, slot):
        boston = desk.slot_in("BOSTON", "America/New_York")
        ours, theirs = closed(slot), closed(boston)
        restricted = desk.person("supervisor", slot.area)
        assert shown(restricted) == [ours.pk]
        assert shown(restricted, area="BOSTON") == []
        assert "doesn’t exist" in desk.said(restricted.get(page_of(theirs), follow=True))[0]
        asked = restricted.get(f"{BLACKOUTS}act/open/", {"chosen": f"{theirs.pk}:0"}, follow=True)
        assert desk.said(asked) == ["Nothing was chosen that you may see. Choose again."]
        desk.perform(restricted, "open", model="blackout", versions=f"{theirs.pk}:0")
        assert Blackout.objects.in_force().count() == 2
        for do in ("", "perform"):
            assert "Select a valid choice" in text_of(restricted.post(ADD, form(boston, do=do)))
        assert Blackout.objects.count() == 2
        areas = restricted.get(ADD).context["form"].fields["area"].queryset
        assert list(areas) == [slot.area]
        AreaRestriction.objects.get(user=restricted.user).areas.clear()
        assert shown(restricted) == []
