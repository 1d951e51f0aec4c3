"""Practice areas: never pushed, never counted, removed nightly; and real bookings are never among what is removed."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from bookings import services
from bookings.models import AppointmentSlot, EmptySearch, HistoryEntry, Refusal, ServiceArea, WorkOrder
from bookings.refusals import Refused
from bookings.services import empty_searches, feed, practice
from bookings.supply import practice as practice_areas
from bookings.telemetry import metrics
from tests.support.helpers import START, booking, clock_stands_at, make_area, make_booking, make_slot, post, search

pytestmark = pytest.mark.django_db

THERE = {"Location": {"ServiceAreaID": "GYM"}}


@pytest.fixture(autouse=True)
def _gym():
    make_area("GYM", is_practice=True)
    with clock_stands_at():
        yield


def rows() -> dict[str, int]:
    """What is there, by table; without what only counts."""
    return {
        model.__name__: model.objects.count()
        for model in apps.get_app_config("bookings").get_models()
        if model.__name__ != "Counter"
    }


def book(order="WO-1") -> WorkOrder:
    parts = [{"ProdNum": "PUMP-17", "Qty": 1}]
    return make_booking(order, booking(**THERE, RequiredParts=parts))


class TestWhateverFails:
    """The steps of a purge do not keep each other from being done."""

    STEPS = (
        "first_sight.note_all",
        "housekeeping.old_slots",
        "housekeeping.remove_personal_data",
        "practice.remove_bookings",
    )

    @pytest.mark.parametrize("broken", STEPS)
    def test_the_others_are_done(self, broken, settings, monkeypatch):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True
        make_slot("GYM")
        make_slot(start=START - timedelta(days=400))
        make_slot(start=START - timedelta(days=401), booked=1)
        slot = AppointmentSlot.objects.get(booked=1)
        book()
        make_slot()
        old = make_booking("WO-old", booking(Account={"AccountNum": "C-1", "Name": "Mill Lane Bakery"}))
        WorkOrder.objects.filter(pk=old.pk).update(slot=slot, visit_start=slot.start)

        def fail(*arguments, **more):
            raise DatabaseError(broken)

        monkeypatch.setattr(f"bookings.management.commands.purge.{broken}", fail)
        with pytest.raises(DatabaseError, match=broken):
            call_command("purge", before="2026-01-01")
        old.refresh_from_db()
        left = {
            "housekeeping.old_slots": AppointmentSlot.objects.filter(start=START - timedelta(days=400)).exists(),
            "housekeeping.remove_personal_data": old.account_name != "",
            "practice.remove_bookings": WorkOrder.objects.filter(area__is_practice=True).exists(),
        }
        assert [step for step, is_left in left.items() if is_left] == [broken] * (broken in left)


class TestRemoved:
    def test_nightly_with_all_that_belongs_to_it(self):
        real, slot = make_slot(), make_slot("GYM", capacity=3)
        make_booking("WO-0")
        before = rows()
        for order in ("WO-1", "WO-2"):
            book(order)
        services.cancel(work_order=WorkOrder.objects.get(original_order="WO-2"), by="anna", reason="Done")
        call_command("purge", before="2026-01-01")
        assert rows() == before
        assert [found.booked for found in AppointmentSlot.objects.order_by("pk")] == [1, 0]
        assert WorkOrder.objects.get().slot == real
        call_command("verify_bookings")
        again = book("WO-1")
        assert (again.slot, again.order_num) == (slot, f"FU-{again.pk}")

    def test_numbers_are_not_given_again(self):
        make_slot("GYM", capacity=3)
        number = book("WO-1").pk
        practice.remove_bookings()
        assert book("WO-2").pk > number

    def test_no_history_of_a_real_booking_can_go(self):
        make_slot()
        make_booking()
        assert practice.remove_bookings() == 0
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM bookings_historyentry")
        assert HistoryEntry.objects.exists()

    @pytest.mark.parametrize("code", ["GYM", "LEEDS"])
    def test_an_area_stays_what_it_is(self, code):
        area = make_area(code)
        with pytest.raises(DatabaseError), transaction.atomic():
            ServiceArea.objects.filter(pk=area.pk).update(is_practice=not area.is_practice)
        ServiceArea.objects.filter(pk=area.pk).update(is_practice=area.is_practice, name="Other")

    def test_nothing_moves_in_or_out(self, settings):
        real, gym = make_slot(), make_slot("GYM", START + timedelta(hours=3))
        booked, tried = make_booking("WO-0"), make_booking("WO-1", booking(gym.start, gym.end, **THERE))
        for work_order, slot in ((booked, gym), (tried, real)):
            with pytest.raises(Refused, match="between practice areas and others"):
                services.move(work_order=work_order, slot=slot, by="anna")
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        answer = post("WO-0", booking(gym.start, gym.end, **THERE))
        assert answer.json()["detail"]["params"]["error"] == "already_booked"
        booked.refresh_from_db()
        assert booked.slot == real


class TestCountedAndSentNowhere:
    def test_feeds(self):
        make_slot("GYM", capacity=2)
        work_order = book()
        given = {"after": None, "size": 9}
        of_orders = given | {"modified_since": None, "status": ""}
        assert (feed.read(None, **of_orders).work_orders, feed.read_slots(None, **given).rows) == ([], [])
        assert feed.read({work_order.area_id}, **of_orders).work_orders == [work_order]
        assert len(feed.read_slots({work_order.area_id}, **given).rows) == 1

    def test_refusals_and_empty_searches_are_not_kept(self, monkeypatch):
        monkeypatch.setattr(empty_searches, "EVERY", 0)
        assert post("WO-1", booking(**THERE)).status_code == 404
        search(THERE)
        assert not Refusal.objects.exists()
        assert not EmptySearch.objects.exists()

    def test_metrics(self, settings, monkeypatch):
        settings.BOOKJOB_METRICS_TOKEN = "secret"
        counted = []
        monkeypatch.setattr(metrics, "_add", lambda *rows: counted.extend(rows))
        make_slot("GYM")
        make_slot("LEEDS")
        for location in (THERE, {}):
            search(location or {"Location": {"ServiceAreaID": "LEEDS"}})
            for order in ("1", "2"):
                post(f"WO-{order}-{location}", booking(**location))
            if location:
                assert not counted
        assert counted
        page = Client().get("/metrics", headers={"Authorization": "Bearer secret"}).content.decode()
        assert 'area="LEEDS"' in page
        assert 'area="GYM"' not in page


def test_an_area_for_a_while_leaves_nothing_behind():
    before = rows()
    with practice_areas.area_for_a_while("test") as area:
        offered = search({"Location": {"ServiceAreaID": area.code}}).json()["TimeConstraints"]
        assert len(offered) == practice_areas.DAYS * len(practice_areas.HOURS)
        chosen = {"TimeConstraints": offered[:1], "Location": {"ServiceAreaID": area.code}}
        assert post("WO-1", booking(**chosen)).status_code == 200
    assert rows() == before
