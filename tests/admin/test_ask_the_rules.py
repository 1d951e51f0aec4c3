"""*Ask the rules*: what the app would be offered now, and of each other slot the rule and the remedy."""

import re
from datetime import time, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings.models import AppointmentSlot, Blackout, EmptySearch, Refusal, ServiceArea, Worker, WorkOrder
from bookings.services import second_chance
from bookings.supply.closing import blackouts
from tests.support import desk, helpers
from tests.support.helpers import END, NOW, START

pytestmark = pytest.mark.django_db

RULES = "/admin/bookings/appointmentslot/rules/"


@pytest.fixture(autouse=True)
def clock():
    with helpers.clock_stands_at() as clock:
        yield clock


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


def ask(client, **query):
    answer = client.get(RULES, query)
    assert answer.status_code == 200, answer.content[:500]
    return answer


def lines(answer):
    return [line for _, found in answer.context.get("days", []) for line in found]


def verdicts(answer):
    """Of each slot what is broken; nothing where it is offered."""
    return [(line.slot.worker, [broken.message for broken in line.broken]) for line in lines(answer)]


def links(answer, text):
    """Where the links of this name lead, as a browser reads the page."""
    found = re.findall(r'<a class="desk-link" href="([^"]*)">([^<]*)<', answer.content.decode())
    return [unescape(address) for address, name in found if name == text]


def refuse(slot, order="WO-9", **properties):
    location = {"LocationNum": "L-1", "ServiceAreaID": slot.area.code}
    answer = helpers.post(order, helpers.booking(slot.start, slot.end, **({"Location": location} | properties)))
    assert answer.status_code == 409, answer.content
    return Refusal.objects.get(original_order=order)


class TestWhatIsOffered:
    def test_it_is_what_a_search_answers(self, supervisor):
        helpers.make_slot(worker="a")
        helpers.make_slot(worker="b")  # the same period is offered once
        helpers.make_slot(start=START + timedelta(days=1))
        helpers.make_slot(start=START + timedelta(days=2), is_open=False)
        typed = ask(supervisor, area="LEEDS", order_type="REPAIR")
        body = {"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": "REPAIR"}
        searched = helpers.search(body).json()["TimeConstraints"]
        assert len(searched) == 2
        shown = [(str(day), hours) for day, hours in typed.context["offered"]]
        assert shown == [("2026-12-04", ["13:00-15:00"]), ("2026-12-05", ["13:00-15:00"])]
        text = desk.text_of(typed)
        for found in ("2 appointments", "Of 4 slots up to the horizon", "3 offered", ">1 closed</a>"):
            assert found in text, found

    def test_why_there_is_nothing_is_what_the_app_says(self, supervisor):
        helpers.make_slot(capacity=0)
        body = {"Location": {"ServiceAreaID": "LEEDS"}}
        said = helpers.search(body).json()["StatusMsg"]
        assert said == "All appointments in Leeds in the next 21 days are full."
        assert said in desk.text_of(ask(supervisor, area="LEEDS"))

    def test_all_that_can_be_typed_in(self, supervisor):
        area = helpers.make_area()
        area.postcode_prefixes.create(prefix="LS", country="GB")
        for days, worker in ((0, "early"), (2, "outside"), (3, "fits")):
            helpers.make_slot(start=START + timedelta(days=days), worker=worker)
        asked = {"zip": "LS1 4AP", "country": "GB", "parts": "2026-12-05", "there": "2026-12-07"}
        answer = ask(supervisor, **asked, there_from="09:00", there_until="18:00")
        assert verdicts(answer) == [
            ("early", ["It begins before the parts are there.", "It does not fit the customer's own times."]),
            ("outside", ["It does not fit the customer's own times."]),
            ("fits", []),
        ]
        assert "Ask the customer for other times." in desk.text_of(answer)

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"order_type": "REPAIR"}, "Choose an area, or type a postcode."),
            ({"area": "ATLANTIS"}, "Select a valid choice."),
            ({"area": "LEEDS", "parts": "soon"}, "Enter a valid date."),
            ({"area": "LEEDS", "there_from": "09:00"}, "Choose the day on which the customer is there."),
            ({"area": "LEEDS", "there": "2026-12-04", "there_from": "9:00", "there_until": "8:00"}, "not after the"),
            ({"area": "LEEDS", "worker": "x" * 300}, "at most"),
        ],
    )
    def test_what_cannot_be_asked_is_said(self, supervisor, query, said):
        helpers.make_slot()
        answer = ask(supervisor, **query)
        assert said in desk.text_of(answer)
        assert lines(answer) == []

    def test_without_a_question_there_is_the_form_alone(self, supervisor):
        helpers.make_slot()
        answer = ask(supervisor)
        assert "What does a technician search for?" in desk.text_of(answer)
        assert lines(answer) == []

    @pytest.mark.parametrize("query", [{"after": "x"}, {"day": "x"}, {"rule": "x"}, {"rule": "closed' OR 1=1"}])
    def test_what_makes_no_sense_is_not_asked(self, supervisor, query):
        helpers.make_slot()
        assert len(lines(ask(supervisor, area="LEEDS", **query))) == 1


class TestRulesAndRemedies:
    @pytest.fixture
    def all_of_them(self):
        area = helpers.make_area(safety_percent=50, cutoff_days=1, cutoff_time=time(8))
        helpers.make_slot(start=NOW + timedelta(hours=1), worker="soon")
        helpers.make_slot(start=START, order_type="1002", worker="type")
        helpers.make_slot(start=START, worker="unable")
        Worker.objects.create(code="unable", is_active=False)
        helpers.make_slot(start=START, is_open=False, closed_reason="ill", worker="shut")
        helpers.make_slot(start=START, capacity=2, booked=2, worker="taken")
        helpers.make_slot(start=START, capacity=2, booked=1, worker="kept")
        blackouts.close_slots(area=area, start=END, end=END + timedelta(hours=9), reason="storm", by="anna")
        helpers.make_slot(start=END + timedelta(hours=1), blackout=area.blackouts.get(), worker="hidden")

    def links_of(self, answer):
        return {line.slot.worker: [link.text for one in line.broken for link in one.links] for line in lines(answer)}

    def test_what_a_supervisor_can_do(self, supervisor, all_of_them):
        assert self.links_of(ask(supervisor, area="LEEDS")) == {
            "soon": ["Change the cut-off"],
            "type": ["Add a slot at this time"],
            "unable": ["Change what the worker does"],
            "shut": ["Open the slot"],
            "taken": [
                "One place more",
                "Its bookings",
                "Change the share that may be booked",
                "One place more",
            ],
            "kept": ["Change the share that may be booked", "One place more"],
            "hidden": ["Lift what closes it"],
        }

    def test_a_viewer_reads_the_rule_and_the_remedy_alone(self, all_of_them):
        answer = ask(desk.person("viewer"), area="LEEDS")
        links = self.links_of(answer)
        assert links.pop("taken") == ["Its bookings"]
        assert not any(links.values())
        assert "Open the slot, which staff have closed (ill)." in desk.text_of(answer)

    def test_each_link_leads_to_what_can_be_done(self, supervisor, all_of_them):
        """Each page opens for who sees its link, and after it one is back here."""
        answer = ask(supervisor, area="LEEDS")
        found = [link for line in lines(answer) for one in line.broken for link in one.links]
        assert len(found) == 11
        for link in found:
            assert supervisor.get(link.address).status_code == 200, link

    def test_open_a_slot_from_here(self, supervisor):
        shut = helpers.make_slot(is_open=False, closed_reason="ill")
        (address,) = links(ask(supervisor, area="LEEDS"), "Open the slot")
        page = supervisor.get(address).context
        done = supervisor.post(page["address"], {"chosen": page["chosen"], "back": page["back"], "do": "perform"})
        assert done.url == f"{RULES}?area=LEEDS"
        shut.refresh_from_db()
        assert shut.is_open
        assert verdicts(supervisor.get(done.url)) == [("", [])]

    def test_one_place_more_is_filled_in(self, supervisor):
        full = helpers.make_slot(capacity=3, booked=3)
        (address,) = links(ask(supervisor, area="LEEDS"), "One place more")
        page = supervisor.get(address)
        assert 'name="capacity" value="4"' in page.content.decode()
        asked = page.context
        supervisor.post(asked["address"], {"chosen": asked["chosen"], "capacity": "4", "do": "perform"})
        full.refresh_from_db()
        assert full.capacity == 4

    def test_a_slot_that_is_added_from_here_is_offered(self, supervisor):
        helpers.make_slot(order_type="1002", worker="anna")
        (address,) = links(ask(supervisor, area="LEEDS", order_type="REPAIR"), "Add a slot at this time")
        form = supervisor.get(address).context["form"]
        given = {name: form[name].value() for name in form.fields if form[name].value()}
        assert supervisor.post("/admin/bookings/appointmentslot/add/", given).status_code == 302
        new = AppointmentSlot.objects.latest("pk")
        assert (new.start, new.end, new.order_type, new.worker) == (START, END, "REPAIR", "")

    def test_one_rule_alone(self, supervisor, all_of_them):
        first = ask(supervisor, area="LEEDS")
        for number, _, address, _ in first.context["counted"]:
            if address:
                assert str(len(lines(supervisor.get(address)))) == number

    def test_of_what_is_over_nothing_else_is_said(self, supervisor):
        helpers.make_slot(start=NOW - timedelta(hours=1), capacity=0, is_open=False)
        assert verdicts(ask(supervisor, area="LEEDS")) == []
        over = ask(supervisor, area="LEEDS", day=NOW.date())
        assert verdicts(over) == [("", ["This appointment has begun or is over."])]


class TestFromABooking:
    def test_what_a_search_for_it_would_say(self, supervisor):
        order = desk.book(helpers.make_slot(worker="anna"), "WO-1", OrderType="REPAIR")
        later = helpers.make_slot(start=START + timedelta(days=1), worker="ben")
        helpers.make_slot(start=START + timedelta(days=1), worker="cy", order_type="INSTALL")
        answer = ask(supervisor, order=order.pk)
        # The time in which it stands is no wish: the later one is offered.
        assert verdicts(answer) == [
            ("anna", ["This appointment is full."]),
            ("ben", []),
            ("cy", ["It is for orders of another type."]),
        ]
        assert [line.is_asked for line in lines(answer)] == [True, False, False]
        (address,) = links(answer, "Move it here")
        page = supervisor.get(address).context["form"]
        assert page["slot"].value() == str(later.pk)

    def test_its_page_leads_there(self, supervisor):
        order = desk.book(helpers.make_slot(), "WO-1")
        page = supervisor.get(f"/admin/bookings/workorder/{order.pk}/change/")
        assert links(page, "Ask the rules") == [f"{RULES}?order={order.pk}"]

    def test_one_that_was_cancelled_is_not_moved(self, supervisor):
        order = desk.book(helpers.make_slot(), "WO-1")
        helpers.make_slot(start=START + timedelta(days=1))
        WorkOrder.objects.filter(pk=order.pk).update(status="cancelled", cancelled_at=NOW)
        assert links(ask(supervisor, order=order.pk), "Move it here") == []


class TestFromARefusal:
    def test_the_verdicts_of_then_and_those_of_now(self, supervisor):
        full = helpers.make_slot(worker="anna", capacity=0)
        helpers.make_slot(worker="ben", is_open=False)
        refusal = refuse(full)
        assert refusal.verdicts == {"full": 1, "closed": 1}
        AppointmentSlot.objects.filter(pk=full.pk).update(capacity=1)
        answer = ask(supervisor, refusal=refusal.pk)
        text = desk.text_of(answer)
        assert "1 slot then: This appointment is full." in text
        assert "1 slot then: This appointment is closed for bookings." in text
        assert verdicts(answer) == [("anna", []), ("ben", ["This appointment is closed for bookings."])]
        assert all(line.is_asked for line in lines(answer))

    def test_a_period_that_is_over_is_there_all_the_same(self, supervisor, clock):
        refusal = refuse(helpers.make_slot(capacity=0))
        clock.now = lambda: START + timedelta(days=2)
        assert verdicts(ask(supervisor, refusal=refusal.pk)) == [("", ["This appointment has begun or is over."])]

    def test_its_page_leads_there(self, supervisor):
        refusal = refuse(helpers.make_slot(capacity=0))
        page = supervisor.get(f"/admin/bookings/refusal/{refusal.pk}/change/")
        assert f'href="{RULES}?refusal={refusal.pk}"' in page.content.decode()

    def test_one_whose_body_was_forgotten(self, supervisor):
        refusal = refuse(helpers.make_slot(capacity=0))
        Refusal.objects.update(body="")
        assert "Type it in." in desk.text_of(ask(supervisor, refusal=refusal.pk))
        assert RULES + "?" not in supervisor.get(f"/admin/bookings/refusal/{refusal.pk}/change/").content.decode()

    def test_it_says_what_the_second_chance_says(self, supervisor):
        full = helpers.make_slot(capacity=0)
        refusal = refuse(full)
        for capacity in (0, 1):
            AppointmentSlot.objects.filter(pk=full.pk).update(capacity=capacity)
            chances = second_chance.waiting(list(ServiceArea.objects.all()), NOW, 6)
            (line,) = lines(ask(supervisor, refusal=refusal.pk))
            assert bool(chances) == (line.broken == [])


def test_from_an_empty_search(supervisor):
    slot = helpers.make_slot(capacity=0)
    EmptySearch.objects.create(day=NOW.date(), area=slot.area, order_type="A&B", reason="full", number=3)
    EmptySearch.objects.create(day=NOW.date(), order_type="A", reason="area", number=1)
    page = supervisor.get("/admin/bookings/emptysearch/").content.decode()
    (address,) = re.findall(r'href="([^"]*/rules/[^"]*area=[^"]*)"', page)
    answer = supervisor.get(unescape(address))
    assert answer.context["form"].job.order_type == "A&B"
    assert len(lines(answer)) == 1


class TestWhoSeesWhat:
    @pytest.fixture
    def hull(self):
        return helpers.make_slot("HULL", capacity=1)

    def test_nothing_of_other_areas(self, hull):
        order = desk.book(hull, "WO-1")
        refusal = refuse(hull)
        client = desk.person("supervisor", helpers.make_area("LEEDS"))
        hull.area.postcode_prefixes.create(prefix="HU")
        for query in ({"area": "HULL"}, {"order": order.pk}, {"refusal": refusal.pk}, {"zip": "HU1 1AA"}):
            answer = ask(client, **query)
            assert lines(answer) == []
            text = desk.text_of(answer).replace('value="HULL"', "")
            for hidden in ("Hull", "WO-1", "WO-9", "is full", order.order_num):
                assert hidden not in text, (query, hidden)

    def test_a_refusal_without_an_area_leads_to_no_other_one(self, hull):
        """It was seen by all, as its place belonged to none then."""
        body = helpers.booking(Location={"ServiceAreaID": "NEW"})
        assert helpers.post("WO-9", body).status_code == 404
        hull.area.codes.create(code="NEW")
        client = desk.person("supervisor", helpers.make_area("LEEDS"))
        answer = ask(client, refusal=Refusal.objects.get().pk)
        assert lines(answer) == []
        assert "There is no service area NEW." in desk.text_of(answer)

    def test_one_who_may_see_no_area(self, hull):
        client = desk.person("viewer", helpers.make_area("LEEDS"))
        client.user.area_restriction.areas.clear()
        assert "none was chosen yet. Ask your administrator." in desk.text_of(ask(client))

    def test_an_absence_of_all_areas_is_not_lifted_by_one_of_some(self, supervisor):
        slot = helpers.make_slot(worker="anna")
        absence = Blackout.absence("anna", START.date(), START.date(), reason="ill", closed_at=NOW)
        absence.save()
        AppointmentSlot.objects.filter(pk=slot.pk).update(blackout=absence)
        assert links(ask(supervisor, area="LEEDS"), "Lift what closes it")
        restricted = desk.person("supervisor", slot.area)
        assert not links(ask(restricted, area="LEEDS"), "Lift what closes it")

    def test_it_needs_its_permission(self, hull):
        client = Client()
        client.force_login(User.objects.create(username="x", is_staff=True))
        assert client.get(RULES).status_code == 403
        assert client.get("/admin/").status_code == 200

    @pytest.mark.parametrize("key", ["x", "0", "9" * 30, "1 OR 1=1"])
    def test_a_key_that_is_none(self, supervisor, key):
        helpers.make_area()
        for name in ("order", "refusal"):
            assert "There is no such booking or refusal" in desk.text_of(ask(supervisor, **{name: key}))


def test_pages_and_the_statements_of_each(supervisor):
    for number in range(130):
        helpers.make_slot(start=START + timedelta(hours=number), worker=f"w{number % 7}")

    def statements(address):
        with CaptureQueriesContext(connection) as found:
            answer = supervisor.get(address)
        return answer, len(found)

    ask(supervisor)  # what is read once for a log-in
    first, many = statements(f"{RULES}?area=LEEDS")
    second, few = statements(first.context["later"])
    assert (len(lines(first)), len(lines(second))) == (100, 30)
    assert not {line.slot.pk for line in lines(first)} & {line.slot.pk for line in lines(second)}
    assert many == few
    assert not second.context["later"]
    on_a_day = ask(supervisor, area="LEEDS", day="2026-12-07")
    assert lines(on_a_day)[0].slot.start.isoformat() == "2026-12-07T00:00:00+00:00"
