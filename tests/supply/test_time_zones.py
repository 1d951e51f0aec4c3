"""One source of time zones; and what happens where a zone changes its rule."""

import io
import subprocess
import sys
import zoneinfo
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bookings import clock
from bookings.models import AppointmentSlot, HistoryEntry, ServiceArea
from bookings.supply import turns
from tests.support import desk
from tests.support.environment import ROOT
from tests.support.helpers import END, START, booking, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NO_ZONES = ["localtime", "Factory", "posixrules", "europe/london", "Europe/Yorkshire", "", "../../etc/passwd", "UTC\n"]


@pytest.mark.slow  # starts processes
class TestOneSource:
    @pytest.mark.parametrize("module", ["bookjob_site.settings", "bookjob_site.wsgi", "bookjob_site.worker.threads"])
    def test_no_process_reads_the_machines_zones(self, module):
        code = f"import {module}, zoneinfo; print(zoneinfo.TZPATH)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == "()", done.stderr

    def test_commands_read_the_pinned_ones(self):
        code = "import zoneinfo; print(zoneinfo.TZPATH)"
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == "()", done.stderr

    def test_the_tests_too(self):
        assert zoneinfo.TZPATH == ()

    def test_the_database_is_never_asked_for_zones(self):
        make_slot()
        with clock_stands_at():
            make_booking()
        supervisor = desk.person("supervisor")
        with CaptureQueriesContext(connection) as queries:
            for page in (
                "",
                "bookings/workorder/?day=2026-12-04",
                "bookings/workorder/?arrived=today&view=all",
                "bookings/appointmentslot/?day=2026-12-04",
                "bookings/refusal/",
                "bookings/blackout/",
                "bookings/servicearea/",
            ):
                supervisor.get(f"/admin/{page}", follow=True)
        asked = [query["sql"] for query in queries]
        assert len(asked) > 20
        zoned = ("AT TIME ZONE", "DJANGO_DATE", "DJANGO_DATETIME", "Europe/London'")
        assert [text for text in asked if any(word in text.upper() for word in zoned)] == []


class TestWhatIsAZone:
    @pytest.mark.parametrize("name", NO_ZONES)
    def test_no_place_has_its_clock(self, name):
        assert "is not an IANA time zone" in clock.time_zone_problem(name)
        with pytest.raises(ValidationError):
            ServiceArea(code="X", name="x", time_zone=name).full_clean()
        options = ["--area=X", "--name=x", f"--time-zone={name}", "--from=2027-01-01", "--days=1"]
        with pytest.raises(CommandError):
            call_command("seed_slots", *options, "--hours=08:00-09:00", "--length=60")
        assert not ServiceArea.objects.exists()

    def test_each_of_iana_is_one(self):
        assert {clock.time_zone_problem(name) for name in clock.time_zones()} == {""}
        assert len(clock.time_zones()) > 400

    @pytest.mark.parametrize("name", ["localtime", "Factory", "Europe/New York", "", "Europe/London;"])
    def test_the_database_looks_at_the_form(self, name):
        with pytest.raises(IntegrityError), transaction.atomic():
            ServiceArea.objects.create(code="X", name="x", time_zone=name)

    def test_the_form_fits_all(self):
        ServiceArea.objects.bulk_create(
            ServiceArea(code=name, name=name, time_zone=name) for name in sorted(clock.time_zones())
        )


def check(*flags: str) -> tuple[int, list[str]]:
    output, status = io.StringIO(), 0
    try:
        call_command("check_time_zones", *flags, stdout=output)
    except SystemExit as end:
        status = int(str(end))
    return status, output.getvalue().splitlines()


class TestAZoneThatChangedItsRule:
    """As if London's winter time had been an hour ahead when these slots were made: 14:00 was promised."""

    @pytest.fixture(autouse=True)
    def _clock(self):
        with clock_stands_at():
            yield

    def slot(self, start=START, utc_offset=60, **fields):
        return make_slot(start=start, utc_offset=utc_offset, **fields)

    def test_nothing_to_say(self):
        make_slot()
        assert check() == (0, [])
        assert check("--apply") == (0, ["0 slots moved to the promised time."])

    def test_what_would_change(self):
        self.slot()
        booked = self.slot(start=START + 9 * HOUR)
        body = booking(booked.start, booked.end)
        number = make_booking(body=body).order_num
        before = list(AppointmentSlot.objects.order_by("pk").values())
        assert check() == (
            1,
            [
                "LEEDS, Fri 4 Dec 2026, 13:00-15:00 (Europe/London): pool, promised 14:00, not booked: --apply moves"
                " it.",
                "LEEDS, Fri 4 Dec 2026, 22:00-Sat 5 Dec 00:00 (Europe/London): pool, promised 23:00, booked by"
                f" {number}: --keep-clock-time {number} or --keep-instant {number}.",
            ],
        )
        assert list(AppointmentSlot.objects.order_by("pk").values()) == before
        output = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("verify_bookings", stdout=output)
        assert output.getvalue().splitlines()[0] == (
            f"Slot {before[0]['id']} was promised at 60 minutes from UTC, but Europe/London has 0 then."
            " See check_time_zones."
        )

    def test_free_slots_move(self):
        """A whole day of a worker, each into the place of the next one, under the same external ids."""
        for number in range(3):
            self.slot(START + number * HOUR, end=START + (number + 1) * HOUR, worker="ann", external_id=f"x{number}")
        assert check("--apply") == (0, ["3 slots moved to the promised time."])
        shown = AppointmentSlot.objects.filter(is_withdrawn=False).order_by("start")
        assert list(shown.values_list("start", "external_id", "utc_offset", "worker")) == [
            (START + (number + 1) * HOUR, f"x{number}", 0, "ann") for number in range(3)
        ]
        assert AppointmentSlot.objects.get(is_withdrawn=True).external_id == ""
        assert check("--apply") == (0, ["0 slots moved to the promised time."])
        call_command("verify_bookings")

    @pytest.mark.parametrize("size", [1, 4, 100])
    @pytest.mark.parametrize("worker", ["ann", ""])
    @pytest.mark.parametrize("offset", [-60, 60])
    def test_in_short_transactions(self, monkeypatch, worker, offset, size):
        """Slots all round the clock, forward or back: each day into the place of the next one."""
        monkeypatch.setitem(turns.BATCH, connection.vendor, size)
        for number in range(72):
            start = START + number * HOUR
            self.slot(start, end=start + HOUR, worker=worker, external_id=f"x{number}", utc_offset=offset)
        written, write = [], turns.write
        monkeypatch.setattr(turns, "write", lambda step: written.append(write(step)) or written[-1])
        assert check("--apply") == (0, ["72 slots moved to the promised time."])
        # A day is never parted; the first and the last one are no whole days on the area's clock.
        assert len(written) == 1 if size == 100 else len(written) == 4
        assert max(written) <= max(size, 24)
        shown = AppointmentSlot.objects.filter(is_withdrawn=False).order_by("start")
        assert list(shown.values_list("start", "external_id", "utc_offset")) == [
            (START + number * HOUR + timedelta(minutes=offset), f"x{number}", 0) for number in range(72)
        ]
        assert AppointmentSlot.objects.count() == 73
        call_command("verify_bookings")

    def test_a_booking_in_the_way_keeps_that_day_of_the_worker(self):
        first = self.slot(worker="ann")
        booked = self.slot(START + 2 * HOUR, worker="ann")
        number = make_booking(body=booking(booked.start, booked.end)).order_num
        self.slot(START + 24 * HOUR, worker="ann")
        status, lines = check("--apply")
        assert (status, lines[0], len(lines)) == (1, "1 slot moved to the promised time.", 3)
        assert not AppointmentSlot.objects.get(pk=first.pk).is_withdrawn
        status, lines = check("--keep-clock-time", number, "--apply")
        assert (status, lines) == (0, ["1 slot moved to the promised time."])
        assert booked.work_orders.count() == 0
        moved = AppointmentSlot.objects.get(work_orders__order_num=number)
        assert (moved.start, moved.booked, moved.utc_offset) == (booked.start + HOUR, 1, 0)
        call_command("verify_bookings")

    def test_a_booking_keeps_its_instant(self):
        slot = self.slot()
        work_order = make_booking()
        assert check("--keep-instant", work_order.order_num) == (0, [])
        slot.refresh_from_db()
        assert (slot.utc_offset, slot.booked, slot.start) == (0, 1, START)
        assert HistoryEntry.objects.get(slot=slot).details == {"before": {"utc_offset": 60}}

    def test_refusals(self):
        with pytest.raises(CommandError, match=r"There is no active booking FU-99\."):
            check("--keep-instant", "FU-99")
        slot = self.slot(worker="ann")
        make_slot(start=END, worker="ann")
        work_order = make_booking()
        with pytest.raises(CommandError, match=r"ann is busy Fri 4 Dec 2026, .* in LEEDS\.$"):
            check("--keep-clock-time", work_order.order_num)
        slot.refresh_from_db()
        assert (slot.booked, AppointmentSlot.objects.count()) == (1, 2)


class TestWhatVerifyBookingsSees:
    def faults(self) -> list[str]:
        output = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("verify_bookings", stdout=output)
        return output.getvalue().splitlines()

    def test_a_worker_at_two_places(self):
        make_slot("LEEDS", worker="ann")
        second = make_slot("YORK", start=START + HOUR, worker="ann")
        make_slot("LEEDS", start=START + 3 * HOUR, worker="ann")
        make_slot("YORK", start=START + HOUR, worker="bob")
        make_slot("YORK", start=START, worker="ann", is_withdrawn=True)
        assert self.faults() == [f"ann is at two places: slot {second.pk} begins before an earlier one ends."]

    def test_blackouts(self):
        area = make_area()
        made = {"reason": "x", "closed_at": START}
        lifted = area.blackouts.create(start=START, end=END, opened_at=START, **made)
        elsewhere = make_area("YORK").blackouts.create(start=START, end=END, **made)
        others = area.blackouts.create(start=START, end=END, worker="bob", **made)
        later = area.blackouts.create(start=END, end=END + HOUR, **made)
        right = area.blackouts.create(start=START, end=END, **made)
        slots = [
            make_slot(worker=f"w{number}", blackout=blackout)
            for number, blackout in enumerate([lifted, elsewhere, others, later, right])
        ]
        other = "which is for another area, worker or time."
        assert sorted(self.faults()) == sorted(
            [
                f"Slot {slots[0].pk} is closed by the blackout {lifted.pk}, which was opened.",
                *(
                    f"Slot {slot.pk} is closed by the blackout {blackout.pk}, {other}"
                    for slot, blackout in zip(slots[1:4], [elsewhere, others, later], strict=True)
                ),
            ]
        )

    def test_a_zone_that_does_not_exist(self):
        make_area(time_zone="Europe/Yorkshire")
        AppointmentSlot.objects.create(area=make_area(), start=START, end=END, utc_offset=0)
        assert self.faults() == ["Area LEEDS is in the time zone 'Europe/Yorkshire', which does not exist."]

    def test_the_board_against_the_list(self):
        make_slot()
        make_area("YORK")
        with clock_stands_at():
            work_order = make_booking()
        work_order.area = make_area("YORK")
        work_order.save()
        assert "Area LEEDS has 1 bookings on the board, but 0 in the list." in self.faults()


def test_a_slot_is_a_day_long_at_most():
    make_slot(end=START + timedelta(days=1))
    for end in (START + timedelta(days=1, seconds=1), START + timedelta(days=400)):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_slot(worker="a", end=end)
        with pytest.raises(ValidationError, match="24 hours"):
            AppointmentSlot(area=make_area(), start=START, end=end, worker="a").full_clean()
    day = AppointmentSlot(area=make_area(), start=START, end=START + timedelta(days=1), worker="b")
    day.full_clean()
