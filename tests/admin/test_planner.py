"""The planner: workers as rows, a day or a week as columns, and the way from there to the page that moves."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import clock, services
from bookings.models import AppointmentSlot, Blackout, WorkOrder
from bookings.supply.closing import blackouts
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

PLANNER = "/admin/bookings/appointmentslot/planner/"


@pytest.fixture
def dispatcher():
    return desk.person("dispatcher")


def slot(worker="anna", hour=12, days=0, area="LEEDS", **fields):
    return desk.slot_in(area, hour=hour, days=days, worker=worker, **({"capacity": 1} | fields))


def day_of(place):
    return place.start.astimezone(place.area.zone).date()


def look(client, place=None, **query):
    answer = client.get(PLANNER, ({"day": str(day_of(place))} if place else {}) | query)
    assert answer.status_code == 200
    return answer


def rows(answer):
    """(area, worker, the windows of each day) of all rows."""
    return [
        (found.area.code, row.name, [[(w.hours, w.state) for w in cell.windows] for cell in row.cells])
        for found in answer.context["grid"].areas
        for row in found.rows
    ]


def hours_of(place):
    return place.hours


class TestRows:
    def test_a_day(self, dispatcher):
        free, taken = slot(), slot(hour=15)
        pool, hidden = slot("", capacity=3), slot("ben", is_open=False, closed_reason="Course")
        order = desk.book(taken, Account={"AccountNum": "C-1", "Name": "Ruth Okafor"})
        answer = look(dispatcher, free)
        assert rows(answer) == [
            ("LEEDS", "anna", [[(hours_of(free), "free"), (hours_of(taken), "booked")]]),
            ("LEEDS", "ben", [[(hours_of(hidden), "closed")]]),
            ("LEEDS", "pool", [[(hours_of(pool), "free")]]),
        ]
        (found,) = answer.context["grid"].areas
        assert (found.totals.booked, found.totals.free, found.totals.closed) == (1, 4, 1)
        text = desk.text_of(answer)
        assert "Ruth Okafor" in text
        assert f"/admin/bookings/workorder/{order.pk}/change/" in text
        assert "closed: Course" in text

    def test_a_week_from_monday_to_sunday(self, dispatcher):
        place = slot()
        later = slot(days=7)
        answer = look(dispatcher, place, span="week")
        ((_, _, cells),) = rows(answer)
        assert [len(windows) for windows in cells] == [int(number == day_of(place).weekday()) for number in range(7)]
        assert rows(look(dispatcher, later, span="week"))[0][2][day_of(later).weekday()]

    def test_parts_that_come_late(self, dispatcher):
        place = slot()
        due = (place.start + timedelta(hours=1)).isoformat()
        desk.book(place, RequiredParts=[{"ProdNum": "A", "EstimatedDelivery": due}])
        slot("ben")
        answer = look(dispatcher, place)
        assert "parts late" in desk.text_of(answer)
        assert answer.context["grid"].areas[0].totals.late == 1
        assert [row[1] for row in rows(look(dispatcher, place, state="late"))] == ["anna"]

    def test_what_a_plan_has_no_longer_is_shown_only_with_its_bookings(self, dispatcher):
        desk.book(slot())
        gone = slot("ben")
        AppointmentSlot.objects.update(is_withdrawn=True)
        assert [row[1] for row in rows(look(dispatcher, gone))] == ["anna"]

    def test_blackouts_of_an_area_and_of_a_worker(self, dispatcher):
        place = slot()
        given = {"area": place.area, "start": place.start, "end": place.end, "by": "sue"}
        blackouts.close_slots(reason="Snow", **given)
        blackouts.close_slots(reason="Dentist", worker="zoe", **given)
        answer = look(dispatcher, place)
        (found,) = answer.context["grid"].areas
        assert [[bar.blackout.reason for bar in cell.bars] for cell in found.bars] == [["Snow"]]
        bars = {row.worker: [bar.blackout.reason for cell in row.cells for bar in cell.bars] for row in found.rows}
        assert bars == {"anna": [], "zoe": ["Dentist"]}

    def test_an_absence_of_a_worker(self, dispatcher):
        place = slot()
        absence = Blackout.absence("anna", day_of(place), day_of(place), reason="Ill")
        given = {"start": absence.start, "end": absence.end, "reason": absence.reason}
        blackouts.close_slots(area=None, worker="anna", by="sue", **given)
        answer = look(dispatcher, place)
        (row,) = answer.context["grid"].areas[0].rows
        assert [bar.blackout.reason for bar in row.cells[0].bars] == ["Ill"]
        assert rows(answer)[0][2][0][0][1] == "closed"

    def test_now_is_marked_today_alone(self, dispatcher):
        now = clock.now().replace(minute=30)
        with helpers.clock_stands_at(now):
            place = helpers.make_slot("LEEDS", now.replace(minute=0), now.replace(minute=0) + timedelta(hours=1))
            assert look(dispatcher, place).context["grid"].areas[0].now == 50.0
            assert look(dispatcher, slot()).context["grid"].areas[0].now is None

    def test_the_columns_are_those_of_the_areas_clock(self, dispatcher):
        leeds = slot(hour=12)
        boston = slot(hour=13, area="BOSTON", zone="America/New_York")
        answer = look(dispatcher, leeds)
        grid = answer.context["grid"]
        for found, place in zip(sorted(grid.areas, key=lambda found: found.area.code), (boston, leeds), strict=True):
            shown = place.start.astimezone(place.area.zone)
            (window,) = found.rows[0].cells[0].windows
            assert window.first == (shown.hour * 60 - grid.opens) // 15 + 1
            assert window.last == window.first + 8

    def test_a_window_that_is_clipped_by_midnight_or_very_short(self, dispatcher):
        start = helpers.tomorrow(23)
        helpers.make_slot("LEEDS", start, start + timedelta(hours=4))
        short = helpers.make_slot("LEEDS", start, start + timedelta(minutes=1), worker="anna")
        self.all_are_on_the_grid(look(dispatcher, short))

    def test_a_window_of_seconds_alone_on_its_day(self, dispatcher):
        start = helpers.tomorrow(12)
        with helpers.clock_stands_at(start):
            alone = helpers.make_slot("LEEDS", start, start + timedelta(seconds=20), worker="anna")
            self.all_are_on_the_grid(look(dispatcher, alone))

    def all_are_on_the_grid(self, answer):
        for found in answer.context["grid"].areas:
            for row in found.rows:
                for window in row.cells[0].windows:
                    assert 1 <= window.first < window.last <= answer.context["grid"].steps + 1


class TestQuestions:
    def test_filters_are_in_the_address_and_stay(self, dispatcher):
        place, _ = slot("anna"), slot("ben")
        query = {"worker": "ANN", "state": "free", "span": "week", "zoom": "names", "area": "LEEDS"}
        answer = look(dispatcher, place, **query)
        assert [row[1] for row in rows(answer)] == ["anna"]
        for name in ("earlier", "later"):
            kept = parse_qs(urlsplit(answer.context[name]).query)
            assert {key: kept[key] for key in query} == {key: [value] for key, value in query.items()}
            assert dispatcher.get(answer.context[name]).status_code == 200

    @pytest.mark.parametrize("state", ["free", "booked", "closed"])
    def test_rows_with_such_a_window(self, dispatcher, state):
        desk.book(slot("booked"))
        place = slot("free")
        slot("closed", is_open=False)
        assert [row[1] for row in rows(look(dispatcher, place, state=state))] == [state]

    def test_some_areas_of_many(self, dispatcher):
        places = [slot(area=f"A{number}") for number in range(5)]
        assert [row[0] for row in rows(look(dispatcher, places[0]))] == ["A0"]
        assert [row[0] for row in rows(look(dispatcher, places[0], area=["A1", "A3"]))] == ["A1", "A3"]

    @pytest.mark.parametrize("name", ["day", "span", "zoom", "state", "area", "row", "move", "worker"])
    @pytest.mark.parametrize("value", ["Infinity", "9" * 30, "-1", "x", "٣", "0001-01-01", "", "9999-12-31"])
    def test_what_makes_no_sense_is_not_asked(self, dispatcher, name, value):
        slot()
        look(dispatcher, **{name: value})

    @pytest.mark.parametrize(("span", "bound"), [("", "MOST_ROWS"), ("week", "WEEK_ROWS")])
    def test_more_rows_than_a_page_holds(self, dispatcher, monkeypatch, span, bound):
        monkeypatch.setattr(f"bookings.admin.planning.planner.{bound}", 2)
        place, *_ = (slot(worker) for worker in "abcde")
        seen, address = [], f"{PLANNER}?day={day_of(place)}&span={span}"
        while address:
            answer = dispatcher.get(address)
            seen.append([row[1] for row in rows(answer)])
            address = answer.context["rows_behind"]
        assert [answer.context["rows_before"].endswith(end) for end in ("row=2", "row=0")] == [True, False]
        assert seen == [["a", "b"], ["c", "d"], ["e"]]
        assert answer.context["grid"].areas[0].totals.free == 5, "the totals are those of the area"


class TestMoving:
    def pick(self, client, order, place, **query):
        return look(client, place, move=order.pk, **query)

    def test_select_a_booking_then_a_window_then_confirm(self, dispatcher):
        order = desk.book(slot())
        place = slot("ben", hour=15)
        answer = self.pick(dispatcher, order, place)
        (link,) = re.findall(r'class="planner-go" href="([^"]*act/move[^"]*)"', answer.content.decode())
        asked = dispatcher.get(link.replace("&amp;", "&"))
        form = asked.context["form"]
        assert (form["slot"].value(), form.from_day) == (str(place.pk), day_of(place))
        assert f'value="{place.pk}" required checked' in asked.content.decode()
        desk.perform(dispatcher, "move", order, slot=place.pk)
        order.refresh_from_db()
        assert order.slot == place

    def test_a_window_of_another_area_opens_that_area(self, dispatcher):
        order, place = desk.book(slot()), slot("cem", area="HULL")
        answer = self.pick(dispatcher, order, place)
        (link,) = re.findall(r'class="planner-go" href="([^"]*act/move[^"]*)"', answer.content.decode())
        assert dispatcher.get(link.replace("&amp;", "&")).context["form"].in_area == place.area

    def test_where_it_cannot_go_says_why(self, dispatcher):
        order = desk.book(slot(), OrderType="REPAIR")
        desk.book(slot("full", hour=15), "WO-2")
        slot("shut", is_open=False)
        slot("other", order_type="INSTALL")
        place = slot("fits", order_type="REPAIR")
        answer = self.pick(dispatcher, order, place)
        windows = [
            (row.name, window.why_not)
            for found in answer.context["grid"].areas
            for row in found.rows
            for cell in row.cells
            for window in cell.windows
        ]
        assert sorted(windows) == [
            ("anna", "is here now"),
            ("fits", ""),
            ("full", "full"),
            ("other", "for INSTALL only"),
            ("shut", "closed"),
        ]
        for why in ("is here now", "for INSTALL only"):
            assert why in desk.text_of(answer)

    def test_each_rule_has_a_short_reason(self):
        from bookings import offers
        from bookings.admin.planning import planner_grid

        assert planner_grid.WHY.keys() == offers.REFUSALS.keys()

    def test_a_window_before_the_parts_is_marked(self, dispatcher):
        due = (slot().start + timedelta(days=1)).isoformat()
        order = desk.book(slot(hour=15), RequiredParts=[{"ProdNum": "A", "EstimatedDelivery": due}])
        assert "before the parts" in desk.text_of(self.pick(dispatcher, order, order.slot))

    def test_a_booking_that_was_cancelled_is_not_to_be_moved(self, dispatcher):
        order = desk.book(slot())
        services.cancel(work_order=order, by="ann", reason="Other")
        assert self.pick(dispatcher, order, order.slot).context["order"] is None


class TestWho:
    def test_a_viewer_sees_and_moves_nothing(self):
        order = desk.book(slot())
        answer = look(desk.person("viewer"), order.slot, move=order.pk)
        assert rows(answer)
        assert answer.context["order"] is None
        for word in ("planner-pick", "planner-drop", "data-visit", "Close and move"):
            assert word not in answer.content.decode()

    def test_only_the_areas_that_one_may_see(self):
        leeds, hull = slot(), desk.book(slot(area="HULL"))
        client = desk.person("dispatcher", leeds.area)
        assert {row[0] for row in rows(look(client, leeds, area=["LEEDS", "HULL"]))} == {"LEEDS"}
        assert look(client, leeds, move=hull.pk).context["order"] is None

    def test_without_the_permission(self, client, django_user_model):
        client.force_login(django_user_model.objects.create(username="x", is_staff=True))
        assert client.get(PLANNER).status_code == 403


def test_the_statements_do_not_grow(dispatcher):
    def statements(place):
        with CaptureQueriesContext(connection) as ran:
            look(dispatcher, place, area=["LEEDS", "HULL", "YORK"], span="week")
        return len(ran)

    place = slot()
    desk.book(place)
    statements(place)  # the first page of a session writes to it
    few = statements(place)
    for area in ("LEEDS", "HULL", "YORK"):
        for worker in "abcdefg":
            desk.book(slot(worker, area=area, days=1), f"WO-{area}-{worker}", OrderType=worker)
            given = {"area": place.area, "start": place.start, "end": place.end, "by": "sue"}
            blackouts.close_slots(reason="Course", worker=worker, **given)
    assert statements(place) == few


class TestRowsAreOfTheDatabase:
    def test_no_more_windows_are_read_than_a_page_shows(self, dispatcher, monkeypatch):
        monkeypatch.setattr("bookings.admin.planning.planner.MOST_ROWS", 3)
        places = [slot(f"w{number}") for number in range(9)]
        for number, place in enumerate(places):
            desk.book(place, f"WO-{number}")
        read = []
        monkeypatch.setattr(AppointmentSlot, "from_db", recording(AppointmentSlot.from_db, read))
        monkeypatch.setattr(WorkOrder, "from_db", recording(WorkOrder.from_db, read))
        answer = look(dispatcher, places[0], row="3")
        assert [name for _, name, _ in rows(answer)] == ["w3", "w4", "w5"]
        assert len(read) == 6, "three windows and their three bookings"
        # What stands above them is of all rows.
        assert answer.context["grid"].areas[0].totals == (9, 0, 0, 0)
        assert answer.context["rows"] == (9, 4, 6)

    def test_a_worker_who_is_in_two_areas_has_a_row_in_each(self, dispatcher, monkeypatch):
        monkeypatch.setattr("bookings.admin.planning.planner.MOST_ROWS", 2)
        place = slot("anna")
        slot("ben"), slot("anna", area="YORK"), slot("ben", area="YORK")
        asked = {"area": ["LEEDS", "YORK"]}
        assert [row[:2] for row in rows(look(dispatcher, place, **asked))] == [("LEEDS", "anna"), ("LEEDS", "ben")]
        behind = rows(look(dispatcher, place, **asked, row="1"))
        assert [row[:2] for row in behind] == [("LEEDS", "ben"), ("YORK", "anna")]
        assert all(len(row[2][0]) == 1 for row in behind), "each has its window"

    def test_an_area_whose_rows_are_on_another_page_is_not_called_empty(self, dispatcher, monkeypatch):
        monkeypatch.setattr("bookings.admin.planning.planner.MOST_ROWS", 1)
        place = slot("anna")
        slot("ben", area="YORK")
        asked = {"area": ["LEEDS", "YORK"]}
        text = desk.text_of(look(dispatcher, place, **asked))
        assert text.count("Its rows are on another page.") == 1
        assert "No windows here that fit." not in text
        assert text.count("0 booked, 1 free") == 2, "what each has in all is told"
        text = desk.text_of(look(dispatcher, place, **asked, worker="zoe"))
        assert text.count("No windows here that fit.") == 2
        assert "another page" not in text

    def test_of_a_crowded_pool_the_first_are_read_and_the_others_counted(self, dispatcher, monkeypatch):
        place = slot("", capacity=30)
        orders = [desk.book(place, f"WO-{number}") for number in range(11)]
        WorkOrder.objects.filter(pk=orders[-1].pk).update(parts_due_at=place.end)
        read = []
        monkeypatch.setattr(WorkOrder, "from_db", recording(WorkOrder.from_db, read))
        page = look(dispatcher, place).content.decode()
        assert len(read) == 8
        assert "3 more</a>" in page
        assert [number for number, order in enumerate(orders) if f'aria-label="Move {order.order_num}"' in page] == [
            *range(8)
        ]
        read.clear()
        page = look(dispatcher, place, zoom="numbers").content.decode()
        assert not read
        assert "11/30 <b" in page, "late parts are marked"


def test_what_was_typed_stands_in_a_window_as_it_was_typed(dispatcher):
    odd = "<b>&\"'"
    place = slot(odd, order_type="", capacity=2)
    desk.book(place, Account={"AccountNum": "C-1", "Name": odd})
    AppointmentSlot.objects.filter(pk=place.pk).update(is_open=False, closed_reason=odd)
    page = look(dispatcher, place).content.decode()
    assert page.count("<bdi>&lt;b&gt;&amp;&quot;&#x27;</bdi>") == 3, "the row, the reason and the customer"
    assert odd not in page
    assert "&amp;lt;" not in page


def recording(original, read):
    def from_db(*arguments):
        read.append(arguments)
        return original(*arguments)

    return from_db


class TestAWindowThatCannotBeHad:
    """Reached by an address from before, or by a drag while another person books."""

    def errors(self, client, order, place):
        query = {"chosen": desk.chosen(order), "slot": place.pk}
        answer = client.get("/admin/bookings/workorder/act/move/", query)
        assert answer.status_code == 200
        return answer.context["form"].why_not

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"capacity": 0}, "This appointment is full."),
            ({"is_open": False}, "This appointment is closed for bookings."),
            ({"days": -3}, "This appointment has begun or is over."),
            ({"order_type": "INSTALL"}, "It takes no orders of this type."),
        ],
    )
    def test_the_page_says_why(self, dispatcher, fields, why):
        order, place = desk.book(slot()), slot("ben", hour=15, **fields)
        said = self.errors(dispatcher, order, place)
        assert said == f"{place}, ben cannot be chosen. {why} Choose another appointment."
        query = {"chosen": desk.chosen(order), "slot": place.pk}
        assert why in desk.text_of(dispatcher.get("/admin/bookings/workorder/act/move/", query))

    def test_where_it_is_now(self, dispatcher):
        order = desk.book(slot(capacity=2))
        assert "The booking is there already." in self.errors(dispatcher, order, order.slot)

    def test_one_that_can_be_had_is_ticked_and_nothing_is_said(self, dispatcher):
        order, place = desk.book(slot()), slot("ben")
        assert self.errors(dispatcher, order, place) == ""
