import csv
import io
import os
import signal
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from bookings.models import AppointmentSlot, AreaCode, HistoryEntry
from bookings.supply import turns
from bookings.supply.closing import blackouts
from bookings.supply.from_plans import plans, seeding, seeding_steps
from tests.conftest import manage
from tests.supply.test_seed_slots import BEFORE, everything, starts
from tests.support import warm
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at(BEFORE):
        yield


TOML = """\
# Leeds has a pool and two workers, York is a place of its own.
[[slots]]
area = "LEEDS"
name = "Leeds"
time_zone = "Europe/London"
from = 2026-12-21
until = 2026-12-31
hours = { mon-thu = "08:00-12:00,13:00-17:00", fri = "08:00-12:00" }
length = 120
capacity = 4
holidays = "GB-ENG"

[slots.exceptions]
2026-12-24 = "08:00-10:00"
2026-12-30 = "closed"

[[slots]]
area = ["LEEDS"]
order_type = "INSTALL"
workers = ["anna", "bob"]
from = 2026-12-21
days = 2
hours = "09:00-13:00"
length = 90
gap = 30

[[slots]]
area = "YORK"
name = "York"
time_zone = "Europe/London"
workers = ["carol"]
from = 2026-12-21
until = 2026-12-21
hours = "22:00-02:00"
length = 120
"""


def seed_says(leeds, york):
    return f"LEEDS: {leeds} slots created, 0 kept, 0 skipped.\nYORK: {york} slots created, 0 kept, 0 skipped.\n"


CSV = """\
area,name,time_zone,order_type,workers,from,until,days,hours,length,gap,capacity,holidays,exceptions
LEEDS,Leeds,Europe/London,,,2026-12-21,2026-12-31,,"mon-thu 08:00-12:00,13:00-17:00; fri 08:00-12:00",120,,4,GB-ENG,\
2026-12-24 08:00-10:00; 2026-12-30 closed
LEEDS,,,INSTALL,"anna,bob",2026-12-21,,2,09:00-13:00,90,30,,,
YORK,York,Europe/London,,carol,2026-12-21,2026-12-21,,22:00-02:00,120,,,,
"""


@pytest.fixture
def seed(tmp_path):
    def run(text: str, *flags: str, name: str = "slots.toml") -> str:
        file = tmp_path / name
        file.write_text(text)
        output = io.StringIO()
        call_command("seed_slots", f"--template={file}", *flags, stdout=output)
        return output.getvalue()

    return run


@pytest.fixture
def refusal(seed):
    def run(text: str, *flags: str, name: str = "slots.toml") -> list[str]:
        before = everything()
        with pytest.raises(CommandError) as refused:
            seed(text, *flags, name=name)
        assert everything() == before
        head, *faults = str(refused.value).splitlines()
        assert head == f"{name} is not right, and nothing was written."
        return faults

    return run


def rows() -> list[tuple]:
    fields = ("area__code", "start", "end", "order_type", "worker", "capacity", "is_withdrawn")
    return sorted(AppointmentSlot.objects.values_list(*fields))


def plan(**changes: str) -> str:
    """A template of one plan of LEEDS; a change to an empty text leaves a key out."""
    values = {
        "area": '"LEEDS"',
        "from": "2026-12-07",
        "until": "2026-12-11",
        "hours": '"08:00-12:00"',
        "length": "120",
    } | changes
    return "[[slots]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items() if value)


class TestItWorks:
    def test_a_toml(self, seed):
        assert seed(TOML) == (
            "LEEDS: 29 slots created, 0 kept, 0 skipped.\nYORK: 2 slots created, 0 kept, 0 skipped.\n"
        )
        # Christmas is on a Friday; Boxing Day is observed on the Monday.
        assert (
            starts(worker="", order_type="")
            == [
                f"{day}.12. {hour}:00"
                for day, hours in {
                    21: ["08", "10", "13", "15"],
                    22: ["08", "10", "13", "15"],
                    23: ["08", "10", "13", "15"],
                    24: ["08"],
                    29: ["08", "10", "13", "15"],
                    31: ["08", "10", "13", "15"],
                }.items()
                for hour in hours
            ][: len(starts(worker="", order_type=""))]
        )
        assert starts(worker="anna") == ["21.12. 09:00", "21.12. 11:00", "22.12. 09:00", "22.12. 11:00"]
        assert starts(worker="carol") == ["21.12. 22:00", "22.12. 00:00"]
        assert set(AppointmentSlot.objects.values_list("worker", "order_type", "capacity")) == {
            ("", "", 4),
            ("anna", "INSTALL", 1),
            ("bob", "INSTALL", 1),
            ("carol", "", 1),
        }

    def test_the_same_as_csv(self, seed):
        with transaction.atomic():
            seed(TOML)
            told = rows()
            transaction.set_rollback(True)
        seed(CSV, name="slots.csv")
        assert rows() == told

    @pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
    def test_a_csv_of_other_programs(self, seed, change):
        make_area()
        text = "area,from,days,hours,length\nLEEDS,2026-12-07,1,08:00-12:00,120\n"
        assert seed(change(text), name="a.csv") == "LEEDS: 2 slots created, 0 kept, 0 skipped.\n"

    def test_a_csv_with_semicolons(self, seed):
        make_area()
        text = 'area;from;days;hours;length;workers\nLEEDS;2026-12-07;2;"mon 08:00-12:00; tue 09:00-11:00";120;a,b\n'
        assert seed(text, name="a.csv") == "LEEDS: 6 slots created, 0 kept, 0 skipped.\n"

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_commas_semicolons_and_tabs_alike(self, seed, separator):
        file = io.StringIO()
        writer = csv.writer(file, delimiter=separator)
        writer.writerows(csv.reader(io.StringIO(CSV)))
        assert seed(file.getvalue(), name="slots.csv") == seed_says(29, 2)

    def test_a_second_run_changes_nothing(self, seed):
        seed(TOML)
        before = everything()
        assert seed(TOML, "--prune") == (
            "LEEDS: 0 slots created, 29 kept, 0 skipped, 0 closed.\n"
            "YORK: 0 slots created, 2 kept, 0 skipped, 0 closed.\n"
        )
        assert everything() == before

    def test_a_dry_run_says_the_same_and_changes_nothing(self, seed):
        make_slot("LEEDS", start=datetime(2026, 12, 21, 10, tzinfo=UTC), worker="anna")
        before = everything()
        told = seed(TOML, "--dry-run")
        assert everything() == before
        assert told == seed(TOML) + "This was a dry run: nothing was written.\n"

    def test_what_clashes_is_named(self, seed):
        make_slot("YORK", start=datetime(2026, 12, 21, 10, tzinfo=UTC), worker="anna")
        assert seed(TOML).splitlines() == [
            "LEEDS: Mon 21 Dec 2026, 09:00-10:30 (Europe/London) is skipped:"
            " anna is busy Mon 21 Dec 2026, 10:00-12:00 (Europe/London).",
            "LEEDS: Mon 21 Dec 2026, 11:00-12:30 (Europe/London) is skipped:"
            " anna is busy Mon 21 Dec 2026, 10:00-12:00 (Europe/London).",
            "LEEDS: 27 slots created, 0 kept, 2 skipped.",
            "YORK: 2 slots created, 0 kept, 0 skipped.",
        ]

    def test_a_slot_in_a_blackout_is_hidden_from_the_start(self, seed):
        area = make_area()
        at = datetime(2026, 12, 8, tzinfo=UTC)
        closed = blackouts.close_slots(area=area, start=at, end=at.replace(day=9), reason="Stocktaking", by="test")
        seed(plan())
        assert starts(blackout=closed.blackout) == ["08.12. 08:00", "08.12. 10:00"]
        blackouts.reopen(blackout=closed.blackout, by="test")
        assert starts(blackout=None) == starts()

    def test_the_queries_do_not_grow_with_the_slots(self, seed, monkeypatch, django_assert_max_num_queries):
        """But with the transactions."""
        monkeypatch.setitem(turns.BATCH, connection.vendor, turns.MOST)
        make_area()
        with django_assert_max_num_queries(12):
            seed(plan(until="2026-12-08"))
        with django_assert_max_num_queries(12):
            seed(plan(until="2027-05-31"))


class TestPrune:
    def test_what_the_template_has_no_longer_is_closed(self, seed):
        make_area()
        seed(plan())
        assert seed(plan(hours='"08:00-11:00"', length="90"), "--prune", "--yes") == (
            "LEEDS: 10 slots created, 0 kept, 0 skipped, 10 closed.\n"
        )
        assert AppointmentSlot.objects.filter(is_withdrawn=True).count() == 10
        entry = HistoryEntry.objects.filter(event="closed").first()
        assert (entry.by, entry.reason) == ("seed_slots", "The plan has it no longer.")

    def test_what_it_has_again_is_opened_again(self, seed):
        make_area()
        seed(plan(workers='["anna"]'))
        seed(plan(workers='["anna"]', hours='"09:00-13:00"'), "--prune", "--yes")
        assert seed(plan(workers='["anna"]'), "--prune", "--yes") == (
            "LEEDS: 0 slots created, 10 opened again, 0 kept, 0 skipped, 10 closed.\n"
        )
        assert set(starts(is_withdrawn=False)) & {"07.12. 08:00", "07.12. 09:00"} == {"07.12. 08:00"}
        assert HistoryEntry.objects.filter(event="opened").count() == 10

    def test_a_dry_run_says_the_same_and_changes_nothing(self, seed):
        make_area()
        seed(plan(workers='["anna"]'))
        before = everything()
        changed = plan(workers='["anna", "bob"]', hours='"09:00-13:00"')
        told = seed(changed, "--prune", "--yes", "--dry-run")
        assert everything() == before
        assert HistoryEntry.objects.count() == 10  # as they were added
        assert told == seed(changed, "--prune", "--yes") + "This was a dry run: nothing was written.\n"

    def test_a_booked_slot_stays_and_what_it_overlaps_is_skipped(self, seed):
        make_area()
        with clock_stands_at():
            seed(plan(workers='["anna"]'))
            first = AppointmentSlot.objects.earliest("start")
            make_booking(body=booking(first.start, first.end))
            told = seed(plan(workers='["anna"]', hours='"09:00-13:00"'), "--prune", "--yes")
        assert told.splitlines() == [
            "LEEDS: Mon 7 Dec 2026, 09:00-11:00 (Europe/London) is skipped:"
            " anna is busy Mon 7 Dec 2026, 08:00-10:00 (Europe/London).",
            "LEEDS: 9 slots created, 0 kept, 1 skipped, 9 closed.",
        ]
        first.refresh_from_db()
        assert (first.booked, first.is_withdrawn) == (1, False)

    def test_only_its_areas_and_days_and_nothing_past_or_of_others(self, seed):
        make_area()
        ten = {"start": datetime(2026, 12, 9, 20, tzinfo=UTC)}
        gone = make_slot(**ten)
        stays = [
            make_slot("YORK", **ten),
            make_slot(**ten, worker="anna", external_id="P-1"),
            make_slot(**ten, worker="bob", source="import"),
            make_slot(**ten, worker="carol", source="hand"),
            make_slot(**ten, worker="dave", source="schedule"),
            make_slot(start=datetime(2026, 12, 6, 20, tzinfo=UTC)),
            make_slot(start=datetime(2026, 12, 12, 20, tzinfo=UTC)),
        ]
        with clock_stands_at():
            seed(plan(), "--prune", "--yes")
        assert [slot.is_withdrawn for slot in AppointmentSlot.objects.filter(pk=gone.pk)] == [True]
        assert not AppointmentSlot.objects.filter(pk__in=[slot.pk for slot in stays], is_withdrawn=True)
        with clock_stands_at(datetime(2026, 12, 10, tzinfo=UTC)):
            assert seed(plan(hours='"20:00-22:00"'), "--prune", "--yes").endswith(" 3 past, 4 closed.\n")

    def test_hours_over_midnight_before_the_first_day_stay(self, seed):
        make_area()
        night = {"hours": '"22:00-02:00"', "until": "2026-12-31"}
        with clock_stands_at():
            seed(plan(**night | {"from": "2026-12-01"}))
            assert seed(plan(**night | {"from": "2026-12-08"}), "--prune").endswith(", 0 closed.\n")

    def test_over_the_seam_of_two_months(self, seed):
        make_area()
        night = {"hours": '"22:00-02:00"', "until": "2027-12-06"}
        with clock_stands_at():
            seed(plan(**night))
            # One of the 730 ends after the hours in the night in which an hour is skipped.
            assert seed(plan(**night), "--prune") == "LEEDS: 0 slots created, 729 kept, 0 skipped, 0 closed.\n"

    def test_the_booked_are_not_hidden_by_a_late_decision(self):
        slot = make_slot()
        gone = seeding_steps.Gone(slot.start, slot.end, slot.area, "", slot.pk, is_free=True)
        with clock_stands_at():
            make_booking()
        assert seeding.write_piece([gone], BEFORE, by="test").counts.total() == 0
        slot.refresh_from_db()
        assert not slot.is_withdrawn

    def test_what_hides_more_than_a_tenth_of_what_is_free_asks_first(self, seed):
        make_area()
        workers = [f"w{number:02}" for number in range(11)]
        seed(plan(workers=str(workers)))
        before = everything()
        told = (
            "LEEDS: 20 of 110 free slots are in the plan no longer: more than a tenth."
            " Look at the template and at --dry-run. --yes closes them, --yes 20 no more than these."
        )
        for flags in ([], ["--yes=19"]):
            with pytest.raises(CommandError) as refused:
                seed(plan(workers=str(workers[2:])), "--prune", *flags)
            assert str(refused.value) == f"{told} Nothing was written."
            assert everything() == before
        assert seed(plan(workers=str(workers[2:])), "--prune", "--dry-run").startswith(f"{told}\nLEEDS: ")
        # One of eleven is less, and what staff closed anyway is not free.
        assert seed(plan(workers=str(workers[1:])), "--prune").endswith(" 10 closed.\n")
        AppointmentSlot.objects.filter(worker="w01").update(is_open=False)
        assert seed(plan(workers=str(workers[2:])), "--prune").endswith(" 10 closed.\n")
        assert seed(plan(workers=str(workers[6:])), "--prune", "--yes=40").endswith(" 40 closed.\n")

    def test_all_of_the_old_or_all_of_the_new_after_each_transaction(self, seed, monkeypatch):
        make_area()
        workers = f"{[f'w{number:02}' for number in range(6)]}"
        seed(plan(workers=workers))
        monkeypatch.setitem(turns.BATCH, connection.vendor, 20)
        shown = self.watched(monkeypatch)
        seed(plan(workers=workers, hours='"09:00-13:00"'), "--prune", "--yes")
        assert shown == [60] * 6

    def test_the_test_above_would_notice_what_is_hidden_first(self, seed, monkeypatch):
        make_area()
        workers = f"{[f'w{number:02}' for number in range(6)]}"
        seed(plan(workers=workers))
        shown = self.watched(monkeypatch)
        pieces = seeding.pieces
        monkeypatch.setattr(seeding, "pieces", lambda template, gone, pace: [list(gone), *pieces(template)])
        seed(plan(workers=workers, hours='"09:00-13:00"'), "--prune", "--yes")
        assert min(shown) == 0

    def watched(self, monkeypatch) -> list[int]:
        """How many slots are shown after each transaction."""
        shown, write = [], turns.write

        def watch(step):
            done = write(step)
            shown.append(AppointmentSlot.objects.filter(is_withdrawn=False).count())
            return done

        monkeypatch.setattr(turns, "write", watch)
        return shown

    def test_what_another_system_took_back_stays_hidden(self, seed):
        make_area()
        seed(plan())
        first, second, *_ = AppointmentSlot.objects.order_by("start")
        AppointmentSlot.objects.filter(pk=first.pk).update(is_withdrawn=True, source="import", external_id="P-1")
        # The id wandered on: the row is free to be taken up again.
        AppointmentSlot.objects.filter(pk=second.pk).update(is_withdrawn=True, source="import")
        assert seed(plan()).splitlines() == [
            "LEEDS: Mon 7 Dec 2026, 08:00-10:00 (Europe/London) is skipped: its planning system has withdrawn it.",
            "LEEDS: 0 slots created, 1 opened again, 8 kept, 1 skipped.",
        ]
        second.refresh_from_db()
        assert (second.is_withdrawn, second.source) == (False, "plan")

    def test_the_reasons_of_others_stay_as_they_are(self, seed):
        make_area()
        seed(plan(workers='["anna"]'))
        closed = AppointmentSlot.objects.earliest("start")
        AppointmentSlot.objects.filter(pk=closed.pk).update(is_open=False, closed_reason="Flood")
        at = datetime(2026, 12, 8, tzinfo=UTC)
        blackouts.close_slots(area=closed.area, start=at, end=at.replace(day=9), reason="Fair", by="test")
        reasons = list(AppointmentSlot.objects.order_by("pk").values_list("pk", "is_open", "closed_reason", "blackout"))
        seed(plan(workers='["anna"]', hours='"09:00-13:00"'), "--prune", "--yes")
        seed(plan(workers='["anna"]'), "--prune", "--yes")
        then = AppointmentSlot.objects.order_by("pk").values_list("pk", "is_open", "closed_reason", "blackout")
        assert list(then)[: len(reasons)] == reasons

    def test_a_run_that_has_nothing_to_do_locks_nothing(self, seed, monkeypatch):
        make_area()
        seed(plan())
        monkeypatch.setattr(turns, "write", None)
        assert seed(plan(), "--prune").endswith(" 10 kept, 0 skipped, 0 closed.\n")
        assert seed(plan(hours='"09:00-13:00"'), "--prune", "--yes", "--dry-run").endswith("nothing was written.\n")

    def test_it_goes_with_a_template(self):
        make_area()
        options = ["--area=LEEDS", "--from=2026-12-07", "--days=1", "--hours=08:00-12:00", "--length=120"]
        with pytest.raises(CommandError, match="--prune closes what a template has no longer: it goes with --template"):
            call_command("seed_slots", *options, "--prune")


NO_SLOT = "The plan makes no slot: its hours are too short for its length, or all of its days are left out."
HEAD = "area,from,days,hours,length"


class TestFaults:
    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"area": '"HULL"'}, "line 2: There is no area 'HULL'. To make it, give name and time_zone."),
            ({"area": ""}, "line 1: area is missing."),
            ({"area": "[]"}, "line 2: area [] holds an empty name."),
            ({"area": "7"}, "line 2: area 7 is not a list of texts."),
            ({"area": '"A\\u0000"'}, "line 2: area 'A\\x00' holds a character that cannot be printed."),
            ({"time_zone": '"Asia/Tokyo"'}, "line 7: The area LEEDS is in Europe/London, not in Asia/Tokyo."),
            ({"name": '"Leeds"'}, "line 7: name goes with time_zone."),
            ({"from": ""}, "line 1: from is missing."),
            ({"from": '"soon"'}, "line 3: from soon is not a date such as 2026-12-01."),
            ({"from": "2026-12-07T08:00:00"}, "line 3: from 2026-12-07 08:00:00 is not a date such as 2026-12-01."),
            ({"from": "1926-12-07"}, "line 3: from 1926-12-07 is not in the years 2000 to 2199."),
            ({"until": "2026-12-01"}, "line 4: until 2026-12-01 is before from 2026-12-07."),
            (
                {"until": "2046-12-01"},
                "line 4: from 2026-12-07 until 2046-12-01 are 7300 days. 3660 at most can be filled at once.",
            ),
            ({"days": "3"}, "line 7: days goes without until: give one of the two."),
            ({"hours": ""}, "line 1: hours is missing."),
            ({"hours": "8"}, "line 5: hours 8 is neither a text nor a table."),
            ({"hours": "{}"}, "line 5: hours {} is neither a text nor a table."),
            ({"hours": '{ mo = "08:00-12:00" }'}, "line 5: hours 'mo' is not like mon or mon-fri."),
            ({"hours": '{ mon = "8-12" }'}, "line 5: hours '8-12' is not like 08:00-12:00."),
            ({"hours": "{ mon = 8 }"}, "line 5: hours 8 is not a text."),
            ({"length": '"long"'}, "line 6: length long is not a whole number from 1 to 1440."),
            ({"length": "true"}, "line 6: length True is not a whole number from 1 to 1440."),
            ({"gap": "1.5"}, "line 7: gap 1.5 is not a whole number from 0 to 1440."),
            ({"capacity": "0"}, "line 7: capacity 0 is not a whole number from 1 to 10000."),
            ({"workers": '["anna", ""]'}, "line 7: workers ['anna', ''] holds an empty name."),
            ({"workers": "[1]"}, "line 7: workers 1 is not a text."),
            ({"weekdays": '"mo"'}, "line 7: weekdays 'mo' is not like mon or mon-fri."),
            (
                {"holidays": '"XX"'},
                "line 7: holidays 'XX': no public holidays are known for it. GB-ENG, DE-BY and US are known.",
            ),
            ({"length": "300"}, f"line 1: {NO_SLOT}"),
            ({"from": "2026-12-11", "exceptions": '{ 2026-12-11 = "closed" }'}, f"line 1: {NO_SLOT}"),
            ({"exceptions": '{ 2026-12-24 = "closed" }'}, "line 7: exceptions: 2026-12-24 is not a day of this plan."),
            ({"exceptions": '{ soon = "closed" }'}, "line 7: exceptions soon is not a date such as 2026-12-01."),
            ({"exceptions": '{ 2026-12-07 = "shut" }'}, "line 7: exceptions 'shut' is not like 08:00-12:00."),
            ({"colour": '"red"'}, "line 7: 'colour' is no key of a plan."),
            (
                {"workers": '["anna"]', "order_type": '["A", "B"]'},
                "line 1: anna would be at two places on Mon 7 Dec 2026 at 08:00.",
            ),
        ],
    )
    def test_in_one_plan(self, refusal, changes, fault):
        make_area()
        assert refusal(plan(**changes)) == [fault]

    def test_an_exception_before_the_first_day_is_said_and_does_nothing(self, seed):
        make_area()
        assert seed(plan(exceptions='{ 2026-12-01 = "closed" }')).splitlines() == [
            "line 7: exceptions: 2026-12-01 is before the first day.",
            "LEEDS: 10 slots created, 0 kept, 0 skipped.",
        ]

    def test_all_of_them_at_once(self, refusal):
        make_area()
        assert refusal(plan(length="0", capacity="0") + "\n" + plan(until="") + plan(hours='"x"')) == [
            "line 6: length 0 is not a whole number from 1 to 1440.",
            "line 7: capacity 0 is not a whole number from 1 to 10000.",
            "line 9: until is missing.",
            "line 18: hours 'x' is not like mon or mon-fri.",
        ]

    def test_the_line_within_a_table(self, refusal):
        make_area()
        tables = (
            '[slots.hours]\nmon = "08:00-12:00"\ntue = "8"\n[slots.exceptions]\n2026-12-07 = "closed"\n"x" = "closed"\n'
        )
        assert refusal(plan(hours="") + tables) == [
            "line 8: hours '8' is not like 08:00-12:00.",
            "line 11: exceptions x is not a date such as 2026-12-01.",
        ]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "line 1: There is no plan in the file."),
            ("area = 'LEEDS'\n", "line 1: 'area' is unknown here. A plan begins with [[slots]]."),
            ("\n[slots]\narea = 'LEEDS'\n", "line 2: A plan begins with [[slots]]."),
            ("\nslots = 3\n", "line 2: A plan begins with [[slots]]."),
            ("[[slots]]\narea = \n", "line 2: Invalid value (at line 2, column 8)"),
            ("[[slots]]\narea = 'LEEDS", 'line 2: Expected "\'" (at end of document)'),
        ],
    )
    def test_what_is_no_template(self, refusal, text, fault):
        assert refusal(text) == [fault]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "line 1: There is no plan in the file."),
            (f"area,{HEAD}\n", "line 1: The column 'area' stands there twice."),
            (f"{HEAD}\nLEEDS\n", "line 2: from is missing."),
            (f"{HEAD}\n\nLEEDS,2026-12-07,1,08:00-09:00,60,1\n", "line 3: The row has more cells than the head."),
            (f'{HEAD}\n"LEEDS\n', "line 2: This is no CSV: unexpected end of data."),
            (
                f"{HEAD}\nLEEDS;2026-12-07;1;08:00-09:00;60\n",
                "line 2: The row is not parted by commas, as the head is.",
            ),
            (
                f"{HEAD};x\nLEEDS;2026-12-07\n".replace(",", ";"),
                "line 1: The column 'x' is unknown.",
            ),
            ("Gebiet|von\n", "line 1: No column is known."),
        ],
    )
    def test_what_is_no_csv(self, refusal, text, fault):
        make_area()
        assert refusal(text, name="slots.csv")[0].startswith(fault)

    def test_what_is_wrong_with_the_head_is_told_once(self, refusal):
        make_area()
        rows = "LEEDS,red,1\n" * 50
        assert refusal(f"area,colour,days\n{rows}", name="slots.csv") == [
            "line 1: The column 'colour' is unknown.",
            "line 1: The column 'from' is missing.",
            "line 1: The column 'hours' is missing.",
            "line 1: The column 'length' is missing.",
            f"line 1: The columns are {', '.join(plans.KEYS)}, parted by commas, semicolons or tabs.",
        ]

    def test_the_line_of_a_csv_with_breaks_in_a_cell(self, refusal):
        make_area()
        head = "area,from,days,hours,length\n"
        row = 'LEEDS,2026-12-07,1,"mon 08:00-09:00;\ntue 08:00-09:00",60\n'
        assert refusal(head + row + row.replace(",60", ",0"), name="slots.csv") == [
            "line 4: length 0 is not a whole number from 1 to 1440."
        ]

    def test_plans_that_contradict_each_other(self, refusal):
        make_area()
        make_area("YORK", "Europe/London")
        anna = plan(workers='["anna", "bob"]')
        york = plan(
            area='"YORK"', workers='["bob", "anna"]', hours='"09:00-10:00"', length="60", **{"from": "2026-12-09"}
        )
        pools = plan(order_type='"A"') + plan(order_type='["A", "B"]', hours='"10:00-12:00"')
        assert refusal(anna + york + pools) == [
            "line 8: anna would be at two places on Wed 9 Dec 2026 at 09:00: see line 1.",
            "line 22: LEEDS would have the same slot twice on Mon 7 Dec 2026 at 10:00: see line 15.",
        ]

    def test_over_midnight_into_the_next_day(self, refusal):
        make_area()
        nights = plan(workers='["anna"]', hours='{ mon = "20:00-04:00", tue = "02:00-06:00" }')
        assert refusal(nights) == ["line 1: anna would be at two places on Tue 8 Dec 2026 at 02:00."]

    def test_two_names_for_one_clock(self, refusal):
        new = {"area": '"HULL"', "name": '"Hull"'}
        assert refusal(plan(**new, time_zone='"Europe/London"') + plan(**new, time_zone='"Asia/Tokyo"')) == [
            "line 16: The area HULL is in Europe/London, not in Asia/Tokyo."
        ]

    def test_an_area_that_a_later_plan_describes(self, seed):
        described = plan(area='"HULL"', name='"Hull"', time_zone='"Europe/London"', workers='"anna"')
        assert seed(plan(area='"HULL"') + described) == "HULL: 20 slots created, 0 kept, 0 skipped.\n"

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(CommandError, match=r"gone\.toml cannot be read: No such file or directory\."):
            call_command("seed_slots", f"--template={tmp_path / 'gone.toml'}")

    def test_a_file_that_is_not_utf8(self, tmp_path):
        file = tmp_path / "slots.csv"
        file.write_bytes("area\nKöln\n".encode("latin-1"))
        with pytest.raises(CommandError, match=r"is not UTF-8 from byte 6 on\. Save it as UTF-8\."):
            call_command("seed_slots", f"--template={file}")

    def test_a_template_brings_its_plan_itself(self, tmp_path):
        with pytest.raises(CommandError, match=r"A template brings its plans itself: leave --order-type out\."):
            call_command("seed_slots", f"--template={tmp_path / 'slots.toml'}", "--order-type=A")


def test_a_run_that_is_killed_is_simply_run_again(empty_database, tmp_path):
    """The process is killed, as by a machine that goes down, once some of its slots are there."""
    file = tmp_path / "slots.toml"
    workers = [f"worker-{number}" for number in range(40)]
    # So far ahead that it is to come, whenever this runs.
    days = {"from": "2098-12-07", "until": "2099-06-30"}
    file.write_text(plan(name='"Leeds"', time_zone='"Europe/London"', workers=str(workers), **days))
    environment = os.environ | {"DATABASE_URL": empty_database.url}
    said = {1: tmp_path / "said"}
    process = warm.start("manage.py", "seed_slots", f"--template={file}", environment=environment, streams=said)
    while not (there := empty_database.execute("SELECT COUNT(*) FROM bookings_appointmentslot")[0][0]):
        assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    everything = 40 * 2 * 206
    assert 0 < there < everything
    done = manage(empty_database, "seed_slots", f"--template={file}")
    created, kept = (int(word) for word in done.stdout.split() if word.isdigit() and word != "0")
    assert created + kept == everything
    assert empty_database.execute("SELECT COUNT(*) FROM bookings_appointmentslot") == [(everything,)]
    assert manage(empty_database, "verify_bookings").stdout == ""


class TestAliases:
    PLAN = """
[[slots]]
area = "LEEDS"
name = "Leeds"
time_zone = "Europe/London"
aliases = {}
from = 2026-12-21
days = 1
hours = "08:00-10:00"
length = 120
"""

    def seed(self, tmp_path, aliases: str) -> str:
        file = tmp_path / "slots.toml"
        file.write_text(self.PLAN.format(aliases))
        out = io.StringIO()
        call_command("seed_slots", "--template", str(file), stdout=out)
        return out.getvalue()

    def codes(self):
        return sorted(AreaCode.objects.values_list("area__code", "code", "is_alias"))

    def test_an_area_gets_its_other_codes_and_keeps_them(self, tmp_path):
        self.seed(tmp_path, '["WC-LEEDS", "wc 7"]')
        expected = [("LEEDS", "LEEDS", False), ("LEEDS", "WC-LEEDS", True), ("LEEDS", "wc 7", True)]
        assert self.codes() == expected
        self.seed(tmp_path, '"wc-leeds,LEEDS"')
        assert self.codes() == expected

    def test_a_code_of_another_area_is_refused_and_nothing_is_written(self, tmp_path):
        make_area("YORK")
        with pytest.raises(CommandError, match="The alias york of LEEDS names another area already"):
            self.seed(tmp_path, '["WC-LEEDS", "york"]')
        assert self.codes() == [("YORK", "YORK", False)]
        assert not AppointmentSlot.objects.exists()

    def test_aliases_go_with_a_zone(self, tmp_path):
        make_area()
        self.PLAN = self.PLAN.replace('name = "Leeds"\ntime_zone = "Europe/London"\n', "")
        with pytest.raises(CommandError, match="aliases goes with time_zone"):
            self.seed(tmp_path, '"WC"')

    def test_a_plan_may_name_the_area_by_an_alias(self, tmp_path):
        """One that is there, or one that the same template gives the area."""
        by_code = self.PLAN
        self.PLAN = by_code + by_code.replace('"LEEDS"', '"WC"').replace(
            'name = "Leeds"\ntime_zone = "Europe/London"\naliases = {}\n', ""
        ).replace("2026-12-21", "2026-12-22")
        assert self.seed(tmp_path, '["WC"]') == "LEEDS: 2 slots created, 0 kept, 0 skipped.\n"
        self.PLAN = self.PLAN.replace('"LEEDS"', '"WC"')
        assert self.seed(tmp_path, '["WC"]') == "LEEDS: 0 slots created, 2 kept, 0 skipped.\n"
        assert self.codes() == [("LEEDS", "LEEDS", False), ("LEEDS", "WC", True)]

    def test_an_area_by_two_codes_is_one(self, tmp_path):
        make_area().codes.create(code="WC")
        self.PLAN = self.PLAN.replace('"LEEDS"', '["LEEDS", "WC"]').replace(
            'name = "Leeds"\ntime_zone = "Europe/London"\naliases = {}\n', ""
        )
        assert self.seed(tmp_path, "") == "LEEDS: 1 slot created, 0 kept, 0 skipped.\n"
