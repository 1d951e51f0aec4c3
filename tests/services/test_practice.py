"""Practice areas: never pushed, never counted, removed nightly; and real bookings are never among what is removed."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from bookings import services
from bookings.models import (
    AppointmentSlot,
    DailySum,
    EmptySearch,
    HistoryEntry,
    Refusal,
    ServiceArea,
    WeeklySum,
    WorkOrder,
)
from bookings.refusals import Refused
from bookings.services import empty_searches, feed, practice
from bookings.services import rows as rows_of_bookings
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
        if model.__name__ not in ("Counter", "DailySum", "WeeklySum")
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
        for sums in (DailySum, WeeklySum):
            assert {found.area.code for found in sums.objects.exclude(area=None)} == {real.area.code}
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
        real, gym = make_slot(), make_slot("GYM", START + timedelta(hours=3), capacity=2)
        booked, tried = make_booking("WO-0"), make_booking("WO-1", booking(gym.start, gym.end, **THERE))
        for work_order, slot in ((booked, gym), (tried, real)):
            with pytest.raises(Refused, match="between practice areas and others"):
                services.move(work_order=work_order, slot=slot, by="anna")
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        make_booking("WO-0", booking(gym.start, gym.end, **THERE))
        booked.refresh_from_db()
        assert booked.slot == real


@pytest.mark.parametrize("policy", ["one", "move", "multiple"])
class TestOneOrderInBoth:
    """What was practised stands in no real booking's way, nor the other way round."""

    @pytest.mark.parametrize("first", ["LEEDS", "GYM"])
    def test_each_is_booked_once_repeated_moved_and_booked_again(self, settings, policy, first):
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        second = "GYM" if first == "LEEDS" else "LEEDS"
        later = START + timedelta(days=1)
        for code in (first, second):
            make_slot(code, capacity=2)
            make_slot(code, later, capacity=2)
        bodies = {code: booking(Location={"LocationNum": "L-1", "ServiceAreaID": code}) for code in (first, second)}
        booked = {code: make_booking("WO-1", bodies[code]) for code in (first, second)}
        assert {code: found.area.code for code, found in booked.items()} == {code: code for code in booked}
        for code, body in bodies.items():
            assert make_booking("WO-1", body) == booked[code]
            services.move(work_order=booked[code], slot=booked[code].area.slots.get(start=later), by="anna")
        assert WorkOrder.objects.active().count() == 2
        assert {code: make_booking("WO-1", body) for code, body in bodies.items()} == booked
        services.cancel(work_order=WorkOrder.objects.get(pk=booked["GYM"].pk), by="anna", reason="Done")
        other = booking(Location={"LocationNum": "L-2", "ServiceAreaID": "GYM"})
        assert make_booking("WO-1", other).area.is_practice
        practice.remove_bookings()
        (left,) = WorkOrder.objects.all()
        assert (left, left.area.code) == (booked["LEEDS"], "LEEDS")
        call_command("verify_bookings")

    def test_what_was_practised_late_is_no_late_copy_of_a_real_one(self, settings, policy):
        """The same body, by a postcode that the practice area had until now."""
        settings.BOOKJOB_FOLLOWUP_POLICY = policy
        gym, leeds = make_slot("GYM"), make_slot()
        gym.area.postcode_prefixes.create(prefix="LS")
        body = booking(Location={"LocationNum": "L-1", "Address": {"Zip": "LS1"}})
        tried = make_booking("WO-1", body)
        services.cancel(work_order=tried, by="anna", reason="Done")
        gym.area.postcode_prefixes.update(area=leeds.area)
        assert make_booking("WO-1", body).slot == leeds


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


def test_claims_of_the_previous_release_are_marked():
    """Once for all, and no real one."""
    for code in ("GYM", "LEEDS"):
        make_slot(code)
    book("WO-1")
    WorkOrder.objects.update(claim="WO-1")
    migration = import_module("bookings.migrations.0010_claims_of_practice_areas")
    for _ in range(2):
        migration.mark(apps, None)
    real = make_booking("WO-1")
    migration.mark(apps, None)
    claims = WorkOrder.objects.values_list("claim", flat=True)
    assert list(claims.order_by("pk")) == ["WO-1" + rows_of_bookings.PRACTICE, "WO-1"]
    assert real in WorkOrder.objects.real()


def test_an_area_for_a_while_leaves_nothing_behind():
    before = rows()
    with practice_areas.area_for_a_while("test") as area:
        offered = search({"Location": {"ServiceAreaID": area.code}}).json()["TimeConstraints"]
        assert len(offered) == practice_areas.DAYS * len(practice_areas.HOURS)
        chosen = {"TimeConstraints": offered[:1], "Location": {"ServiceAreaID": area.code}}
        assert post("WO-1", booking(**chosen)).status_code == 200
    assert rows() == before
