"""Names, reasons and notes of persons: one rule for every address that takes them."""

import re
import unicodedata
from urllib.parse import quote

import pytest
from django.core.management import call_command

from bookings.delivery import receivers
from bookings.models import ApiKey, Blackout, HistoryEntry
from tests.api.systems.test_acting import ACTS
from tests.api.systems.test_closings import row
from tests.api.systems.test_slots import refusal
from tests.support.helpers import END, START, clock_stands_at, make_booking, make_slot
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

OF_SLOTS = {"ServiceAreaID": "LEEDS", "From": START.isoformat(), "Until": END.isoformat()}
CALLS = {
    **{f"workorders/{{order}}/{act}": ("POST", body) for act, body in ACTS.items()},
    "blackouts": ("PUT", {"Blackouts": [row()]}),
    "absences": ("PUT", {"Absences": [row("absences")]}),
    "slots/close": ("POST", OF_SLOTS | {"Reason": "Meeting"}),
    "slots/open": ("POST", OF_SLOTS),
    "slots/resize": ("POST", OF_SLOTS | {"Capacity": 3}),
}
NEEDED = {"cancel": "Reason", "note": "Note", "blackouts": "Reason", "absences": "Reason", "close": "Reason"}
NO_NAMES = ["a\nb", "a\tb", "\u202eanna", "an\u2067na", "anna\u200f", "a\x1bb", "x" * 201]
# Every blank that Unicode has, between letters.
WIDE = "a".join(["x", *(chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Zs"), "y"])
PLAIN = re.sub(r"[^axy]", " ", WIDE)
BLANKS = ["", " ", "\n\t ", "\u3000"]


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


@pytest.fixture
def send():
    make_slot(capacity=2)
    make_slot(start=START.replace(hour=17))
    order, key = make_booking().order_num, make_key()

    def send(address, **more):
        method, body = CALLS[address]
        return call(method, f"/api/v1/{address.format(order=order)}", body | more, key=key)

    return send


def words(address, text) -> dict:
    """With the text in the property that has to be there."""
    name = next(name for act, name in NEEDED.items() if address.endswith(act))
    if address in ("blackouts", "absences"):
        (given,) = CALLS[address][1].values()
        return {address.title(): [given[0] | {name: text}]}
    return {name: text}


def written() -> tuple[int, int]:
    return HistoryEntry.objects.count(), Blackout.objects.count()


@pytest.mark.parametrize("address", CALLS)
@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none(send, address, name):
    before = written()
    answer = send(address, By=name)
    assert refusal(answer) == (400, "invalid_request")
    assert answer.json()["detail"]["dataPath"] == "/By"
    assert written() == before


@pytest.mark.parametrize("address", CALLS)
def test_a_name_with_blanks_around(send, address):
    if address == "slots/open":
        send("slots/close")
    assert send(address, By="  \u05d3\u05e0\u05d4 ").status_code == 200
    by = {*HistoryEntry.objects.values_list("by", flat=True), *Blackout.objects.values_list("closed_by", flat=True)}
    assert "\u05d3\u05e0\u05d4" in by


@pytest.mark.parametrize("address", CALLS)
def test_each_kind_of_blank_is_read_as_a_blank(send, address):
    if address == "slots/open":
        send("slots/close")
    assert send(address, By=WIDE).status_code == 200
    by = {*HistoryEntry.objects.values_list("by", flat=True), *Blackout.objects.values_list("closed_by", flat=True)}
    assert PLAIN in by


def test_each_kind_of_blank_elsewhere(send):
    """Where one is lifted, and in names and reasons that operators type."""
    send("blackouts")
    lifted = call("DELETE", f"/api/v1/blackouts?external_id=H-1&by={quote(WIDE)}", key=make_key(name=WIDE))
    assert lifted.status_code == 200
    assert Blackout.objects.get().opened_by == PLAIN
    assert ApiKey.objects.filter(name=PLAIN).exists()
    assert receivers.check_name(WIDE) == PLAIN
    period = ["--area=LEEDS", "--from=2026-12-04", "--until=2026-12-05", f"--reason={WIDE}"]
    call_command("close_slots", *period)
    assert Blackout.objects.in_force().get().reason == PLAIN
    call_command("change_slots", "close", *period)
    assert PLAIN in HistoryEntry.objects.values_list("reason", flat=True)


@pytest.mark.parametrize("address", [each for each in CALLS if each.endswith(tuple(NEEDED))])
@pytest.mark.parametrize("text", [*BLANKS, "x" * 2_001, "a\x1b[2J"])
def test_words_that_are_none(send, address, text):
    before = written()
    answer = send(address, **words(address, text))
    assert refusal(answer) == (400, "invalid_request")
    assert next(iter(words(address, text))) in answer.json()["detail"]["message"]
    assert written() == before


@pytest.mark.parametrize("address", [each for each in CALLS if each.endswith(tuple(NEEDED))])
def test_words_of_several_lines_are_kept_without_the_blanks_around(send, address):
    assert send(address, **words(address, " The pump\n\tis here. ")).status_code == 200
    reasons = {
        *HistoryEntry.objects.values_list("reason", flat=True),
        *Blackout.objects.values_list("reason", flat=True),
    }
    assert "The pump\n\tis here." in reasons


@pytest.mark.parametrize("name", [*NO_NAMES[:6], "x" * 201])
@pytest.mark.parametrize("kind", ["blackouts", "absences"])
def test_the_name_of_the_person_who_lifts_one(send, kind, name):
    send(kind)
    path, key = f"/api/v1/{kind}?external_id=H-1&by=", make_key(name="other")
    assert refusal(call("DELETE", path + quote(name), key=key)) == (400, "invalid_request")
    assert call("DELETE", path + quote("anna"), key=key).status_code == 200
