"""No stored text turns round the sentence that names it."""

import ast
import re
from pathlib import Path

import pytest

from bookings import sentences
from bookings.sentences import counted, say
from tests.support.environment import ROOT

REFUSALS = {"Refused", "BookingError", "InvalidRequest", "TooLarge"}
# It has a class of its own, for operators who read a terminal.
ELSEWHERE = {"bookings/delivery/receivers.py"}


def filled_in_past_say(source: str) -> list[int]:
    """The lines of refusals whose sentence is filled in by an f-string, a sum or `format`, and not by `say`."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or getattr(call.func, "id", getattr(call.func, "attr", "")) not in REFUSALS:
            continue
        found += [call.lineno for argument in call.args for part in ast.walk(argument) if is_filled_in(part)]
    return found


def is_filled_in(part: ast.AST) -> bool:
    is_format = isinstance(part, ast.Call) and getattr(part.func, "attr", "") == "format"
    return isinstance(part, ast.FormattedValue | ast.BinOp) or is_format


@pytest.mark.parametrize(
    "source",
    ['Refused("a", f"{name} is closed.")', 'Refused("a", "{} is closed.".format(name))', 'Refused("a", name + "!")'],
)
def test_the_check_notices_each_way_around_say(source):
    assert filled_in_past_say(source) == [1]
    assert filled_in_past_say('Refused("a", say("{name} is closed.", name=name))') == []


def test_every_refusal_is_filled_in_by_say():
    around = {}
    for path in sorted(Path(ROOT / "bookings").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name not in ELSEWHERE and (lines := filled_in_past_say(path.read_text())):
            around[name] = lines
    assert around == {}


HEBREW, ARABIC, TURNED = "\u05d0\u05d1", "\u0646\u0648\u0631\u0629", "abc\u202edef"


@pytest.mark.parametrize("text", [HEBREW, ARABIC, TURNED, f"{HEBREW} 12"])
def test_what_reads_from_right_to_left_is_isolated(text):
    assert say("{who} has 3 bookings.", who=text) == f"\u2068{text}\u2069 has 3 bookings."


@pytest.mark.parametrize("text", ["anna", "Müller & Söhne", "WO-1/{x}", "हिन्दी", "王伟", 7])
def test_what_reads_from_left_to_right_stays_as_it_is(text):
    assert say("{who} has 3 bookings.", who=text) == f"{text} has 3 bookings."


def test_no_text_ends_its_isolation():
    said = say("{who} has 3 bookings.", who=f"a\u2069{TURNED}\u2067")
    assert said == f"\u2068a{TURNED}\u2069 has 3 bookings."


def test_every_sentence_of_the_api_is_filled_in_by_name():
    """`say` takes named values alone."""
    texts = [text for name, text in vars(sentences).items() if name.isupper() and isinstance(text, str)]
    assert texts
    assert not [text for text in texts if "{}" in text]


NUMBER = re.compile(
    r"(?:(\w+),? )?(\{[^{}\"]+\}|\{\{[^{}]+\}\}) (?:more |free |past |log-in |work )?(?:slots|bookings|areas|rows"
    r"|days|orders|places|lines|remarks|postcodes|workers|refusals|records|blackouts|weeks|views|plans|steps|pauses)\b"
)
# What stands behind these is a bound, a whole of which there are parts, or more than one already.
BOUNDS = {"than", "of", "to", "are", "these", "the", "most", "have", "day"}


def always_plural(source: str) -> list[str]:
    """Numbers before a plural that may be one."""
    return [found[2] for found in NUMBER.finditer(source) if found[1] not in BOUNDS]


def test_the_check_notices_a_plural():
    assert always_plural('f"{count} slots closed"') == ["{count}"]
    assert always_plural('f"{code}: {report.changed:,} more bookings stay"') == ["{report.changed:,}"]
    assert always_plural("<p>{{ number }} areas</p>") == ["{{ number }}"]
    assert always_plural('f"more than {MOST} slots", f"{n} slot{pluralize(n)}"') == []


@pytest.mark.parametrize(
    "folder", ["bookings/management", "bookings/supply", "bookings/admin", "bookings/delivery", "templates"]
)
def test_one_of_a_kind_is_no_plural(folder):
    files = [file for file in (ROOT / folder).rglob("*.*") if file.suffix in (".py", ".html")]
    assert files
    assert {file.name: found for file in files if (found := always_plural(file.read_text()))} == {}


def test_a_number_with_its_noun():
    assert [counted(number, "slot") for number in (0, 1, 2)] == ["0 slots", "1 slot", "2 slots"]
    assert [counted(number, "row was", "rows were") for number in (1, 2)] == ["1 row was", "2 rows were"]
