import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from bookings import blackouts, services
from bookings.models import AppointmentSlot, HistoryEntry
from tests.conftest import manage
from tests.helpers import END, START, clock_stands_at, make_area, make_booking, make_slot
from tests.test_seed_slots import everything

pytestmark = pytest.mark.django_db

HEAD = "external_id,area,start,end,order_type,worker,capacity,open\n"
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
    return f"{created} slots created, {changed} changed, {kept} kept, {refused} rows refused."


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
        fields = ("external_id", "start", "end", "order_type", "worker", "capacity", "is_open")
        assert list(AppointmentSlot.objects.order_by("external_id").values_list(*fields)) == [
            ("P-1", START, END, "", "anna", 1, True),
            ("P-2", START, END, "A", "", 7, False),
        ]

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
        assert (new.external_id, new.area.code, new.start, new.worker, new.capacity, new.is_open) == (
            "P-1",
            "YORK",
            START + 24 * HOUR,
            "bob",
            3,
            False,
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
        make_slot("TOKYO", external_id="P-2", is_open=False)
        text = export()
        assert text == HEAD + (
            'P-1,LEEDS,2026-12-04T13:00:00Z,2026-12-04T15:00:00Z,"A, B",anna,3,yes\n'
            "P-2,TOKYO,2026-12-04T13:00:00Z,2026-12-04T15:00:00Z,,,1,no\n"
        )
        assert imported(text, head="") == (0, [summary(kept=2)])
        assert export("--area=TOKYO").count("\n") == 2
        assert export("--from=2026-12-05").count("\n") == 1
        assert export("--from=2026-12-04", "--until=2026-12-04").count("\n") == 3

    def test_over_several_batches(self, imported, monkeypatch):
        monkeypatch.setattr("bookings.slot_files.BATCH", 2)
        make_area()
        rows = "".join(P1.replace("P-1", f"P-{n}").replace("12-04T", f"12-{n + 10}T") for n in range(5))
        assert imported(rows) == (0, [summary(created=5)])
        assert imported(rows + rows[: len(P1)])[1] == [
            "line 7 is refused: line 2 has the same external_id.",
            summary(kept=5, refused=1),
        ]


class TestRefusedRows:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (P1.replace("P-1", ""), "external_id is missing"),
            (P1.replace("LEEDS", "HULL"), "there is no area 'HULL'"),
            (P1.replace("2026-12-04T13:00Z", "noon"), "'noon' is not a time such as 2026-12-04T13:00Z"),
            (P1.replace("2026-12-04T13:00Z", "0001-01-01T00:00Z"), "0001-01-01T00:00Z is not between the years"),
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
            (("anna,3", "anna,1"), "2 bookings stand in this slot, and it would have 1 places"),
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
        assert str(refused.value) == "1 rows were refused, and with --strict nothing was written."
        assert everything() == before
        assert imported(P1, "--strict") == (0, [summary(created=1)])


class TestRefusedFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "slots.csv, line 1: the columns are external_id, area, start, end,"),
            ("external_id,area,start\n", "slots.csv, line 1: the columns are external_id, area, start, end,"),
            (HEAD.replace("open", "colour"), "slots.csv, line 1: the columns are external_id, area, start, end,"),
            (HEAD.replace("open", "area"), "slots.csv, line 1: the columns are external_id, area, start, end,"),
            (HEAD + '"P-1\n', "slots.csv, line 2: this is no CSV: unexpected end of data."),
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
            ("--area=HULL", "There is no area 'HULL'."),
            ("--from=soon", "--from soon is not a date such as 2026-12-01."),
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
        assert manage(empty_database, "export_slots").stdout == HEAD
