"""Every error code stands once, with its status, and whatever raises one raises one of these."""

import ast
from enum import StrEnum

import pytest

from bookings import offers, wire
from bookings.api import errors, schema
from bookings.refusals import BookingError, Code
from tests.support.environment import ROOT


def raised():
    """(place, first argument) of each refusal that is made anywhere."""
    for file in sorted((ROOT / "bookings").rglob("*.py")):
        if "class Refused" in file.read_text():
            continue  # refusals.py, and delivery with one of its own for what an operator gives it
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
