"""What is made harmless for spreadsheets is read again as it was."""

import random
import re

import pytest

from bookings.supply import csv_files, formulas


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("-bob", "'-bob"),
        ("'-bob", "''-bob"),
        ("bob", "bob"),
        ("o'neill-x", "o'neill-x"),
        ("a;=b", "a;'=b"),
        ("a;'=b", "a;''=b"),
        ("+44 113 496 0000", "+44 113 496 0000"),
        ("\uff1d1", "'\uff1d1"),
    ],
)
def test_texts_and_what_a_file_has(text, written):
    assert formulas.harmless(text) == written
    assert formulas.meant(written) == text


def test_any_text_comes_back():
    draw = random.Random(8)
    for _ in range(20_000):
        text = "".join(draw.choices("'-=@;|\t \na1+", k=draw.randrange(9)))
        assert formulas.meant(formulas.harmless(text)) == text


def test_each_formula_inside_has_one_apostrophe_more():
    """As the plain expression has it, which takes the square of the length where it is not there."""
    plain = re.compile(rf"([;|\t\r\n]\s*)(?='*[{formulas.SIGNS}])")
    draw = random.Random(10)
    for _ in range(20_000):
        text = "x" + "".join(draw.choices("'-=@;|\t \na1+", k=draw.randrange(12)))
        assert formulas.harmless(text) == plain.sub(r"\1'", text)


@pytest.mark.parametrize("text", ["\t" * 100_000, "\t" * 50_000 + "'" * 50_000, "; " * 50_000, "'" * 100_000])
def test_a_text_as_long_as_a_cell(text):
    """By the square of the length, each would take minutes."""
    for same in (f"a{text}b", f"a{text}=b", text):
        assert formulas.meant(formulas.harmless(same)) == same


def test_any_list_comes_back():
    draw = random.Random(9)
    for _ in range(5_000):
        several = ["".join(draw.choices(",\"'a; ", k=draw.randrange(1, 6))).strip() for _ in range(draw.randrange(4))]
        several = [one for one in several if one]
        assert csv_files.parts(csv_files.joined(several)) == several
