import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from bookings import services
from bookings.models import AppointmentSlot, HistoryEntry
from bookings.sentences import counted
from bookings.supply import turns
from bookings.supply.closing import blackouts
from tests.conftest import manage
from tests.supply.test_seed_slots import everything
from tests.support.helpers import END, START, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db

HEAD = "external_id,area,start,end,order_type,worker,capacity,open\n"
EXPORTED = HEAD.replace("open", "open,staff_open,staff_reason")
P1 = "P-1,LEEDS,2026-12-04T13:00Z,2026-12-04T15:00Z,,anna,1,yes\n"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


@pytest.fixture
def imported(tmp_path):
    """Import rows: the status and what was printed."""

    def run(rows: str, *flags: str, head: str = HEAD) -> tuple[int, list[str]]:
        file = tmp_path / "slots.csv"
        file.write_text(head + rows)
        output, status = io.StringIO(), 0
        try:
            call_command("import_slots", str(file), *flags, stdout=output)
        except SystemExit as ended:
            status = ended.code
        return status, output.getvalue().splitlines()

    return run


def summary(created=0, changed=0, kept=0, refused=0) -> str:
    return f"{counted(created, 'slot')} created, {changed} changed, {kept} kept, {counted(refused, 'row')} refused."


def export(*options: str) -> str:
    output = io.StringIO()
    call_command("export_slots", *options, stdout=output)
    return output.getvalue()


class TestItWorks:
    def test_makes_what_is_new(self, imported):
        make_area()
        assert imported(P1 + "P-2,LEEDS,2026-12-04T13:00,2026-12-04T15:00+00:00,A,,7,no\n") == (
            0,
            [summary(created=2)],
        )
        fields = ("external_id", "start", "end", "order_type", "worker", "capacity", "is_open", "is_withdrawn")
        assert list(AppointmentSlot.objects.order_by("external_id").values_list(*fields)) == [
            ("P-1", START, END, "", "anna", 1, True, False),
            ("P-2", START, END, "A", "", 7, True, True),
        ]
        assert set(AppointmentSlot.objects.values_list("source", "utc_offset")) == {("import", 0)}

    def test_a_row_may_name_the_area_by_an_alias(self, imported):
        make_area().codes.create(code="WC 7")
        assert imported(P1.replace("LEEDS", "WC 7")) == (0, [summary(created=1)])
        assert imported(P1) == (0, [summary(kept=1)])
        assert export("--area=WC 7") == export("--area=LEEDS")

    def test_a_second_run_changes_nothing(self, imported):
        make_area()
        imported(P1)
        before = everything()
        assert imported(P1) == (0, [summary(kept=1)])
        assert everything() == before

    def test_changes_what_differs(self, imported):
        make_area()
        make_area("YORK")
        imported(P1)
        assert imported("P-1,YORK,2026-12-05T13:00Z,2026-12-05T14:00Z,A,bob,3,no\n") == (0, [summary(changed=1)])
        old, new = AppointmentSlot.objects.order_by("pk")
        assert (new.external_id, new.area.code, new.start, new.worker, new.capacity, new.is_withdrawn) == (
            "P-1",
            "YORK",
            START + 24 * HOUR,
            "bob",
            3,
            True,
        )
        assert (old.external_id, old.area.code, old.start, old.worker, old.is_withdrawn) == (
            "",
            "LEEDS",
            START,
            "anna",
            True,
        )
        assert list(old.history.values_list("event", "by")) == [("added", "import_slots"), ("closed", "import_slots")]
        assert list(new.history.values_list("event", "by")) == [("added", "import_slots")]

    def test_columns_that_are_not_there_leave_what_is(self, imported):
        make_area()
        imported(P1.replace(",1,yes", ",4,no"))
        head = "external_id,area,start,end,worker\n"
        assert imported("P-1,LEEDS,2026-12-04T13:00Z,2026-12-04T15:00Z,anna\n", head=head) == (0, [summary(kept=1)])

    def test_takes_over_a_slot_that_was_made_here(self, imported):
        slot = make_slot(worker="anna", capacity=2)
        assert imported(P1.replace(",1,", ",,")) == (0, [summary(changed=1)])
        slot.refresh_from_db()
        assert (slot.external_id, slot.capacity) == ("P-1", 2)

    def test_a_blackout_hides_new_and_moved_slots(self, imported):
        area = make_area()
        blackouts.close_slots(area=area, start=START, end=END, reason="x", by="test")
        imported(P1)
        assert AppointmentSlot.objects.get().is_hidden
        imported(P1.replace("12-04T", "12-05T"))
        assert not AppointmentSlot.objects.get(external_id="P-1").is_hidden

    def test_more_places_and_closing_under_a_booking(self, imported):
        make_slot(worker="anna", external_id="P-1")
        work_order = make_booking()
        services.review(work_order=work_order, by="dispatcher")
        assert imported(P1.replace(",1,yes", ",2,no")) == (0, [summary(changed=1)])
        work_order.refresh_from_db()
        assert (work_order.status, work_order.reviewed_at) == ("booked", None)

    def test_a_dry_run_says_the_same_and_changes_nothing(self, imported):
        make_slot("LEEDS", worker="bob")
        rows = P1 + P1.replace("P-1", "P-2").replace("anna", "bob").replace("15:00", "16:00")
        before = everything()
        told = imported(rows, "--dry-run")
        assert everything() == before
        status, lines = imported(rows)
        assert told == (status, [*lines, "This was a dry run: nothing was written."])

    def test_an_export_can_be_imported(self, imported):
        make_area("TOKYO", "Asia/Tokyo")
        make_slot(external_id="P-1", worker="anna", capacity=3, order_type="A, B")
        make_slot("TOKYO", external_id="P-2", is_open=False, closed_reason="Snow, ice")
        make_slot("TOKYO", external_id="P-3", worker="bob", is_withdrawn=True)
        text = export()
        assert text == EXPORTED + (
            'P-1,LEEDS,2026-12-04T13:00:00Z,2026-12-04T15:00:00Z,"A, B",anna,3,yes,yes,\n'
            'P-2,TOKYO,2026-12-04T13:00:00Z,2026-12-04T15:00:00Z,,,1,yes,no,"Snow, ice"\n'
            "P-3,TOKYO,2026-12-04T13:00:00Z,2026-12-04T15:00:00Z,,bob,1,no,yes,\n"
        )
        assert imported(text, head="") == (0, [summary(kept=3)])
        assert export("--area=TOKYO").count("\n") == 3
        assert export("--from=2026-12-05").count("\n") == 1
        assert export("--from=2026-12-04", "--until=2026-12-04").count("\n") == 4

    def test_over_several_batches(self, imported, monkeypatch):
        monkeypatch.setitem(turns.BATCH, connection.vendor, 2)
        make_area()
        rows = "".join(P1.replace("P-1", f"P-{n}").replace("12-04T", f"12-{n + 10}T") for n in range(5))
        assert imported(rows) == (0, [summary(created=5)])
        assert imported(rows + rows[: len(P1)])[1] == [
            "line 7 is refused: line 2 has the same external id.",
            summary(kept=5, refused=1),
        ]

    @pytest.mark.parametrize("mark", [";", "\t"])
    def test_other_marks_between_the_cells(self, imported, mark):
        make_area()
        assert imported((HEAD + P1).replace(",", mark), head="") == (0, [summary(created=1)])


class TestTheFileIsOneState:
    """Only the end is checked, whatever the order of the rows."""

    DAY = [("P-1", 9), ("P-2", 10), ("P-3", 11), ("P-4", 12)]

    def rows(self, hours, worker="anna", order=1):
        return "".join(
            f"{key},LEEDS,2026-12-04T{hour:02}:00Z,2026-12-04T{hour + 1:02}:00Z,,{worker},1,yes\n"
            for key, hour in hours[::order]
        )

    def plan_of(self, worker="anna"):
        slots = AppointmentSlot.objects.exclude(external_id="").filter(is_withdrawn=False, worker=worker)
        return [(slot.external_id, slot.start.hour) for slot in slots.order_by("external_id")]

    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize("hours", [1, -1, 2])
    def test_a_day_moves_in_one_run(self, imported, hours, order):
        make_area()
        imported(self.rows(self.DAY))
        later = [(key, hour + hours) for key, hour in self.DAY]
        assert imported(self.rows(later, order=order)) == (0, [summary(changed=4)])
        assert self.plan_of() == later
        withdrawn = AppointmentSlot.objects.filter(is_withdrawn=True)
        assert set(withdrawn.values_list("external_id", flat=True)) == {""}
        assert withdrawn.count() == abs(hours)
        # And back: what was left is taken up again.
        assert imported(self.rows(self.DAY)) == (0, [summary(changed=4)])
        assert self.plan_of() == self.DAY
        assert AppointmentSlot.objects.count() == 4 + abs(hours)

    def test_two_workers_change_places_in_one_run(self, imported):
        make_area()
        imported(self.rows([("P-1", 9)]) + self.rows([("P-2", 9)], "bob"))
        with clock_stands_at():
            assert imported(self.rows([("P-1", 9)], "bob") + self.rows([("P-2", 9)])) == (0, [summary(changed=2)])
        assert (self.plan_of(), self.plan_of("bob")) == ([("P-2", 9)], [("P-1", 9)])
        assert AppointmentSlot.objects.count() == 2

    def test_a_booked_slot_that_another_id_takes_up_needs_no_review(self, imported):
        make_slot(worker="anna", external_id="P-1")
        make_slot(worker="bob", external_id="P-2")
        work_order = make_booking()
        services.review(work_order=work_order, by="dispatcher")
        assert imported(P1.replace("anna", "bob") + P1.replace("P-1", "P-2")) == (0, [summary(changed=2)])
        work_order.refresh_from_db()
        assert work_order.reviewed_at

    def test_one_booked_that_moves_over_itself_stands_in_its_own_way(self, imported):
        make_slot(worker="anna", external_id="P-1")
        make_booking()
        before = everything()
        assert imported(P1.replace(":00Z", ":30Z")) == (
            1,
            [
                "line 2 is refused: anna is busy Fri 4 Dec 2026, 13:00-15:00 (Europe/London) in LEEDS.",
                summary(refused=1),
            ],
        )
        assert everything() == before

    def test_what_is_refused_stands_in_the_way_of_others(self, imported):
        """P-3 cannot go, so P-2 cannot come to its place, and P-1 not to P-2's; P-4 is free to go."""
        make_area()
        imported(self.rows(self.DAY))
        make_slot("YORK", start=START.replace(hour=20), worker="anna")
        later = [("P-1", 10), ("P-2", 11), ("P-3", 20), ("P-4", 14)]
        for order in (1, -1):
            lines = {key: number for number, (key, _) in enumerate(later[::order], 2)}
            reasons = {
                "P-1": "the same slot is there already as P-2",
                "P-2": "the same slot is there already as P-3",
                "P-3": "anna is busy Fri 4 Dec 2026, 20:00-22:00 (Europe/London) in YORK",
            }
            told = [f"line {lines[key]} is refused: {reasons[key]}." for key in sorted(reasons, key=lines.get)]
            status, said = imported(self.rows(later, order=order))
            assert (status, said[:-1]) == (1, told)
            assert self.plan_of() == [*self.DAY[:3], ("P-4", 14)]

    def test_two_rows_at_the_same_time_or_place(self, imported):
        make_area()
        rows = self.rows([("P-1", 9), ("P-2", 10)]) + P1.replace("P-1", "P-3").replace("13:00", "09:30")
        rows += self.rows([("P-4", 10)])
        assert imported(rows) == (
            1,
            [
                "line 4 is refused: anna would be at two places: see line 2.",
                "line 5 is refused: line 3 is the same slot.",
                summary(created=2, refused=2),
            ],
        )

    def test_an_id_goes_to_another_area_and_pool(self, imported):
        make_area()
        make_area("YORK")
        imported(P1)
        assert imported(P1.replace("LEEDS", "YORK").replace("anna", "")) == (0, [summary(changed=1)])
        assert AppointmentSlot.objects.get(external_id="P-1").area.code == "YORK"


class TestWhatHidesASlot:
    """The plan, staff and blackouts, each without the others."""

    def test_a_plan_does_not_open_what_staff_closed(self, imported):
        slot = make_slot(worker="anna", external_id="P-1", is_open=False, closed_reason="Snow")
        for is_open, withdrawn in (("yes", False), ("no", True), ("", True), ("yes", False)):
            imported(P1.replace("yes", is_open))
            slot.refresh_from_db()
            assert (slot.is_open, slot.closed_reason, slot.is_withdrawn) == (False, "Snow", withdrawn)

    def test_what_staff_closed_is_imported_where_the_file_says_it(self, imported):
        slot = make_slot(worker="anna", external_id="P-1")
        row = P1.strip()
        assert imported(f"{row},no,Snow\n", head=EXPORTED) == (0, [summary(changed=1)])
        slot.refresh_from_db()
        assert (slot.is_open, slot.closed_reason, slot.is_withdrawn) == (False, "Snow", False)
        assert imported(f"{row},,\n", head=EXPORTED) == (0, [summary(kept=1)])
        assert imported(f"{row},no\n", head=HEAD.replace("open", "open,staff_open")) == (0, [summary(kept=1)])
        assert imported(f"{row},yes,\n", head=EXPORTED) == (0, [summary(changed=1)])
        slot.refresh_from_db()
        assert (slot.is_open, slot.closed_reason) == (True, "")

    @pytest.mark.parametrize(
        ("cells", "reason"),
        [
            ("yes,Snow", "staff_reason says why staff closed the slot: it goes with staff_open no"),
            (",Snow", "staff_reason says why staff closed the slot: it goes with staff_open no"),
            ("maybe,", "staff_open is 'maybe', neither yes nor no"),
        ],
    )
    def test_what_staff_cannot_mean(self, imported, cells, reason):
        make_area()
        assert imported(f"{P1.strip()},{cells}\n", head=EXPORTED)[1][0] == f"line 2 is refused: {reason}."

    def test_a_blackout_stays(self, imported):
        area = make_area()
        imported(P1)
        blackouts.close_slots(area=area, start=START, end=END, reason="x", by="test")
        imported(P1.replace("yes", "no"))
        imported(P1)
        slot = AppointmentSlot.objects.get()
        assert (slot.blackout.reason, slot.is_open, slot.is_withdrawn) == ("x", True, False)

    def test_one_that_no_file_names_stays(self, imported):
        make_slot(worker="bob", external_id="P-9")
        assert imported(P1) == (0, [summary(created=1)])
        assert not AppointmentSlot.objects.get(external_id="P-9").is_withdrawn


class TestRefusedRows:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (P1.replace("P-1", ""), "external_id is missing"),
            (P1.replace("LEEDS", "HULL"), "there is no area 'HULL'"),
            (P1.replace("2026-12-04T13:00Z", "noon"), "'noon' is not a time such as 2026-12-04T13:00Z"),
            (P1.replace("2026-12-04T13:00Z", "0001-01-01T00:00Z"), "0001-01-01 00:00:00+00:00 is not in the years"),
            (P1.replace("2026-12-04T13:00Z", "20261204130000Z"), "'20261204130000Z' is not a time such as"),
            (P1.replace("2026-12-04T13:00Z", "2026-12-04+13:00"), "'2026-12-04+13:00' is not a time such as"),
            (P1.replace("2026-12-04T13:00Z", "2026-12-04"), "'2026-12-04' is not a time such as"),
            (P1.replace("15:00Z", "13:00Z"), "it does not end within a day after its start"),
            (P1.replace("04T15:00Z", "05T13:01Z"), "it does not end within a day after its start"),
            (
                P1.replace("2026-12-04T13:00Z", "2027-03-28T01:30"),
                "the clock in LEEDS shows 2027-03-28T01:30 twice or never; give the offset, as in",
            ),
            (
                P1.replace("2026-12-04T13:00Z", "2027-10-31T01:30"),
                "the clock in LEEDS shows 2027-10-31T01:30 twice or never; give the offset, as in",
            ),
            (P1.replace(",1,yes", ",0,yes"), "capacity 0 is not a whole number from 1 to 10000"),
            (P1.replace(",1,yes", ",-1,yes"), "capacity -1 is not a whole number from 1 to 10000"),
            (P1.replace(",1,yes", ",1,maybe"), "open is 'maybe', neither yes nor no"),
            (P1.replace("\n", ",x\n"), "there are more cells than columns"),
            (P1.replace("anna", "a" * 201), "worker is longer than 200 characters or holds one that cannot be"),
            (P1.replace("anna", "bob"), "bob is busy Fri 4 Dec 2026, 12:00-14:00 (Europe/London) in YORK"),
            (P1.replace("anna", "carol"), "the same slot is there already as P-9"),
        ],
    )
    def test_are_named_and_the_others_written(self, imported, row, reason):
        make_slot("YORK", start=START - HOUR, worker="bob")
        make_slot(worker="carol", external_id="P-9")
        before = AppointmentSlot.objects.count()
        status, lines = imported(row + P1.replace("P-1", "P-2").replace("anna", "dora"))
        assert status == 1
        assert lines[0].startswith(f"line 2 is refused: {reason}")
        assert lines[1:] == [summary(created=1, refused=1)]
        assert AppointmentSlot.objects.count() == before + 1

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (("T15:00Z", "T16:00Z"), "anna is busy Fri 4 Dec 2026, 13:00-15:00 (Europe/London) in LEEDS"),
            (("anna,3", "anna,1"), "2 bookings stand in this slot, and it would have 1 place"),
        ],
    )
    def test_what_would_break_a_booking(self, imported, change, reason):
        make_slot(worker="anna", external_id="P-1", capacity=3)
        for number in range(2):
            make_booking(f"WO-{number}")
        before = everything()
        status, lines = imported(P1.replace(",1,", ",3,").replace(*change))
        assert (status, lines[1]) == (1, summary(refused=1))
        assert lines[0].startswith(f"line 2 is refused: {reason}")
        assert everything() == before

    def test_a_slot_that_moves_keeps_its_bookings(self, imported):
        slot = make_slot(worker="anna", external_id="P-1")
        work_order = make_booking()
        services.review(work_order=work_order, by="dispatcher")
        assert imported(P1.replace("anna", "bob")) == (0, [summary(changed=1)])
        work_order.refresh_from_db()
        assert (work_order.slot_id, work_order.status, work_order.reviewed_at) == (slot.pk, "booked", None)
        slot.refresh_from_db()
        assert (slot.external_id, slot.is_withdrawn) == ("", True)
        assert AppointmentSlot.objects.get(external_id="P-1").worker == "bob"

    def test_strict_refuses_the_file_as_a_whole(self, imported):
        make_area()
        before = everything()
        with pytest.raises(CommandError) as refused:
            imported(P1 + P1.replace("P-1", "P-2"), "--strict")
        assert str(refused.value) == "1 row was refused, and with --strict nothing was written."
        assert everything() == before
        assert imported(P1, "--strict") == (0, [summary(created=1)])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_alike(imported, separator):
    make_area()
    assert imported((HEAD + P1).replace(",", separator), head="") == (0, [summary(created=1)])


class TestRefusedFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "slots.csv, line 1: The file is empty. It begins with external_id,area,start,end,"),
            ("external_id,area,start\n", "slots.csv, line 1: The column 'end' is missing."),
            (HEAD.replace("open", "colour"), "slots.csv, line 1: The column 'colour' is unknown."),
            (HEAD.replace("open", "area"), "slots.csv, line 1: The column 'area' stands there twice."),
            (
                HEAD.replace(",", "|"),
                "slots.csv, line 1: No column is known.\nline 1: The columns are external_id, area,",
            ),
            (HEAD + '"P-1\n', "slots.csv, line 2: This is no CSV: unexpected end of data."),
            (HEAD.replace(",", ";") + P1, "slots.csv, line 2: The row is not parted by semicolons, as the head is."),
        ],
    )
    def test_one_line_and_nothing_is_written(self, imported, text, message):
        with pytest.raises(CommandError) as refused:
            imported(text, head="")
        assert str(refused.value).startswith(message)
        assert not AppointmentSlot.objects.exists()
        assert not HistoryEntry.objects.exists()

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ("--area=HULL", "There is no area 'HULL'. Check the name."),
            ("--from=soon", "--from soon is not a date such as 2026-12-01."),
            ("--from=20261201", "--from 20261201 is not a date such as 2026-12-01."),
            ("--until=9999-12-31", "--until 9999-12-31 is not in the years 2000 to 2199."),
        ],
    )
    def test_of_the_export(self, option, message):
        with pytest.raises(CommandError) as refused:
            export(option)
        assert str(refused.value) == message

    def test_the_shell(self, empty_database, tmp_path):
        done = manage(empty_database, "import_slots", str(tmp_path / "gone.csv"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("gone.csv cannot be read: No such file or directory.\n")
        assert manage(empty_database, "export_slots").stdout == EXPORTED
