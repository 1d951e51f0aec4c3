"""The page of numbers: each equals what the tables say, for those areas that the viewer may see."""

import csv
import io
import random
from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connection
from django.template.response import TemplateResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings.admin.days import read_day
from bookings.admin.overview import numbers
from bookings.admin.overview.numbers_tables import NUMBERS
from bookings.models import (
    AppointmentSlot,
    AreaRestriction,
    Counter,
    DailySum,
    OrderType,
    Refusal,
    ServiceArea,
    WorkOrder,
)
from bookings.services import daily_sums
from bookings.services.weekly_sums import monday_of
from tests.support import desk, helpers
from tests.support.environment import examples
from tests.support.weeks import Facts, make_order, make_world

pytestmark = pytest.mark.django_db

PAGE = "/admin/numbers/"
DAY = timedelta(days=1)


def count():
    out = io.StringIO()
    call_command("update_numbers", "--all", stdout=out)
    return out.getvalue()


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


def look(client, **query):
    answer = client.get(PAGE, query)
    assert answer.status_code == 200
    return {card["number"].name: card["table"] for card in answer.context_data["cards"]}


def undrawn():
    """The tables without the page around them, which takes longer: it was drawn with each of its groups before."""
    return mock.patch.object(TemplateResponse, "rendered_content", "")


def rows_of_all(client, **query):
    return {name: [line.cells for line in table.lines] for name, table in look(client, **query).items()}


def cells(client, name, **query):
    """The rows of a number, as the page shows them, by their first cell."""
    return {line.cells[0]: line.cells[1:] for line in look(client, **query)[name].lines}


def file_of(client, name, **query):
    answer = client.get(PAGE, query | {"csv": name})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="{name}.csv"' in answer["Content-Disposition"]
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


class TestPage:
    def test_a_number_from_a_booking_to_the_file(self, supervisor):
        slot = desk.slot_in(hour=9, worker="anna", order_type="GAS", capacity=4)
        desk.book(slot, OrderType="GAS")
        count()
        week = str(monday_of(day_of(slot)))
        span = {"day": week, "until": str(day_of(slot))}
        assert cells(supervisor, "utilisation", **span) == {week: ["1", "4", "25"]}
        for group, label in (("area", "Leeds (LEEDS)"), ("worker", "anna"), ("type", "GAS")):
            assert cells(supervisor, "utilisation", utilisation=group, **span) == {label: ["1", "4", "25"]}
        assert file_of(supervisor, "utilisation", utilisation="worker", **span) == [
            ["Worker", "Bookings", "Places", "Percent"],
            ["anna", "1", "4", "25"],
        ]
        page = supervisor.get(PAGE, span).content.decode()
        assert "<svg" in page
        assert "25%" in page
        # What is asked of one number stays in the links of the others.
        assert f"day={week}&amp;until={day_of(slot)}" in page

    def test_who_may_see_it(self):
        for role, status in (("viewer", 403), ("dispatcher", 403), ("supervisor", 200)):
            client = desk.person(role)
            assert client.get(PAGE).status_code == status
            assert client.get(PAGE, {"csv": "utilisation"}).status_code == status
            assert (b'href="/admin/numbers/"' in client.get("/admin/").content) == (status == 200)
        assert Client().get(PAGE).status_code == 302

    @pytest.mark.parametrize(
        "query",
        [
            {"day": "x", "until": "9999-99-99"},
            {"day": "2026-12-04", "until": "2026-11-01"},
            {"day": "1900-01-01", "until": "2999-12-31"},
            {"until": "1900-01-01"},
            {"area": ["NOWHERE", "\x01"], "order_type": "x" * 10_000},
            {"utilisation": "reason", "cancellations": "\x01", "csv": "nothing of ours"},
        ],
    )
    def test_what_makes_no_sense_is_not_asked(self, supervisor, query):
        desk.slot_in()
        answer = supervisor.get(PAGE, query)
        assert answer.status_code == 200
        asked = answer.context["asked"]
        assert asked.first <= asked.last
        assert asked.weeks <= numbers.MOST_WEEKS

    def test_what_is_shown_otherwise_is_said(self, supervisor):
        def remarks(**query):
            return supervisor.get(PAGE, query).context["asked"].remarks

        assert remarks() == remarks(day="2026-11-02", until="2026-11-29") == remarks(until="2026-11-29") == []
        (said,) = remarks(day="2026-12-01", until="2026-11-29")
        assert said == "Until lies before From: the day of Until alone is shown. Choose other days."
        (said,) = remarks(day="2020-01-06", until="2026-11-29")
        assert said.startswith("At most 54 weeks are shown at once: from Sun 23 Nov 2025 on.")
        page = supervisor.get(PAGE, {"day": "2020-01-06", "until": "2026-11-29"})
        assert said in page.content.decode()
        assert str(page.context["asked"].first) == "2025-11-23"

    def test_the_last_twelve_weeks_keep_all_but_the_days(self, supervisor):
        """So a view that is saved there goes on."""
        helpers.make_area("YORK")
        query = {"area": "YORK", "order_type": "REPAIR", "day": "2026-11-02", "until": "2026-11-29"}
        link = supervisor.get(PAGE, query).context["start"]
        assert "area=YORK" in link
        asked = supervisor.get(link).context["asked"]
        assert (asked.codes, asked.order_type) == (["YORK"], "REPAIR")
        assert "day=" not in link
        assert "until=" not in link

    def test_paper_says_whose_numbers_these_are(self, supervisor, monkeypatch):
        def about(**query):
            answer = supervisor.get(PAGE, query)
            assert answer.context["about"].replace("<", "&lt;").replace(">", "&gt;") in answer.content.decode()
            return answer.context["about"]

        for code in ("HULL", "LEEDS", "YORK"):
            helpers.make_area(code)
        assert about() == "All areas that you see; orders of any type"
        assert about(area=["YORK", "HULL"], order_type="REPAIR") == "Hull, York; orders of the type REPAIR"
        assert about(area="NONE", order_type="any") == "No area; orders without a type"
        assert about(order_type="<b>") == "All areas that you see; orders of the type <b>"
        monkeypatch.setattr(numbers, "MOST_NAMED", 1)
        assert about(area=["YORK", "HULL", "LEEDS"]).startswith("Hull and 2 more; ")

    def test_from_when_it_counts(self, supervisor):
        for name, begin in ((daily_sums.BEGIN, 5), (daily_sums.PLACES_BEGIN, 9)):
            Counter.objects.create(name=name, value=int((helpers.NOW + begin * DAY).timestamp()))
        told = [
            "Nothing is counted of days that began before Sat 5 Dec 2026, 09:00",
            "Utilisation is not counted of days",
        ]
        for first, shown in ((0, 2), (6, 1), (10, 0)):
            day = helpers.NOW.date() + first * DAY
            page = supervisor.get(PAGE, {"day": day, "until": day + 7 * DAY}).content.decode()
            assert [text in page for text in told] == [shown > 1, shown > 0]

    def test_where_the_zone_of_an_area_is_not_known_here(self, supervisor):
        helpers.make_area()
        ServiceArea.objects.update(time_zone="Europe/Nowhere")
        assert supervisor.get(PAGE).status_code == 200

    def test_before_anything_is_counted_it_says_what_to_do(self, supervisor):
        assert "manage.py update_numbers" in supervisor.get(PAGE).content.decode()
        count()
        page = supervisor.get(PAGE).content.decode()
        assert "manage.py update_numbers" not in page
        assert "There is nothing of these days." in page

    def test_a_name_is_no_markup_and_no_formula(self, supervisor):
        slot = desk.slot_in(worker="=<b>anna")
        count()
        query = {"utilisation": "worker", "day": day_of(slot), "until": day_of(slot)}
        page = supervisor.get(PAGE, query).content.decode()
        assert "=&lt;b&gt;anna" in page
        assert "<b>anna" not in page
        assert file_of(supervisor, "utilisation", **query)[1][0] == "'=<b>anna"

    def test_a_long_table_is_whole_in_the_file(self, supervisor):
        slot = desk.slot_in()
        sums = [sum_of(slot, key=f"w{number}", places=2) for number in range(numbers.MOST_ROWS + 1_005)]
        DailySum.objects.bulk_create(sums)
        query = {"utilisation": "worker", "day": day_of(slot), "until": day_of(slot)}
        assert "1,005 more in the CSV." in supervisor.get(PAGE, query).content.decode()
        assert len(file_of(supervisor, "utilisation", **query)) == 1 + numbers.MOST_ROWS + 1_005


def sum_of(slot, **fields):
    return DailySum(**({"day": day_of(slot), "kind": "places", "area": slot.area, "number": 1} | fields))


def day_of(slot):
    return slot.start.astimezone(slot.area.zone).date()


ALL = {"day": "2026-09-01", "until": str(helpers.NOW.date() + DAY)}


def compare(client, facts, **query):
    """By each way of parting each number, as many at once as a page shows."""
    shared = {"client": client, "facts": facts, "query": ALL | query}
    for step in range(max(len(number.groups) for number in NUMBERS.values())):
        groups = {number.name: number.groups[step % len(number.groups)] for number in NUMBERS.values()}
        compare_page(**shared, groups=groups)


def compare_page(client, facts, query, groups):
    tables, days = look(client, **query, **groups), (read_day(query["day"]), read_day(query["until"]))
    for name, group in groups.items():
        if name == "free":
            continue
        # Left out: a week, or a worker whose slots are closed, of which there is nothing.
        rows = {line.cells[0]: line.cells[1:] for line in tables[name].lines if set(line.cells[1:]) - {"", "0"}}
        expected = {label: row for label, row in facts.by(name, group, *days).items() if set(row) - {"", "0"}}
        assert rows == expected, (name, group)


@pytest.fixture
def _in_december(monkeypatch):
    monkeypatch.setattr(daily_sums, "AHEAD", 1)  # days on which nothing is
    with helpers.clock_stands_at(helpers.NOW):
        yield


@pytest.mark.usefixtures("_in_december")
class TestRandomWorlds:
    @pytest.mark.parametrize("seed", range(examples(1, torture=60)))
    def test_each_number_equals_the_tables(self, seed, supervisor):
        areas = make_world(random.Random(seed))
        count()
        compare(supervisor, Facts(None))
        with undrawn():
            compare(supervisor, Facts(None, "GAS"), order_type="GAS")
            compare(supervisor, Facts(None, ""), order_type="any")
            compare(supervisor, Facts(areas[1:3]), area=[area.code for area in areas[1:3]])

    def test_any_days_equal_the_tables(self, supervisor):
        """Whole weeks and parts of them: from each day of a week to each day of it and of two others."""
        areas = make_world(chance := random.Random(7))
        count()
        everything, two = Facts(None), Facts(areas[1:3])
        monday = monday_of(helpers.NOW.date()) - 21 * DAY
        spans = [(first, last) for first in range(7) for last in range(first, 21)]
        for first, last in [(0, 6), (0, 20), (3, 3), (3, 8), *chance.sample(spans, 8)]:
            days = {"day": str(monday + first * DAY), "until": str(monday + last * DAY)}
            groups = {number.name: chance.choice(number.groups) for number in NUMBERS.values()}
            compare_page(supervisor, everything, days, groups)
            with undrawn():
                compare_page(supervisor, two, days | {"area": [area.code for area in areas[1:3]]}, groups)

    def test_a_statement_a_number_and_another_only_where_a_week_is_not_whole(self, supervisor):
        make_world(random.Random(4))
        count()
        monday = monday_of(helpers.NOW.date())

        def looked(**query):
            look(supervisor, **query)
            with CaptureQueriesContext(connection) as found:
                look(supervisor, **query)
            texts = [row["sql"] for row in found]
            return [sum(f'"bookings_{name}"' in text for text in texts) for name in ("weeklysum", "dailysum")]

        for weeks in (1, 3):
            query = {"day": str(monday - 7 * weeks * DAY), "until": str(monday - DAY)}
            assert looked(**query) == [len(NUMBERS), 0]
            assert looked(**query | {"until": str(monday - 2 * DAY)}) == [len(NUMBERS) * (weeks > 1), len(NUMBERS)]
        half = {"day": query["day"], "until": str(monday - 4 * DAY)}
        before, before_of_half = rows_of_all(supervisor, **query), rows_of_all(supervisor, **half)
        DailySum.objects.filter(day__range=(query["day"], query["until"])).delete()
        assert rows_of_all(supervisor, **query) == before
        # Of half a week they are read.
        assert rows_of_all(supervisor, **half) != before_of_half

    def test_each_file_equals_its_table(self, supervisor):
        make_world(random.Random(9), days=8)
        count()
        tables = look(supervisor, **ALL)
        for name, table in tables.items():
            assert file_of(supervisor, name, **ALL) == [table.heads, *(line.cells for line in table.lines)]
            assert len(table.lines) > 1

    @pytest.mark.parametrize("seed", range(examples(1, torture=40)))
    def test_of_restricted_people_their_areas_alone(self, seed):
        areas = make_world(random.Random(seed))
        count()
        client = desk.person("supervisor", *areas[:2])
        compare(client, Facts([*areas[:2], None]))
        with undrawn():
            compare(client, Facts(areas[:1]), area=areas[0].code)
            # What is asked of others is not answered, and said as of an area that there is not.
            compare(client, Facts([]), area=areas[3].code)
        for code in (areas[3].code, "NOPE"):
            page = client.get(PAGE, ALL | {"area": code}).content.decode()
            assert f"Not shown: <bdi>{code}</bdi>." in page
            assert f"area={code}" in page
        with undrawn():
            compare(client, Facts(areas[:1]), area=[areas[0].code, "NOPE"])
        names = client.get(PAGE, ALL | {"utilisation": "area"}).content.decode()
        assert "A0 (A0)" in names
        assert "(A3)" not in names

    def test_restricted_to_nothing(self):
        make_world(random.Random(1), days=8)
        count()
        client = desk.person("supervisor")
        AreaRestriction.objects.create(user=client.user)
        compare(client, Facts([None]))

    def test_what_changes_is_counted_anew(self, supervisor):
        make_world(chance := random.Random(5), days=8)
        count()
        for order in WorkOrder.objects.filter(status="booked").order_by("pk")[:20]:
            WorkOrder.objects.filter(pk=order.pk).update(
                status="cancelled",
                cancelled_at=helpers.NOW - DAY,
                cancelled_by="zoe",
                cancel_reason="Other: the dog is ill",
            )
        AppointmentSlot.objects.filter(booked=0).update(is_open=False)
        Refusal.objects.filter(error="already_booked").delete()
        make_order(chance, AppointmentSlot.objects.exclude(area__code="PRACTICE").first(), "new-2")
        assert int(count().split()[0]) > 0
        compare(supervisor, Facts(None))
        assert count() == "0 days counted anew.\n"

    def test_the_page_costs_the_same_whatever_the_number_of_orders(self, supervisor):
        """Statements, and the sums that they read."""

        def cost():
            count()
            supervisor.get(PAGE, ALL)
            with CaptureQueriesContext(
                connection,
            ) as found:
                supervisor.get(PAGE, ALL)
            tables = {
                table
                for query in found
                for table in ("workorder", "refusal", "emptysearch", "appointmentslot")
                if f'bookings_{table}"' in query["sql"]
            }
            return len(found), tables, DailySum.objects.count()

        slot = helpers.make_slot(start=helpers.NOW - DAY, capacity=9)
        for number in range(30):
            make_order(random.Random(number % 5), slot, f"a{number}-2")
        few = cost()
        for number in range(300):
            make_order(random.Random(number % 5), slot, f"b{number}-2")
        assert cost() == few
        assert few[1] == set()


class TestFirstFree:
    def test_days_by_area_and_type_once_a_day(self, supervisor):
        span = {"day": "2026-11-30", "until": "2026-12-01"}
        for code in ("GAS", "OIL"):
            OrderType.objects.create(code=code)
        helpers.make_area("UNSERVED")
        helpers.make_slot("EMPTY", helpers.NOW + DAY, is_open=False)
        helpers.make_slot(start=helpers.NOW + 3 * DAY, order_type="GAS")
        helpers.make_slot(start=helpers.NOW + 5 * DAY)
        with helpers.clock_stands_at(helpers.NOW):
            count()
        assert cells(supervisor, "free", free="area", **span) == {
            "Empty (EMPTY)": ["none", "none", "1"],
            "Leeds (LEEDS)": ["3", "3", "1"],
        }
        assert cells(supervisor, "free", free="type", area="LEEDS", **span) == {
            "OIL": ["5", "5", "1"],
            "GAS": ["3", "3", "1"],
            "whichever is first": ["3", "3", "1"],
        }
        in_leeds = {"free": "area", "area": "LEEDS", **span}
        assert cells(supervisor, "free", order_type="OIL", **in_leeds) == {"Leeds (LEEDS)": ["5", "5", "1"]}
        # What was seen stays; the next day is looked at again.
        AppointmentSlot.objects.filter(order_type="GAS").update(is_open=False)
        with helpers.clock_stands_at(helpers.NOW):
            count()
        assert cells(supervisor, "free", **in_leeds) == {"Leeds (LEEDS)": ["3", "3", "1"]}
        with helpers.clock_stands_at(helpers.NOW + DAY):
            count()
        assert cells(supervisor, "free", **in_leeds) == {"Leeds (LEEDS)": ["3", "4", "2"]}

    def test_none_in_a_practice_area(self):
        helpers.make_area("TRY", is_practice=True)
        count()
        assert not DailySum.objects.exists()
