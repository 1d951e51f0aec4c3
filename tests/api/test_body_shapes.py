"""Whatever its shape, a body of the largest size is read, checked and compared in bounded memory.

The largest size is an eighth of the product's here, and all of it in `make torture`: what may be in memory is a number
of times of it. The time is not asserted; in `make torture` the worst that was seen is printed at the end of the run.
"""

import json
import os
import time
import tracemalloc

import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.exceptions import APIException

from bookings import documents
from bookings.api import errors, serializers
from bookings.refusals import BookingError
from tests import conftest
from tests.support import helpers
from tests.support.environment import examples

PART = 1 if "TORTURE_OPERATIONS" in os.environ else 8
LARGEST = settings.BOOKJOB_MAX_BODY_BYTES // PART
MOST_TIMES = 12
EMOJI = "\U0001f600"


def filled(unit: str, head: str = '{"a": [', tail: str = "]}") -> str:
    """As many of the unit as there is room for."""
    room = LARGEST - len(head.encode()) - len(tail.encode())
    return head + ",".join([unit] * (room // (len(unit.encode()) + 1))) + tail


def numbered(form: str, head: str = "{", tail: str = "}") -> str:
    """The same with a number of its own in each unit."""
    count = LARGEST // (len(form) + 6)
    return head + ",".join(form.replace("#", f"{number:x}") for number in range(count)) + tail


SPLIT_PART = {"Qty": "x", "SupersededParts": [{"ProdNum": [1], "Qty": "x"}] * 1_000}
BAD_PART = {"ProdNum": [1], "PartOrderNum": [1], "Qty": "x", "EstimatedDelivery": "x"}
BAD_TIME = {"Type": [1], "Period": {"Start": "x", "End": "y"}}
SHAPES = {
    "a long key and an escape": '{"'
    + "k" * (500_000 // PART)
    + '": ['
    + "0," * (250_000 // PART)
    + '0], "e": "\\u00e9"}',
    "a long key and NUL": '{"' + "k" * (500_000 // PART) + '": [' + "0," * (250_000 // PART) + '0], "e": "\\u0000"}',
    "zeros": filled("0"),
    "numbers": filled("257"),
    "numbers and one emoji": filled("257", f'{{"e": "{EMOJI}", "a": ['),
    "numbers of twenty digits": filled("12345678901234567890"),
    "numbers with a point": filled("1.5"),
    "numbers with an exponent": filled("1e5"),
    "a number of as many digits": f'{{"a": 0.{"1" * (1_000_000 // PART)}}}',
    "true": filled("true"),
    "null": filled("null"),
    "empty objects": filled("{}"),
    "empty lists": filled("[]"),
    "small objects": filled('{"a":1}'),
    "small lists": filled("[0]"),
    "small texts": filled('"ab"'),
    "empty texts": filled('""'),
    "wide texts": filled(f'"{EMOJI}abcdefgh"'),
    "keys": numbered('"#":0'),
    "keys and texts": numbered('"#":"ab"'),
    "a long text": f'{{"a": "{"x" * (LARGEST - 20)}"}}',
    "a long text and one emoji": f'{{"a": "{"x" * (LARGEST - 20)}{EMOJI}"}}',
    "a text of emoji": f'{{"a": "{EMOJI * (LARGEST // 4 - 20)}"}}',
    "a text of escapes": '{"a": "' + "\\u00e9" * (LARGEST // 6 - 20) + '"}',
    "a text of quotes": '{"a": "' + '\\"' * (LARGEST // 2 - 20) + '"}',
    "a text without an end": '{"a": "' + "\\\\" * (LARGEST // 2 - 20),
    "deep lists": filled("[" * 90 + "0" + "]" * 90),
    "deep objects": filled('{"a":' * 90 + "0" + "}" * 90),
    "too deep": "[" * (LARGEST // 2) + "]" * (LARGEST // 2),
    "numbers in a flex form": filled("0", '{"FlexAttrs": {"f": {"a": [', "]}}}"),
    "many flex forms": numbered('"#":{"a":["b"]}', '{"FlexAttrs": {', "}}"),
    "numbers as assets": filled("7", '{"Assets": ['),
    "many assets": json.dumps({"Assets": [helpers.sample("book_full.json")["Assets"][0]] * (1_000 // PART)}),
    "bad parts": json.dumps({"RequiredParts": [BAD_PART] * (1_000 // PART), "a": [0] * (250_000 // PART)}),
    "bad parts in parts": json.dumps({"RequiredParts": [SPLIT_PART] * (24 // PART)}),
    "bad times": json.dumps({"TimeConstraints": [BAD_TIME] * (200 // PART), "a": [0] * (250_000 // PART)}),
    "a key twice": filled('"a":0', "{", "}"),
    "blanks": "{" + " " * (LARGEST - 10) + "}",
}
SERIALIZERS = [serializers.SearchSerializer(), serializers.BookJobSerializer()]


@override_settings(BOOKJOB_MAX_BODY_BYTES=LARGEST)
def memory_for(text: str) -> tuple[float, float]:
    """How many times the largest body it takes to read, check and compare this one, and the processor's seconds."""
    raw = text.encode()[:LARGEST]
    seconds = 0.0
    if PART == 1:
        began = time.process_time()
        read(raw, SERIALIZERS[-1:])
        seconds = time.process_time() - began
    tracemalloc.start()
    refusals = read(raw, SERIALIZERS)
    worst = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for refusal in refusals:
        status, detail, _ = errors.describe(refusal)
        assert status in (400, 413)
        assert len(json.dumps(detail)) < 64 * 1024
    return worst / LARGEST, seconds


def read(raw: bytes, checks: list[serializers.WireSerializer]) -> list[Exception]:
    """Read the body once, check it by each of them, one after the other, and compare it; what each refuses."""
    try:
        body = documents.read_body(raw)
    except (BookingError, APIException) as refusal:
        return [refusal]
    refusals = []
    for serializer in checks:
        try:
            serializer.to_internal_value(body)
            body.fingerprint  # noqa: B018
        except (BookingError, APIException) as refusal:
            refusals.append(refusal)
    return refusals


@pytest.fixture(scope="module")
def worst():
    """What the shapes of the table took, the worst of which is printed."""
    found: dict[str, tuple[float, float]] = {}
    yield found
    if found:
        slowest = max(found, key=lambda name: found[name][1])
        largest = max(found, key=lambda name: found[name][0])
        conftest.FIGURES.append(
            f"Bodies of the largest size: at most {found[largest][0]:.1f} times its memory ({largest})"
            + (f", {found[slowest][1]:.2f} s of processor ({slowest})" if found[slowest][1] else "")
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_table(worst, shape):
    worst[shape] = memory_for(SHAPES[shape])
    assert worst[shape][0] <= MOST_TIMES


SCALARS = st.sampled_from(["0", "257", "1.5", "1e5", '""', '"ab"', f'"{EMOJI}"', "null", "true", '"\\u00e9"'])
UNITS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]"),
        st.dictionaries(st.sampled_from(["a", "bc", EMOJI, "Qty", "Period"]), inner, max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs.items()) + "}"
        ),
    ),
    max_leaves=8,
)
PLACES = st.sampled_from(
    [
        ('{"a": [', "]}"),
        ('{"Assets": [', "]}"),
        ('{"RequiredParts": [', "]}"),
        ('{"TimeConstraints": [', "]}"),
        ('{"FlexAttrs": {"f": {"a": [', "]}}}"),
        ('{"Account": {"Contacts": [{"Phones": [', "]}]}}"),
    ]
)


@hypothesis_settings(max_examples=examples(4), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(unit=UNITS, place=PLACES)
def test_every_shape_that_is_made_up(unit, place):
    assert memory_for(filled(unit, *place))[0] <= MOST_TIMES


def test_a_body_of_ordinary_things_may_be_large():
    asset = helpers.sample("book_full.json")["Assets"][0]
    text = json.dumps(helpers.booking(Assets=[asset] * 500, Notes="x" * 300_000))
    body = documents.read_body(text.encode())
    assert len(serializers.BookJobSerializer().to_internal_value(body).assets) == 500


@pytest.mark.parametrize("length", [100, 200_000])
def test_large_and_small_bodies_are_compared_alike(length):
    """The text that is compared is made in one piece or in many; it has to be the same text."""
    document = {"t": "é" * length, "l": [0, 1.5, "x", {"a": ["b"]}] * (length // 100), "ü": {"z": True, "a": 10**30}}
    body = documents.read_body(json.dumps(document).encode())
    assert b"".join(documents.canonical_pieces(body.document)) == documents.canonical(body.document)
    spread = documents.read_body(json.dumps(document, indent=4).encode())
    assert spread.fingerprint == body.fingerprint


def test_the_test_above_would_notice_a_body_that_is_read_whole(monkeypatch):
    monkeypatch.setattr(documents, "MOST_WEIGHT", 1_000)
    assert memory_for(SHAPES["small objects"])[0] > MOST_TIMES


def test_the_fingerprint_of_a_body_is_that_of_releases_before():
    """A late copy, and a request with an Idempotency-Key, may come to another release than what it is a copy of."""
    body = documents.read_body(b'{"b": [1.50, ""], "a": "x"}')
    assert body.fingerprint == "227e552969ad81d0c2f77739b8d325f1a84b67977e1e53c2cfa4bbd0b1bfdf74"
