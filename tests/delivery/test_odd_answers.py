"""Answers that no list of faults has: odd words, odd tokens, odd work orders. None stops delivery, none is trusted."""

import threading
from codecs import BOM_UTF8

import pytest
from django.core.management import call_command

from bookings.delivery import receivers
from bookings.delivery.servicemobility import ServiceMobility
from bookings.models import Delivery, DeliveryEntry, Receiver
from bookings.wire.values import MAX_TEXT
from conformance.simulator.faults import ANSWERS, Instead
from tests.delivery.test_servicemobility import move
from tests.support import desk

pytestmark = pytest.mark.django_db

# As JSON writes them.
ODD_WORDS = [r"NUL \u0000", r"half \ud83d", r"turned \u202e", r"\u001b[31mred", r"two\nlines"]


@pytest.fixture
def answer(deliver, monkeypatch):
    """What the simulator says instead, a number of times."""

    def answer(status, text, method, times=1):
        monkeypatch.setitem(ANSWERS, "html", Instead(status, text=text))
        deliver.simulator.add_fault("html", method=method, times=times)

    return answer


def is_shown(text):
    return text != "" and text.isprintable()


@pytest.mark.parametrize("words", ODD_WORDS)
@pytest.mark.parametrize("status", [400, 409, 503])
def test_odd_words_of_a_refusal(deliver, slot, answer, words, status):
    booked = desk.book(slot)
    answer(status, f'{{"code": {status}, "detail": {{"message": "{words}"}}}}', "PUT")
    deliver()
    assert is_shown(deliver.of(booked).outcome)
    assert deliver.of(booked).outcome.startswith(f"{status} for PUT WorkOrder: ")
    deliver.until_settled()
    receivers.send_again(deliver.of(booked), by="dispatcher")
    deliver()
    assert deliver.there(booked)
    assert all(is_shown(entry.text) for entry in DeliveryEntry.objects.exclude(text=""))


@pytest.mark.parametrize("words", ODD_WORDS)
def test_odd_warnings(deliver, slot, answer, words):
    booked = desk.book(slot)
    answer(200, f'{{"Warnings": ["{words}", 7]}}', "PUT")
    deliver()
    assert deliver.of(booked).outcome.startswith("put, with warnings: ")
    assert is_shown(deliver.of(booked).outcome)


TOKENS = ['""', '" "', "7", "null", "[]", '"\\ud83d"', '"ü"', '"a\\nb"', f'"{"x" * 20_000}"']


@pytest.mark.parametrize("text", [*(f'{{"token": {token}}}' for token in TOKENS), "[]", "null", "", "<html>", "{}"])
def test_an_answer_to_the_log_in_without_a_token_that_can_be_used(deliver, slot, answer, text):
    booked = desk.book(slot)
    answer(200, text, "POST")
    deliver()
    assert Receiver.objects.get().trouble == "200 for the log-in, without a token. Is the address right?"
    assert [call.what for call in deliver.simulator.calls] == ["createjwt"]
    deliver.until_settled()
    assert deliver.there(booked)


def test_a_refused_log_in_says_why(deliver, slot, answer):
    desk.book(slot)
    answer(403, '{"detail": {"message": "The licence has ended."}}', "POST")
    deliver()
    assert Receiver.objects.get().trouble.startswith("403 for the log-in, without a token: The licence has ended.")


def test_a_token_that_ends_during_a_run(deliver, slot):
    """Each call from then on is refused until one log-in was made, and then all go on."""
    orders = [desk.book(slot, f"WO-{number}") for number in range(12)]
    lock, count = threading.Lock(), 0

    def end_it(method, number):
        nonlocal count
        with lock:
            count += bool(number)
            if number and count % 5 == 0:
                deliver.simulator.tokens.revoke()

    deliver.simulator.when_called = end_it
    deliver.until_settled()
    assert all(deliver.there(booked) for booked in orders)
    assert not Delivery.objects.open().exists()


ODD_PLANS = [
    '"PlannedStartDate": "0001-01-01T00:00:00Z"',
    '"PlannedStartDate": "0001-01-01T00:00:00+14:00"',
    '"PlannedEndDate": "9999-12-31T23:59:59-14:00"',
    '"PlannedStartDate": 5, "UserName": {}, "OrderStatus": []',
    '"UserName": "\\ud83d\\u0000", "OrderStatus": true',
]


@pytest.mark.parametrize("plan", ODD_PLANS)
def test_an_odd_work_order_there_is_mended_and_told_of(deliver, slot, answer, capsys, plan):
    booked = desk.book(slot)
    deliver()
    answer(200, f"{{{plan}}}", "GET", times=2)
    with pytest.raises(SystemExit):
        call_command("verify_delivery", repair=True)
    assert capsys.readouterr().out.rstrip("\n").isprintable()
    answer(200, f"{{{plan}}}", "GET")
    deliver()
    assert deliver.calls()[1:] == [("PUT", "Dispatch")]
    assert deliver.of(booked).outcome == "moved"


def test_a_fault_in_the_code_at_one_order_stops_no_other(deliver, slot, monkeypatch, caplog):
    poison, good = desk.book(slot, "WO-1"), desk.book(slot, "WO-2")
    bring = ServiceMobility.bring

    def bring_all_but_one(client, attempt):
        return bring(client, attempt) if attempt.job.order_num != poison.order_num else 1 / 0

    monkeypatch.setattr(ServiceMobility, "bring", bring_all_but_one)
    deliver()
    assert deliver.there(good)
    assert deliver.of(poison).outcome.startswith("A fault in the code: ZeroDivisionError.")
    assert "division by zero" in caplog.text
    monkeypatch.setattr(ServiceMobility, "bring", bring)
    deliver.until_settled()
    assert deliver.there(poison)


def test_a_password_with_a_mark_of_its_encoding(deliver, slot, password_file):
    password_file.write_bytes(BOM_UTF8 + b"simulated\r\n")
    booked = desk.book(slot)
    deliver()
    assert deliver.there(booked)


def test_a_password_that_is_gone_for_a_while(deliver, slot, password_file):
    booked = desk.book(slot)
    password_file.rename(away := password_file.with_suffix(".away"))
    deliver()
    said = f"The file of the password: {password_file.name} cannot be read: No such file or directory. Put it there"
    assert Receiver.objects.get().trouble.startswith(said)
    away.rename(password_file)
    deliver.until_settled()
    assert deliver.there(booked)


def test_odd_letters_of_an_order(deliver, add_webhook, hooks, slot):
    add_webhook()
    booked = desk.book(slot, "WO/\N{GRINNING FACE} 1", OrderType="\N{GRINNING FACE}/")
    deliver()
    move(booked, desk.slot_in(days=1, worker="\N{GRINNING FACE}/bob"))
    deliver()
    assert deliver.there(booked)["OrderType"] == "\N{GRINNING FACE}/"
    assert list(deliver.simulator.devices()) == ["\N{GRINNING FACE}/bob"]
    assert hooks.documents()[-1]["OriginalOrderNum"] == "WO/\N{GRINNING FACE} 1"


def test_a_body_at_the_limit(deliver, add_webhook, hooks, slot, settings):
    add_webhook()
    longest = settings.BOOKJOB_MAX_BODY_BYTES - 2_000
    booked = desk.book(slot, Account={"AccountNum": "C-1", "Notes": "n" * MAX_TEXT, "More": "m" * (longest - MAX_TEXT)})
    deliver()
    assert deliver.there(booked)["Account"] == {"AccountNum": "C-1", "Notes": "n" * MAX_TEXT}
    assert len(hooks.got) == 1
    assert not Delivery.objects.open().exists()
