"""The board: what came since one was last here, the areas by what there is to do, and what to review next."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.models import BoardVisit, ServiceArea, WorkOrder
from bookings.supply import slots
from tests.support import desk, helpers
from tests.support.helpers import NOW, START

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock():
    with helpers.clock_stands_at() as clock:
        yield clock


@pytest.fixture
def viewer():
    return desk.person("viewer")


def board(client, **query):
    answer = client.get("/admin/", query)
    assert answer.status_code == 200
    return answer


def came(client, **query):
    return [(number, word) for number, word, _ in board(client, **query).context["board"].get("came", [])]


def slot(area="LEEDS", hours=0, **fields):
    return helpers.make_slot(area, START + timedelta(hours=hours), **({"capacity": 9} | fields))


def refuse(place, order):
    body = helpers.booking(place.start, place.end, Location={"LocationNum": "L", "ServiceAreaID": place.area.code})
    assert helpers.post(order, body).status_code == 409


class TestSinceOneWasLastHere:
    def test_it_works(self, viewer, clock):
        place, full = slot(), slot(hours=2, capacity=0)
        first = desk.book(place, "WO-1")
        assert "Since you were last here" not in desk.text_of(board(viewer))
        clock.now = lambda: NOW + 9 * HOUR
        viewer.logout()
        viewer.force_login(viewer.user)  # the session is over by then
        for number in range(2, 5):
            desk.book(place, f"WO-{number}")
        services.cancel(work_order=WorkOrder.objects.select_related("slot__area").get(pk=first.pk), by="a", reason="x")
        refuse(full, "WO-9")
        answer = board(viewer)
        assert "Since you were last here, Mon 30 Nov 2026, 09:00 (Europe/London):" in desk.text_of(answer)
        shown = answer.context["board"]["came"]
        assert [(number, word) for number, word, _ in shown] == [("3", "new"), ("1", "cancelled"), ("1", "refused")]
        # Each number is a link to the list that holds just that many, and says what it holds.
        for number, word, address in shown:
            page = viewer.get(address)
            assert page.context["cl"].result_count == int(number), word
            assert "since you were last here" in desk.text_of(page)

    def test_it_stays_as_long_as_one_is_here(self, viewer, clock):
        place = slot()
        board(viewer)
        for minutes in (60, 70, 80, 100):
            clock.now = lambda minutes=minutes: NOW + timedelta(minutes=minutes)
            if minutes == 60:
                desk.book(place, "WO-1")
            assert came(viewer) == [("1", "new")]
        clock.now = lambda: NOW + timedelta(minutes=140)
        answer = board(viewer)
        assert answer.context["board"]["came"] == []
        assert "(Europe/London): nothing new." in desk.text_of(answer)

    def test_a_visit_is_noted_once_a_minute(self, viewer, clock):
        board(viewer)
        with CaptureQueriesContext(connection) as found:
            board(viewer)
        assert not [query for query in found if "UPDATE" in query["sql"] and "boardvisit" in query["sql"]]
        clock.now = lambda: NOW + timedelta(minutes=2)
        board(viewer)
        assert BoardVisit.objects.get().seen_at == NOW + timedelta(minutes=2)

    def test_each_person_has_visits_of_their_own(self, viewer, clock):
        other, place = desk.person("dispatcher"), slot()
        board(viewer)
        clock.now = lambda: NOW + HOUR
        desk.book(place, "WO-1")
        assert came(viewer) == [("1", "new")]
        assert came(other) == []

    def test_nothing_of_other_areas(self, clock):
        leeds, hull = slot(), slot("HULL")
        client = desk.person("viewer", leeds.area)
        board(client)
        clock.now = lambda: NOW + HOUR
        desk.book(hull, "WO-1")
        refuse(slot("HULL", 2, capacity=0), "WO-2")
        assert came(client) == []
        desk.book(leeds, "WO-3")
        assert came(client) == [("1", "new")]

    def test_of_the_areas_that_are_chosen(self, viewer, clock):
        leeds, hull = slot(), slot("HULL")
        board(viewer)
        clock.now = lambda: NOW + HOUR
        desk.book(hull, "WO-1")
        desk.book(leeds, "WO-2")
        assert came(viewer, area="HULL") == [("1", "new")]

    @pytest.mark.parametrize(
        "address", ["workorder/?arrived=since", "workorder/?view=all&cancelled=since", "refusal/?refused=since"]
    )
    def test_the_lists_without_a_visit_before_hold_nothing(self, viewer, address):
        desk.book(slot(), "WO-1")
        refuse(slot(hours=2, capacity=0), "WO-2")
        assert viewer.get(f"/admin/bookings/{address}").context["cl"].result_count == 0


class TestAreasByNeed:
    def needs(self, client, **query):
        found = board(client, **query).context["board"]["needs"]
        return [(need.area.code, [(number, word) for number, word, _ in need.numbers]) for need in found]

    @pytest.fixture
    def busy(self):
        """Three areas with something to do, and one with nothing."""
        slot("QUIET")
        desk.book(slot("LEEDS"), "WO-1")
        york, closed = slot("YORK"), slot("YORK", 2)
        late = [{"ProdNum": "P", "EstimatedDelivery": (START + 9 * HOUR).isoformat()}]
        desk.book(york, "WO-2", RequiredParts=late)
        desk.book(closed, "WO-3")
        slots.close(slot=closed, by="ann", reason="x")
        for number in range(4, 7):
            refuse(slot("HULL", number, capacity=0), f"WO-{number}")

    def test_the_most_to_do_first(self, viewer, busy):
        assert self.needs(viewer) == [
            ("YORK", [("1", "in closed slots"), ("1", "parts late"), ("2", "to review")]),
            ("HULL", [("3", "refused")]),
            ("LEEDS", [("1", "to review")]),
        ]

    def test_each_number_leads_to_the_list_of_just_that_many(self, viewer, busy):
        for need in board(viewer).context["board"]["needs"]:
            for number, word, address in need.numbers:
                assert viewer.get(address).context["cl"].result_count == int(number), (need.area, word)

    def test_the_name_leads_to_the_board_of_the_area(self, viewer, busy):
        page = board(viewer).content.decode()
        (address,) = re.findall(r'href="([^"]*)"><bdi>York</bdi></a>\s*<span>', page)
        shown = viewer.get("/admin/" + unescape(address)).context["board"]
        assert [row.area.code for row in shown["rows"]] == ["YORK"]
        assert shown["needs"] == []  # the tiles say the same of one area

    def test_nothing_of_other_areas(self, busy):
        client = desk.person("viewer", *ServiceArea.objects.filter(code__in=["LEEDS", "QUIET"]))
        assert self.needs(client) == [("LEEDS", [("1", "to review")])]

    def test_the_statements_do_not_grow_with_areas(self, viewer, busy):
        def statements():
            with CaptureQueriesContext(connection) as found:
                board(viewer)
            return len(found)

        board(viewer)
        before = statements()
        for number in range(5):
            desk.book(slot(f"NEW{number}"), f"WO-1{number}")
        assert statements() == before


class TestNextToReview:
    def next(self, client):
        return [order.original_order for order in board(client).context["board"]["next"]]

    def test_the_next_visit_to_come_first_and_those_that_are_over_last(self, viewer, clock):
        for number in range(3):
            desk.book(slot(hours=24 * number), f"WO-{number}")
        clock.now = lambda: START + 25 * HOUR
        assert self.next(viewer) == ["WO-2", "WO-0", "WO-1"]

    def test_six_of_them(self, viewer, clock):
        for number in range(9):
            desk.book(slot(hours=2 * number), f"WO-{number}")
        assert self.next(viewer) == [f"WO-{number}" for number in range(6)]
        clock.now = lambda: START + 9 * HOUR
        viewer.logout()
        viewer.force_login(viewer.user)
        assert self.next(viewer) == ["WO-5", "WO-6", "WO-7", "WO-8", "WO-0", "WO-1"]


def test_the_board_leads_to_the_rules(viewer):
    slot()
    assert "/admin/bookings/appointmentslot/rules/?area=LEEDS" in board(viewer, area="LEEDS").content.decode()


def test_one_who_may_see_no_bookings_leaves_no_visit():

    client = Client()
    client.force_login(User.objects.create(username="x", is_staff=True))
    assert client.get("/admin/").status_code == 200
    assert not BoardVisit.objects.exists()
