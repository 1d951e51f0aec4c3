"""The mail that says which areas' slots end."""

import io
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from unittest import mock

import pytest
from django.core import mail
from django.core.management import call_command

from bookings import clock
from bookings.models import Counter
from bookings.supply import ending_mail, turns
from tests.support.helpers import at_once, clock_stands_at, make_area, make_slot, tomorrow
from tests.support.mail_server import mail_server

TO = ["sue@example.org", "sam@example.org"]


@pytest.fixture(autouse=True)
def mail_is_on(settings):
    settings.BOOKJOB_MAIL_TO, settings.DEFAULT_FROM_EMAIL = TO, "bookjob@example.org"


def extend(*flags: str) -> tuple[int, str, str]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("extend_schedules", *flags, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(str(end))
    return status, out.getvalue(), err.getvalue()


def slot_in(code: str, start) -> None:
    make_slot(code, start)


@pytest.mark.django_db
class TestTheMail:
    def test_what_it_says(self):
        slot_in("LEEDS", tomorrow())
        slot_in("YORK", clock.now() - timedelta(hours=5))
        slot_in("HULL", tomorrow() + timedelta(days=14))
        status, said, err = extend()
        assert (status, err) == (0, "")
        assert said.splitlines()[-1] == "Mailed to sue@example.org, sam@example.org: The slots of 2 areas end."
        sent, other = mail.outbox
        assert [one.to for one in mail.outbox] == [TO[:1], TO[1:]]
        assert (sent.subject, sent.body) == (other.subject, other.body)
        assert sent.subject == "bookjob: The slots of 2 areas end"
        assert sent.from_email == "bookjob@example.org"
        assert sent.body.splitlines()[:4] == [
            "Area YORK has no open slot any more.",
            f"Area LEEDS has its last open slot on {tomorrow():%Y-%m-%d}.",
            "",
            ending_mail.HINT,
        ]
        assert "HULL" not in sent.body

    def test_the_day_is_that_of_the_area(self):
        make_area("AUCKLAND", "Pacific/Auckland")
        make_area("LIMA", "America/Lima")
        slot_in("AUCKLAND", tomorrow(20))
        slot_in("LIMA", tomorrow(22) + timedelta(hours=4))
        extend()
        day = tomorrow().date()
        assert mail.outbox[0].body.splitlines()[:2] == [
            f"Area AUCKLAND has its last open slot on {day + timedelta(days=1)}.",
            f"Area LIMA has its last open slot on {day}.",
        ]

    def test_nothing_where_nothing_ends(self):
        slot_in("HULL", tomorrow() + timedelta(days=14))
        assert extend()[1].splitlines() == [
            "There is no active schedule. Make one in the desk, or with import_schedules."
        ]
        assert mail.outbox == []

    def test_off_where_it_is_not_set(self, settings):
        settings.BOOKJOB_MAIL_TO = []
        slot_in("LEEDS", tomorrow())
        assert extend()[0] == 0
        assert mail.outbox == []
        assert not Counter.objects.filter(name__startswith="slots_end").exists()

    def test_an_area_once_a_day_while_it_lasts(self):
        began = clock.now()
        slot_in("LEEDS", began + timedelta(days=6))
        told = []
        for hours in (0, 1, 10, 24, 30, 47):
            with clock_stands_at(began + timedelta(hours=hours)):
                if hours == 10:
                    slot_in("YORK", began + timedelta(days=5))
                extend()
            told.append(
                [sorted({"LEEDS", "YORK"} & set(sent.body.split())) for sent in mail.outbox if sent.to == TO[:1]]
            )
            mail.outbox.clear()
        assert told == [[["LEEDS"]], [], [["YORK"]], [["LEEDS"]], [["YORK"]], [["LEEDS"]]]

    def test_a_dry_run_sends_nothing(self):
        slot_in("LEEDS", tomorrow())
        said = "Would mail to sue@example.org, sam@example.org: The slots of 1 area end."
        for _ in range(2):
            assert said in extend("--dry-run")[1].splitlines()
        assert mail.outbox == []
        extend()
        assert len(mail.outbox) == 2
        assert said not in extend("--dry-run")[1]

    def test_more_than_it_names(self, monkeypatch):
        monkeypatch.setattr(ending_mail, "NAMED", 2)
        for code in ("A1", "A2", "A3", "A4"):
            slot_in(code, tomorrow())
        extend()
        assert mail.outbox[0].body.splitlines()[:3] == [
            *(f"Area {code} has its last open slot on {tomorrow():%Y-%m-%d}." for code in ("A1", "A2")), "And 2 more."
        ]  # fmt: skip

    def test_the_statements_do_not_grow_with_the_areas(self, django_assert_max_num_queries):
        for number in range(20):
            slot_in(f"A{number}", tomorrow())
        with django_assert_max_num_queries(6):
            assert ending_mail.tell(clock.now())

    @pytest.mark.parametrize(
        "fault",
        [
            ConnectionRefusedError(111, "refused"),
            TimeoutError(),
            SMTPServerDisconnected("x"),
            ValueError("x"),
        ],
    )
    def test_a_mail_server_that_is_away_is_said_and_tried_again(self, fault):
        slot_in("LEEDS", tomorrow())
        with mock.patch.object(ending_mail, "send_mail", side_effect=fault):
            status, said, err = extend()
        assert status == 1
        assert "There is no active schedule." in said  # its own work is done
        assert err.startswith(
            "The slots of 1 area end, but the mail to sue@example.org, sam@example.org was not sent: "
        )
        assert err.endswith("A run in an hour or later tries again.\n")
        assert len(err.splitlines()) == 1
        assert extend()[0] == 0
        with clock_stands_at(clock.now() + ending_mail.AFTER_A_FAULT + timedelta(seconds=2)):
            assert extend()[0] == 0
        assert len(mail.outbox) == 2

    def test_a_wrong_password_is_tried_once_an_hour(self):
        """Also by a loop that runs again after five minutes: else it would be tried until the account is locked."""
        began, tried = clock.now(), []
        slot_in("LEEDS", began + timedelta(days=2))
        with mock.patch.object(
            ending_mail.get_connection().__class__, "open", side_effect=RuntimeError("535")
        ) as opened:
            for minutes in range(0, 121, 5):
                with clock_stands_at(began + timedelta(minutes=minutes)):
                    extend()
                tried.append(opened.call_count)
        assert [tried.index(count) * 5 for count in (1, 2)] == [0, 60]
        assert tried[-1] == 3
        assert mail.outbox == []

    def test_an_address_that_is_refused_is_named_and_the_other_is_told_once(self):
        began = clock.now()
        slot_in("LEEDS", began + timedelta(days=5))
        send = ending_mail.send_mail

        def send_to_one(subject, text, sender, to, **options):
            if to == TO[1:]:
                raise SMTPRecipientsRefused({to[0]: (550, b"unknown")})
            return send(subject, text, sender, to, **options)

        with mock.patch.object(ending_mail, "send_mail", send_to_one):
            status, said, err = extend()
            for hours in (1, 2, 19):
                with clock_stands_at(began + timedelta(hours=hours)):
                    assert extend()[0] == 0
        assert status == 1
        assert "Mailed" not in said
        why = "{'sam@example.org': (550, b'unknown')}"
        assert err == (
            "Mailed to sue@example.org: The slots of 1 area end. But the mail to sam@example.org was not sent:"
            f" {why}. The next mail is due in a day.\n"
        )
        assert [sent.to for sent in mail.outbox] == [TO[:1]]
        with clock_stands_at(began + timedelta(days=1)):
            assert extend()[0] == 0
        assert [sent.to for sent in mail.outbox] == [TO[:1], TO[:1], TO[1:]]

    def test_any_other_fault_ends_nothing_else(self):
        with mock.patch.object(ending_mail.areas, "whose_slots_end", side_effect=RuntimeError("odd")):
            status, said, err = extend()
        assert (status, err) == (1, "Which slots end was not looked at: odd Run this again.\n")
        assert "There is no active schedule." in said


@pytest.mark.django_db
class TestAnotherMachineInBetween:
    """It tells after this one looked which slots end, and before its turn to claim them."""

    @pytest.fixture(autouse=True)
    def another(self, monkeypatch):
        slot_in("LEEDS", tomorrow())
        slot_in("YORK", tomorrow())
        write = turns.write

        def after_another(step):
            monkeypatch.setattr(turns, "write", write)
            assert ending_mail.tell(clock.now())
            return write(step)

        monkeypatch.setattr(turns, "write", after_another)

    def test_one_of_them_tells(self):
        assert ending_mail.tell(clock.now()) == ""
        assert [sent.subject for sent in mail.outbox] == ["bookjob: The slots of 2 areas end"] * len(TO)

    def test_the_test_above_would_notice_a_claim_that_does_not_look(self, monkeypatch):
        monkeypatch.setattr(ending_mail, "_due", lambda keys, now: list(keys))
        assert ending_mail.tell(clock.now())
        assert len(mail.outbox) == 2 * len(TO)


def test_a_real_mail_server(start_service):
    """Off, refused, an hour later sent by one of several machines at once; and not once more."""
    with mail_server(refuses=True) as refusing, mail_server(unknown="sam@example.org") as server:
        service = start_service(WEB_CONCURRENCY="1")
        service.make_slot(1)
        assert service.manage("extend_schedules").returncode == 0
        service.environment |= {"BOOKJOB_MAIL_TO": "sue@example.org, sam@example.org"}
        service.environment["BOOKJOB_MAIL_URL"] = refusing.url
        refused = service.manage("extend_schedules")
        assert refused.returncode == 1
        assert "was not sent" in refused.stderr
        assert "550" in refused.stderr
        assert service.manage("extend_schedules").returncode == 0
        an_hour_passes = "UPDATE bookings_counter SET value = value - %s WHERE name LIKE 'slots_end:%%'"
        service.database.execute(an_hour_passes, 3_600)
        service.environment |= {"BOOKJOB_MAIL_URL": server.url, "BOOKJOB_MAIL_FROM": "bookjob@example.org"}
        service.environment["BOOKJOB_MAIL_TO"] = "sam@example.org, sue@example.org, ann@example.org"
        runs = at_once([lambda: service.manage("extend_schedules")] * 3)
        assert sorted(run.returncode for run in [*runs, service.manage("extend_schedules")]) == [0, 0, 0, 1]
    (told,) = [run.stderr for run in runs if run.returncode]
    assert (
        "Mailed to sue@example.org, ann@example.org: The slots of 1 area end. But the mail to sam@example.org" in told
    )
    assert "550" in told
    (sender, receivers, text), other = server.taken
    assert (sender, receivers) == ("bookjob@example.org", ["sue@example.org"])
    assert other[1] == ["ann@example.org"]
    assert server.connections == 1
    assert "Subject: bookjob: The slots of 1 area end" in text
    assert "Area LEEDS has its last open slot on" in text
