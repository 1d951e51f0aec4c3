"""What an expert would find."""

import io
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.test import override_settings
from psycopg.errors import InsufficientPrivilege

from bookings import clock
from bookings.models import Counter, ServiceArea, WorkOrder
from bookings.operations import doctor
from bookings.operations.doctor import data, machine, server
from bookings.services import feed, proof
from tests.admin.test_delivery import connect
from tests.conftest import manage
from tests.services.test_purge import book_in_june, purge
from tests.support.helpers import booking, make_area, make_booking, make_slot, tomorrow

pytestmark = pytest.mark.django_db
SWITCHED_OFF = server.SWITCHED_OFF  # the query as the code has it


@pytest.fixture(autouse=True)
def sound_installation(db, settings, tmp_path, monkeypatch):
    """In which nothing is found: the tests' own is served to test clients, on a PostgreSQL for tests."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(machine, "LITTLE_ROOM", 0)
    # The tests' own PostgreSQL has fsync = off, and other sessions of the tests.
    monkeypatch.setattr(server, "SWITCHED_OFF", server.SWITCHED_OFF.replace("'fsync', 'full_page_writes', ", ""))
    monkeypatch.setattr(server, "CONNECTIONS_USED", 1.0)
    for check in proof.Check:
        proof.remember(check, proof.begin(), is_well=True)


def ask(*flags: str) -> tuple[int, list[str]]:
    output, status = io.StringIO(), 0
    hosts = [host for host in settings.ALLOWED_HOSTS if host != "testserver"]  # which Django's test client calls
    with override_settings(ALLOWED_HOSTS=hosts):
        try:
            call_command("doctor", *flags, stdout=output)
        except SystemExit as end:
            status = int(str(end))
    return status, output.getvalue().splitlines()


@pytest.fixture
def far_slot():
    """Slots end in less than a week otherwise."""
    return make_slot(start=tomorrow() + timedelta(days=14))


def test_silent_when_all_is_well(far_slot):
    make_booking(body=booking(far_slot.start, far_slot.end))
    assert ask() == (0, [])
    assert ask("--verbosity=2") == (0, [f"Time zones: IANA {clock.TIME_ZONES_VERSION}."])


def test_the_shell(empty_database):
    done = manage(empty_database, "doctor", BOOKJOB_JWT_KEYS="")
    found = [line for line in done.stdout.splitlines() if "PostgreSQL has" not in line and "https" not in line]
    assert (done.returncode, found, done.stderr) == (
        2, ["urgent: BOOKJOB_JWT_KEYS is empty: no token is accepted. Set the key of ServiceMobility there."], "",
    )  # fmt: skip


def test_what_may_not_be_looked_at_ends_no_other_check(monkeypatch):
    def a_view(now):
        raise ProgrammingError("permission denied for view x\nLINE 1: SELECT") from InsufficientPrivilege()
        yield

    monkeypatch.setattr(doctor, "CHECKS", [a_view, *data.CHECKS])
    assert ask() == (1, ["A view could not be looked at: permission denied for view x"])


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
    slot = make_slot(start=tomorrow() + timedelta(days=7), utc_offset=-600)
    assert ask() == (1, ["Slots are at another hour than was promised. Run check_time_zones --apply."])
    number = make_booking(body=booking(slot.start, slot.end)).order_num
    status, (line,) = ask()
    assert status == 2
    assert line.startswith(f"urgent: {number}: the zone of LEEDS changed its rule;")


@pytest.mark.parametrize(("days", "is_old"), [(0, False), (366, False), (368, True)])
def test_zones_older_than_a_year(days, is_old):
    now = datetime(2026, 12, 31, tzinfo=UTC) + timedelta(days=days)
    with mock.patch.object(data.metadata, "version", return_value="2026.6"):
        assert bool(list(data.old_zones(now))) == is_old


def test_a_missing_trigger_is_urgent():
    assert not list(data.missing_triggers(datetime.now(UTC)))
    with connection.cursor() as cursor:
        on = " ON bookings_servicearea" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER area_adds_its_code{on}")
    status, (line,) = ask()
    assert (status, line[:48]) == (2, "urgent: The trigger area_adds_its_code is missin")


class TestPromises:
    def test_one_that_was_never_recounted(self, far_slot):
        Counter.objects.filter(name__startswith="verify_bookings").delete()
        assert ask() == (0, [])  # there is nothing to recount
        make_booking(body=booking(far_slot.start, far_slot.end))
        assert ask() == (1, ["verify_bookings was never run. Run it from a timer (docs/operations.md)."])

    def test_one_that_was_found_broken(self, far_slot):
        slot = make_slot(start=tomorrow() + timedelta(days=20))
        with connection.cursor() as cursor:
            cursor.execute("UPDATE bookings_appointmentslot SET booked = 1 WHERE id = %s", [slot.pk])
        with pytest.raises(SystemExit):
            call_command("verify_bookings", stdout=io.StringIO())
        status, (line,) = ask()
        assert status == 2
        assert line.startswith("urgent: verify_bookings found something on ")

    @pytest.mark.parametrize(("hours", "status"), [(24, 0), (26, 1)])
    def test_a_timer_that_does_not_run(self, far_slot, hours, status):
        make_booking(body=booking(far_slot.start, far_slot.end))
        long_ago = proof.Begun(clock.now() - timedelta(hours=hours), 0)
        proof.remember(proof.Check.BOOKINGS, long_ago, is_well=True)
        said = f"verify_bookings ran last on {long_ago.at:%Y-%m-%d %H:%M} UTC. Does its timer run?"
        assert ask() == (status, [said] if status else [])

    def test_delivery_is_asked_for_where_there_is_a_receiver(self):
        Counter.objects.filter(name__startswith="verify_delivery").delete()
        assert ask() == (0, [])
        connect()
        assert "verify_delivery was never run. Run it from a timer (docs/operations.md)." in ask()[1]


@pytest.mark.parametrize(("seconds", "is_found"), [(30, False), (90, True)])
def test_an_order_from_the_future(far_slot, seconds, is_found):
    number = make_booking(body=booking(far_slot.start, far_slot.end)).order_num
    WorkOrder.objects.update(created_at=clock.now() + timedelta(seconds=seconds))
    status, lines = ask()
    assert status == (2 if is_found else 0)
    assert [line[: len(number) + 23] for line in lines] == [f"urgent: {number} was booked at "] * is_found


def test_types_while_no_code_means_not_available(settings):
    slot = make_slot(start=tomorrow() + timedelta(days=14), capacity=9)
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
