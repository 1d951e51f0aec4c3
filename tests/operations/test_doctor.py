"""What an expert would find."""

import io
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connection

from bookings import clock
from bookings.models import Counter, ServiceArea
from bookings.operations import doctor
from bookings.services import feed
from tests.conftest import manage
from tests.services.test_purge import book_in_june, purge
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking, make_slot, tomorrow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _notes_of_their_own(settings, tmp_path):
    settings.VAR_DIR = tmp_path


def ask(*flags: str) -> tuple[int, list[str]]:
    output, status = io.StringIO(), 0
    try:
        call_command("doctor", *flags, stdout=output)
    except SystemExit as end:
        status = int(str(end))
    return status, output.getvalue().splitlines()


def test_silent_when_all_is_well():
    make_slot()
    with clock_stands_at():
        make_booking()
    assert ask() == (0, [])
    assert ask("--verbosity=2") == (0, [f"Time zones: IANA {clock.TIME_ZONES_VERSION}."])


def test_the_shell(empty_database):
    done = manage(empty_database, "doctor")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_zone_that_does_not_exist_is_urgent_and_first():
    make_area("YORK").postcode_prefixes.create(prefix="YO")
    make_area("LEEDS", time_zone="Europe/Yorkshire")
    assert ask() == (
        2,
        [
            "urgent: Area LEEDS is in the time zone 'Europe/Yorkshire', which does not exist.",
            "Area LEEDS has no postcodes, though others do: it is found by its code alone.",
        ],
    )


def test_a_zone_that_changed_its_rule():
    slot = make_slot(start=tomorrow(), utc_offset=-600)
    assert ask() == (1, ["Slots are at another hour than was promised. Run check_time_zones --apply."])
    number = make_booking(body=booking(slot.start, slot.end)).order_num
    status, (line,) = ask()
    assert status == 2
    assert line.startswith(f"urgent: {number}: the zone of LEEDS changed its rule;")


@pytest.mark.parametrize(("days", "is_old"), [(0, False), (366, False), (368, True)])
def test_zones_older_than_a_year(days, is_old):
    now = datetime(2026, 12, 31, tzinfo=UTC) + timedelta(days=days)
    with mock.patch.object(doctor.metadata, "version", return_value="2026.6"):
        assert bool(list(doctor.old_zones(now))) == is_old


def test_a_missing_trigger_is_urgent():
    assert not list(doctor.missing_triggers(datetime.now(UTC)))
    with connection.cursor() as cursor:
        on = " ON bookings_servicearea" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER area_adds_its_code{on}")
    status, (line,) = ask()
    assert (status, line[:48]) == (2, "urgent: The trigger area_adds_its_code is missin")


def test_types_while_no_code_means_not_available(settings):
    slot = make_slot(capacity=9)
    with clock_stands_at():
        for number, kind in enumerate(["1001", 1002, ""]):
            wish = {"Type": kind, "Period": {"Start": slot.start.isoformat(), "End": slot.end.isoformat()}}
            make_booking(f"WO-{number}", booking(TimeConstraints=[wish]))
    settings.BOOKJOB_OFFER_TYPE = "1001"
    status, (line,) = ask()
    assert status == 1
    assert line.startswith("BOOKJOB_UNAVAILABLE_TYPES is empty, but times came with the types 1002. ")
    settings.BOOKJOB_UNAVAILABLE_TYPES = ["1002"]
    assert ask() == (0, [])


def test_areas_without_postcodes_only_where_others_have_some(settings):
    make_area("LEEDS")
    make_area("YORK")
    assert ask() == (0, [])
    ServiceArea.objects.get(code="YORK").postcode_prefixes.create(prefix="YO")
    assert ask() == (1, ["Area LEEDS has no postcodes, though others do: it is found by its code alone."])
    settings.BOOKJOB_DEFAULT_AREA = " leeds "
    assert ask() == (0, [])


class TestPurgeAfterARestore:
    @pytest.fixture(autouse=True)
    def _on(self, settings):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True

    def test_never_run(self, settings):
        book_in_june()
        assert ask() == (1, ["BOOKJOB_PURGE_PERSONAL_DATA is on, but purge was never run. Run it from a timer."])
        settings.BOOKJOB_PURGE_PERSONAL_DATA = False
        assert ask() == (0, [])

    BACK = [
        "urgent: Personal data from before 2026-07-01 was purged and is back: a backup was restored. Run purge --before"
        " 2026-07-01."
    ]

    def test_a_backup_on_another_machine(self):
        """No note is there, but new_epoch was run after the restore."""
        purge()
        feed.begin_epoch()
        assert ask() == (
            2,
            [
                "urgent: The feed began a new epoch after the last purge, as after a restore: what was purged meanwhile"
                " may be back. Run purge --before 2026-07-01, or the day of the last purge if that is later."
            ],
        )
        purge()
        assert ask() == (0, [])

    def test_a_backup_that_knows_of_the_purge(self):
        purge()
        assert ask() == (0, [])
        book_in_june()  # what came back
        assert ask() == (2, self.BACK)
        purge()
        assert ask() == (0, [])

    def test_a_backup_from_before_it(self):
        book_in_june()
        purge()
        Counter.objects.filter(name="purged_until").delete()
        assert ask() == (2, self.BACK)
        purge()
        assert ask() == (0, [])
