"""Several areas closed on several days with their reasons: the holidays of a country, and days that are typed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import clock
from bookings.models import AppointmentSlot, Blackout, WorkOrder
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

PAGE = "/admin/bookings/blackout/days/"


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


def day_of(place):
    return place.start.astimezone(place.area.zone).date()


def send(client, do, lines, *areas, **more):
    keys = [helpers.make_area(code).pk for code in areas]
    return client.post(PAGE, {"do": do, "areas": keys, "lines": "\n".join(lines)} | more)


def faults(answer):
    return [fault for found in answer.context["form"].errors.values() for fault in found]


class TestHolidays:
    def test_a_country_fills_the_lines(self, supervisor):
        year = clock.now().year + 1
        answer = send(supervisor, "fill", [f"{year}-02-01 Stocktaking"], "LEEDS", place="gb-eng", year=year)
        lines = answer.context["form"]["lines"].value().splitlines()
        assert lines[0] == f"{year}-02-01 Stocktaking"
        assert f"{year}-12-25 Christmas Day" in lines
        assert len(lines) > 8
        # Pressed twice, each day is there once; nothing is closed by it.
        again = send(supervisor, "fill", lines, "LEEDS", place="GB-ENG", year=year)
        assert again.context["form"]["lines"].value().splitlines() == lines
        assert faults(again) == []
        assert not Blackout.objects.exists()

    def test_what_is_over_is_left_out(self, supervisor):
        with helpers.clock_stands_at():  # 30 November 2026
            answer = send(supervisor, "fill", [], place="GB-ENG", year=2026)
        days = [line[:10] for line in answer.context["form"]["lines"].value().splitlines()]
        assert "2026-12-25" in days
        assert min(days) > "2026-11-30"

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"place": "XX", "year": "2027"}, "'XX': no public holidays are known"),
            ({"place": "GB-XX", "year": "2027"}, "'GB-XX': no public holidays are known"),
            ({"place": "", "year": "2027"}, "Name a country, such as GB-ENG."),
            ({"place": "US", "year": "x"}, "Choose a year from 2000 to 2199."),
            ({"place": "US", "year": "9" * 30}, "Choose a year from 2000 to 2199."),
            ({"place": "US", "year": "1999"}, "Choose a year from 2000 to 2199."),
        ],
    )
    def test_a_place_or_year_that_is_none(self, supervisor, given, told):
        answer = send(supervisor, "fill", ["2027-01-01 New"], "LEEDS", **given)
        (fault,) = faults(answer)
        assert told in fault
        assert answer.context["form"]["lines"].value() == "2027-01-01 New"


class TestClosing:
    def test_looks_first_and_closes_then(self, supervisor):
        place, later, york = desk.slot_in(), desk.slot_in(days=2), desk.slot_in("YORK")
        other = desk.slot_in(days=5)
        order = desk.book(place)
        lines = [f"{day_of(place)} Fair", f"{day_of(later)} {day_of(later) + timedelta(days=1)} Course"]
        page = send(supervisor, "look", lines, "LEEDS", "YORK")
        assert [
            (row.closing.area.code, row.closing.reason, row.slots, row.bookings) for row in page.context["rows"]
        ] == [("LEEDS", "Fair", 1, 1), ("YORK", "Fair", 1, 0), ("LEEDS", "Course", 1, 0), ("YORK", "Course", 0, 0)]
        assert "1 booking is affected" in desk.text_of(page)
        assert order.order_num in desk.text_of(page)
        assert not Blackout.objects.exists()
        done = send(supervisor, "perform", lines, "LEEDS", "YORK")
        # The mass move stands behind it.
        plan = supervisor.get(done.url)
        assert [row.order.pk for row in plan.context["rows"]] == [order.pk]
        assert desk.said(plan)[0].startswith("Closed: 3 slots.")
        assert Blackout.objects.count() == 4
        hidden = AppointmentSlot.objects.filter(blackout__isnull=False)
        assert set(hidden.values_list("pk", "blackout__reason")) == {
            (place.pk, "Fair"), (york.pk, "Fair"), (later.pk, "Course")}  # fmt: skip
        other.refresh_from_db()
        assert other.blackout is None
        # A second click closes nothing twice.
        send(supervisor, "perform", lines, "LEEDS", "YORK")
        assert Blackout.objects.count() == 4
        assert WorkOrder.objects.active().count() == 1

    def test_two_hundred_by_as_many_statements_as_one(self, supervisor):
        day = day_of(desk.slot_in())
        lines = [f"{day + timedelta(days=number)} Closed" for number in range(200)]
        send(supervisor, "look", lines[:1], "LEEDS")
        counts = []
        for some in (lines[:1], lines):
            with CaptureQueriesContext(connection) as found:
                assert len(send(supervisor, "look", some, "LEEDS").context["rows"]) == len(some)
            counts.append(len(found))
        assert counts[0] == counts[1]
        assert "more than 200" in faults(send(supervisor, "look", [*lines, lines[0]], "LEEDS"))[0]

    @pytest.mark.parametrize("line", ["Christmas", "2027-02-30 Never", "2027-02-02", "2027-02-02 2027-02-01 Back"])
    def test_lines_that_make_no_sense(self, supervisor, line):
        for do in ("look", "perform"):
            (fault,) = faults(send(supervisor, do, [line], "LEEDS"))
            assert "is not like 2026-12-25 Christmas Day." in fault
        assert not Blackout.objects.exists()

    def test_a_line_of_too_many_days(self, supervisor):
        told = "is more than 366 days. Check the last day, or use several lines."
        for last in ("2027-12-25", "2199-12-31"):
            (fault,) = faults(send(supervisor, "look", [f"2026-12-24 {last} Works holiday"], "LEEDS"))
            assert told in fault
        assert faults(send(supervisor, "look", ["2026-12-24 2027-12-24 Works holiday"], "LEEDS")) == []

    def test_days_that_overlap_are_summed_up_each_and_in_the_database(self, supervisor):
        """Every combination of hidden, booked and other areas, and no slot is read."""
        places = [desk.slot_in(area, days=day) for area in ("LEEDS", "YORK") for day in range(4)]
        for number, place in enumerate(places[1:3]):
            desk.book(place, f"WO-{number}")
        hidden = Blackout.objects.create(
            area=places[2].area, start=places[2].start, end=places[2].end, reason="Fair", closed_at=clock.now()
        )
        AppointmentSlot.objects.filter(pk=places[2].pk).update(blackout=hidden)
        first, last = day_of(places[0]), day_of(places[3])
        lines = [f"{first} {last} Long", f"{day_of(places[1])} Booked", f"{day_of(places[2])} Hidden"]
        lines.append(f"{last + timedelta(days=5)} Empty")
        with CaptureQueriesContext(connection) as found:
            page = send(supervisor, "look", lines, "LEEDS", "YORK")
        rows = [(row.closing.area.code, row.slots, row.bookings) for row in page.context["rows"]]
        leeds, york = rows[::2], rows[1::2]
        assert [row[1:] for row in leeds] == [(3, 2), (1, 1), (0, 1), (0, 0)]
        assert [row[1:] for row in york] == [(4, 0), (1, 0), (1, 0), (0, 0)]
        read = [one["sql"] for one in found if 'FROM "bookings_appointmentslot"' in one["sql"]]
        assert sum("COUNT(" in sql and "SUM(" in sql for sql in read) == 1

    def test_what_is_over_and_what_is_missing(self, supervisor):
        assert "2020-01-01 is over." in faults(send(supervisor, "perform", ["2020-01-01 Old"], "LEEDS"))[0]
        assert faults(send(supervisor, "perform", [], "LEEDS")) == ["This field is required."]
        assert faults(send(supervisor, "perform", ["2199-01-01 New"])) == ["This field is required."]
        assert not Blackout.objects.exists()

    def test_who_may_and_where(self):
        place = desk.slot_in()
        restricted = desk.person("supervisor", place.area)
        (fault,) = faults(send(restricted, "perform", [f"{day_of(place)} Fair"], "LEEDS", "YORK"))
        assert "not one of the available choices" in fault
        assert not Blackout.objects.exists()
        for role in ("viewer", "dispatcher"):
            client = desk.person(role)
            assert client.get(PAGE).status_code == 403
            assert "Close many days" not in client.get("/admin/bookings/blackout/").content.decode()
        assert "Close many days" in restricted.get("/admin/bookings/blackout/").content.decode()
