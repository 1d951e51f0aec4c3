"""docs/architecture.md draws the path of a booking as it is: each file that it enters, in that order."""

import re
import sys
from pathlib import Path

import pytest
from django.db import connection

from bookings.access import tokens
from tests.support.environment import ROOT
from tests.support.helpers import booking, clock_stands_at, make_slot, post

FOLDERS = (ROOT / "bookings", ROOT / "bookjob_site")
# Of the other database alone.
ELSEWHERE = {"sqlite": "bookjob_site/postgresql/base.py", "postgresql": "bookjob_site/sqlite/base.py"}


def path_of_a_booking() -> str:
    return (ROOT / "docs" / "architecture.md").read_text().partition("## The path of a booking\n")[2]


def drawn() -> list[str]:
    text = path_of_a_booking()
    table = text.partition("What is read decides nothing")[0].partition("| --- |")[2]
    files = re.findall(r"`([\w/]+\.py)`", table)
    return [file for file in files if file != ELSEWHERE[connection.vendor]]


def weighed() -> set[str]:
    """The names of the files of which the page says why they stay by themselves."""
    table = path_of_a_booking().partition("why it stays by itself |\n")[2].partition("\n\n")[0]
    return set(re.findall(r"`(\w+\.py)`", table))


def entered(call) -> list[str]:
    """The files of the service whose functions run during the call, each where it is first."""
    found: dict[str, None] = {}

    def note(frame, event, _):
        file = Path(frame.f_code.co_filename)
        if event == "call" and any(folder in file.parents for folder in FOLDERS):
            found.setdefault(str(file.relative_to(ROOT)).removeprefix("bookings/"))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return list(found)


@pytest.mark.django_db
def test_a_booking_goes_the_way_that_is_drawn():
    make_slot(capacity=9)
    token, body = tokens.issue_token("tech.jones"), booking(RequiredParts=[{"ProdNum": "PUMP", "Qty": 1}])
    with clock_stands_at():
        # The first one finds caches empty.
        answers = [post("WO-1", body, token=token)]
        way = entered(lambda: answers.append(post("WO-2", body, token=token)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert way == drawn()
    assert f"It enters {len(way)} of our files." in path_of_a_booking()
    assert {Path(file).name for file in way} == weighed()
