"""Files of slots beside callers: what was promised is what is booked, and no caller is turned away."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.db import sql
from bookings.models import AppointmentSlot
from bookings.supply import turns
from bookings.supply.from_systems import import_plans, slot_imports
from tests.conftest import SERVER
from tests.operations.test_upgrades import Callers
from tests.services.test_race_for_places import drop_guards
from tests.supply.test_import_slots import HEAD, HOUR, P1, imported, summary  # noqa: F401  a fixture
from tests.support.helpers import START, at_once, booking, clock_stands_at, make_area, make_booking, make_slot, tomorrow

SLOTS, LENGTH = 12, timedelta(hours=1)


def begins(number: int, shift: int) -> datetime:
    """Slots of one pool, three hours apart, which the file moves by an hour to and fro."""
    return tomorrow() + timedelta(hours=3 * number + shift)


def write_file(path, shift: int):
    rows = [
        f"P-{n},LEEDS,{begins(n, shift).isoformat()},{(begins(n, shift) + LENGTH).isoformat()},,,1,yes\n"
        for n in range(SLOTS)
    ]
    path.write_text(HEAD + "".join(rows))
    return path


@contextmanager
def meanwhile(step):
    """Do a step again and again until the block ends; a fault in it is a fault of the test."""
    over, faults = threading.Event(), []

    def run():
        try:
            turn = 0
            while not over.is_set():
                step(turn % 2)
                turn += 1
        except Exception as fault:
            faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)
    assert not faults


def book_everything(service, is_enough) -> dict[str, datetime]:
    """Callers who book each slot at both of its times, thrice and until it is enough; by order, its period."""
    promised: dict[str, datetime] = {}

    def book(number: int, shift: int, attempt: int) -> None:
        start, order = begins(number, shift), f"WO-{number}-{shift}-{attempt}"
        answer = service.book(order, booking(start, start + LENGTH))
        assert answer.status in (200, 404, 409), answer
        if answer.status == 200:
            promised[order] = start

    attempt = 0
    while attempt < 3 or not is_enough(promised):
        assert attempt < 100, "it is never enough"
        at_once([lambda n=n, s=s, a=attempt: book(n, s, a) for n in range(SLOTS) for s in (0, 1)])
        attempt += 1
    return promised


def moved_bookings(service, promised) -> int:
    """How many acknowledged bookings stand in another period than was promised, or nowhere."""
    rows = dict(
        service.database.execute(
            "SELECT w.original_order, s.start FROM bookings_workorder w"
            " JOIN bookings_appointmentslot s ON s.id = w.slot_id WHERE w.status = 'booked'"
        )
    )
    stands = {
        order: (start if isinstance(start, datetime) else datetime.fromisoformat(start)).replace(tzinfo=UTC)
        for order, start in rows.items()
    }
    return sum(stands.get(order) != start for order, start in promised.items())


def test_every_acknowledged_booking_stands_in_its_promised_period(service, tmp_path):
    service.make_slot(1, start=begins(0, 0) - timedelta(days=1))  # makes the area
    files = [write_file(tmp_path / f"{shift}.csv", shift) for shift in (0, 1)]

    def shift(number: int) -> None:
        done = service.manage("import_slots", str(files[number]))
        assert (done.returncode, done.stderr) == (0, "") or "is refused" in done.stdout, done.stderr
        imports.append(number)

    imports = []
    shift(0)
    with meanwhile(shift):
        promised = book_everything(service, lambda promised: len(imports) >= 3)
    assert promised
    assert moved_bookings(service, promised) == 0
    verified = service.manage("verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")


def test_the_test_above_would_notice_a_missing_guard(start_service, tmp_path):
    """Without the trigger a slot can move under its readers; bookings of tests.support.apps.unguarded are slow."""
    service = start_service("tests.support.apps.unguarded", WEB_CONCURRENCY="1")
    drop_guards(service.database)
    on_table = "" if service.database.url.startswith("sqlite") else " ON bookings_appointmentslot"
    service.database.execute(f"DROP TRIGGER slot_stays_in_place{on_table}")
    service.make_slot(1, start=begins(0, 0) - timedelta(days=1))
    assert service.manage("import_slots", str(write_file(tmp_path / "0.csv", 0))).returncode == 0

    def shift(number: int) -> None:
        for n in range(SLOTS):
            start = begins(n, 1 - number)
            service.database.execute(
                'UPDATE bookings_appointmentslot SET start = %s, "end" = %s WHERE external_id = %s AND booked = 0',
                service.instant(start),
                service.instant(start + LENGTH),
                f"P-{n}",
            )

    def one_was_moved(promised) -> bool:
        if moved_bookings(service, promised):
            return True
        service.database.execute("UPDATE bookings_appointmentslot SET booked = 0")  # those that are free are shifted
        return False

    with meanwhile(shift):
        promised = book_everything(service, one_was_moved)
    assert moved_bookings(service, promised) > 0


def test_no_caller_is_turned_away_by_an_import(service, tmp_path):
    service.make_slot(1, start=tomorrow() - timedelta(days=1))
    text = [
        HEAD
        + "".join(
            f"P-{n},LEEDS,{(tomorrow() + timedelta(hours=n + shift)).isoformat()},"
            f"{(tomorrow() + timedelta(hours=n + shift + 1)).isoformat()},,anna,1,yes\n"
            for n in range(1_500)
        )
        for shift in (2, 3)
    ]
    with Callers(service) as callers:
        callers.wait_for(5)
        for number, rows in enumerate(text):
            (tmp_path / f"{number}.csv").write_text(rows)
            for flags in (["--dry-run"], ["--strict"]):
                done = service.manage("import_slots", str(tmp_path / f"{number}.csv"), *flags)
                assert (done.returncode, done.stderr) == (0, "")
        callers.wait_for(5)
    assert callers.statuses == {200}


def test_checking_waits_for_nobody(service, tmp_path):
    """While another process holds all locks: a dry run, and a strict one that is refused."""
    service.make_slot(1)
    (tmp_path / "slots.csv").write_text(
        HEAD + P1.replace("anna", "") + P1.replace("P-1", "P-2").replace("1,yes", "0,yes")
    )
    with service.locked():
        dry = service.manage("import_slots", str(tmp_path / "slots.csv"), "--dry-run")
        assert dry.stdout.splitlines()[1:] == [
            summary(created=1, refused=1),
            "This was a dry run: nothing was written.",
        ]
        strict = service.manage("import_slots", str(tmp_path / "slots.csv"), "--strict")
        assert strict.stderr == "CommandError: 1 row was refused, and with --strict nothing was written.\n"


@pytest.mark.django_db
class TestWhatIsBookedBetweenCheckAndWriting:
    @pytest.fixture(autouse=True)
    def _clock(self):
        with clock_stands_at():
            yield

    @pytest.fixture
    def before_writing(self, monkeypatch):
        """Something to be done once, when the file was checked and nothing is written yet."""
        steps = []

        def write(step):
            while steps:
                steps.pop()()
            return step()

        monkeypatch.setattr(turns, "write", write)
        return steps.append

    @pytest.mark.parametrize("flags", [[], ["--strict"]])
    def test_counts(self, imported, before_writing, flags):  # noqa: F811
        make_slot(worker="anna", external_id="P-1", capacity=3)
        before_writing(lambda: [make_booking(f"WO-{number}") for number in range(2)])
        assert imported(P1 + P1.replace("P-1", "P-2").replace("anna", "bob"), *flags) == (
            1,
            [
                "line 2 is refused: 2 bookings stand in this slot, and it would have 1 place.",
                summary(created=1, refused=1),
            ],
        )

    def test_asks_for_review_where_the_slot_moves(self, imported, before_writing):  # noqa: F811
        slot = make_slot(worker="anna", external_id="P-1")
        before_writing(lambda: services.review(work_order=make_booking(), by="dispatcher"))
        assert imported(P1.replace("anna", "bob")) == (0, [summary(changed=1)])
        work_order = slot.work_orders.get()
        assert (work_order.status, work_order.reviewed_at) == ("booked", None)

    def test_keeps_its_worker_from_another_time(self, imported, before_writing):  # noqa: F811
        make_slot(worker="anna", external_id="P-1")
        before_writing(make_booking)
        status, lines = imported(P1.replace(":00Z", ":30Z"), "--strict")
        assert (status, lines[-1]) == (1, summary(refused=1))
        assert AppointmentSlot.objects.get().external_id == "P-1"

    def test_nothing_is_written_where_somebody_did_it_already(self, imported, before_writing):  # noqa: F811
        make_slot(worker="bob", start=START + 5 * HOUR)
        before_writing(lambda: make_slot(worker="anna", external_id="P-1"))
        assert imported(P1) == (0, [summary(kept=1)])

    def test_locks_what_is_found_only_then(self, imported, before_writing, monkeypatch):  # noqa: F811
        """Where locks are those of rows. A booking that comes now so waits, and finds the slot as it was left.

        All are locked at once, in a transaction of their own: those that came later would be locked out of order.
        """
        locked, lock, write = [], slot_imports._lock, turns.write
        monkeypatch.setattr(slot_imports, "_lock", lambda keys: locked.append(set(keys)) or lock(keys))
        monkeypatch.setattr(turns, "write", lambda step: locked.append("BEGIN") or write(step))
        first = make_slot(worker="anna", external_id="P-1")
        others: list[AppointmentSlot] = []
        before_writing(lambda: others.append(make_slot(worker="bob", capacity=2)))
        assert imported(P1.replace("anna", "bob")) == (0, [summary(changed=1)])
        has_row_locks = connection.features.has_select_for_update
        begun_anew = ["BEGIN", {first.pk}, "BEGIN", {first.pk, others[0].pk}]
        assert locked == (begun_anew if has_row_locks else ["BEGIN", set()])


@pytest.mark.django_db
def test_statements_do_not_grow_with_the_slots_that_move(imported):  # noqa: F811
    make_area()
    numbers = []
    for count in (2, 20):
        rows = [P1.replace("P-1", f"P-{count}-{n}").replace("anna", f"w{count}-{n}") for n in range(count)]
        imported("".join(rows))
        with CaptureQueriesContext(connection) as moving:
            assert imported("".join(rows).replace("12-04T", "12-05T")) == (0, [summary(changed=count)])
        numbers.append(len(moving))
    assert numbers[0] == numbers[1]


@pytest.mark.skipif(not SERVER, reason="SQLite keeps no plans")
@pytest.mark.django_db
@pytest.mark.parametrize("is_anew", [True, False])
def test_slots_are_looked_for_by_plans_of_their_own(imported, monkeypatch, is_anew):  # noqa: F811
    """A plan that is kept from when the table was empty reads the whole of it by now, for each transaction."""
    if not is_anew:  # as all other statements are sent; it shows that these plans would be kept
        send = sql._send
        monkeypatch.setattr(sql, "_send", lambda there, text, values, plan_anew=False: send(there, text, values))
    make_area()
    for number in range(8):
        assert imported(P1.replace("P-1", f"P-{number}").replace("anna", f"w{number}"))[0] == 0
    kept = sql.run("SELECT statement FROM pg_prepared_statements", plan_anew=True).rows
    looking = [text for (text,) in kept if "external_id = ANY" in text or "worker = ANY" in text]
    assert bool(looking) == (not is_anew)


@pytest.mark.django_db
def test_nothing_is_planned_while_others_wait(imported, monkeypatch):  # noqa: F811
    """Unless something changed since: the tests above."""
    plan, write, planned = slot_imports.Plan, turns.write, []

    def written(step):
        planned.append("written")
        return write(step)

    monkeypatch.setattr(slot_imports, "Plan", lambda *given: planned.append("planned") or plan(*given))
    monkeypatch.setattr(turns, "write", written)
    make_slot(worker="anna", external_id="P-1")
    assert imported(P1.replace("anna", "bob")) == (0, [summary(changed=1)])
    assert planned == ["planned", "planned", "written"]


@pytest.mark.django_db
def test_a_transaction_is_short(imported, monkeypatch):  # noqa: F811
    """However large the file, a transaction writes some rows of few workers, and none that changes nothing."""
    monkeypatch.setitem(turns.BATCH, connection.vendor, 10)
    monkeypatch.setattr(import_plans, "GROUPS", 3)
    written, write = [], slot_imports.write
    monkeypatch.setattr(
        slot_imports,
        "write",
        lambda ready, author: written.append([row.worker for row in ready.rows]) or write(ready, author),
    )
    make_slot(worker="anna")
    rows = "".join(
        P1.replace("P-1", f"P-{worker}-{day}").replace("anna", f"w{worker}").replace("12-04T", f"12-{day + 10}T")
        for worker in range(9)
        for day in range(5)
    )
    assert imported(rows) == (0, [summary(created=45)])
    assert sum(map(len, written)) == 45
    assert max(map(len, written)) <= 10
    assert max(len(set(workers)) for workers in written) <= 3
    written.clear()
    assert imported(rows) == (0, [summary(kept=45)])
    assert written == []
