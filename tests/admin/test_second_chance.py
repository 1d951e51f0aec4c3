"""*Second chance*: what was refused and would have a place now, and the one click that books it."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import services
from bookings.models import AppointmentSlot, Refusal, Worker, WorkOrder
from bookings.services import second_chance
from tests.admin.test_admin_work_order_list import many
from tests.support import desk, helpers, plans

pytestmark = pytest.mark.django_db

BOOK = "/admin/bookings/refusal/book/"


@pytest.fixture
def dispatcher():
    return desk.person("dispatcher")


def refuse(slot, order="WO-9", **properties):
    location = {
        "LocationNum": "L-1",
        "ServiceAreaID": slot.area.code,
        "Contacts": [{"LastName": "Okafor", "Phones": [{"PhoneNum": "+44 113 496 0001"}]}],
    }
    body = {"Account": {"AccountNum": "C-1", "Name": "Ruth Okafor"}, "Location": location} | properties
    answer = helpers.post(order, helpers.booking(slot.start, slot.end, **body))
    assert answer.status_code == 409, answer.content


@pytest.fixture
def full():
    slot = desk.slot_in(capacity=1)
    desk.book(slot, "WO-1")
    return slot


def give_back(order="WO-1"):
    work_order = WorkOrder.objects.select_related("slot__area").get(original_order=order)
    services.cancel(work_order=work_order, by="ann", reason="Other")


def chances(client, **query):
    return [row.refusal.original_order for row in client.get("/admin/", query).context["board"].get("chances", [])]


def book(client, refusal=None):
    return client.post(BOOK, {"refusal": (refusal or Refusal.objects.get()).pk}, follow=True)


class TestNamed:
    def test_when_a_place_comes_free(self, dispatcher, full):
        refuse(full)
        assert chances(dispatcher) == []
        give_back()
        answer = dispatcher.get("/admin/")
        text = desk.text_of(answer)
        for shown in ("Second chance", "WO-9", "Ruth Okafor", "+44 113 496 0001", str(full)):
            assert shown in text

    def test_a_place_beside_the_full_one(self, dispatcher, full):
        refuse(full)
        desk.slot_in(worker="ben", capacity=1)
        assert chances(dispatcher) == ["WO-9"]

    def test_not_once_the_order_is_booked(self, dispatcher, full):
        refuse(full)
        desk.book(desk.slot_in(hour=15), "WO-9")
        give_back()
        assert chances(dispatcher) == []

    def test_an_order_that_was_refused_often_is_named_once(self, dispatcher, full):
        for _ in range(3):
            refuse(full)
        give_back()
        assert chances(dispatcher) == ["WO-9"]

    def test_only_a_place_that_a_booking_could_take(self, dispatcher, full):
        refuse(full, OrderType="REPAIR")
        give_back()
        AppointmentSlot.objects.update(is_open=False)
        assert chances(dispatcher) == []
        desk.slot_in(worker="ben", order_type="INSTALL")
        assert chances(dispatcher) == []
        Worker.objects.create(code="dan", is_active=False)
        desk.slot_in(worker="dan")
        assert chances(dispatcher) == []
        desk.slot_in(worker="cem", order_type="REPAIR")
        assert chances(dispatcher) == ["WO-9"]

    def test_not_what_was_refused_for_another_reason_or_long_ago_or_is_over(self, dispatcher, full):
        refuse(full)
        give_back()
        row = Refusal.objects.get()
        before = {"error": row.error, "at": row.at, "visit_start": row.visit_start}
        month = timedelta(days=40)
        for other in ({"error": "already_booked"}, {"at": row.at - month}, {"visit_start": row.visit_start - month}):
            Refusal.objects.update(**before | other)
            assert chances(dispatcher) == []
        Refusal.objects.update(**before)
        assert chances(dispatcher) == ["WO-9"]

    def test_the_next_visit_first_and_no_more_than_can_be_rung(self, dispatcher):
        for hour in range(1, 10):
            slot = desk.slot_in(hour=hour, capacity=0)
            refuse(slot, f"WO-{hour}")
        AppointmentSlot.objects.update(capacity=1)
        assert chances(dispatcher) == [f"WO-{hour}" for hour in range(1, 7)]

    def test_the_areas_that_are_seen_and_chosen(self, full):
        hull = desk.slot_in("HULL", capacity=0)
        refuse(full, "WO-8")
        refuse(hull, "WO-9")
        give_back()
        AppointmentSlot.objects.filter(pk=hull.pk).update(capacity=1)
        assert sorted(chances(desk.person("dispatcher"))) == ["WO-8", "WO-9"]
        assert chances(desk.person("dispatcher"), area="HULL") == ["WO-9"]
        assert chances(desk.person("dispatcher", full.area)) == ["WO-8"]

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL says how many rows it has read")
    def test_bookings_are_looked_up_where_there_are_no_statistics_yet(self, dispatcher, full):
        """In the first minute of a company, and after a restore: not all bookings for each refusal."""
        refuse(full)
        many(100, full)
        for number in range(100):
            refusal = Refusal.objects.latest("pk")
            refusal.pk, refusal.change_num, refusal.original_order = None, None, f"R-{number}"
            refusal.save(force_insert=True)
        statements = plans.statements_of(dispatcher, "/admin/", {})
        (text,) = [one for one in statements if 'FROM "bookings_refusal"' in one and "EXISTS(" in one]
        plans.prefer_indexes()
        assert plans.rows_read(text) < 500

    def test_the_statements_do_not_grow(self):
        def statements(areas):
            with CaptureQueriesContext(connection) as ran:
                found = second_chance.waiting(areas, timezone.now(), 6)
            return len(ran), len(found)

        slot = desk.slot_in(hour=1, capacity=0)
        refuse(slot, "WO-1")
        AppointmentSlot.objects.update(capacity=1)
        few = statements([slot.area])
        for hour in range(2, 6):
            refuse(desk.slot_in(hour=hour, capacity=0), f"WO-{hour}")
        AppointmentSlot.objects.update(capacity=1)
        assert few == (3, 1)
        assert statements([slot.area]) == (3, 5)


class TestBooked:
    def test_with_one_click(self, dispatcher, full):
        refuse(full)
        give_back()
        answer = book(dispatcher)
        order = WorkOrder.objects.get(original_order="WO-9")
        assert order.slot == full
        (said,) = desk.said(answer)
        assert said.startswith(f"{order} is booked for WO-9: {order.period_text}, pool. Call +44 113 496 0001.")
        line = order.history.get()
        assert (line.event, line.by, line.via) == ("booked", dispatcher.user.username, "admin")
        assert chances(dispatcher) == []

    def test_a_second_click_books_nothing_more(self, dispatcher, full):
        refuse(full)
        give_back()
        refusal = Refusal.objects.get()
        assert desk.said(book(dispatcher, refusal)) == desk.said(book(dispatcher, refusal))
        assert WorkOrder.objects.filter(original_order="WO-9").count() == 1

    def test_a_place_that_another_booking_took_meanwhile(self, dispatcher, full):
        refuse(full)
        give_back()
        refusal = Refusal.objects.get()
        desk.book(full, "WO-2")
        (said,) = desk.said(book(dispatcher, refusal))
        assert said.startswith("WO-9 was not booked. This appointment is full.")
        assert not WorkOrder.objects.filter(original_order="WO-9").exists()

    @pytest.mark.parametrize("policy", ["one", "move", "multiple"])
    def test_not_where_the_order_was_booked_since_the_page_was_opened(self, dispatcher, full, settings, policy):
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        refuse(full)
        give_back()
        assert chances(dispatcher) == ["WO-9"]
        newer = desk.book(desk.slot_in(hour=15), "WO-9")
        (said,) = desk.said(book(dispatcher, Refusal.objects.earliest("pk")))
        assert said.startswith(f"WO-9 was not booked. The order has a follow-up already: {newer}")
        assert list(WorkOrder.objects.active().filter(original_order="WO-9").values_list("pk", "slot")) == [
            (newer.pk, newer.slot_id)
        ]

    @pytest.mark.parametrize("policy", ["one", "move", "multiple"])
    def test_nor_where_it_is_booked_at_this_very_moment(self, dispatcher, full, settings, policy):
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        refuse(full)
        give_back()
        other, decided = desk.slot_in(hour=15), []

        def book_the_other(*_):
            """Once, after the click was decided and before it is written."""
            if not decided:
                decided.append(True)
                decided.append(desk.book(other, "WO-9"))

        before_the_write = mock.patch("bookings.services.parts.on_the_clock_of", side_effect=book_the_other)
        # The test is a transaction, in which a write that the database refuses needs one of its own.
        with before_the_write, mock.patch("bookings.db.sql.alone", transaction.atomic):
            (said,) = desk.said(book(dispatcher))
        assert said.startswith("WO-9 was not booked. The order has a follow-up already")
        assert WorkOrder.objects.active().get(original_order="WO-9") == decided[1]

    def test_what_was_practised_since_is_no_booking(self, dispatcher, full):
        refuse(full)
        give_back()
        gym = helpers.make_area("GYM", is_practice=True)
        desk.book(desk.slot_in(gym.code, hour=15), "WO-9")
        assert chances(dispatcher) == ["WO-9"]
        book(dispatcher)
        assert WorkOrder.objects.active().real().get(original_order="WO-9").slot == full

    def test_a_body_that_cannot_be_read_any_more(self, dispatcher, full):
        refuse(full)
        give_back()
        for body in ('{"Account": 1}', "no JSON"):
            Refusal.objects.update(body=body)
            assert chances(dispatcher) == ["WO-9"]
            assert desk.said(book(dispatcher, Refusal.objects.earliest("pk")))[0].startswith("WO-9 was not booked.")

    def test_where_the_setting_says_which_slot_is_meant(self, dispatcher, full, settings):
        settings.BOOKJOB_SLOT_POINTER = "/Chosen"
        chosen = {"Start": full.start.isoformat(), "End": full.end.isoformat()}
        refuse(full, Chosen={"Period": chosen}, TimeConstraints=[])
        give_back()
        book(dispatcher)
        assert WorkOrder.objects.get(original_order="WO-9").slot == full


class TestWho:
    def test_a_viewer_sees_and_books_nothing(self, full):
        refuse(full)
        give_back()
        viewer = desk.person("viewer")
        assert chances(viewer) == ["WO-9"]
        assert BOOK not in viewer.get("/admin/").content.decode()
        assert viewer.post(BOOK, {"refusal": Refusal.objects.get().pk}).status_code == 403
        assert not WorkOrder.objects.filter(original_order="WO-9").exists()

    def test_only_in_the_areas_that_one_may_see(self, full):
        refuse(full)
        give_back()
        hull = helpers.make_area("HULL")
        answer = book(desk.person("dispatcher", hull))
        assert desk.said(answer) == ["There is no such refusal that you may see."]
        assert not WorkOrder.objects.filter(original_order="WO-9").exists()

    def test_only_by_a_button(self, dispatcher):
        assert dispatcher.get(BOOK).status_code == 405
        for key in ("", "x", "Infinity", "9" * 30, "-1"):
            assert dispatcher.post(BOOK, {"refusal": key}).status_code == 404
