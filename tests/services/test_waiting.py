"""The rules hold when the place is taken, not when the request came: a lock in between may last seconds."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings import offers, services
from bookings.db import sql
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
from bookings.services import changes
from tests.support.helpers import END, START, booking, clock_stands_at, make_booking, make_slot, post

HOUR = timedelta(hours=1)


def book_while_locked(service, order, body, until):
    """The answer to a booking that waits for a lock which is held until that moment."""
    answers = []
    with service.locked():
        waiting = threading.Thread(target=lambda: answers.append(service.book(order, body)))
        waiting.start()
        while timezone.now() <= until:
            threading.Event().wait(0.05)  # the only way to wait for the real clock, which two processes share
    waiting.join()
    return answers[0]


@pytest.mark.parametrize("policy", ["single", "move"])
@pytest.mark.parametrize("app", ["bookjob_site.wsgi", "tests.support.apps.too_late"])
def test_a_slot_that_begins_during_the_wait_is_past(start_service, app, policy):
    """tests.support.apps.too_late shows that without the second look at the clock the place is taken."""
    service = start_service(app, BOOKJOB_NOTICE_MINUTES="0", BOOKJOB_FOLLOWUP_POLICY=policy)
    if policy == "move":
        service.book("WO-1", service.make_slot(capacity=1))
    for ahead in (3, 6, 12, 24, 48):  # seconds in which the booking has to see the slot, on a machine that is busy too
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=ahead)
        # The database counts from when the statement came to it: what passed on the way there is not seen.
        until = start + timedelta(seconds=2)
        answer = book_while_locked(service, "WO-1", service.make_slot(capacity=1, start=start), until=until)
        if app == "bookjob_site.wsgi" or answer.status == 200:
            break
    ((taken,),) = service.database.execute(
        "SELECT booked FROM bookings_appointmentslot WHERE start = %s", service.instant(start)
    )
    if app == "tests.support.apps.too_late":
        assert (answer.status, taken) == (200, 1)
        return
    params = answer.json()["detail"]["params"]
    assert (answer.status, params["error"], params["reason"], taken) == (409, "slot_unavailable", "past", 0)
    assert service.manage("verify_bookings").stdout == ""


class TestOneProcess:
    """The lock is had when the transaction has begun (SQLite), or while the statement runs (PostgreSQL)."""

    @pytest.fixture
    def clock(self, monkeypatch):
        """Two hours pass while a transaction begins."""
        with clock_stands_at(START - 3 * HOUR) as clock:
            begin = transaction.atomic

            @contextlib.contextmanager
            def begin_slowly():
                with begin():
                    clock.now = lambda: START - HOUR
                    yield

            slowly = SimpleNamespace(atomic=begin_slowly)
            monkeypatch.setattr(changes, "transaction", slowly)
            monkeypatch.setattr(sql, "alone", begin_slowly)
            yield clock

    @pytest.mark.django_db
    def test_a_booking(self, clock):
        make_slot()
        params = post("WO-1", booking()).json()["detail"]["params"]
        assert (params["error"], params["reason"]) == ("slot_unavailable", "notice")
        assert not WorkOrder.objects.exists()

    @pytest.mark.django_db
    def test_a_move_by_staff(self, clock):
        target = make_slot()
        make_slot(start=START + 9 * HOUR)
        work_order = make_booking(body=booking(START + 9 * HOUR, END + 9 * HOUR))
        clock.now = lambda: START - 3 * HOUR
        with pytest.raises(services.BookingError, match="begins too soon"):
            services.move(work_order=work_order, slot=target, by="dispatcher")
        assert WorkOrder.objects.get().slot.start == START + 9 * HOUR
        assert AppointmentSlot.objects.get(pk=target.pk).booked == 0

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the lock before the statement")
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("guarded", [True, False])
    def test_a_move_by_staff_that_waits_for_the_slot(self, monkeypatch, guarded):
        """The holder of the slot left it as it was: PostgreSQL then does not look at the rules a second time."""
        if not guarded:
            monkeypatch.setattr(offers, "in_time", lambda slot, now: ("1", []))
        target = make_slot()
        make_slot(start=START + 9 * HOUR)
        with clock_stands_at():
            work_order = make_booking(body=booking(START + 9 * HOUR, END + 9 * HOUR))
        wait = timedelta(milliseconds=500)
        with clock_stands_at(START - timedelta(minutes=120) - wait), another_connection() as other:
            other.execute("SELECT 1 FROM bookings_appointmentslot WHERE id = %s FOR UPDATE", [target.pk])
            ended = threading.Thread(target=let_go_once_one_waits, args=[other, wait])
            ended.start()
            move = contextlib.nullcontext() if not guarded else pytest.raises(services.BookingError)
            with move:
                services.move(work_order=work_order, slot=target, by="dispatcher")
            ended.join()
        assert AppointmentSlot.objects.get(pk=target.pk).booked == (0 if guarded else 1)


def another_connection():
    return psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor})


def let_go_once_one_waits(holder, longer_than):
    waits = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND clock_timestamp() - query_start > %s"
    )
    with another_connection() as watcher:
        watcher.autocommit = True
        while not watcher.execute(waits, [longer_than]).fetchone()[0]:
            pass
    holder.rollback()


ZONES = st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"])


@settings(max_examples=200, deadline=None)
@given(
    zone=ZONES,
    days=st.integers(0, 3),
    minute=st.integers(0, 1439),
    start=st.datetimes(datetime(2026, 3, 1), datetime(2026, 12, 1)),
    ahead=st.timedeltas(timedelta(minutes=-5), timedelta(days=6)),
    edge=st.sampled_from([None, timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1)]),
)
def test_the_last_moment_is_that_of_the_rules(zone, days, minute, start, ahead, edge):
    """In Python what the conditions say in SQL: before it all rules of time hold, and from it on one does not."""
    start = start.replace(tzinfo=UTC)
    at = (datetime.min + timedelta(minutes=minute)).time()
    area = ServiceArea(time_zone=zone, cutoff_days=days, cutoff_time=at)
    last = offers.last_moment(AppointmentSlot(start=start), area)
    now = start - ahead if edge is None else last + edge
    rules = offers.rules(now, area)
    # The conditions compare `start` with one parameter each.
    (past,), (notice,), (opens,) = (rules[word][1] for word in ("past", "notice", "cutoff"))
    start = sql.as_parameter(start)
    holds = start > past and start > notice and start >= opens
    assert holds == (now < last)
