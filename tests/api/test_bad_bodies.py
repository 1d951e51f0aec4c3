"""Bad input is answered with a 4xx in the vendor's body; nothing is written, nothing breaks."""

import json

import pytest

from bookings import documents
from bookings.models import AppointmentSlot, WorkOrder
from tests.support.helpers import booking, clock_stands_at, make_area, make_slot, post, sample, search

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _slot():
    make_slot(capacity=99)
    with clock_stands_at():
        yield
    assert not WorkOrder.objects.exists()
    assert AppointmentSlot.objects.get().booked == 0


def with_text(text: str, placed: str) -> str:
    return json.dumps(booking(Account={"AccountNum": "C-1", "Name": "HERE"})).replace(placed, text)


HOSTILE = {
    "nothing": b"",
    "no JSON": b"{",
    "a comment": b'{} // {"a": 1}',
    "an array": b"[]",
    "a text": b'"text"',
    "null": b"null",
    "NUL in a string": with_text("a\\u0000b", "HERE"),
    "NUL in a key": with_text('"a\\u0000b": 1, "Account"', '"Account"'),
    "a raw control character": with_text("a\x01b", "HERE"),
    "a lone surrogate": with_text("a\\ud800b", "HERE"),
    "a lone surrogate in a key": with_text('"\\udfff": 1, "Account"', '"Account"'),
    "the wrong half first": with_text("\\udc00\\ud800", "HERE"),
    "100,000 arrays": b'{"A": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects": b'{"A":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 open arrays": b"[" * 100_000,
    "101 levels": b'{"A": ' + b"[" * 100 + b"]" * 100 + b"}",
    "a number beyond a double": with_text('"a": 1e999, "Account"', '"Account"'),
    "a negative number beyond a double": with_text('"a": -1e999, "Account"', '"Account"'),
    "a number that a double takes for 0": with_text('"a": 1e-999, "Account"', '"Account"'),
    "a whole number beyond a double": with_text('"a": 1' + "0" * 400 + ', "Account"', '"Account"'),
    "a zero that no decimal holds": with_text('"a": 0e999999999999999999999, "Account"', '"Account"'),
    "a whole number of 5,000 digits": with_text('"a": ' + "9" * 5000 + ', "Account"', '"Account"'),
    "a key twice": with_text('"Account": {}, "Account"', '"Account"'),
    "a key twice, far down": with_text('"a": [{"b": 1, "b": 1}], "Account"', '"Account"'),
    "NaN": with_text('"a": NaN, "Account"', '"Account"'),
    "Infinity": with_text('"a": -Infinity, "Account"', '"Account"'),
    "not UTF-8": b'{"Account": "\xff"}',
    "UTF-16": json.dumps(booking()).encode("utf-16"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body(name):
    answer = post("WO-1", HOSTILE[name])
    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    assert answer.json()["detail"]["params"]["error"] == "invalid_request"
    assert answer.json()["detail"]["message"].endswith(".")


def test_the_place_of_the_character_is_named():
    answer = post("WO-1", with_text("a\\u0000b", "HERE")).json()["detail"]
    assert answer["dataPath"] == "/Account/Name"
    assert answer["message"] == "A text or a property's name holds the character NUL, which cannot be stored."


def test_a_body_of_two_megabytes():
    answer = post("WO-1", json.dumps(booking(Assets=[{"Desc": "x" * 9_000}] * 250)))
    assert (answer.status_code, answer.json()["code"]) == (413, 413)
    assert answer.json()["detail"]["params"] == {"error": "too_large", "limit": 1024 * 1024}


def test_an_order_number_that_cannot_be_stored():
    answer = post("a\0b", booking())
    assert (answer.status_code, answer.json()["detail"]["params"]["error"]) == (400, "invalid_request")
    assert answer.json()["detail"]["message"] == "The order number in the address holds the character NUL."


def test_an_order_number_that_is_too_long():
    answer = post("x" * 201, booking())
    assert answer.status_code == 400
    assert answer.json()["detail"]["message"] == "The order number in the address is longer than 200 characters."


WHO = "Location must have a number, a name or an address, unless Account has a number or a name."
ZIP = "Location.Address.Zip must be a text."
PERIOD = booking()["TimeConstraints"][0]["Period"]

NO_APPOINTMENT = "TimeConstraints names no appointment: it has neither a Period nor the ID of an offer."

# (what replaces properties of a small booking, JSON Pointer of the fault, what is said)
FAULTS = [
    (
        {"Account": None, "Location": {"ServiceAreaID": "LEEDS"}},
        "/Location",
        WHO,
    ),
    (
        {"Account": {}, "Location": None},
        "/Location",
        WHO,
    ),
    ({"Account": "C-1"}, "/Account", "Account must be an object."),
    (
        {"Account": {"AccountNum": "x" * 201}},
        "/Account/AccountNum",
        "Account.AccountNum is longer than 200 characters.",
    ),
    ({"TimeConstraints": None}, "/TimeConstraints", "TimeConstraints is missing."),
    ({"TimeConstraints": []}, "/TimeConstraints", "TimeConstraints is missing."),
    ({"TimeConstraints": [{}]}, "/TimeConstraints", "TimeConstraints is missing."),
    ({"TimeConstraints": [None, ""]}, "/TimeConstraints", "TimeConstraints is missing."),
    (
        {"TimeConstraints": [{"Desc": "", "Period": {"Start": "", "End": None}}]},
        "/TimeConstraints",
        "TimeConstraints is missing.",
    ),
    ({"TimeConstraints": "now"}, "/TimeConstraints", "TimeConstraints must be a list."),
    ({"TimeConstraints": [{"Desc": "x", "ID": "7"}]}, "/TimeConstraints", NO_APPOINTMENT),
    ({"TimeConstraints": {"Desc": "x"}}, "/TimeConstraints", NO_APPOINTMENT),
    ({"TimeConstraints": [{}, None, 7]}, "/TimeConstraints/2", "TimeConstraints[2] must be an object."),
    (
        {"TimeConstraints": [{"Desc": ""}, {"Period": PERIOD | {"Start": [[], ["x"]]}}]},
        "/TimeConstraints/1/Period/Start",
        "TimeConstraints[1].Period.Start must be a date and time such as 2026-12-04T13:00:00.000Z.",
    ),
    (
        {"TimeConstraints": [{"Period": {"Start": PERIOD["Start"]}}]},
        "/TimeConstraints/0/Period/End",
        "TimeConstraints[0].Period.End is missing.",
    ),
    (
        {"TimeConstraints": [{"Period": {"Start": PERIOD["End"], "End": PERIOD["Start"]}}]},
        "/TimeConstraints/0/Period",
        "TimeConstraints[0].Period must end after it starts.",
    ),
    *(
        (
            {"TimeConstraints": [{"Period": PERIOD | {"Start": start}}]},
            "/TimeConstraints/0/Period/Start",
            "TimeConstraints[0].Period.Start must be a date and time such as 2026-12-04T13:00:00.000Z.",
        )
        for start in [
            "tomorrow",
            1795500000,
            "1795500000",
            "2026-12-04",
            "2026-12-04+13:00",
            "20261204130000Z",
            "2026-13-04T13:00:00Z",
            True,
            [1],
            {"a": 1},
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "2026-12-04T13:00:00+99:00",
        ]
    ),
    ({"RequiredParts": {"ProdNum": "A"}}, "/RequiredParts", "RequiredParts must be a list."),
    ({"RequiredParts": [{"Qty": "many"}]}, "/RequiredParts/0/Qty", "RequiredParts[0].Qty must be a number."),
    ({"RequiredParts": [{"Qty:": -1}]}, "/RequiredParts/0/Qty:", "RequiredParts[0].Qty: must be at least 0."),
    ({"RequiredParts": [{"Qty": True}]}, "/RequiredParts/0/Qty", "RequiredParts[0].Qty must be a number."),
    ({"RequiredParts": [{"Qty": "1_000"}]}, "/RequiredParts/0/Qty", "RequiredParts[0].Qty must be a number."),
    ({"RequiredParts": [{"Qty": "\u0663"}]}, "/RequiredParts/0/Qty", "RequiredParts[0].Qty must be a number."),
    ({"RequiredParts": [{"Qty": "NaN"}]}, "/RequiredParts/0/Qty", "RequiredParts[0].Qty must be a number."),
    (
        {"RequiredParts": [{}, {"Qty": "99999999999.99995"}]},
        "/RequiredParts/1/Qty",
        "RequiredParts[1].Qty must be less than 100000000000.",
    ),
    (
        {"RequiredParts": [{"Qty": "1e1000000"}]},
        "/RequiredParts/0/Qty",
        "RequiredParts[0].Qty must be less than 100000000000.",
    ),
    ({"RequiredParts": [{"Qty": 1}] * 1001}, "/RequiredParts", "RequiredParts has more than 1000 entries."),
    (
        {"RequiredParts": [{"SupersededParts": [{"ProdNum": [7]}]}]},
        "/RequiredParts/0/SupersededParts/0/ProdNum",
        "RequiredParts[0].SupersededParts[0].ProdNum must be a text.",
    ),
    (
        {"RequiredParts": [{"SupersededParts": [{"Qty": 1}] * 501}] * 2},
        "/RequiredParts",
        "RequiredParts has more than 1000 parts with their replacements.",
    ),
    ({"OrderType": ["1001"]}, "/OrderType", "OrderType must be a text."),
    ({"OrderType": True}, "/OrderType", "OrderType must be a text."),
    ({"Location": {"LocationNum": "L", "Address": {"Zip": [1]}}}, "/Location/Address/Zip", ZIP),
    ({"UserName": {"a": 1}}, "/UserName", "UserName must be a text."),
]


@pytest.mark.parametrize(("properties", "path", "message"), FAULTS)
def test_a_bad_property(properties, path, message):
    answer = post("WO-1", booking(**properties))
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 400,
        "detail": {
            "message": message,
            "params": {"error": "invalid_request", "errors": [{"dataPath": path, "message": message}]},
            "dataPath": path,
        },
    }


def test_all_faults_are_told_at_once():
    body = sample("book_full.json")
    body["Account"]["AccountNum"] = [1]
    body["RequiredParts"][1]["Qty"] = "x"
    body["TimeConstraints"][0]["Period"]["End"] = "x"
    detail = post("WO-100234", body).json()["detail"]
    assert [fault["dataPath"] for fault in detail["params"]["errors"]] == [
        "/Account/AccountNum",
        "/RequiredParts/1/Qty",
        "/TimeConstraints/0/Period/End",
    ]
    assert detail["message"] == "Account.AccountNum must be a text. (3 faults in all.)"
    assert detail["dataPath"] == "/Account/AccountNum"
    assert detail["params"]["error_count"] == 3


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (where, value)
        for where in (
            "Account",
            "Location",
            "Assets",
            "RequiredParts",
            "TimeConstraints",
            "FlexAttrs",
            "FlexForms",
            "OrderType",
            "UserName",
        )
        for value in (7, 1.5, True, "x", [[]], [7], {"a": 7})
    ],
)
def test_no_type_of_a_property_breaks_anything(where, value):
    body = booking(Location={"LocationNum": "L-1"})  # in no area, so that nothing is booked where the value is fine
    assert post("WO-1", body | {where: value}).status_code in (400, 404)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("year", ["0001-01-01T00:00:00Z", "9999-12-31T20:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_a_date_in_years_that_make_no_sense_is_none(zone, year):
    make_area("EDGE", zone)
    body = booking(
        Location={"ServiceAreaID": "EDGE", "LocationNum": "L"},
        TimeConstraints={"Period": {"Start": year, "End": "2999-12-31T00:00:00Z"}},
    )
    assert post("WO-1", body).json()["detail"]["dataPath"] == "/TimeConstraints/Period/Start"
    parts = [{"ProdNum": "A", "EstimatedDelivery": year}]
    answer = search({"Location": {"ServiceAreaID": "LEEDS"}, "RequiredParts": parts})
    assert len(answer.json()["TimeConstraints"]) == 1


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ('{"a": 1, "b": [1.50, "x"]}', '{ "b":[15e-1,"x"],"a":1.0}'),
        ('{"a": 1}', '{"a": 1, "b": "", "c": null, "d": [], "e": {}, "f": [{"g": [""], "h": {"i": null}}]}'),
        ('{"a": ["x", "y"]}', '{"a": ["", "x", null, {}, "y", [[]]]}'),
        ('{"a": 0, "b": false}', '{"b": false, "a": -0.0}'),
        ('{"n": 12345678901234567890}', '{"n": 1234567890123456789e1}'),
        ('{"n": 1e40}', '{"n": 1' + "0" * 40 + "}"),
        ('{"ü": "é"}', '{"\\u00fc": "\\u00E9"}'),
        ("{}", '{"": ""}'),
    ],
)
def test_bodies_that_say_the_same(text, other):
    assert documents.read_body(text.encode()).fingerprint == documents.read_body(other.encode()).fingerprint


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ('{"a": 0}', "{}"),
        ('{"a": false}', "{}"),
        ('{"a": 0}', '{"a": false}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": 0.1}', '{"a": 0.10000000000000001}'),
        ('{"a": 123456789012345678}', '{"a": 123456789012345679}'),
        ('{"a": 12345678901234567890}', '{"a": 12345678901234567891}'),
        ('{"a": ["b"]}', '{"a": "b"}'),
        ('{"a": [["b"], "c"]}', '{"a": [["b", "c"]]}'),
        ('{"a": " "}', "{}"),
    ],
)
def test_bodies_that_do_not(text, other):
    assert documents.read_body(text.encode()).fingerprint != documents.read_body(other.encode()).fingerprint


@pytest.mark.parametrize("length", ["none", "-1", "0", ""])
def test_a_length_that_is_no_number(length):
    """gunicorn refuses such a request itself; another server may not."""
    answer = post("WO-1", b"{}", CONTENT_LENGTH=length)
    assert (answer.status_code, answer.json()["detail"]["params"]["error"]) == (400, "invalid_request")
