import contextlib
import io
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from bookings import offers, services
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder
from bookings.supply import slots, turns
from bookings.supply.closing import blackouts
from tests.conftest import manage
from tests.supply.test_seed_slots import everything
from tests.support.helpers import (
    END,
    NOW,
    START,
    booking,
    clock_stands_at,
    make_area,
    make_booking,
    make_slot,
    post,
    search,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = {"from": "2026-12-04", "until": "2026-12-04"}


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


def run(command: str, *flags: str, **options: str) -> str:
    options = {"area": "LEEDS"} | DAY | options
    output = io.StringIO()
    call_command(command, *[f"--{name}={value}" for name, value in options.items()], *flags, stdout=output)
    return output.getvalue()


def close(*flags: str, **options: str) -> str:
    return run("close_slots", *flags, **{"reason": "Stocktaking"} | options)


def found() -> dict:
    return search({"Location": {"ServiceAreaID": "LEEDS"}}).json()


def hidden() -> list[int]:
    return sorted(
        slot.start.day * 100 + slot.start.hour for slot in AppointmentSlot.objects.filter(blackout__isnull=False)
    )


class TestClosing:
    def test_hides_what_it_touches_and_lists_the_bookings(self):
        slot, other = make_slot(capacity=3), make_slot("YORK")
        make_slot(start=START + 24 * HOUR)
        first = make_booking()
        services.review(work_order=first, by="dispatcher")
        make_booking("WO-2", booking(Account={"AccountNum": "C-2", "Name": "Mill"}))
        assert close() == (
            "LEEDS: 1 slot closed, Fri 4 Dec 2026, 00:00-Sat 5 Dec 00:00 (Europe/London).\n"
            "2 bookings stand in this time. Move or cancel them:\n"
            f"{first.order_num}  Fri 4 Dec 2026, 13:00-15:00 (Europe/London)  C-1\n"
            f"{WorkOrder.objects.get(original_order='WO-2').order_num}"
            "  Fri 4 Dec 2026, 13:00-15:00 (Europe/London)  C-2, Mill\n"
        )
        slot.refresh_from_db()
        assert (slot.is_hidden, slot.free, slot.is_open, slot.booked) == (True, 0, True, 2)
        assert not AppointmentSlot.objects.get(pk=other.pk).is_hidden
        first.refresh_from_db()
        assert (first.status, first.reviewed_at) == ("booked", None)
        entries = HistoryEntry.objects.filter(event="closed")
        assert {(entry.by, entry.reason, entry.via) for entry in entries} == {("close_slots", "Stocktaking", "command")}
        assert {entry.slot_id or entry.work_order.original_order for entry in entries} == {slot.pk, "WO-1", "WO-2"}

    def test_search_and_booking_obey(self):
        make_slot()
        make_slot(start=START + 24 * HOUR)
        close()
        assert [offer["Period"]["Start"][:10] for offer in found()["TimeConstraints"]] == ["2026-12-05"]
        answer = post("WO-1", booking())
        assert answer.status_code == 409
        assert answer.json()["detail"]["params"]["reason"] == "closed"
        close(until="2026-12-31")
        assert found() == {
            "StatusMsg": "All appointments in Leeds in the next 21 days are closed for bookings.",
            "TimeConstraints": [],
        }

    def test_one_worker(self):
        for worker in ("anna", "bob", ""):
            make_slot(worker=worker)
        close(worker="anna")
        assert list(AppointmentSlot.objects.filter(blackout__isnull=False).values_list("worker", flat=True)) == ["anna"]

    @pytest.mark.parametrize(
        ("first", "until", "is_hidden"),
        [
            ("2026-12-04T14:59", "2026-12-05", True),
            ("2026-12-04T15:00", "2026-12-05", False),
            ("2026-12-03", "2026-12-04T13:00", False),
            ("2026-12-03", "2026-12-04T13:01", True),
            ("2026-12-03", "2026-12-03", False),
        ],
    )
    def test_times_are_the_areas_clock_and_touching_is_not_enough(self, first, until, is_hidden):
        slot = make_slot()
        close(**{"from": first, "until": until})
        slot.refresh_from_db()
        assert slot.is_hidden is is_hidden

    def test_the_day_of_an_area_far_away(self):
        make_area("TOKYO", "Asia/Tokyo")
        slot = make_slot("TOKYO", start=datetime(2026, 12, 3, 15, tzinfo=UTC))  # midnight there
        close(area="TOKYO")
        slot.refresh_from_db()
        assert slot.is_hidden

    def test_a_dry_run_says_the_same_and_changes_nothing(self):
        make_slot()
        make_booking()
        before = [*everything(), *WorkOrder.objects.values(), *HistoryEntry.objects.values()]
        told = close("--dry-run")
        assert before == [*everything(), *WorkOrder.objects.values(), *HistoryEntry.objects.values()]
        assert not Blackout.objects.exists()
        assert told == close() + "This was a dry run: nothing was written.\n"

    def test_a_second_run_hides_nothing_more(self):
        make_slot()
        close()
        assert close().startswith("LEEDS: 0 slots closed")

    def test_a_slot_that_staff_add_later_is_hidden_as_well(self):
        area = make_area()
        close()
        added = slots.add(area=area, start=START, end=END, capacity=1, by="supervisor")
        assert added.is_hidden

    def test_the_queries_do_not_grow_with_the_slots(self, django_assert_max_num_queries):
        for hour in range(-12, 8):
            make_slot(start=START + hour * HOUR, capacity=9)
        for number in range(5):
            make_booking(f"WO-{number}")
        with django_assert_max_num_queries(30):
            close()
        with django_assert_max_num_queries(30):
            assert run("open_slots").startswith("LEEDS: 20 slots opened")


class TestOpening:
    def test_undoes_it(self):
        slot = make_slot()
        close()
        assert run("open_slots") == "LEEDS: 1 slot opened, Fri 4 Dec 2026, 00:00-Sat 5 Dec 00:00 (Europe/London).\n"
        slot.refresh_from_db()
        assert not slot.is_hidden
        assert list(slot.history.values_list("event", "by", "reason")) == [
            ("closed", "close_slots", "Stocktaking"),
            ("opened", "open_slots", "Stocktaking"),
        ]
        blackout = Blackout.objects.get()
        assert (blackout.opened_at, blackout.opened_by) == (NOW, "open_slots")
        assert run("open_slots").startswith("LEEDS: 0 slots opened")
        assert post("WO-1", booking()).status_code == 200

    def test_a_dry_run_says_the_same_and_changes_nothing(self):
        make_slot()
        close()
        before = [*everything(), *Blackout.objects.values(), *HistoryEntry.objects.values()]
        told = run("open_slots", "--dry-run")
        assert before == [*everything(), *Blackout.objects.values(), *HistoryEntry.objects.values()]
        assert told == run("open_slots") + "This was a dry run: nothing was written.\n"

    def test_a_part_of_it(self):
        for day in (-2, -1, 0, 1):
            make_slot(start=START + day * 24 * HOUR)
        close(**{"from": "2026-12-02", "until": "2026-12-05"})
        run("open_slots", **{"from": "2026-12-03", "until": "2026-12-04T14:00"})
        # The one of the 4th reaches into the part that stays closed.
        assert hidden() == [213, 413, 513]
        assert [str(blackout) for blackout in Blackout.objects.in_force()] == [
            "Wed 2 Dec 2026, 00:00-Thu 3 Dec 00:00 (Europe/London): Stocktaking",
            "Fri 4 Dec 2026, 14:00-Sun 6 Dec 00:00 (Europe/London): Stocktaking",
        ]

    def test_what_another_blackout_hides_stays_hidden(self):
        slot = make_slot(worker="anna")
        area = slot.area
        close(worker="anna")
        everybody = blackouts.close_slots(area=area, start=START, end=END, reason="Fire", by="test")
        assert everybody.slots == 0
        assert run("open_slots", worker="anna").startswith("LEEDS: 0 slots opened")
        slot.refresh_from_db()
        assert slot.blackout == everybody.blackout
        assert blackouts.reopen(blackout=everybody.blackout, by="test") == 1
        with pytest.raises(services.BookingError, match="was opened already, by test"):
            blackouts.reopen(blackout=everybody.blackout, by="test")
        slot.refresh_from_db()
        assert not slot.is_hidden

    def test_what_staff_closed_stays_closed(self):
        slot = make_slot()
        slots.close(slot=slot, by="supervisor", reason="Road works")
        close()
        run("open_slots")
        slot.refresh_from_db()
        assert (slot.blackout, slot.is_open, slot.is_hidden) == (None, False, True)


class TestRefusals:
    @pytest.mark.parametrize("command", ["close_slots", "open_slots"])
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"area": "HULL"}, "There is no area 'HULL'. Check the name."),
            ({"from": "2026-12-05"}, "--until is not after --from."),
            ({"from": "2026-12-04T12:00", "until": "2026-12-04T12:00"}, "--until is not after --from."),
            (
                {"from": "soon"},
                "Error: argument --from: 'soon' is neither a day like 2026-12-24 nor a time like 2026-12-24T12:00",
            ),
            *(
                (
                    {"from": text},
                    f"Error: argument --from: {text!r} is neither a day like 2026-12-24 nor a time like"
                    " 2026-12-24T12:00",
                )
                for text in ("20261204", "2026-W49-5", "20261204T120000", "2026-12-04T12")
            ),
            (
                {"until": "2026-12-04T12:00Z"},
                "Error: argument --until: '2026-12-04T12:00Z' is not a time in hours and minutes of the area's clock",
            ),
            ({"from": "0001-01-01"}, "Error: argument --from: 0001-01-01 is not in the years 2000 to 2199."),
            ({"until": "9999-12-31"}, "Error: argument --until: 9999-12-31 is not in the years 2000 to 2199."),
        ],
    )
    def test_one_line_and_nothing_is_written(self, command, options, message):
        make_slot()
        options = ({"reason": "x"} if command == "close_slots" else {}) | options
        with pytest.raises(CommandError) as refused:
            run(command, **options)
        assert str(refused.value) == message
        assert not Blackout.objects.exists()

    @pytest.mark.parametrize("reason", ["", "  ", "a\nb"])
    def test_a_reason_that_says_nothing(self, reason):
        make_slot()
        with pytest.raises(CommandError, match="--reason is empty or holds a"):
            close(reason=reason)
        assert not Blackout.objects.exists()

    @pytest.mark.parametrize("command", ["close_slots", "open_slots"])
    def test_the_shell(self, empty_database, command):
        done = manage(
            empty_database,
            command,
            "--area=HULL",
            "--from=2026-12-04",
            "--until=2026-12-04",
            *(["--reason=x"] if command == "close_slots" else []),
        )
        assert (done.returncode, done.stdout, done.stderr) == (
            1,
            "",
            "CommandError: There is no area 'HULL'. Check the name.\n",
        )
        assert "Example" in manage(empty_database, command, "--help").stdout


class TestWhoIsMeant:
    """A name that is not known is a mistake, and nothing is written; one without slots yet is closed for later ones."""

    @pytest.mark.parametrize("command", ["close_slots", "open_slots"])
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"worker": "Ana"}, "There is no worker 'Ana'. Did you mean anna or hanna?"),
            ({"worker": "zoe"}, "There is no worker 'zoe'. Check the name."),
            ({"area": "leeds"}, "There is no area 'leeds'. Did you mean LEEDS?"),
        ],
    )
    def test_an_unknown_name_with_near_ones(self, command, options, message):
        make_slot(worker="anna")
        make_slot("YORK", worker="hanna")
        options = ({"reason": "x"} if command == "close_slots" else {}) | options
        for flags in ([], ["--dry-run"]):
            with pytest.raises(CommandError) as refused:
                run(command, *flags, **options)
            assert str(refused.value) == message
        assert not Blackout.objects.exists()

    @pytest.mark.parametrize("options", [{}, {"worker": "anna"}, {"worker": "tech.jones"}])
    def test_a_known_one_without_slots_yet(self, options):
        make_area()
        make_slot("YORK", worker="anna", start=START - 24 * HOUR)
        User.objects.create(username="tech.jones")
        told = "LEEDS: 0 slots closed, Fri 4 Dec 2026, 00:00-Sat 5 Dec 00:00 (Europe/London).\n"
        later = "There are no slots yet: later ones will be closed.\n"
        assert close("--dry-run", **options) == f"{told}{later}This was a dry run: nothing was written.\n"
        assert close(**options) == told + later
        added = slots.add(area=make_area(), start=START, end=END, capacity=1, by="x", worker=options.get("worker", ""))
        assert added.is_hidden

    def test_what_was_closed_under_a_wrong_name_can_be_opened(self):
        make_slot(worker="anna")
        blackouts.close_slots(area=make_area(), start=START, end=END, worker="ana", reason="x", by="test")
        run("open_slots", worker="ana")
        assert not Blackout.objects.in_force().exists()


class Killed(Exception):
    pass


class TestInShortTransactions:
    """Each hides or opens some of the slots; a run that is killed between two of them is simply run again."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setitem(turns.BATCH, connection.vendor, 2)
        for number in range(7):
            make_slot(worker=f"w{number}", capacity=2)

    def killed_after(self, monkeypatch, transactions):
        write, done = turns.write, []

        def until_killed(step):
            if len(done) == transactions:
                raise Killed
            done.append(write(step))
            return done[-1]

        monkeypatch.setattr(turns, "write", until_killed)

    def test_two_at_a_time(self, monkeypatch):
        made, write = [], turns.write
        monkeypatch.setattr(turns, "write", lambda step: made.append(write(step)) or made[-1])
        assert close().startswith("LEEDS: 7 slots closed")
        assert made[1:] == [2, 2, 2, 1]
        made.clear()
        assert run("open_slots").startswith("LEEDS: 7 slots opened")
        assert made == [None, 2, 2, 2, 1, True]

    @pytest.mark.parametrize("transactions", range(3, 6))
    def test_what_another_blackout_leaves_to_one_that_ends_is_opened_with_it(self, monkeypatch, transactions):
        """It was lifted after this one had asked which slots it hides."""
        close()
        own, write, done = Blackout.objects.get(), turns.write, []

        def lifted_in_between(step):
            done.append(write(step))
            if len(done) == transactions:
                other = Blackout.objects.create(area=own.area, start=own.start, end=own.end, reason="x", closed_at=NOW)
                AppointmentSlot.objects.filter(blackout__isnull=True).update(blackout=other)
                with monkeypatch.context() as undisturbed:
                    undisturbed.setattr(turns, "write", write)
                    blackouts.reopen(blackout=other, by="another")
            return done[-1]

        monkeypatch.setattr(turns, "write", lifted_in_between)
        run("open_slots")
        assert hidden() == []
        assert not Blackout.objects.in_force().exists()

    @pytest.mark.parametrize("transactions", range(5))
    def test_closing_that_was_killed(self, monkeypatch, transactions):
        booked = make_booking()
        with monkeypatch.context() as killed:
            self.killed_after(killed, transactions)
            with pytest.raises(Killed):
                close()
        close()
        assert hidden() == [413] * 7
        assert Blackout.objects.count() == 1
        assert HistoryEntry.objects.filter(event="closed", slot__isnull=False).count() == 7
        assert booked.history.filter(event="closed").count() == 1

    @pytest.mark.parametrize("transactions", range(8))
    def test_closing_crowded_slots_that_was_killed(self, monkeypatch, transactions):
        """Their bookings are asked about first, two a transaction as well; once each, and again if reviewed since."""
        AppointmentSlot.objects.filter(worker="w0").update(capacity=5)
        booked = [make_booking(f"WO-{number}", booking(UserName="w0")) for number in range(5)]
        for work_order in booked:
            services.review(work_order=work_order, by="dispatcher")
        with monkeypatch.context() as killed:
            self.killed_after(killed, transactions)
            with contextlib.suppress(Killed):
                close()
        if transactions == 4:
            services.review(work_order=WorkOrder.objects.get(pk=booked[0].pk), by="dispatcher")
        close()
        assert hidden() == [413] * 7
        assert not WorkOrder.objects.filter(reviewed_at__isnull=False).exists()
        told = [work_order.history.filter(event="closed").count() for work_order in booked]
        assert told == ([2, 1, 1, 1, 1] if transactions == 4 else [1] * 5)

    @pytest.mark.parametrize("transactions", range(5))
    def test_opening_that_was_killed(self, monkeypatch, transactions):
        for number in range(2):
            make_slot(start=START - (number + 1) * 24 * HOUR)
        close(**{"from": "2026-12-02", "until": "2026-12-05"})
        with monkeypatch.context() as killed:
            self.killed_after(killed, transactions)
            with pytest.raises(Killed):
                run("open_slots")
        run("open_slots")
        assert hidden() == [213, 313]
        assert [str(blackout) for blackout in Blackout.objects.in_force()] == [
            "Wed 2 Dec 2026, 00:00-Fri 4 Dec 00:00 (Europe/London): Stocktaking",
            "Sat 5 Dec 2026, 00:00-Sun 6 Dec 00:00 (Europe/London): Stocktaking",
        ]
        assert HistoryEntry.objects.filter(event="opened").count() == 7

    def test_what_is_lifted_meanwhile_hides_nothing_more(self, monkeypatch):
        write = turns.write

        def lifted_by_another(step):
            done = write(step)
            if Blackout.objects.in_force().exists():
                Blackout.objects.update(opened_at=NOW, opened_by="another")
            return done

        monkeypatch.setattr(turns, "write", lifted_by_another)
        assert close().startswith("LEEDS: 0 slots closed")
        assert hidden() == []

    def test_dry_runs_lock_nothing(self, monkeypatch):
        close()
        monkeypatch.setattr(turns, "write", None)
        assert close("--dry-run").startswith("LEEDS: 0 slots closed")
        assert run("open_slots", "--dry-run").startswith("LEEDS: 7 slots opened")


class TestBesideAnotherWriter:
    """One that holds what closing has to lock for longer than a try of it waits."""

    @pytest.mark.parametrize("command", ["close_slots", "open_slots"])
    def test_it_ends_in_one_line(self, start_service, command):
        service = start_service()
        service.make_slot(capacity=1)
        reason = ["--reason=x"] if command == "close_slots" else []
        until = ["--area=LEEDS", "--from=2026-12-04", "--until=2026-12-04"]
        url = service.database.url
        hurried = f"{url}?timeout=1" if url.startswith("sqlite") else f"{url}?options=-c%20lock_timeout%3D100"
        if command == "open_slots":
            assert manage(service.database, "close_slots", *until, "--reason=x").returncode == 0
        with service.writing():
            done = manage(service.database, command, *until, *reason, DATABASE_URL=hurried)
        assert done.returncode in (1, 2), done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert manage(service.database, command, *until, *reason).returncode == 0

    def test_it_is_tried_again(self, monkeypatch):
        make_slot()
        once, tries = turns._write_once, []

        def busy_at_first(step):
            tries.append(step)
            if len(tries) == 1:
                raise OperationalError("database is locked")
            return once(step)

        monkeypatch.setattr(turns, "_write_once", busy_at_first)
        # Inside of a transaction, as every test here is, nothing could be tried again.
        monkeypatch.setattr(turns, "connection", SimpleNamespace(in_atomic_block=False, vendor="elsewhere"))
        assert turns.write(lambda: "done") == "done"
        assert len(tries) == 2


class TestConstraints:
    @pytest.mark.parametrize("wrong", [{"end": START}, {"reason": ""}])
    def test_of_a_blackout(self, wrong):
        good = {"area": make_area(), "start": START, "end": END, "reason": "x", "closed_at": NOW}
        Blackout.objects.create(**good)
        with pytest.raises(IntegrityError), transaction.atomic():
            Blackout.objects.create(**good | wrong)

    @pytest.mark.parametrize(
        "wrong", [{"cutoff_days": 1}, {"cutoff_time": time(17)}, {"safety_percent": 0}, {"safety_percent": 101}]
    )
    def test_of_an_area(self, wrong):
        area = make_area()
        ServiceArea.objects.update(cutoff_days=0, cutoff_time=time(17), safety_percent=1)
        ServiceArea.objects.update(cutoff_days=None, cutoff_time=None, safety_percent=100)
        with pytest.raises(IntegrityError), transaction.atomic():
            ServiceArea.objects.filter(pk=area.pk).update(**wrong)


def refusal_at(now: datetime, slot: AppointmentSlot) -> str:
    slot.area.refresh_from_db()
    return offers.with_refusal(AppointmentSlot.objects.filter(pk=slot.pk), now, slot.area).get().refusal


class TestCutOff:
    @pytest.mark.parametrize(
        ("days", "at", "now", "is_closed"),
        [
            # A visit on Friday 4 December, 13:00.
            (1, time(17), datetime(2026, 12, 3, 16, 59, tzinfo=UTC), False),
            (1, time(17), datetime(2026, 12, 3, 17, 0, tzinfo=UTC), True),
            (0, time(8, 30), datetime(2026, 12, 4, 8, 29, tzinfo=UTC), False),
            (0, time(8, 30), datetime(2026, 12, 4, 8, 30, tzinfo=UTC), True),
            (3, time(0), datetime(2026, 11, 30, 23, 59, tzinfo=UTC), False),
            (3, time(0), datetime(2026, 12, 1, 0, 0, tzinfo=UTC), True),
        ],
    )
    def test_the_day_closes_on_time(self, days, at, now, is_closed):
        slot = make_slot()
        ServiceArea.objects.update(cutoff_days=days, cutoff_time=at)
        assert refusal_at(now, slot) == ("cutoff" if is_closed else "")

    def test_it_is_the_areas_clock(self):
        slot = make_slot("TOKYO", start=datetime(2026, 12, 3, 15, tzinfo=UTC))  # midnight of the 4th there
        ServiceArea.objects.update(cutoff_days=1, cutoff_time=time(17), time_zone="Asia/Tokyo")
        assert refusal_at(datetime(2026, 12, 3, 7, 59, tzinfo=UTC), slot) == ""
        assert refusal_at(datetime(2026, 12, 3, 8, 0, tzinfo=UTC), slot) == "cutoff"

    def test_a_doubled_hour_does_not_open_the_day_again(self):
        slot = make_slot(start=datetime(2027, 11, 1, 9, tzinfo=UTC))
        ServiceArea.objects.update(cutoff_days=1, cutoff_time=time(1, 30))
        minutes = range(0, 180, 15)
        midnight = datetime(2027, 10, 30, 23, tzinfo=UTC)
        closed = [refusal_at(midnight + minute * HOUR / 60, slot) == "cutoff" for minute in minutes]
        assert closed == [minute >= 90 for minute in minutes]

    def test_a_skipped_hour_closes_the_day_when_it_is_skipped(self):
        slot = make_slot(start=datetime(2027, 3, 29, 9, tzinfo=UTC))
        ServiceArea.objects.update(cutoff_days=1, cutoff_time=time(1, 30))
        assert refusal_at(datetime(2027, 3, 28, 0, 59, tzinfo=UTC), slot) == ""
        assert refusal_at(datetime(2027, 3, 28, 1, 0, tzinfo=UTC), slot) == "cutoff"

    def test_search_and_booking_obey(self):
        make_slot()
        make_slot(start=START + 24 * HOUR)
        ServiceArea.objects.update(cutoff_days=4, cutoff_time=time(8))
        assert [offer["Period"]["Start"][:10] for offer in found()["TimeConstraints"]] == ["2026-12-05"]
        answer = post("WO-1", booking())
        assert answer.status_code == 409
        detail = answer.json()["detail"]
        assert detail["params"]["reason"] == "cutoff"
        assert detail["message"].startswith("Bookings for the day of this appointment are closed.")
        ServiceArea.objects.update(cutoff_days=5)
        assert found() == {
            "StatusMsg": "Bookings for the next days in Leeds are closed; no later appointments are planned.",
            "TimeConstraints": [],
        }


class TestSafetyMargin:
    @pytest.mark.parametrize(
        ("capacity", "booked", "percent", "refusal"),
        [
            (4, 2, 75, ""),
            (4, 3, 75, "margin"),
            (4, 4, 75, "full"),
            (3, 1, 50, ""),
            (3, 2, 50, "margin"),
            (100, 6, 7, ""),
            (100, 7, 7, "margin"),
            (1, 0, 1, ""),
            (2_147_483_647, 0, 99, ""),
            (4, 3, 100, ""),
        ],
    )
    def test_it_stops_at_the_share(self, capacity, booked, percent, refusal):
        slot = make_slot(capacity=capacity, booked=booked)
        ServiceArea.objects.update(safety_percent=percent)
        assert refusal_at(NOW, slot) == refusal

    def test_search_and_booking_obey(self):
        make_slot(capacity=4)
        ServiceArea.objects.update(safety_percent=50)
        assert [post(f"WO-{number}", booking()).status_code for number in range(3)] == [200, 200, 409]
        assert post("WO-2", booking()).json()["detail"]["params"]["reason"] == "margin"
        assert found() == {
            "StatusMsg": "The last free places in Leeds in the next 21 days are kept back.",
            "TimeConstraints": [],
        }


def test_every_rule_has_its_words():
    make_area()
    ServiceArea.objects.update(cutoff_days=1, cutoff_time=time(17), safety_percent=50)
    words = offers.rules(NOW, ServiceArea.objects.get()).keys()
    assert words == offers.REFUSALS.keys()
    assert words <= offers.EMPTY.keys()
