"""What supervisors do to slots and areas, and what everybody sees of them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings import offers, services
from bookings.models import (
    AppointmentSlot,
    AreaRestriction,
    DailySum,
    HistoryEntry,
    PostcodePrefix,
    ServiceArea,
    WorkOrder,
)
from bookings.supply import slots
from bookings.supply.closing import blackouts
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

SLOT = "appointmentslot"


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def slot():
    return desk.slot_in()


def shown(client, **query):
    return [slot.pk for slot in client.get(desk.SLOTS, query).context["cl"].result_list]


class TestTheList:
    def test_it_begins_today(self, supervisor, slot):
        helpers.make_slot("LEEDS", timezone.now() - timedelta(days=9))
        assert shown(supervisor) == [slot.pk]
        assert len(shown(supervisor, until=timezone.now().date() + timedelta(days=9))) == 2

    def test_each_filter(self, supervisor):
        free, full = desk.slot_in(), desk.slot_in(days=1, capacity=0, worker="tech.silva")
        closed = desk.slot_in("BOSTON", "America/New_York", days=2, is_open=False, order_type="REPAIR")
        day = free.start.astimezone(free.area.zone).date()
        for query, found in (
            ({"state": "free"}, [free]),
            ({"state": "full"}, [full]),
            ({"state": "open"}, [free, full]),
            ({"state": "closed"}, [closed]),
            ({"state": "nonsense"}, []),
            ({"area": "BOSTON"}, [closed]),
            ({"worker": "tech.silva"}, [full]),
            ({"order_type": "REPAIR"}, [closed]),
            ({"day": day}, [free]),
            ({"day": day, "until": day + timedelta(days=1)}, [free, full]),
            ({"window": free.pk}, [free]),
        ):
            assert shown(supervisor, **query) == [slot.pk for slot in found], query

    def test_a_row_tells_how_full_it_is(self, supervisor, slot):
        desk.book(slot)
        slots.close(slot=slot, by="sue", reason="Snow <storm>")
        page = supervisor.get(desk.SLOTS).content.decode()
        for text in ("1 / 3", "0 free", "closed", "Snow &lt;storm&gt;", "Europe/London"):
            assert text in page, text


class TestCloseAndOpen:
    def test_the_page_shows_whom_a_closure_hits(self, supervisor, slot):
        work_order = desk.book(slot, Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
        page = supervisor.get(f"{desk.SLOTS}act/close/", {"chosen": desk.chosen(slot)}).content.decode()
        assert "1 booking is affected." in page
        assert work_order.order_num in page
        assert "Ruth Okafor" in page

    def test_closed_with_a_reason_and_opened_again(self, supervisor, slot):
        body = helpers.booking(slot.start, slot.end)
        answer = desk.perform(supervisor, "close", slot, model=SLOT, reason="Snow")
        assert desk.said(answer) == ["1 closed."]
        assert "Snow" in answer.content.decode()
        slot.refresh_from_db()
        assert (slot.is_open, slot.closed_reason) == (False, "Snow")
        assert helpers.post("WO-1", body).json()["detail"]["params"]["reason"] == "closed"
        answer = desk.perform(supervisor, "open", slot, model=SLOT)
        assert desk.said(answer) == ["1 opened."]
        slot.refresh_from_db()
        assert (slot.is_open, slot.closed_reason) == (True, "")
        assert helpers.post("WO-1", body).status_code == 200
        assert [(entry.event, entry.by, entry.via, entry.reason) for entry in slot.history.all()] == [
            ("closed", supervisor.user.username, "admin", "Snow"),
            ("opened", supervisor.user.username, "admin", ""),
        ]

    def test_a_double_click_closes_once(self, supervisor, slot):
        for _ in range(2):
            answer = desk.perform(supervisor, "close", slot, model=SLOT, reason="Snow")
        assert desk.said(answer) == [f"{slot} closed. The second click changed nothing."]
        assert slot.history.count() == 1

    def test_opening_an_open_one_is_refused(self, supervisor, slot):
        answer = desk.perform(supervisor, "open", slot, model=SLOT)
        assert desk.said(answer) == [f"1 skipped. {slot} is open already."]
        assert not HistoryEntry.objects.exists()

    def test_without_a_reason_nothing_is_closed(self, supervisor, slot):
        answer = desk.perform(supervisor, "close", slot, model=SLOT, reason=" ")
        assert "This field is required" in answer.content.decode()
        slot.refresh_from_db()
        assert slot.is_open

    def test_a_selection(self, supervisor, slot):
        other = desk.slot_in(days=1)
        answer = supervisor.post(desk.SLOTS, {"action": "close", "_selected_action": [slot.pk, other.pk]})
        assert answer.context["chosen"] == desk.chosen(slot, other)
        answer = desk.perform(supervisor, "close", slot, other, model=SLOT, reason="Snow")
        assert desk.said(answer) == ["2 closed."]

    def test_the_database_keeps_reasons_to_closed_slots(self, slot):
        with pytest.raises(IntegrityError), transaction.atomic():
            AppointmentSlot.objects.update(closed_reason="Snow")
        AppointmentSlot.objects.update(is_open=False, closed_reason="Snow")


class TestPlaces:
    def test_more(self, supervisor, slot):
        answer = desk.perform(supervisor, "resize", slot, model=SLOT, capacity="7", reason="New van")
        assert desk.said(answer) == ["1 changed."]
        slot.refresh_from_db()
        assert slot.capacity == 7
        entry = slot.history.get()
        assert (entry.event, entry.reason) == ("resized", "New van")
        assert entry.details == {"before": {"capacity": 3}, "after": {"capacity": 7}}

    def test_not_below_what_is_booked(self, supervisor, slot):
        desk.book(slot, "WO-1")
        desk.book(slot, "WO-2")
        answer = desk.perform(supervisor, "resize", slot, model=SLOT, capacity="1")
        (said,) = desk.said(answer)
        assert said == (f"1 skipped. {slot} has 2 bookings. Move or cancel some before it gets 1 place.")
        slot.refresh_from_db()
        assert slot.capacity == 3
        assert desk.said(desk.perform(supervisor, "resize", slot, model=SLOT, capacity="2")) == ["1 changed."]

    def test_each_slot_is_said_with_its_places(self, supervisor, slot):
        other = desk.slot_in(days=1, capacity=5)
        page = supervisor.get("/admin/bookings/appointmentslot/act/resize/", {"chosen": desk.chosen(slot, other)})
        assert "Each of these 2 slots will have this many places (now 3, 5)." in desk.text_of(page)

    def test_two_people_at_once(self, supervisor, slot):
        versions = desk.chosen(slot)
        slots.resize(slot=slot, capacity=5, by="ann")
        answer = desk.perform(supervisor, "resize", model=SLOT, versions=versions, capacity="9")
        assert desk.said(answer) == [f"1 skipped. {slot} was given 5 places meanwhile. Look at it again."]
        answer = desk.perform(supervisor, "resize", model=SLOT, versions=versions, capacity="5")
        assert desk.said(answer) == [f"1 skipped. {slot} has 5 places already."]

    @pytest.mark.parametrize("capacity", ["", "0", "-1", "x", "10001", "1.5"])
    def test_what_is_no_number_of_places(self, supervisor, slot, capacity):
        answer = desk.perform(supervisor, "resize", slot, model=SLOT, capacity=capacity)
        assert 'class="errorlist"' in answer.content.decode()
        slot.refresh_from_db()
        assert slot.capacity == 3


class TestARangeOfDays:
    def ask(self, client, slot, **query):
        day = slot.start.astimezone(slot.area.zone).date()
        given = {"area": slot.area_id, "day": day, "until": day + timedelta(days=1), "do": "close"}
        return client.get(f"{desk.SLOTS}days/", given | query)

    def test_it_opens(self, supervisor):
        page = supervisor.get(f"{desk.SLOTS}days/").content.decode()
        for text in ("Close", "Open", "Change places", "First day"):
            assert text in page

    def test_the_slots_of_these_days(self, supervisor, slot):
        second, third = desk.slot_in(days=1, worker="tech.silva"), desk.slot_in(days=2)
        assert self.ask(supervisor, slot).context["chosen"] == desk.chosen(slot, second)
        assert self.ask(supervisor, slot, worker="tech.silva").context["chosen"] == desk.chosen(second)
        hour = slot.start.astimezone(slot.area.zone).hour
        none = self.ask(supervisor, slot, begins=f"{hour + 1:02}:00")
        assert "There are no slots on these days" in none.content.decode()
        assert self.ask(supervisor, slot, begins=f"{hour:02}:00").context["number"] == 2
        assert self.ask(supervisor, slot, ends=f"{hour:02}:00").status_code == 200
        assert third.is_open

    def test_a_range_that_is_none(self, supervisor, slot):
        page = self.ask(supervisor, slot, until="2020-01-01").content.decode()
        assert "The last day must be one of the 370 days from the first one on." in page
        for day in ("9999-12-31", "0001-01-01"):
            page = self.ask(supervisor, slot, day=day, until=day).content.decode()
            assert "Choose a year from 2000 to 2199." in page

    @pytest.mark.parametrize("role", ["viewer", "dispatcher"])
    def test_others_may_not(self, role, slot):
        assert desk.person(role).get(f"{desk.SLOTS}days/").status_code == 403


class TestAddingOne:
    def add(self, client, place, **data):
        day = timezone.now().date() + timedelta(days=5)
        given = {"area": place.pk, "day": day, "begins": "09:00", "ends": "11:00", "capacity": "2"}
        return client.post(f"{desk.SLOTS}add/", given | data, follow=True)

    def test_in_the_time_of_the_area(self, supervisor):
        area = helpers.make_area("BOSTON", "America/New_York")
        answer = self.add(supervisor, area, worker=" tech.silva ")
        slot = AppointmentSlot.objects.get()
        assert desk.said(answer) == [f"The slot {slot} was added."]
        assert f"{slot.start.astimezone(area.zone):%H:%M}" == "09:00"
        assert (slot.worker, slot.capacity) == ("tech.silva", 2)
        assert [(entry.event, entry.by) for entry in slot.history.all()] == [("added", supervisor.user.username)]

    def test_over_midnight(self, supervisor):
        self.add(supervisor, helpers.make_area(), begins="22:00", ends="02:00")
        slot = AppointmentSlot.objects.get()
        assert slot.end - slot.start == timedelta(hours=4)

    def test_a_second_time_is_refused(self, supervisor):
        area = helpers.make_area()
        self.add(supervisor, area)
        assert "There is such a slot already." in self.add(supervisor, area).content.decode()
        assert AppointmentSlot.objects.count() == 1

    @pytest.mark.parametrize(
        ("there", "begins", "is_refused"),
        [
            ({}, "10:00", True),
            ({"order_type": "REPAIR"}, "09:00", True),
            ({"is_withdrawn": True}, "10:00", False),
            ({"is_withdrawn": True, "booked": 1}, "10:00", True),
            ({"is_open": False}, "10:00", True),
            ({"worker": "tech.jones"}, "10:00", False),
            ({}, "11:00", False),
        ],
    )
    def test_a_worker_who_is_busy_elsewhere(self, supervisor, there, begins, is_refused):
        place = {name: there.get(name, given) for name, given in (("worker", "tech.silva"), ("order_type", ""))}
        self.add(supervisor, helpers.make_area("YORK"), **place)
        AppointmentSlot.objects.update(**there)
        busy = AppointmentSlot.objects.get()
        answer = self.add(supervisor, helpers.make_area(), worker="tech.silva", begins=begins, ends="12:00")
        complaint = f"tech.silva is busy {busy} in YORK. Choose another time."
        assert (complaint in answer.content.decode()) == is_refused
        assert AppointmentSlot.objects.count() == (1 if is_refused else 2)

    def test_pools_may_overlap(self, supervisor):
        self.add(supervisor, helpers.make_area("YORK"))
        self.add(supervisor, helpers.make_area("YORK"), begins="10:00", ends="12:00")
        assert AppointmentSlot.objects.count() == 2

    @pytest.mark.parametrize(
        ("data", "complaint"),
        [
            ({"day": "2020-01-01"}, "This time is over."),
            ({"day": "2027-03-28", "begins": "01:30", "ends": "03:00"}, "there is no such time on that day"),
            ({"day": "9999-12-31"}, "Choose a year from 2000 to 2199."),
            ({"day": "0001-01-01"}, "Choose a year from 2000 to 2199."),
            ({"capacity": "0"}, "greater than or equal to 1"),
            ({"begins": "25:00"}, "Enter a valid time"),
            ({"area": "0"}, "Select a valid choice"),
        ],
    )
    def test_what_cannot_be(self, supervisor, data, complaint):
        assert complaint in self.add(supervisor, helpers.make_area(), **data).content.decode()
        assert not AppointmentSlot.objects.exists()

    def test_the_service_says_what_it_refuses(self, slot):
        with pytest.raises(ValidationError):
            slots.add(area=slot.area, start=slot.start, end=slot.start, capacity=1, by="ann")

    @pytest.mark.parametrize("role", ["viewer", "dispatcher"])
    def test_others_may_not(self, role):
        assert self.add(desk.person(role), helpers.make_area()).status_code == 403
        assert not AppointmentSlot.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "dispatcher", "supervisor"])
@pytest.mark.parametrize("action", ["close", "open", "resize"])
def test_roles(role, action):
    client, slot = desk.person(role), desk.slot_in(is_open=action != "open")
    is_allowed = role == "supervisor"
    page = client.get(f"{desk.SLOTS}{slot.pk}/change/").content.decode()
    assert (f"/act/{action}/?chosen=" in page) == is_allowed
    assert (action in desk.offered(client, desk.SLOTS)) == is_allowed
    answer = desk.perform(client, action, slot, model=SLOT, reason="x", capacity="8")
    assert answer.status_code == (200 if is_allowed else 403)
    assert HistoryEntry.objects.exists() == is_allowed


def test_the_page_of_a_slot(supervisor, slot):
    work_order = desk.book(slot, Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
    slots.resize(slot=slot, capacity=5, by="ann", reason="New van")
    page = re.sub(r"\s+", " ", supervisor.get(f"{desk.SLOTS}{slot.pk}/change/").content.decode())
    for text in ("1 of 5, 4 free", work_order.order_num, "Ruth Okafor", "New van", "resized", "capacity 5", str(slot)):
        assert text in page, text


class TestBlackouts:
    """What a command hides for a time looks closed to staff wherever they meet it."""

    def test_it_looks_closed_everywhere(self, supervisor, slot):
        work_order = desk.book(slot, Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
        blackouts.close_slots(area=slot.area, start=slot.start, end=slot.end, reason="Snow", by="operator")
        assert list(supervisor.get(f"{desk.SLOTS}?state=free").context["cl"].result_list) == []
        page = supervisor.get(f"{desk.SLOTS}?state=closed").content.decode()
        assert "Snow" in page
        board = supervisor.get(f"/admin/?day={slot.start.astimezone(slot.area.zone).date()}").content.decode()
        assert "closed 1" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", board))
        closed = supervisor.get("/admin/bookings/workorder/?view=closed").content.decode()
        assert work_order.order_num in closed
        one = desk.text_of(supervisor.get(f"/admin/bookings/workorder/{work_order.pk}/change/"))
        assert "The slot is closed: Snow. Move or cancel the booking." in one


class TestAreas:
    def post(self, client, area=None, **data):
        prefixes, codes = data.pop("prefixes", []), data.pop("codes", [])
        given = {
            "code": "YORK",
            "name": "York",
            "time_zone": "Europe/London",
            "safety_percent": "100",
            "codes-TOTAL_FORMS": len(codes),
            "codes-INITIAL_FORMS": 0,
            "postcode_prefixes-TOTAL_FORMS": len(prefixes),
            "postcode_prefixes-INITIAL_FORMS": 0,
        }
        for number, (country, prefix) in enumerate(prefixes):
            given |= {
                f"postcode_prefixes-{number}-country": country,
                f"postcode_prefixes-{number}-prefix": prefix,
            }
        given |= {f"codes-{number}-code": code for number, code in enumerate(codes)}
        if area:
            given |= {
                f"{name}-{number}-area": area.pk for name in ("codes", "postcode_prefixes") for number in range(2)
            }
        address = reverse("admin:bookings_servicearea_change", args=[area.pk]) if area else "add/"
        return client.post(f"/admin/bookings/servicearea/{address}" if not area else address, given | data, follow=True)

    def test_added_with_its_postcodes(self, supervisor):
        self.post(supervisor, prefixes=[("gb", "yo 1")])
        prefix = PostcodePrefix.objects.get()
        assert (prefix.area.code, prefix.country, prefix.prefix) == ("YORK", "GB", "YO1")

    @pytest.mark.parametrize(("country", "prefix", "most"), [("ß" * 150, "1", 200), ("", "ß" * 15, 20)])
    def test_capital_letters_that_are_too_many(self, supervisor, country, prefix, most):
        page = self.post(supervisor, prefixes=[(country, prefix)]).content.decode()
        assert f"Ensure this value has at most {most} characters" in page
        assert not ServiceArea.objects.exists()

    @pytest.mark.parametrize(("country", "is_refused"), [("GB", True), ("", True), ("US", False)])
    def test_a_prefix_of_another_area(self, supervisor, country, is_refused):
        PostcodePrefix.objects.create(area=helpers.make_area(), country="GB", prefix="LS")
        page = self.post(supervisor, prefixes=[(country, "ls")]).content.decode()
        assert ("GB LS belongs to Leeds (LEEDS) already." in page) == is_refused
        assert ServiceArea.objects.filter(code="YORK").exists() != is_refused

    @pytest.mark.parametrize("spelled", ["GBR", "uk", "United Kingdom", "U.K."])
    def test_a_prefix_of_another_area_in_another_spelling_of_the_country(self, supervisor, spelled):
        """Also where a release before this one kept the spelling that was typed."""
        PostcodePrefix.objects.create(area=helpers.make_area(), country="GBR", prefix="LS")
        page = self.post(supervisor, prefixes=[(spelled, "ls")]).content.decode()
        assert "GBR LS belongs to Leeds (LEEDS) already." in page

    def test_a_prefix_within_one_of_an_area_that_is_not_seen(self, supervisor):
        """It would take the customers of that area."""
        york, leeds = helpers.make_area("YORK"), helpers.make_area()
        PostcodePrefix.objects.create(area=leeds, country="GB", prefix="LS")
        restricted = desk.person("supervisor", york)
        for given, said in [
            (("", "ls 2"), "LS2 lies within GB LS, which belongs to another area. Ask a supervisor of all areas."),
            (("GBR", "ls2"), "GB LS2 lies within GB LS, which belongs to another area."),
            (("GB", "LS"), "GB LS belongs to another area already."),
            # A request that names no country would go to the longer one, or nowhere.
            (("US", "LS2"), "US LS2 lies within GB LS, which belongs to another area."),
            (("US", "LS"), "US LS lies within GB LS, which belongs to another area."),
        ]:
            page = self.post(restricted, york, prefixes=[given]).content.decode()
            assert said in page
            assert "Leeds" not in page
            assert PostcodePrefix.objects.count() == 1
        self.post(restricted, york, prefixes=[("US", "Y"), ("GB", "YO")])
        assert PostcodePrefix.objects.filter(area=york).count() == 2
        # Who may see both areas may do it.
        both = desk.person("supervisor", york, leeds)
        answer = self.post(both, york, prefixes=[("GB", "LS2")])
        assert "GB LS2 lies within GB LS of Leeds (LEEDS). The longer one decides: York (YORK)." in desk.said(answer)
        # What others put there stays when the area is saved.
        given = {"postcode_prefixes-INITIAL_FORMS": 1, "postcode_prefixes-0-id": york.postcode_prefixes.last().pk}
        prefix = york.postcode_prefixes.last()
        answer = self.post(restricted, york, prefixes=[(prefix.country, prefix.prefix)], name="Old York", **given)
        assert ServiceArea.objects.get(code="YORK").name == "Old York"
        assert all("Leeds" not in text for text in desk.said(answer))

    def test_other_codes(self, supervisor):
        self.post(supervisor, codes=["Y-1", " y-2 "])
        area = ServiceArea.objects.get()
        assert list(area.codes.values_list("code", "is_alias")) == [("YORK", False), ("Y-1", True), ("y-2", True)] or (
            sorted(area.codes.values_list("code", "is_alias")) == [("Y-1", True), ("YORK", False), ("y-2", True)]
        )
        page = supervisor.get(reverse("admin:bookings_servicearea_change", args=[area.pk])).content.decode()
        assert 'value="Y-1"' in page
        found = supervisor.get("/admin/bookings/servicearea/?q=y-2").content.decode()
        assert "YORK" in found

    @pytest.mark.parametrize(
        ("code", "codes", "is_refused"),
        [
            ("york", [], True),
            (" L-1", [], True),
            ("HULL", ["l-1"], True),
            ("HULL", ["Leeds"], True),
            ("HULL", ["L-2"], False),
        ],
    )
    def test_codes_name_one_area_however_they_are_written(self, supervisor, code, codes, is_refused):
        leeds = helpers.make_area()
        leeds.codes.create(code="L-1")
        helpers.make_area("YORK")
        restricted = desk.person("supervisor", helpers.make_area("HULL") if code == "HULL" else leeds)
        by = restricted if code == "HULL" else supervisor
        page = self.post(by, ServiceArea.objects.filter(code=code).first(), code=code, codes=codes).content.decode()
        assert ("An area has this code already" in page) == is_refused
        assert ServiceArea.objects.count() == (3 if code == "HULL" else 2)
        if is_refused:
            assert "(LEEDS)" not in page

    def test_a_longer_prefix_wins_and_is_said(self, supervisor):
        PostcodePrefix.objects.create(area=helpers.make_area(), country="GB", prefix="LS")
        answer = self.post(supervisor, prefixes=[("GB", "LS2")])
        assert "GB LS2 lies within GB LS of Leeds (LEEDS). The longer one decides: York (YORK)." in desk.said(answer)

    @pytest.mark.parametrize(
        ("percent", "capacities", "text"),
        [
            (80, [], "80 keeps back none of 1 to 4 places, 1 of 5 to 9, and 2 of 10."),
            (80, [1, 4], "In this area 80 keeps back none of 1, none of 4. That is nothing: give fewer percent, or"),
            (80, [4, 5, 10], "In this area 80 keeps back none of 4, 1 of 5, 2 of 10.<"),
            (100, [4], "In this area 100 keeps back none of 4.<"),
            (50, range(1, 10), "3 of 6, 3 of 7, 4 of 8, and more of larger ones.<"),
        ],
    )
    def test_the_margin_says_what_it_means_for_this_areas_slots(self, supervisor, percent, capacities, text):
        area = helpers.make_area(safety_percent=percent)
        for hour, capacity in enumerate(capacities):
            helpers.make_slot(start=helpers.tomorrow(hour), capacity=capacity)
        page = supervisor.get(f"/admin/bookings/servicearea/{area.pk}/change/").content.decode()
        page = re.sub(r"\s+", " ", page).replace(" <", "<")
        assert text in page
        # What the text says is what the rule does.
        for slot in AppointmentSlot.objects.filter(capacity__lte=8):
            this, kept = AppointmentSlot.objects.filter(pk=slot.pk), 0
            for booked in range(slot.capacity):
                this.update(booked=booked)
                kept += offers.with_refusal(this, timezone.now(), area).get().refusal == "margin"
            assert f"{kept or 'none'} of {slot.capacity}" in page
        assert "80 keeps back none" in supervisor.get("/admin/bookings/servicearea/add/").content.decode()

    def test_the_zone_stays_while_there_are_slots(self, supervisor, slot):
        page = self.post(supervisor, slot.area, code="LEEDS", name="Leeds", time_zone="America/New_York")
        assert "were made on its present clock" in page.content.decode()
        slot.area.refresh_from_db()
        assert slot.area.time_zone == "Europe/London"
        self.post(supervisor, slot.area, code="LEEDS", name="Leeds North", time_zone="Europe/London")
        slot.area.refresh_from_db()
        assert slot.area.name == "Leeds North"

    @pytest.mark.parametrize("role", ["viewer", "dispatcher"])
    def test_others_only_look(self, role, slot):
        client = desk.person(role)
        assert client.get(f"/admin/bookings/servicearea/{slot.area_id}/change/").status_code == 200
        assert self.post(client, slot.area, code="X", name="X").status_code == 403
        assert self.post(client).status_code == 403
        assert ServiceArea.objects.get().code == "LEEDS"

    def test_nobody_deletes_one_with_slots(self, slot):
        address = f"/admin/bookings/servicearea/{slot.area_id}/delete/"
        assert_told_why(chief(), address, "it has slots")

    def test_nobody_deletes_one_that_is_counted(self, slot):
        """However much is: what keeps it is one sentence, and not each sum."""
        client, area = chief(), slot.area
        slot.delete()
        for number in range(30):
            DailySum.objects.create(kind="refusals", day="2026-11-30", area=area, key=f"sum {number}", number=1)
        assert_told_why(client, f"/admin/bookings/servicearea/{area.pk}/delete/", "the page of numbers counts it")
        DailySum.objects.all().delete()
        client.post(f"/admin/bookings/servicearea/{area.pk}/delete/", {"post": "yes"})
        assert not ServiceArea.objects.exists()


@pytest.mark.parametrize("model", ["appointmentslot", "workorder", "refusal", "blackout", "servicearea"])
def test_a_page_asks_once_which_areas_its_viewer_may_see(model, slot):
    """And the next one asks again."""
    client = desk.person("supervisor", slot.area)
    address = f"/admin/bookings/{model}/"
    client.get(address)
    with CaptureQueriesContext(connection) as found:
        assert client.get(address).status_code == 200
    assert len([query for query in found if 'FROM "bookings_arearestriction"' in query["sql"]]) == 1
    changed = "/admin/bookings/servicearea/"
    assert "Leeds" in client.get(changed).content.decode()
    AreaRestriction.objects.get(user=client.user).areas.clear()
    assert "Leeds" not in client.get(changed).content.decode()


def chief():
    client = Client()
    client.force_login(User.objects.create_superuser("chief"))
    return client


def assert_told_why(client, address, why):
    page = client.get(address).content.decode()
    assert f"Leeds (LEEDS) stays: {why}. Give it no more slots if it is not served any more." in page
    assert "sum " not in page
    client.post(address, {"post": "yes"})
    assert ServiceArea.objects.count() == 1


def test_closing_does_not_touch_what_is_cancelled(supervisor, slot):
    work_order = desk.book(slot)
    services.cancel(work_order=work_order, by="ann", reason="Other")
    before = WorkOrder.objects.values().get()
    assert slots.close(slot=slot, by="sue", reason="Snow") == 0
    assert WorkOrder.objects.values().get() == before


def test_the_command_that_makes_a_calendar_writes_its_history():
    arguments = ["--area=YORK", "--name=York", "--time-zone=Europe/London", "--from=2026-12-01", "--days=2"]
    with helpers.clock_stands_at():
        for _ in range(2):
            call_command("seed_slots", *arguments, "--hours=08:00-12:00", "--length=120", "--capacity=4")
    assert AppointmentSlot.objects.count() == 4
    for slot in AppointmentSlot.objects.all():
        entry = slot.history.get()
        assert (entry.event, entry.via, entry.by, entry.details) == (
            "added",
            "command",
            "seed_slots",
            {"after": {"capacity": 4}},
        )
