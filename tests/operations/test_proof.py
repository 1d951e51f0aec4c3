"""Proof, for the desk and for programs: runs that are remembered, and how callers fare."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import InternalError, OperationalError
from django.test import Client

from bookings import clock
from bookings.models import AppointmentSlot, WorkOrder
from bookings.services import proof
from bookings.telemetry import metrics
from tests.admin.test_delivery import connect
from tests.operations.test_metrics import TOKEN
from tests.support import desk
from tests.support.helpers import booking, make_area, make_booking, make_slot, post, search, tomorrow

pytestmark = pytest.mark.django_db
SEARCH, BOOK = (proof.THRESHOLDS[name].route for name in ("search", "booking"))


@pytest.fixture(autouse=True)
def table(settings, monkeypatch):
    settings.BOOKJOB_METRICS_TOKEN = TOKEN
    table = metrics.Table(rows=100)
    monkeypatch.setattr(metrics, "table", table)
    return table


def document() -> dict:
    return Client().get("/proof", headers={"Authorization": f"Bearer {TOKEN}"}).json()


def answered(table, route: str, outcome: str, seconds: float, *, times=1, status="2xx") -> None:
    bucket = 1 + next(n for n, bound in enumerate([*metrics.Histogram.BOUNDS, 1e9]) if seconds <= bound)
    table.add(
        ((metrics.REQUESTS.name, route, outcome), {0: times}),
        ((metrics.SECONDS.name, route, status), {0: seconds * times, bucket: times}),
    )


class TestRuns:
    def book(self, order="WO-1"):
        slot = AppointmentSlot.objects.first() or make_slot(start=tomorrow(), capacity=9)
        return make_booking(order, booking(slot.start, slot.end))

    def test_none_yet(self):
        assert document()["runs"] == {
            check.value: {"at": None, "found_nothing": None, "bookings_since": None} for check in proof.Check
        }

    def test_one_that_found_nothing_and_what_was_booked_since(self):
        self.book()
        call_command("verify_bookings")
        run = document()["runs"]["verify_bookings"]
        assert (run["found_nothing"], run["bookings_since"]) == (True, 0)
        assert clock.now() - timedelta(minutes=1) < proof.begin().at
        assert run["at"][:4] == str(clock.now().year)
        self.book("WO-2")
        assert document()["runs"]["verify_bookings"]["bookings_since"] == 1

    def test_one_that_found_something(self):
        call_command("verify_bookings")
        self.book()
        AppointmentSlot.objects.update(booked=2)
        with pytest.raises(SystemExit):
            call_command("verify_bookings")
        first, second = (proof.Begun(clock.now() + timedelta(seconds=n), 0) for n in (1, 2))
        proof.remember(proof.Check.BOOKINGS, first, is_well=False)
        assert document()["runs"]["verify_bookings"]["found_nothing"] is False
        proof.remember(proof.Check.BOOKINGS, second, is_well=True)
        assert document()["runs"]["verify_bookings"]["found_nothing"] is True

    def test_one_of_delivery(self):
        connect()
        call_command("verify_delivery")  # no booking is to come: no device is asked
        assert document()["runs"]["verify_delivery"]["found_nothing"] is True

    def test_a_standby_takes_no_note(self, monkeypatch):
        """Its run is as true without."""

        def read_only(*arguments, **options):
            raise InternalError("cannot execute INSERT in a read-only transaction")

        monkeypatch.setattr(proof.Counter.objects, "bulk_create", read_only)
        call_command("verify_bookings")
        assert document()["runs"]["verify_bookings"]["at"] is None


class TestRates:
    def test_none_yet(self):
        rates = document()["rates"]
        assert {name: (rate["requests"], rate["is_kept"]) for name, rate in rates.items()} == {
            "search": (0, None), "booking": (0, None),
        }  # fmt: skip

    def test_what_is_counted(self, table):
        answered(table, BOOK, "ok", 0.02, times=90)
        answered(table, BOOK, "slot_unavailable", 3.9, times=6, status="4xx")
        answered(table, BOOK, "server_error", 4.1, times=3, status="5xx")
        answered(table, BOOK, "invalid_logon", 0.02, times=1, status="4xx")
        answered(table, SEARCH, "error", 9, times=5)
        assert document()["rates"]["booking"] == {
            "requests": 100, "errors": 0.03, "errors_below": 0.05, "refusals": 0.06, "in_time": 0.97, "seconds": 4.0,
            "is_kept": True,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("route", "name", "slow", "failed", "is_kept"),
        [
            (SEARCH, "search", 5, 0, True),
            (SEARCH, "search", 6, 0, False),
            (SEARCH, "search", 0, 2, True),
            (SEARCH, "search", 0, 3, False),
            (BOOK, "booking", 0, 4, True),
            (BOOK, "booking", 0, 5, False),
        ],
    )
    def test_the_thresholds(self, table, route, name, slow, failed, is_kept):
        answered(table, route, "ok", 0.1, times=100 - slow - failed)
        answered(table, route, "ok", proof.THRESHOLDS[name].seconds + 0.1, times=slow)
        answered(table, route, "unavailable", 0.1, times=failed, status="5xx")
        assert document()["rates"][name]["is_kept"] is is_kept

    def test_requests_that_came(self, table):
        """The routes are those by which requests are counted."""
        slot = make_slot(start=tomorrow(), capacity=9)
        search({"Location": {"ServiceAreaID": "LEEDS"}})
        post("WO-1", booking(slot.start, slot.end))
        assert {name: rate["requests"] for name, rate in document()["rates"].items()} == {"search": 1, "booking": 1}

    def test_nothing_is_counted_without_the_token(self, settings):
        settings.BOOKJOB_METRICS_TOKEN = ""
        assert proof.rates() == []
        page = desk.person("viewer").get("/admin/proof/").content.decode()
        assert "Your operator sets BOOKJOB_METRICS_TOKEN" in page


class TestFirstFree:
    def test_by_area_and_by_its_rules(self):
        desk.slot_in(days=1, capacity=1)
        later = desk.slot_in(days=3)
        make_area("YORK")
        days = document()["days_to_first_free"]
        assert 2 < days["LEEDS"] < 4
        assert days["YORK"] is None
        first = AppointmentSlot.objects.order_by("start").first()
        desk.book(first)  # full now
        assert document()["days_to_first_free"]["LEEDS"] == round((later.start - clock.now()) / timedelta(days=1), 1)


class TestWhoMayReadIt:
    @pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer no"}])
    def test_programs_need_the_token(self, header):
        answer = Client().get("/proof", headers=header)
        assert (answer.status_code, answer.content) == (401, b"")

    def test_without_a_token_there_is_no_such_address(self, settings):
        settings.BOOKJOB_METRICS_TOKEN = ""
        assert Client().get("/proof", headers={"Authorization": "Bearer "}).status_code == 404

    def test_a_database_that_is_away(self, monkeypatch):
        def away(orders):
            raise OperationalError

        monkeypatch.setattr(proof, "last_runs", away)
        answer = Client().get("/proof", headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.json()) == (503, {"status": "database not reached"})

    def test_staff_who_see_work_orders(self):
        make_area("LEEDS")
        assert Client().get("/admin/proof/").status_code == 302
        client = desk.person("viewer")
        client.user.groups.clear()
        assert client.get("/admin/proof/").status_code == 403
        page = desk.person("viewer").get("/admin/proof/").content.decode()
        assert "nothing is free" in page
        assert "never run" in page

    def test_only_the_areas_that_they_see(self):
        make_area("LEEDS")
        client = desk.person("viewer", make_area("YORK"))
        assert list(client.get("/admin/proof/?format=json").json()["days_to_first_free"]) == ["YORK"]
        assert not WorkOrder.objects.exists()
