"""Texts are read as the date or time that they are, or refused; never as something else."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bookings import clock
from tests.support.environment import ROOT

ONE = datetime(2026, 12, 4, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-04T13:00:00.000Z",
        "2026-12-04t13:00:00z",
        "2026-12-04 13:00",
        " 2026-12-04T13:00Z ",
        "2026-12-04T13:00:00.0000000000000000Z",
        "2026-12-04T14:00+01:00",
        "2026-12-04T14:00+0100",
        "2026-12-04T14:00:00.0+01",
        "2026-12-03T23:00:00-14:00",
    ],
)
def test_one_instant_in_all_its_forms(text):
    assert clock.read_instant(text) == ONE


@pytest.mark.parametrize(
    "text",
    [
        "20261128012000Z",
        "20261204T130000Z",
        "2026-12-04+13:00",
        "2026-12-04",
        "2026-12-04T13",
        "2026-12-04T13Z",
        "2026-12-04T13:00:00,5Z",
        "2026-12-04X13:00",
        "2026-W49-5T13:00",
        "2026-12-04T24:00Z",
        "2026-12-04T13:60Z",
        "2026-12-04T13:00:60Z",
        "2026-12-04T13:00+99:00",
        "2026-12-04T13:00+12:60",
        "2026-12-04T13:00+00:00:30",
        "2026-12-04T13:00 Z",
        "2026-02-29T13:00Z",
        "٢٠٢٦-12-04T13:00Z",
        "2026-12-04T13:00Z2026-12-04T13:00Z",
        "",
    ],
)
def test_any_other_form_is_refused(text):
    for read in (clock.read_instant, clock.read_time):
        with pytest.raises(ValueError, match=r"day|time"):
            read(text)


@given(
    moment=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),
    minutes=st.integers(min_value=-23 * 60, max_value=23 * 60),
    separator=st.sampled_from("Tt "),
)
def test_every_instant_survives_being_written(moment, minutes, separator):
    zone = timezone(timedelta(minutes=minutes))
    there = moment.replace(tzinfo=UTC).astimezone(zone)
    assert clock.read_instant(there.isoformat().replace("T", separator)) == moment.replace(tzinfo=UTC)
    assert clock.read_time(moment.isoformat()) == moment


@given(text=st.from_regex(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}.?[0-9]{2}:?[0-9]{2}(:?[0-9]{2})?(Z|[+-][0-9]{2})?\Z"))
@example("20261128012000Z")
def test_what_is_read_says_the_very_digits_that_stand_there(text):
    try:
        found = clock.read_time(text)
    except ValueError:
        return
    assert f"{found:%Y-%m-%d}" == text.strip()[:10]
    assert f"{found:%H:%M}" == text.strip()[11:16]


def test_a_day():
    assert clock.read_day(" 2026-12-04 ") == date(2026, 12, 4)
    for text in ("20261204", "2026-12", "2026-W49-5", "2026-02-30", "2026-12-04T13:00", "4 Dec 2026", ""):
        with pytest.raises(ValueError, match=r"day|time"):
            clock.read_day(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0001-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("1899-12-31T23:59:59Z", False),
        ("1900-01-01T00:00:00Z", True),
        ("2999-12-31T23:59:59.999Z", True),
        ("3000-01-01T00:00:00Z", False),
        ("9999-12-31T23:59:59-14:00", False),
    ],
)
def test_the_years_that_make_sense(text, is_one):
    assert clock.is_a_date(clock.read_instant(text)) is is_one


ASKS_A_CLOCK = re.compile(r"monotonic|perf_counter|timezone\.now|datetime\.now|\btime\.time|clock_gettime|date\.today")
# The life of a token is not stopped with the clock (helpers.clock_stands_at); a lease ends while the machine sleeps;
# the line of a request tells milliseconds; an epoch of the feed is a number that was never given before.
OWN_CLOCKS = {"clock.py", "access/tokens.py", "delivery/lease.py", "operations/requests.py",
              "services/feed.py"}  # fmt: skip


def test_there_is_one_clock():
    files = [file for folder in ("bookings", "bookjob_site") for file in (ROOT / folder).rglob("*.py")]
    asking = {file for file in files if "migrations" not in file.parts and ASKS_A_CLOCK.search(file.read_text())}
    assert asking == {ROOT / "bookings" / name for name in OWN_CLOCKS}
