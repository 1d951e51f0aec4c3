"""Every error code stands once, with its status, and whatever raises one raises one of these."""

import ast
import json
import re
from enum import StrEnum

import pytest
from gunicorn.http import errors as http_errors

from bookings import offers, wire
from bookings.api import errors, schema, serializers
from bookings.refusals import OF_THE_SERVER, BookingError, Code
from bookjob_site.worker import refusals
from tests.support import published
from tests.support.environment import ROOT


def raised():
    """(place, first argument) of each refusal that is made anywhere."""
    for file in sorted((ROOT / "bookings").rglob("*.py")):
        if "class Refused" in file.read_text():
            continue  # refusals.py itself
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "BookingError",
                "Refused",
            ):
                yield f"{file.name}:{node.lineno}", node.args[0]


def test_every_refusal_names_a_code():
    found = dict(raised())
    assert len(found) > 25
    wrong = [
        place
        for place, argument in found.items()
        if not (isinstance(argument, ast.Constant) and argument.value in list(Code))
        and ast.unparse(argument).removeprefix("Code.") not in Code.__members__
    ]
    assert wrong == []


def test_a_code_without_status_cannot_be_written():
    assert all(400 <= code.status <= 503 for code in Code)
    with pytest.raises(TypeError, match="status"):
        StrEnum("Other", {"ALONE": "alone", "__new__": Code.__new_member__})
    with pytest.raises(ValueError, match="no_such_word"):
        BookingError("no_such_word", "It has no status.")


@pytest.mark.parametrize("code", Code)
def test_each_code_has_an_answer(code):
    status, detail, headers = errors.describe(BookingError(code.value, "It is so."))
    assert (status, detail["params"], detail["message"]) == (code.status, {"error": code.value}, "It is so.")
    assert ("Retry-After" in headers) == (code == "unavailable")


def test_reasons_are_those_of_the_rules():
    assert set(wire.RefusalReason.__args__) == set(offers.REFUSALS)


def test_the_table_of_the_documentation_has_each_code_of_the_api():
    text = (ROOT / "docs" / "errors.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    told = {
        row[1].strip(" `"): (int(row[2]), set(filter(None, row[3].replace("`", "").replace(" ", "").split(","))))
        for row in rows
    }
    assert told == {code.value: (code.status, set(params)) for code, (_, params, _) in schema.ERRORS.items()}


def test_what_the_server_refuses_is_documented_and_published():
    text = (ROOT / "docs" / "errors.md").read_text()
    told = {int(status): code for status, code in re.findall(r"^\| (\d+) \| `(\w+)`", text, re.MULTILINE)}
    said = {status: code.value for status, (code, _) in OF_THE_SERVER.items()}
    also = {code.status: code.value for code in (Code.INVALID_REQUEST, Code.METHOD_NOT_ALLOWED, Code.UNAVAILABLE)}
    assert told == said | also
    operations = [operation for path in published.DOCUMENT["paths"].values() for operation in path.values()]
    assert operations
    for operation in operations:
        assert {str(status) for status in OF_THE_SERVER} <= operation["responses"].keys()
    responses = published.DOCUMENT["components"]["responses"]
    for status in OF_THE_SERVER:
        (example,) = responses[f"Server{status}"]["content"]["application/json"]["examples"].values()
        said = refusals.answer(refusals.of_the_server(status)).partition(b"\r\n\r\n")[2]
        assert example["value"] == json.loads(said)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (http_errors.LimitRequestLine(9000, 8190), 414),
        (http_errors.LimitRequestHeaders("too many"), 431),
        (http_errors.UnsupportedTransferCoding("gzip"), 501),
        (http_errors.ExpectationFailed("else"), 417),
        (http_errors.InvalidRequestMethod("GE T"), 405),
        (http_errors.InvalidRequestLine("x"), 400),
        (http_errors.InvalidHeader("x"), 400),
        (http_errors.InvalidResponseHeader("x"), 500),
        (ZeroDivisionError(), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_parser_raises_has_its_status(fault, status):
    assert refusals.describe(fault)[0] == status


@pytest.mark.parametrize("kind", sorted(serializers.PYDANTICS))
def test_no_sentence_of_a_property_is_pydantics(kind):
    context = dict.fromkeys(("max_length", "max_digits", "decimal_places", "whole_digits", "ge"), 7)
    fault = {"type": kind, "msg": "Input should be as Pydantic says", "loc": ("Qty",), "ctx": context}
    pointer, said = serializers.told(fault, ["Parts", 0, "Qty"])
    assert pointer == "/Parts/0/Qty"
    assert re.fullmatch(r"Parts\[0\]\.Qty (is|must|has|cannot) [\w ]+\.", said)


def test_what_the_wires_own_types_say_stays():
    fault = {"type": "period", "msg": "must end after it starts", "loc": ("Period",)}
    assert serializers.told(fault, ["Period"]) == ("/Period", "Period must end after it starts.")
