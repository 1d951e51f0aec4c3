"""Slots that staff close, open and resize by area, time, worker, order type, weekday and hour."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from bookings import services
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, WorkOrder
from bookings.supply import slot_changes, turns
from bookings.supply.from_plans.hours import read_hours
from bookings.supply.slot_changes import Change, SlotFilter
from tests.supply.test_seed_slots import everything
from tests.support.helpers import NOW, START, booking, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLOSE, OPEN = Change("close", "Storm"), Change("open", "Over")


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


def week(area="LEEDS", **more):
    return SlotFilter(make_area(area), START - DAY, START + 7 * DAY, **more)


def apply(change, where=None, **options):
    report = slot_changes.change_by_filter(where or week(), change, by="anna", **options)
    return report.changed, report.kept, report.refused_count, report.bookings


def closed() -> list[int]:
    return list(AppointmentSlot.objects.filter(is_open=False).order_by("pk").values_list("pk", flat=True))


class TestWhichSlots:
    @pytest.fixture(autouse=True)
    def _slots(self):
        """On Friday 4 December: 13:00, 18:00 and 23:30; on Saturday 00:30, in Tokyo's clock nine hours later."""
        make_area("TOKYO", "Asia/Tokyo")
        self.slots = {
            name: make_slot(area, start=START + hours * HOUR, worker=worker, order_type=order_type).pk
            for name, area, hours, worker, order_type in [
                ("one", "LEEDS", 0, "anna", ""),
                ("six", "LEEDS", 5, "", "A"),
                ("late", "LEEDS", 10.5, "bob", "B"),
                ("night", "LEEDS", 11.5, "", ""),
                ("tokyo", "TOKYO", 0, "", ""),
            ]
        }

    @pytest.mark.parametrize(
        ("area", "more", "names"),
        [
            ("LEEDS", {}, ["one", "six", "late", "night"]),
            ("LEEDS", {"workers": ["anna", "bob", "carl"]}, ["one", "late"]),
            ("LEEDS", {"workers": [""]}, ["six", "night"]),
            ("LEEDS", {"order_types": ["A", ""]}, ["one", "six", "night"]),
            ("LEEDS", {"weekdays": [5]}, ["night"]),
            ("LEEDS", {"hours": read_hours("12:00-18:00")}, ["one"]),
            ("LEEDS", {"hours": read_hours("12:00-13:30,18:00-19:00")}, ["one", "six"]),
            # Of Friday's night; the same hours of Saturday begin a day later.
            ("LEEDS", {"hours": read_hours("23:00-02:00"), "weekdays": [4]}, ["late", "night"]),
            ("LEEDS", {"hours": read_hours("23:00-02:00"), "weekdays": [5]}, []),
            ("LEEDS", {"end": START + 5 * HOUR}, ["one"]),
            ("LEEDS", {"start": START + HOUR}, ["six", "late", "night"]),
            ("TOKYO", {"hours": read_hours("22:00-23:00")}, ["tokyo"]),
            ("TOKYO", {"hours": read_hours("13:00-14:00")}, []),
        ],
    )
    def test_those_that_the_filter_finds(self, area, more, names):
        assert apply(CLOSE, week(area)._replace(**more))[0] == len(names)
        assert closed() == sorted(self.slots[name] for name in names)

    def test_what_is_over_stays(self):
        with clock_stands_at(START + 6 * HOUR):
            assert apply(CLOSE)[0] == 3
        assert self.slots["one"] not in closed()

    def test_hours_are_those_of_the_clock_on_each_day(self):
        """In summer as in winter."""
        area = make_area()
        days = [datetime(2027, 3, day, 9, tzinfo=UTC) for day in (27, 28)]
        for start in days:
            make_slot(start=start)
        found = slot_changes.find(SlotFilter(area, days[0] - DAY, days[1] + DAY, hours=read_hours("10:00-11:00")))
        assert [slot.start for slot in found] == days[1:]


def test_all_are_found_however_few_are_read_at_once(monkeypatch):
    """Several begin at the same moment, as with several workers; what is found is changed a part at a time."""
    there = [make_slot(start=START + hour * HOUR, worker=worker) for hour in (1, 0) for worker in "abc"]
    monkeypatch.setattr(slot_changes, "READ_AT_ONCE", 2)
    found = slot_changes.find(week())
    assert next(found) == there[3]
    assert [slot.pk for slot in found] == [slot.pk for slot in [*there[4:], *there[:3]]]
    read, in_batches = [], slot_changes.turns.in_batches
    monkeypatch.setattr(
        slot_changes.turns,
        "in_batches",
        lambda *given: (read.append(len(some)) or some for some in in_batches(*given)),
    )
    assert apply(CLOSE) == (6, 0, 0, 0)
    assert read == [2, 2, 2]


class TestClosing:
    def test_bookings_stay_and_ask_for_review(self):
        make_slot(capacity=2)
        empty = make_slot(start=START + HOUR)
        work_order = make_booking()
        services.review(work_order=work_order, by="dispatcher")
        assert apply(CLOSE) == (2, 0, 0, 1)
        work_order.refresh_from_db()
        assert (work_order.status, work_order.reviewed_at) == ("booked", None)
        lines = (
            HistoryEntry.objects.filter(event="closed").order_by("pk").values_list("slot", "reason", "details", "by")
        )
        assert list(lines) == [
            (None, "Storm", {}, "anna"),
            (work_order.slot_id, "Storm", {"bookings": 1}, "anna"),
            (empty.pk, "Storm", {"bookings": 0}, "anna"),
        ]

    def test_a_second_time_changes_nothing(self):
        make_slot(), make_booking()
        apply(CLOSE)
        services.review(work_order=WorkOrder.objects.get(), by="dispatcher")
        before = everything()
        assert apply(Change("close", "Fire")) == (0, 1, 0, 0)
        assert everything() == before

    def test_only_staffs_reason_changes(self):
        fair = Blackout.objects.create(area=make_area(), start=START, end=START + DAY, reason="Fair", closed_at=NOW)
        slot = make_slot(blackout=fair, is_withdrawn=True, source="import", external_id="P-1")
        for change in (CLOSE, OPEN):
            assert apply(change)[0] == 1
            slot.refresh_from_db()
            assert (slot.blackout, slot.is_withdrawn, slot.source, slot.external_id) == (fair, True, "import", "P-1")
            assert (slot.is_open, slot.closed_reason) == (change is OPEN, "" if change is OPEN else "Storm")
        assert HistoryEntry.objects.get(event="opened").details == {"before": {"closed_reason": "Storm"}}


class TestAdding:
    def test_what_was_read_before_adds_once(self):
        """Two presses that both read the slots before the first has written: each slot is added to by one of them."""
        first, other = make_slot(capacity=2), make_slot(capacity=5, start=START + HOUR)
        found = list(slot_changes.find(week()))
        report = slot_changes.change_slots(found, Change("add", more=2), by="anna")
        assert (report.changed, report.refused_count) == (2, 0)
        report = slot_changes.change_slots(found, Change("add", more=2), by="anna")
        assert (report.changed, report.refused_count) == (0, 2)
        assert {refused.message for refused in report.refused} == {"it was given other places meanwhile"}
        assert list(AppointmentSlot.objects.order_by("pk").values_list("pk", "capacity")) == [
            (first.pk, 4),
            (other.pk, 7),
        ]
        # Read anew, it is another wish.
        assert apply(Change("add", more=-3)) == (2, 0, 0, 0)
        # Of the last place it is told that closing takes it.
        report = slot_changes.change_by_filter(week(), Change("add", more=-1), by="anna")
        assert (report.changed, report.refused_count) == (1, 1)
        assert report.refused[0].message == "it has 1 and would have no place left; close it instead"

    @pytest.mark.parametrize("more", [0, 10_001, -10_001])
    def test_says_too_little_or_too_much(self, more):
        with pytest.raises(ValueError, match="places to add"):
            apply(Change("add", more=more))


class TestResizing:
    def test_what_its_bookings_leave_it(self):
        make_slot(capacity=3, external_id="P-1")
        make_slot(capacity=3, start=START + HOUR)
        make_slot(capacity=2, start=START + 2 * HOUR)
        for number in range(3):
            make_booking(f"WO-{number}")
        before = everything()
        assert apply(Change("resize", capacity=2), dry_run=True) == (1, 1, 1, 0)
        assert everything() == before
        report = slot_changes.change_by_filter(week(), Change("resize", "Ill", 2), by="anna")
        assert (report.changed, report.kept, report.refused_count) == (1, 1, 1)
        message = "more bookings stand in it than the 2 places that it would have"
        assert [refused[1:] for refused in report.refused] == [("P-1", message)]
        assert list(AppointmentSlot.objects.order_by("pk").values_list("capacity", flat=True)) == [3, 2, 2]
        line = HistoryEntry.objects.get(event="resized")
        assert (line.reason, line.details) == ("Ill", {"before": {"capacity": 3}, "after": {"capacity": 2}})

    def test_the_first_refused_are_named_and_all_are_counted(self):
        for hour in range(3):
            make_slot(capacity=2, start=START + hour * HOUR)
            for number in range(2):
                make_booking(f"WO-{hour}-{number}", booking(START + hour * HOUR, START + (hour + 2) * HOUR))
        report = slot_changes.change_by_filter(week(), Change("resize", capacity=1), by="anna", named=2)
        assert (report.refused_count, len(report.refused)) == (3, 2)


@pytest.mark.parametrize("change", [CLOSE, OPEN, Change("resize", capacity=5)])
def test_the_queries_do_not_grow_with_the_slots(change, django_assert_max_num_queries):
    for hour in range(20):
        make_slot(start=START + hour * HOUR, is_open=change is not OPEN)
    where = week()
    with django_assert_max_num_queries(15):
        assert apply(change, where)[0] == 20


@pytest.mark.parametrize(
    "change", [Change("close"), Change("close", " "), Change("resize"), *(Change("resize", "", n) for n in (0, 10_001))]
)
def test_a_change_that_says_too_little(change):
    make_slot()
    before = everything()
    with pytest.raises(ValueError, match=r"\.$"):
        apply(change)
    assert everything() == before


@pytest.mark.parametrize("change", [CLOSE, OPEN, Change("resize", capacity=5)])
class TestInShortTransactions:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setitem(turns.BATCH, connection.vendor, 2)

    def made(self, change):
        for hour in range(5):
            make_slot(start=START + hour * HOUR, is_open=change is not OPEN)

    def test_a_run_that_was_killed_is_simply_done_again(self, change, monkeypatch):
        self.made(change)
        write, done = turns.write, []

        def until_killed(step):
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(write(step))
            return done[-1]

        with monkeypatch.context() as killed:
            killed.setattr(turns, "write", until_killed)
            with pytest.raises(KeyboardInterrupt):
                apply(change)
        assert HistoryEntry.objects.count() == 4
        assert apply(change)[:2] == (1, 4)
        assert HistoryEntry.objects.count() == 5

    def test_a_dry_run_says_the_same_and_locks_nothing(self, change, monkeypatch):
        self.made(change)
        before = everything()
        with monkeypatch.context() as locked:
            locked.setattr(turns, "write", None)
            told = apply(change, dry_run=True)
        assert everything() == before
        assert apply(change) == told == (5, 0, 0, 0)

    def test_what_another_one_does_meanwhile_is_kept(self, change, monkeypatch):
        self.made(change)
        write = turns.write

        def after_another(step):
            monkeypatch.setattr(turns, "write", write)
            apply(change)
            return write(step)

        monkeypatch.setattr(turns, "write", after_another)
        assert apply(change)[:2] == (0, 5)
        assert HistoryEntry.objects.count() == 5


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _slots(self):
        for hour in (0, 5, 24):
            make_slot(start=START + hour * HOUR, worker="anna", capacity=2)

    def run(self, *arguments) -> tuple[int, list[str]]:
        output, status = io.StringIO(), 0
        period = ["--area=LEEDS", "--from=2026-12-04", "--until=2026-12-05"]
        try:
            call_command("change_slots", *arguments, *period, stdout=output)
        except SystemExit as end:
            status = int(str(end))
        return status, output.getvalue().splitlines()

    def test_works(self):
        make_booking()
        flags = ["--weekdays=fri", "--hours=08:00-14:00", "--worker=anna", "--reason=Fair"]
        lines = [
            "LEEDS: 1 slot closed, 0 were so already.",
            "1 booking in them asks to be reviewed again.",
        ]
        assert self.run("close", "--dry-run", *flags) == (0, [*lines, "This was a dry run: nothing was written."])
        assert self.run("close", *flags) == (0, lines)
        assert self.run("open") == (0, ["LEEDS: 1 slot opened, 2 were so already."])
        assert self.run("resize", "--capacity=3", "--order-type=") == (
            0,
            ["LEEDS: 3 slots resized, 0 were so already."],
        )
        assert self.run("resize", "--capacity=2", "--order-type=A") == (
            0,
            ["LEEDS: 0 slots resized, 0 were so already."],
        )

    def test_what_has_too_many_bookings_is_named(self):
        make_booking("WO-1"), make_booking("WO-2")
        assert self.run("resize", "--capacity=1") == (
            1,
            [
                "Fri 4 Dec 2026, 13:00-15:00 (Europe/London) is refused: more bookings stand in it than the 1 place"
                " that it would have.",
                "LEEDS: 2 slots resized, 0 were so already.",
            ],
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["close"], "Closing needs a reason."),
            (["close", "--reason=\0"], "--reason holds a character that cannot be printed."),
            (["resize"], "The places are a whole number from 1 to 10000."),
            (["open", "--worker=ana"], "There is no worker 'ana'. Did you mean anna?"),
            (["open", "--hours=soon"], "'soon' is not like 08:00-12:00."),
            (["open", "--weekdays=never"], "'never' is not like mon or mon-fri."),
        ],
    )
    def test_refusals(self, arguments, message):
        before = everything()
        with pytest.raises(CommandError) as refused:
            self.run(*arguments)
        assert message in str(refused.value)
        assert everything() == before
