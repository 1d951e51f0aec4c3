"""An address that is put into an address, and a text that is looked for, are encoded everywhere."""

import re

from bookings.admin import addresses
from tests.support.environment import ROOT

# Who may: the two that put addresses together, and one that keeps the question of an address as Django writes it.
ENCODERS = ("addresses.py", "kept.py", "saved_views.py")
# `?name={{ value }}` and `&name={{ value }}` in templates, `?name={value}` in Python.
IN_TEMPLATES = re.compile(r"[?&][\w-]+=\{\{ (?![^}]*\|urlencode)[^}]*\}\}")
IN_PYTHON = re.compile(r"""f["'][^"']*[?&][\w-]+=\{""")


def test_it_encodes_and_leaves_out_what_is_empty():
    back = addresses.with_query("/list/", {"q": "a&b #c", "area": ["A", "B+C"], "view": "", "p": 0})
    assert back == "/list/?q=a%26b+%23c&area=A&area=B%2BC&p=0"
    assert addresses.with_query("/act/", {"back": back}).count("?") == 1
    assert addresses.with_query("/act/", {"back": "", "area": []}) == "/act/"


def test_one_more_begins_the_question_or_goes_on_with_it():
    assert addresses.with_one_more("/planner/", "move", 7) == "/planner/?move=7"
    assert addresses.with_one_more("/planner/?area=A%26B", "move", 7) == "/planner/?area=A%26B&move=7"


def test_nothing_else_puts_an_address_together():
    templates = [path for path in (ROOT / "templates").rglob("*.html") if IN_TEMPLATES.search(path.read_text())]
    modules = [path for path in (ROOT / "bookings").rglob("*.py") if IN_PYTHON.search(path.read_text())]
    others = [
        path
        for path in (ROOT / "bookings").rglob("*.py")
        if path.name not in ENCODERS and "urlencode" in path.read_text()
    ]
    assert (templates, modules, others) == ([], [], [])


def test_the_test_above_would_notice_one():
    assert IN_TEMPLATES.search('<a href="{% url x %}?chosen={{ chosen }}&back={{ back|urlencode }}">')
    assert IN_PYTHON.search('f"{request.path}?chosen={chosen}&back={back}"')
