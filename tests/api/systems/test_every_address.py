"""What holds at every address of the API: a new one is here as soon as it is in the list of addresses."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.access import calendars
from bookings.api.urls import urlpatterns
from bookings.models import PostcodePrefix, WorkOrder
from tests.api.systems.test_closings import row
from tests.support.helpers import END, START, booking, clock_stands_at, make_area, make_booking, make_slot, post
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

ADDRESSES = {pattern.name: pattern.pattern._route for pattern in urlpatterns}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
OPEN = {"schema", "docs", "calendar", "token"}  # for all, without a token
WHERE = {"Location": {"ServiceAreaID": "LEEDS"}}
# What answers with lists, and with which body it is asked.
WITHOUT_LISTS = {"schema", "docs", "token", "followup", "cancel", "move", "review", "note", "close_slots", "open_slots",
                 "resize_slots"}  # fmt: skip
ASKED = {"search": WHERE, "explain": WHERE}


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


@pytest.fixture
def secret() -> str:
    return calendars.make(worker="jo", shows_customers=True, by="anna")


def path_of(name, secret, number="FU-1") -> str:
    filled = ADDRESSES[name].replace("<order:order>", "WO-1").replace("<order:order_num>", number)
    return f"/api/v1/{filled.replace('<str:secret>', secret)}"


def assert_is_a_sentence(message) -> None:
    """It begins with what it is about, be it the name of a parameter."""
    assert message.split()[0] not in ("must", "is", "has", "holds", "cannot", "there", "it"), message
    assert message == message.strip()
    assert message.endswith((".", ".)")), message


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_an_answer_in_the_form_of_the_api(name, method, secret):
    make_slot()
    number = make_booking().order_num
    answer = call(method, path_of(name, secret, number), {} if method in ("POST", "PUT") else None, key=make_key())
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400 and method != "HEAD":
        detail = json.loads(answer.content)["detail"]
        assert detail.keys() == {"message", "params", "dataPath"}
        assert_is_a_sentence(detail["message"])
    if answer.status_code == 405:
        assert method not in answer["Allow"].split(", ")
    if method == "HEAD":
        assert answer.content == b""


@pytest.mark.parametrize("name", ADDRESSES)
def test_allow_says_which_methods_there_are(name, secret):
    path, key = path_of(name, secret), make_key()
    answer = call("OPTIONS", path, key=key)
    assert answer.status_code == 405
    taken = answer["Allow"].split(", ")
    there = [method for method in METHODS if call(method, path, key=key).status_code != 405]
    assert sorted(taken) == sorted(there)
    if name not in OPEN:
        assert Client().options(path).status_code == 401


@pytest.mark.parametrize("name", sorted(ADDRESSES.keys() - OPEN))
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "x"])
def test_another_content_type(name, kind, secret):
    key, path = make_key(), path_of(name, secret)
    for method in ("POST", "PUT"):
        headers = {"Authorization": f"Bearer {key}"}
        answer = Client().generic(method, path, "{}", content_type=kind, headers=headers)
        assert answer.status_code in (405, 415), answer.content


@pytest.mark.parametrize("name", sorted(ADDRESSES.keys() - {"schema", "docs", "calendar"}))
@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "x",
        "[]",
        "null",
        "1",
        '"x"',
        b"\xff\xfe",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "[" * 200,
        '{"a": "\\ud800"}',
    ],
)
def test_a_body_that_is_no_object(name, body, secret):
    key, path = make_key(), path_of(name, secret)
    for method in ("POST", "PUT"):
        answer = call(method, path, body, key=key)
        assert answer.status_code in (400, 401, 404, 405), answer.content
        assert_is_a_sentence(json.loads(answer.content)["detail"]["message"])


def more_rows(number: int) -> None:
    """One more of everything that a list has."""
    start = START.replace(hour=number)
    make_slot(start=start, worker="jo")
    make_slot(start=start.replace(day=7), worker="jo", capacity=9)
    area = make_area(f"AREA-{number}")
    PostcodePrefix.objects.create(area=area, prefix=f"X{number}")
    parts = [{"ProdNum": "P", "Qty": 1}]
    make_booking(f"WO-{number}", booking(start, start + (END - START), RequiredParts=parts))
    first = WorkOrder.objects.order_by("pk").first()
    services.add_note(work_order=first, by="anna", note="one line more")
    post(f"WO-refused-{number}", booking(start.replace(day=5), start.replace(day=6)))
    key = make_key(name=f"writer {number}")
    rows = {"Blackouts": row(days=30 + number), "Absences": row("absences", days=30 + number)}
    for name, one in rows.items():
        call("PUT", f"/api/v1/{name.lower()}", {name: [one | {"ExternalID": f"H-{number}"}]}, key=key)


@pytest.mark.parametrize("name", sorted(ADDRESSES.keys() - WITHOUT_LISTS))
def test_statements_do_not_grow_with_the_rows(name, secret):
    make_slot(start=START.replace(day=3), capacity=9)
    key, numbers, sizes = make_key(), [], []
    for number in range(1, 6):
        more_rows(number)
        path = path_of(name, secret, WorkOrder.objects.order_by("pk").first().order_num)
        method, body = ("POST", ASKED[name]) if name in ASKED else ("GET", None)
        call(method, path, body, key=key)  # what is new is numbered, and the key's use is written
        with CaptureQueriesContext(connection) as statements:
            answer = call(method, path, body, key=key)
        assert answer.status_code == 200, answer.content
        numbers.append(len(statements))
        sizes.append(len(answer.content))
    assert sizes[0] < sizes[-1] or name == "alternatives"
    assert len(set(numbers)) == 1, numbers
