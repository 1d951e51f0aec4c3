"""Feeds of slots and refusals, and calendars at secret addresses."""

import re
from datetime import timedelta

import icalendar
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.access import calendars
from bookings.models import Ability, AppointmentSlot, AreaRestriction, CalendarAddress, EmptySearch
from bookings.services import empty_searches, feed
from bookings.supply import first_sight, slots
from tests.api.systems.test_slots import refusal
from tests.support.helpers import START, booking, clock_stands_at, make_area, make_booking, make_slot, post, search
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

SLOTS, REFUSALS = "/api/v1/feeds/slots", "/api/v1/feeds/refusals"


@pytest.fixture(autouse=True)
def _area():
    make_area()
    with clock_stands_at():
        yield


@pytest.fixture
def key() -> str:
    return make_key("supply:read", "work_orders:read")


def read(path, key, cursor="", limit=100):
    answer = call("GET", f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""), key=key)
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestSlots:
    def test_each_change_comes_once_whatever_makes_it(self, key):
        slot, other = make_slot(capacity=3), make_slot(start=START.replace(hour=17))
        page = read(SLOTS, key)
        assert (len(page["Slots"]), page["More"]) == (2, False)
        work_order = make_booking()
        for change, expected in [
            (lambda: None, {"Booked": 1}),
            (lambda: services.move(work_order=work_order, slot=other, by="anna"), {"Booked": 0}),
            (lambda: slots.resize(slot=slot, capacity=9, by="anna"), {"Capacity": 9}),
            (lambda: slots.close(slot=slot, by="anna", reason="Meeting"), {"HiddenReason": "Meeting"}),
            (lambda: AppointmentSlot.objects.filter(pk=slot.pk).update(is_withdrawn=True), {"IsOpen": False}),
        ]:
            change()
            page = read(SLOTS, key, page["Next"])
            told = next(told for told in page["Slots"] if told["Start"] == "2026-12-04T13:00:00.000Z")
            assert told == told | expected
        assert read(SLOTS, key, page["Next"])["Slots"] == []

    def test_pages(self, key):
        for hour in range(5):
            make_slot(start=START.replace(hour=hour * 3))
        seen, cursor, more = [], "", True
        while more:
            page = read(SLOTS, key, cursor, limit=2)
            seen += [told["Start"] for told in page["Slots"]]
            cursor, more = page["Next"], page["More"]
        assert len(seen) == len(set(seen)) == 5

    def test_areas(self, key):
        make_slot()
        make_slot("YORK")
        leeds = make_key("supply:read", name="leeds", areas=[make_area()])
        assert [told["ServiceAreaID"] for told in read(SLOTS, leeds)["Slots"]] == ["LEEDS"]


class TestRefusals:
    def test_each_comes_once_with_its_verdicts_as_counts(self, key):
        make_slot(worker="a", is_open=False)
        for worker in "bc":
            make_slot(worker=worker, booked=1)
        post("WO-1", booking(OrderType="pump"))
        page = read(REFUSALS, key)
        (told,) = page["Refusals"]
        assert told == told | {
            "Error": "slot_unavailable",
            "OriginalOrderNum": "WO-1",
            "ServiceAreaID": "LEEDS",
            "OrderType": "pump",
            "Period": {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"},
            "Verdicts": {"closed": 1, "full": 2},
            "Body": booking(OrderType="pump"),
        }
        assert read(REFUSALS, key, page["Next"]) == {"Refusals": [], "Next": page["Next"], "More": False}

    def test_a_worker_who_cannot_is_a_verdict_too(self, key):
        make_slot(worker="a")
        make_slot(worker="b", order_type="pump", booked=1)
        make_slot(worker="c", order_type="boiler")
        make_slot(worker="d", booked=1)
        first_sight.note(workers=["a"], order_types=["boiler"])
        Ability.objects.create(worker_id="a", order_type_id="boiler")
        post("WO-1", booking(OrderType="pump"))
        post("WO-2", booking(OrderType="drain"))
        post("WO-3", booking(START.replace(hour=18), START.replace(hour=19)))
        AppointmentSlot.objects.filter(worker__in="bd").delete()
        post("WO-4", booking(OrderType="pump"))
        told = [(told["Error"], told["Verdicts"]) for told in read(REFUSALS, key)["Refusals"]]
        assert told == [
            ("slot_unavailable", {"order_type": 1, "worker": 1, "full": 2}),
            ("slot_unavailable", {"order_type": 2, "worker": 1, "full": 1}),
            ("slot_not_found", {}),
            ("slot_not_found", {"order_type": 1, "worker": 1}),
        ]
        # An empty search tells them apart as well.
        leeds = {"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": "pump"}
        said = "No worker with appointments in Leeds can do orders of this kind."
        assert search(leeds).json()["StatusMsg"] == said
        AppointmentSlot.objects.filter(worker="a").delete()
        assert search(leeds).json()["StatusMsg"] == "No appointments are planned in Leeds for orders of this kind."

    def test_areas(self, key):
        make_area("YORK")
        post("WO-1", booking())
        post("WO-2", booking(Location={"ServiceAreaID": "NOWHERE"}))
        york, leeds = (make_key("work_orders:read", name=code, areas=[make_area(code)]) for code in ("YORK", "LEEDS"))
        orders = [
            [told["OriginalOrderNum"] for told in read(REFUSALS, reader)["Refusals"]] for reader in (key, leeds, york)
        ]
        assert orders == [["WO-1", "WO-2"], ["WO-1"], []]


class TestBoth:
    @pytest.mark.parametrize("path", [SLOTS, REFUSALS])
    def test_wrong_questions(self, path, key):
        of_work_orders = str(feed.Cursor())
        for query in ("limit=0", "limit=501", "limit=x", "cursor=x", f"cursor={of_work_orders}"):
            assert refusal(call("GET", f"{path}?{query}", key=key)) == (400, "invalid_request")
        assert refusal(call("POST", path, {}, key=key)) == (405, "method_not_allowed")

    @pytest.mark.parametrize(("path", "scope"), [(SLOTS, "supply:read"), (REFUSALS, "work_orders:read")])
    def test_scopes(self, path, scope):
        assert call("GET", path, key=make_key(scope)).status_code == 200
        assert refusal(call("GET", path, key=make_key("search", name="other"))) == (403, "forbidden")

    @pytest.mark.parametrize("path", [REFUSALS, "/api/v1/workorders"])
    def test_a_page_ends_where_its_bodies_are_large(self, key, path, monkeypatch):
        """At least one comes, and none is lost."""
        monkeypatch.setattr(feed, "MOST_LETTERS", 3_000)
        make_slot(capacity=3)
        for number in range(5):
            post(f"WO-{number}", booking(Notes="x" * (5_000 if number == 2 else 700)))
        sizes, cursor, more = [], "", True
        while more:
            page = read(path, key, cursor)
            cursor, more = page["Next"], page["More"]
            sizes.append(len(page["Refusals" if path == REFUSALS else "WorkOrders"]))
        assert sizes == ([2] if path == REFUSALS else [2, 1])

    @pytest.mark.parametrize("path", [SLOTS, REFUSALS])
    def test_a_cursor_from_before_a_restore(self, path, key):
        cursor = read(path, key)["Next"]
        feed.begin_epoch()
        assert refusal(call("GET", f"{path}?cursor={cursor}", key=key)) == (400, "invalid_request")

    def test_statements_do_not_grow_with_the_rows(self, key):
        numbers = {SLOTS: [], REFUSALS: []}
        for hour in range(3):
            make_slot(start=START.replace(hour=hour * 3), booked=1)
            post(f"WO-{hour}", booking())
        for path, counted in numbers.items():
            for limit in (1, 3):
                read(path, key)  # numbered
                with CaptureQueriesContext(connection) as statements:
                    read(path, key, limit=limit)
                counted.append(len(statements))
        assert all(few == many for few, many in numbers.values())


class TestEmptySearches:
    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch):
        monkeypatch.setattr(empty_searches, "EVERY", 0)
        empty_searches._counted.clear()

    def test_they_are_counted_after_the_answer(self, monkeypatch):
        there = {"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": "pump"}
        with monkeypatch.context() as patched:
            patched.setattr(empty_searches, "EVERY", 3_600)
            patched.setattr(empty_searches, "_written_at", float("inf"))
            with CaptureQueriesContext(connection) as statements:
                search(there)
            assert not [found for found in statements if EmptySearch._meta.db_table in found["sql"]]
        search(there)
        make_slot(booked=1)
        search(there)
        search({"Location": {"ServiceAreaID": "NOWHERE"}})
        counted = EmptySearch.objects.values_list("area__code", "order_type", "reason", "number")
        assert sorted(counted, key=str) == [
            ("LEEDS", "pump", "full", 1),
            ("LEEDS", "pump", "planned", 2),
            (None, "", "area", 1),
        ]
        assert str(EmptySearch.objects.first().day) == "2026-11-30"

    def test_a_search_with_offers_is_not_counted(self):
        make_slot()
        search({"Location": {"ServiceAreaID": "LEEDS"}})
        assert not EmptySearch.objects.exists()

    def test_memory_is_bounded(self, monkeypatch):
        monkeypatch.setattr(empty_searches, "MOST", 2)
        monkeypatch.setattr(empty_searches, "EVERY", 3_600)
        monkeypatch.setattr(empty_searches, "_written_at", float("inf"))
        for number in range(5):
            search({"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": f"T-{number}"})
        assert sorted(kind.order_type for kind in empty_searches._counted) == ["", "T-0", "T-1"]

    def test_the_desk_shows_them(self, admin_client):
        search({"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": "pump"})
        page = admin_client.get("/admin/bookings/emptysearch/").content.decode()
        assert "pump" in page
        assert "planned" in page


class TestCalendars:
    @pytest.fixture
    def work_order(self):
        make_slot(worker="jo")
        body = booking(OrderType="pump")
        body["Account"]["Name"] = "Mill Lane Bakery"
        return make_booking(body=body)

    def events(self, secret):
        answer = Client().get(f"/api/v1/calendars/{secret}.ics")
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
        calendar = icalendar.Calendar.from_ical(answer.content)
        return [str(event["summary"]) for event in calendar.walk("VEVENT")], answer

    def test_of_a_worker_and_of_an_area(self, work_order):
        make_slot("YORK", worker="al")
        make_booking("WO-2", booking(Location={"ServiceAreaID": "YORK"}))
        of_worker = calendars.make(worker="jo", shows_customers=False, by="anna")
        of_area = calendars.make(area=work_order.area, shows_customers=False, by="anna")
        for secret in (of_worker, of_area):
            summaries, answer = self.events(secret)
            assert summaries == [f"{work_order.order_num} pump jo"]
            assert b"Bakery" not in answer.content
            assert b"DTSTART:20261204T130000Z" in answer.content
        services.cancel(work_order=work_order, by="anna", reason="")
        assert self.events(of_worker)[0] == []

    def test_customers_where_that_is_switched_on(self, work_order):
        secret = calendars.make(worker="jo", shows_customers=True, by="anna")
        assert self.events(secret)[0] == [f"{work_order.order_num} pump jo Mill Lane Bakery"]

    def test_what_has_not_changed_is_not_sent_again(self, work_order):
        secret = calendars.make(worker="jo", shows_customers=False, by="anna")
        etag = self.events(secret)[1]["ETag"]
        again = Client().get(f"/api/v1/calendars/{secret}.ics", headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)

    def test_every_change_is_sent(self, work_order):
        address = calendars.make(worker="jo", shows_customers=False, by="anna")
        etags = [self.events(address)[1]["ETag"]]
        make_slot(start=START.replace(hour=18), worker="jo")
        other = make_booking("WO-2", booking(START.replace(hour=18), START.replace(hour=20)))
        etags.append(self.events(address)[1]["ETag"])
        services.cancel(work_order=work_order, by="anna", reason="")
        etags.append(self.events(address)[1]["ETag"])
        with clock_stands_at(other.visit_start + timedelta(days=31)):
            etags.append(self.events(address)[1]["ETag"])
        assert len(set(etags)) == len(etags)

    def test_a_name_makes_no_property(self):
        make_slot(worker="jo")
        body = booking()
        body["Account"]["Name"] = "Bakery\rATTENDEE:mailto:mallory@example.org\x0b"
        make_booking(body=body)
        answer = self.events(calendars.make(worker="jo", shows_customers=True, by="anna"))[1]
        assert b"Bakery ATTENDEE" in answer.content
        assert not re.search(rb"\r(?!\n)|\x0b", answer.content)

    def test_a_stranger_and_a_revoked_one(self, work_order):
        secret = calendars.make(worker="jo", shows_customers=False, by="anna")
        address = CalendarAddress.objects.get()
        assert secret not in str(vars(address))
        calendars.revoke(address, by="anna")
        for one in (secret, "guess", f"{secret}x"):
            assert refusal(Client().get(f"/api/v1/calendars/{one}.ics")) == (404, "not_found")
        with pytest.raises(calendars.Unfit):
            calendars.revoke(address, by="anna")

    def test_the_desk_makes_shows_and_revokes_one(self, admin_client, work_order):
        made = admin_client.post("/admin/bookings/calendaraddress/add/", {"worker": "jo"}).content.decode()
        path = re.search(r"/api/v1/calendars/[\w-]+\.ics", made)[0]
        assert Client().get(path).status_code == 200
        row = CalendarAddress.objects.get()
        for address in ("", f"{row.pk}/change/"):
            page = admin_client.get(f"/admin/bookings/calendaraddress/{address}").content.decode()
            assert "jo" in page
            assert path not in page
        admin_client.post(
            "/admin/bookings/calendaraddress/act/revoke/", {"chosen": f"{row.pk}:0", "do": "perform"}, follow=True
        )
        assert Client().get(path).status_code == 404
        both = admin_client.post(
            "/admin/bookings/calendaraddress/add/", {"worker": "jo", "area": work_order.area_id}
        ).content.decode()
        assert "a worker or an area, and not both" in both

    def test_statements_do_not_grow_with_the_bookings(self, work_order):
        secret, numbers = calendars.make(worker="jo", shows_customers=True, by="anna"), []
        for hour in (16, 19):
            with CaptureQueriesContext(connection) as statements:
                self.events(secret)
            numbers.append(len(statements))
            start = START.replace(hour=hour)
            make_slot(start=start, worker="jo")
            make_booking(f"WO-{hour}", booking(start, start.replace(hour=hour + 2)))
        assert numbers[0] == numbers[1]

    def test_a_person_who_is_restricted_makes_none_of_a_worker(self, admin_user, admin_client, work_order):
        restriction = AreaRestriction.objects.create(user=admin_user)
        restriction.areas.add(work_order.area)
        page = admin_client.post("/admin/bookings/calendaraddress/add/", {"worker": "jo"}).content.decode()
        assert "Choose an area." in page
        assert not CalendarAddress.objects.exists()
