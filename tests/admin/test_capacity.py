"""The capacity grid: its sums are those of the tables, and its forms change slots, never below what is booked."""

import random
import re
from datetime import date, timedelta
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.admin.supply.capacity_change import SECOND
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, WorkOrder
from bookings.supply import slot_changes, turns
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

GRID = "/admin/bookings/appointmentslot/capacity/"
CHANGE = f"{GRID}change/"
DAY = timedelta(days=1)


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


def look(client, place=None, **query):
    answer = client.get(GRID, ({"day": str(day_of(place))} if place else {}) | query)
    assert answer.status_code == 200
    return answer


def day_of(place):
    return place.start.astimezone(place.area.zone).date()


def cells(answer):
    """(area, label) of each row, with (places, booked, waiting) by day, where there are slots."""
    return {
        (row.area.code, row.label): {
            cell.key.day: (cell.sums.places, cell.sums.booked, cell.sums.waiting)
            for cell in row.cells
            if cell.sums.slots
        }
        for row in answer.context["grid"].rows
    }


def ask(client, act, place, **data):
    """The page that asks, for a pattern that begins on the day of a slot."""
    days = {"how": "pattern", "first": str(day_of(place)), "until": str(day_of(place) + 20 * DAY)}
    return client.post(CHANGE, {"act": act} | days | data)


def fields_of(page):
    """What the page that asks would send."""
    found = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()):
        found.setdefault(name, []).append(value)
    return found | {"do": "perform"}


def confirm(client, page, **data):
    return client.post(CHANGE, fields_of(page) | data, follow=True)


def capacities():
    return list(AppointmentSlot.objects.order_by("pk").values_list("capacity", flat=True))


class TestGrid:
    def test_areas_windows_and_order_types(self, supervisor):
        morning, noon = desk.slot_in(hour=9, worker="anna"), desk.slot_in(hour=12, order_type="GAS")
        desk.slot_in(hour=9, worker="ben", capacity=2)
        york = desk.slot_in("YORK", days=1, is_open=False, capacity=4)
        AppointmentSlot.objects.filter(pk=york.pk).update(booked=1)
        desk.book(morning, UserName="anna")
        first, next_day = day_of(morning), day_of(york)
        assert cells(look(supervisor, morning)) == {
            ("LEEDS", ""): {first: (8, 1, 0)},
            ("YORK", ""): {next_day: (0, 0, 1)},
        }
        assert cells(look(supervisor, morning, rows="windows")) == {
            ("LEEDS", morning.hours): {first: (5, 1, 0)},
            ("LEEDS", noon.hours): {first: (3, 0, 0)},
            ("YORK", york.hours): {next_day: (0, 0, 1)},
        }
        answer = look(supervisor, morning, rows="types", area="LEEDS", weeks="6")
        assert cells(answer) == {("LEEDS", ""): {first: (5, 1, 0)}, ("LEEDS", "GAS"): {first: (3, 0, 0)}}
        assert len(answer.context["grid"].days) == 42
        assert "20%<br>4 free" in answer.content.decode()

    @pytest.mark.parametrize("rows", ["areas", "windows", "types"])
    def test_a_cell_leads_to_its_slots(self, supervisor, rows):
        place = desk.slot_in(hour=9, order_type="GAS", worker="anna")
        desk.slot_in(hour=9, order_type="GAS", worker="ben")
        desk.slot_in(hour=9, order_type="GAS", days=1)
        desk.slot_in("YORK", hour=9, order_type="GAS")
        (row,) = look(supervisor, place, rows=rows, area="LEEDS").context["grid"].rows
        (link,) = [link for cell, link in row.linked if cell.key.day == day_of(place)]
        listed = supervisor.get(link).context["cl"].result_list
        assert sorted(slot.worker for slot in listed) == ["anna", "ben"]

    @pytest.mark.parametrize("seed", range(4))
    def test_the_sums_are_those_of_the_tables(self, supervisor, seed):
        """Counted anew, slot by slot, over random slots in zones on both sides of the line of dates."""
        chance = random.Random(seed)
        zones = ["Europe/London", "Asia/Tokyo", "America/New_York", "Pacific/Auckland", "Pacific/Honolulu"]
        areas = [helpers.make_area(f"A{number}", chance.choice(zones)) for number in range(4)]
        first = date(2027, 3, 20)
        start = helpers.START.replace(year=2027, month=3, day=20, hour=0)
        storm = Blackout.objects.create(
            area=areas[0], start=start, end=start + DAY, reason="Storm", closed_at=helpers.NOW
        )
        for number in range(120):
            capacity = chance.randint(0, 5)
            area = chance.choice(areas)
            helpers.make_slot(
                area.code,
                start + timedelta(hours=chance.randint(-40, 24 * 15)),
                worker=f"w{number}",
                capacity=capacity,
                booked=chance.randint(0, capacity),
                is_open=chance.random() > 0.2,
                is_withdrawn=chance.random() < 0.1,
                order_type=chance.choice(["", "GAS", "OIL"]),
                blackout=storm if area == areas[0] and chance.random() < 0.3 else None,
            )
        counted = {}
        for slot in AppointmentSlot.objects.select_related("area"):
            if (slot.is_withdrawn and not slot.booked) or not first <= day_of(slot) < first + 14 * DAY:
                continue
            for rows, label in (("areas", ""), ("windows", slot.hours), ("types", slot.order_type)):
                days = counted.setdefault(rows, {}).setdefault((slot.area.code, label), {})
                places, booked, waiting = days.get(day_of(slot), (0, 0, 0))
                hidden = slot.is_hidden
                days[day_of(slot)] = (
                    places + (0 if hidden else slot.capacity),
                    booked + (0 if hidden else slot.booked),
                    waiting + (slot.booked if hidden else 0),
                )
        for rows, expected in counted.items():
            answer = look(supervisor, rows=rows, day=str(first), area=[area.code for area in areas])
            shown = {name: days for name, days in cells(answer).items() if days}
            assert shown == expected
            grid = answer.context["grid"]
            total = [
                sum(numbers[place] for days in expected.values() for numbers in days.values()) for place in range(3)
            ]
            assert [grid.total.places, grid.total.booked, grid.total.waiting] == total
            assert sum(sums.places for sums in grid.sums) == sum(row.sums.places for row in grid.rows) == total[0]

    def test_statements_do_not_grow_with_the_rows(self, supervisor):
        def statements():
            with CaptureQueriesContext(
                connection,
            ) as found:
                for rows in ("areas", "windows", "types"):
                    look(supervisor, rows=rows, area=["LEEDS", "YORK", "HULL"])
                ask(supervisor, "more", place)
            return len(found)

        place = desk.slot_in()
        look(supervisor)
        few = statements()
        for area in ("LEEDS", "YORK", "HULL"):
            for number in range(20):
                desk.slot_in(area, worker=f"w{number}", days=number % 5)
        assert statements() == few

    def test_only_areas_that_one_sees(self):
        place = desk.slot_in()
        desk.slot_in("YORK")
        restricted = desk.person("supervisor", place.area)
        assert list(cells(look(restricted, place, area=["YORK", "LEEDS"]))) == [("LEEDS", "")]
        assert cells(look(desk.person("supervisor", helpers.make_area("HULL")), place)) == {("HULL", ""): {}}

    def test_odd_questions(self, supervisor):
        desk.slot_in()
        for query in (
            {"day": "x"},
            {"weeks": "99"},
            {"rows": "q"},
            {"row": "9" * 30},
            {"row": "500"},
            {"area": "NONE"},
        ):
            look(supervisor, **query)

    def test_who_may(self):
        place = desk.slot_in()
        viewer, dispatcher = desk.person("viewer"), desk.person("dispatcher")
        for client in (viewer, dispatcher):
            assert "Choose Leeds" not in look(client, place).content.decode()
            assert client.post(CHANGE, {"act": "more"}).status_code == 403
        nothing = desk.person("viewer")
        nothing.user.groups.clear()
        assert nothing.get(GRID).status_code == 403


class TestChanging:
    def test_a_pattern_of_weekdays_and_hours(self, supervisor):
        places = [desk.slot_in(area, hour=hour, days=day, capacity=2)
                  for area in ("LEEDS", "YORK") for day in range(14) for hour in (6, 14)]  # fmt: skip
        weekday = day_of(places[0]).weekday()
        page = ask(supervisor, "more", places[0], weekday=[weekday], begins="12:00", ends="18:00", number="3")
        assert page.context["title"] == "+3 places: 4 slots"
        assert [(here.area.code, here.slots, here.before, here.after) for here in page.context["sums"]] == [
            ("LEEDS", 2, 4, 10),
            ("YORK", 2, 4, 10),
        ]
        assert set(capacities()) == {2}, "the page only asks"
        assert desk.said(confirm(supervisor, page, reason="Fair")) == ["4 slots changed."]
        changed = AppointmentSlot.objects.filter(capacity=5)
        assert {slot.start.hour for slot in changed} == {14}
        assert {day_of(slot).weekday() for slot in changed} == {weekday}
        lines = HistoryEntry.objects.filter(event="resized")
        assert {(line.by, line.reason, line.via) for line in lines} == {(supervisor.user.username, "Fair", "admin")}
        assert lines[0].details_for(None) == {"before": {"capacity": 2}, "after": {"capacity": 5}}
        assert lines.count() == 4

    def test_never_below_what_is_booked(self, supervisor):
        full = desk.slot_in(capacity=1)
        desk.slot_in(hour=15, capacity=2), desk.slot_in(hour=18, capacity=3)
        desk.book(full)
        page = ask(supervisor, "fewer", full, number="1")
        assert page.context["title"] == "-1 place: 2 slots"
        assert "it has 1 and would have no place left; close it instead" in desk.text_of(page)
        said = desk.said(confirm(supervisor, page))
        assert said[0] == "2 slots changed."
        assert said[1].startswith("1 skipped.")
        assert capacities() == [1, 1, 2]
        AppointmentSlot.objects.filter(capacity=2).update(capacity=3, booked=2)
        told = desk.text_of(ask(supervisor, "fewer", full, number="2"))
        assert "more bookings stand in it than the 1 place that it would have" in told
        assert "it would have more than 10,000 places" in desk.text_of(ask(supervisor, "more", full, number="10000"))

    def test_cells(self, supervisor):
        """The window, or the order type, of one day and area alone."""
        place = desk.slot_in(hour=9)
        for more in (
            {"hour": 12},
            {"days": 1, "hour": 9},
            {"area": "YORK", "hour": 9},
            {"hour": 9, "order_type": "GAS"},
        ):
            desk.slot_in(**more)
        for rows, changed in (("windows", [5, 3, 3, 3, 5]), ("types", [7, 5, 3, 3, 5]), ("areas", [9, 7, 3, 3, 7])):
            grid = look(supervisor, place, rows=rows).context["grid"]
            row = next(row for row in grid.rows if row.area.code == "LEEDS" and row.label in ("", place.hours))
            (cell,) = [cell for cell in row.cells if cell.key.day == day_of(place)]
            data = {"how": "cells", "rows": rows, "cell": [str(cell.key)], "act": "more", "number": "2"}
            confirm(supervisor, supervisor.post(CHANGE, data))
            assert capacities() == changed

    def test_closing_and_opening(self, supervisor):
        place, empty = desk.slot_in(), desk.slot_in(hour=15)
        order = desk.book(place)
        services.review(work_order=order, by="dispatcher")
        page = ask(supervisor, "close", place)
        assert "1 booking is affected" in desk.text_of(page)
        assert order.order_num in desk.text_of(page)
        again = confirm(supervisor, page)
        assert desk.said(again)[0].startswith("Closing needs a reason.")
        assert AppointmentSlot.objects.filter(is_open=True).count() == 2
        said = desk.said(confirm(supervisor, again, reason="Storm"))
        assert said == ["2 slots closed. 1 booking in them asks to be reviewed."]
        assert set(AppointmentSlot.objects.values_list("is_open", "closed_reason")) == {(False, "Storm")}
        assert WorkOrder.objects.get().reviewed_at is None
        assert desk.said(confirm(supervisor, ask(supervisor, "open", place))) == ["2 slots opened."]
        assert AppointmentSlot.objects.filter(is_open=True, pk__in=[place.pk, empty.pk]).count() == 2

    def test_order_types_and_areas_of_a_pattern(self, supervisor):
        place = desk.slot_in()
        for order_type, area in (("GAS", "LEEDS"), ("OIL", "LEEDS"), ("", "YORK")):
            desk.slot_in(area, hour=15, order_type=order_type)
        confirm(supervisor, ask(supervisor, "more", place, order_types="any, GAS", area=["LEEDS"]))
        assert capacities() == [4, 4, 3, 3]

    def test_a_second_click_adds_nothing(self, supervisor):
        place = desk.slot_in()
        page = ask(supervisor, "more", place)
        confirm(supervisor, page)
        assert desk.said(confirm(supervisor, page)) == ["The first click did it. The second click changed nothing."]
        assert capacities() == [4]

    def test_another_wish_of_the_same_minute_is_no_second_click(self, supervisor):
        place, other = desk.slot_in(), desk.slot_in(hour=15)
        confirm(supervisor, ask(supervisor, "more", place))
        page = ask(supervisor, "more", place, number="3")
        AppointmentSlot.objects.filter(pk=other.pk).update(capacity=9)
        again = confirm(supervisor, page)
        assert desk.said(again) == ["Slots were changed since you opened this page. It shows how they are now."]
        assert capacities() == [4, 9]
        assert desk.said(confirm(supervisor, again)) == ["2 slots changed."]
        assert capacities() == [7, 12]

    @pytest.mark.parametrize(("act", "amount"), [("more", 4), ("fewer", 2), ("close", 3)])
    def test_a_fault_in_the_middle_is_told_and_the_rest_asked_about(self, supervisor, act, amount):
        """Sent again, also as it was, each slot is changed once."""
        places = [desk.slot_in(worker=f"w{number}") for number in range(123)]
        write, calls = slot_changes._write, []

        def failing(*given):
            calls.append(given)
            if len(calls) == 2:
                raise OperationalError("away")
            return write(*given)

        page = ask(supervisor, act, places[0], reason="Fair")
        with mock.patch.object(slot_changes, "_write", failing):
            rest = confirm(supervisor, page, reason="Fair")
        done = "100 slots closed" if act == "close" else "100 slots changed"
        told = f"{done} from this page already. It shows those that are not."
        assert desk.said(rest) == [f"The database gave no answer in time. {told}"]
        assert rest.context["title"].endswith("23 slots")
        sent_again = confirm(supervisor, page, reason="Fair")
        assert desk.said(sent_again) == [told]
        assert desk.said(confirm(supervisor, sent_again, reason="Fair")) == [done.replace("100", "23") + "."]
        for late in (page, rest, sent_again):
            assert desk.said(confirm(supervisor, late, reason="Fair")) == [SECOND]
        assert capacities() == [amount] * 123
        assert AppointmentSlot.objects.filter(is_open=act != "close").count() == 123

    @pytest.mark.parametrize(("capacity", "told"), [(3, "101 slots changed."), (1, "0 slots changed from this page")])
    def test_a_fault_after_all_or_nothing_was_done(self, supervisor, capacity, told):
        """An answer that is lost behind its commit; and a first batch that had nothing to do."""
        places = [desk.slot_in(worker=f"w{number}", capacity=capacity) for number in range(101)]
        AppointmentSlot.objects.filter(pk=places[-1].pk).update(capacity=3)
        write, calls = slot_changes._write, []

        def failing(*given):
            calls.append(given)
            if len(calls) == 2 and capacity == 1:
                raise OperationalError("away")
            return write(*given)

        def lost(pace, step, rows):
            answer = turns.write(step)
            if len(calls) == 2:
                raise OperationalError("away")
            return answer

        page = ask(supervisor, "fewer", places[0])
        with mock.patch.object(slot_changes, "_write", failing), mock.patch.object(turns.Pace, "write", lost):
            assert told in desk.said(confirm(supervisor, page))[0]
        assert capacities() == ([2] * 101 if capacity == 3 else [1] * 100 + [3])

    def test_a_fault_before_anything_was_done_is_a_fault(self, supervisor):
        place = desk.slot_in()
        page = ask(supervisor, "more", place)
        supervisor.raise_request_exception = False
        with mock.patch.object(slot_changes, "_write", side_effect=OperationalError("away")):
            assert confirm(supervisor, page).status_code == 503
        assert desk.said(confirm(supervisor, page)) == ["1 slot changed."]
        assert capacities() == [4]

    def test_both_clicks_at_once_add_once(self, supervisor):
        """The second one has looked before the first one wrote, and writes after it."""
        place = desk.slot_in()
        page = ask(supervisor, "more", place)
        change_slots, answers = slot_changes.change_slots, []

        def first_the_other(*given, **more):
            if not more.get("dry_run") and not answers:
                answers.append(None)
                answers[0] = confirm(other, page)
            return change_slots(*given, **more)

        other = Client()
        other.force_login(supervisor.user)
        with mock.patch.object(slot_changes, "change_slots", first_the_other):
            second = confirm(supervisor, page)
        assert [desk.said(answer) for answer in (answers[0], second)] == [["1 slot changed."], [SECOND]]
        assert capacities() == [4]

    def test_what_another_person_changed_is_shown_again(self, supervisor):
        place = desk.slot_in()
        page = ask(supervisor, "more", place)
        AppointmentSlot.objects.update(capacity=7)
        again = confirm(supervisor, page)
        assert desk.said(again) == ["Slots were changed since you opened this page. It shows how they are now."]
        assert capacities() == [7]
        confirm(supervisor, again)
        assert capacities() == [8]

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            ({"until": ""}, "Give a first and a last day, 370 days at most."),
            ({"until": "2031-01-01"}, "Give a first and a last day, 370 days at most."),
            ({"weekday": ["9"]}, "Select a valid choice. 9 is not one of the available choices."),
            ({"number": "0"}, "Places: Ensure this value is greater than or equal to 1."),
            ({"begins": "25:00"}, "Begins from: Enter a valid time."),
            ({"order_types": "NONE"}, "No slot to come fits. Choose other cells, days or hours."),
            ({"how": "cells"}, "Tick at least one cell."),
            (
                {"how": "cells", "cell": ["2026-12-04/99999999999999999999/", "x/1/", "2026-12-04/\u0661/"]},
                "Tick at least",
            ),
            ({"how": "cells", "cell": ["2030-12-04/1/"]}, "No slot to come fits."),
        ],
    )
    def test_what_makes_no_sense(self, supervisor, data, told):
        answer = ask(supervisor, "more", desk.slot_in(), **data)
        assert answer.status_code == 302
        assert told in desk.said(supervisor.get(answer.url))[0]
        assert capacities() == [3]

    def test_the_opened_address_and_a_way_back_that_leads_away(self, supervisor):
        assert supervisor.get(CHANGE).url == GRID
        page = ask(supervisor, "more", desk.slot_in(), back="https://evil.example/")
        assert page.context["back"] == GRID

    def test_areas_that_one_does_not_see(self):
        place, other = desk.slot_in(), desk.slot_in("YORK")
        restricted = desk.person("supervisor", place.area)
        confirm(restricted, ask(restricted, "more", place))
        assert capacities() == [4, 3]
        cell = f"{day_of(other)}/{other.area_id}/"
        answer = restricted.post(CHANGE, {"how": "cells", "cell": [cell], "act": "more"})
        assert desk.said(restricted.get(answer.url)) == ["No slot to come fits. Choose other cells, days or hours."]

    def test_a_form_that_outlived_its_session(self, supervisor):
        place = desk.slot_in()
        page = ask(supervisor, "more", place)
        supervisor.logout()
        log_in = supervisor.post(CHANGE, fields_of(page))
        supervisor.user.set_password("a-long-word-1")
        supervisor.user.save()
        kept = re.search(r'name="kept" value="([^"]+)"', log_in.content.decode())[1]
        name = {"username": supervisor.user.username, "password": "a-long-word-1", "kept": kept}
        supervisor.post(f"/admin/login/?next={CHANGE}", name)
        again = supervisor.get(CHANGE)
        assert again.context["title"] == "+1 place: 1 slot"
        assert capacities() == [3]
        confirm(supervisor, again)
        assert capacities() == [4]
