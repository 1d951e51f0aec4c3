"""Slots and the clocks: every change of the clocks of every IANA zone in the next five years.

What is expected is worked out from the change alone (its moment, the offset before and the offset after), never from
what the code under test asks `zoneinfo`.
"""

import functools
import os
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest

from bookings.clock import moment_of
from bookings.supply.from_plans.hours import Diary, Hours, read_hours, read_weekdays, slots_of_day

FROM = datetime(2026, 11, 24, tzinfo=UTC)
UNTIL = datetime(2031, 11, 24, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Change(NamedTuple):
    zone: str
    at: datetime
    before: timedelta
    after: timedelta

    def instants(self, wall: datetime) -> list[datetime]:
        """When the clock shows `wall`: twice, once or never. Good for the days around the change."""
        earlier, later = ((wall - offset).replace(tzinfo=UTC) for offset in (self.before, self.after))
        return [instant for instant, holds in [(earlier, earlier < self.at), (later, later >= self.at)] if holds]


@functools.cache
def changes_of(zone: str) -> list[Change]:
    """By steps of a week, then by bisection to the second. No zone changes its clocks twice within a week."""
    info, found = ZoneInfo(zone), []
    low, before = FROM, FROM.astimezone(info).utcoffset()
    while low < UNTIL:
        high = min(low + timedelta(days=7), UNTIL)
        after = high.astimezone(info).utcoffset()
        if after != before:
            left, right = low, high
            while right - left > timedelta(seconds=1):
                middle = left + timedelta(seconds=(right - left) // timedelta(seconds=2))
                left, right = (middle, right) if middle.astimezone(info).utcoffset() == before else (left, middle)
            found.append(Change(zone, right, before, after))
        low, before = high, after
    return found


@functools.cache
def changes() -> list[Change]:
    """Each once: most zones change their clocks together with another one, by the same hours. All in `make torture`."""
    found = [change for zone in sorted(available_timezones()) for change in changes_of(zone)]
    return found if "TORTURE_OPERATIONS" in os.environ else list({change[1:]: change for change in found}.values())


# (hours, length, gap): around the clock, a step that does not divide the hour, hours over midnight, hours that begin
# and end where many clocks change, a gap.
PLANS = [
    ([Hours(0, 1440)], 60, 0),
    ([Hours(0, 1440)], 75, 20),
    ([Hours(22 * 60, 30 * 60)], 60, 0),
    ([Hours(90, 150), Hours(150, 240)], 15, 0),
]


def expected_closing(change: Change, wall: datetime) -> datetime:
    return min(change.instants(wall), default=change.at)


def faults_of(change: Change, hours: list[Hours], length: int, gap: int) -> list[str]:
    """What is wrong with the slots of the three days around a change; nothing, one hopes."""
    zone, faults, previous_end = ZoneInfo(change.zone), [], FROM - timedelta(days=9)
    changed_on = (change.at + change.before).date()
    for day in (changed_on + timedelta(days=step) for step in (-1, 0, 1)):
        midnight = datetime.combine(day, time())
        slots = list(slots_of_day(day, hours, length, zone, gap))
        tried = {
            min(instants): expected_closing(change, midnight + window.until * MINUTE)
            for window in hours
            for minute in range(window.start, window.until, length + gap)
            if (instants := change.instants(midnight + minute * MINUTE))
        }
        for start, end in slots:
            if start not in tried:
                faults.append(f"{start} is no step of the clock, or the second one of that time")
            elif end > tried[start]:
                faults.append(f"{start} ends after the hours")
            if end - start != length * MINUTE:
                faults.append(f"{start} is not {length} minutes long")
            if start < previous_end:
                faults.append(f"{start} begins before the last one ends")
            previous_end = end
        # What is left out is so for a reason: it would reach beyond the hours, or into the slot before it.
        for start in tried.keys() - {begin for begin, _ in slots}:
            fits = start + length * MINUTE <= tried[start]
            if fits and not any(begin < start < end + gap * MINUTE for begin, end in slots):
                faults.append(f"{start} is missing")
    return [f"{change.zone} at {change.at}: {fault}" for fault in faults]


class TestEveryChangeOfTheClocks:
    def test_the_list_of_changes_is_one(self):
        assert len({zone for zone in available_timezones() if changes_of(zone)}) > 150
        shifts = {(change.after - change.before) // MINUTE for change in changes()}
        # An hour in most places, half an hour on Lord Howe Island, two hours at Troll station.
        assert shifts == {-120, -60, -30, 30, 60, 120}

    @pytest.mark.parametrize(("hours", "length", "gap"), PLANS)
    def test_slots_are_right_around_each(self, hours, length, gap):
        assert [fault for change in changes() for fault in faults_of(change, hours, length, gap)] == []

    def test_the_test_above_would_notice_the_naive_way(self, monkeypatch):
        def naive(day, minute, zone):
            return datetime.combine(day, time(), zone).astimezone(UTC) + minute * MINUTE

        monkeypatch.setattr("bookings.clock.instant_of", naive)
        # Where the clocks change at midnight, each day by itself is naive enough: more often where each change is once.
        share = 0.9 if "TORTURE_OPERATIONS" in os.environ else 0.8
        assert sum(bool(faults_of(change, *PLANS[1])) for change in changes()) > len(changes()) * share

    def test_a_moment_that_the_clock_skips_is_the_change_itself(self):
        for change in changes():
            for wall in (change.at + offset for offset in (change.before, change.after)):
                wall = wall.replace(tzinfo=None)
                minute = (wall - datetime.combine(wall.date(), time())) // MINUTE
                found = moment_of(wall.date(), minute, ZoneInfo(change.zone))
                assert found == expected_closing(change, wall), change


def local(day, text, length, zone, gap=0):
    """Slots as the clock on the wall shows them."""
    info = ZoneInfo(zone)
    return [
        f"{start.astimezone(info):%H:%M%z}-{end.astimezone(info):%H:%M}"
        for start, end in slots_of_day(day, read_hours(text), length, info, gap)
    ]


class TestExamples:
    def test_the_skipped_hour(self):
        assert local(date(2027, 3, 28), "00:00-04:00", 60, "Europe/London") == [
            "00:00+0000-02:00",  # sixty minutes, though the clock shows two hours
            "02:00+0100-03:00",
            "03:00+0100-04:00",
        ]

    def test_the_doubled_hour(self):
        assert local(date(2027, 10, 31), "00:00-03:00", 60, "Europe/London") == [
            "00:00+0100-01:00",
            "01:00+0100-01:00",  # sixty minutes, though the clock shows none
            "02:00+0000-03:00",
        ]

    def test_half_an_hour_on_lord_howe_island(self):
        assert local(date(2027, 4, 4), "01:00-03:00", 30, "Australia/Lord_Howe") == [
            "01:00+1100-01:30",
            "01:30+1100-01:30",
            "02:00+1030-02:30",
            "02:30+1030-03:00",
        ]

    @pytest.mark.parametrize(
        ("zone", "first"),
        [
            ("Asia/Kolkata", datetime(2026, 12, 4, 2, 30, tzinfo=UTC)),
            ("Asia/Kathmandu", datetime(2026, 12, 4, 2, 15, tzinfo=UTC)),
            ("Australia/Eucla", datetime(2026, 12, 3, 23, 15, tzinfo=UTC)),
            ("Pacific/Chatham", datetime(2026, 12, 3, 18, 15, tzinfo=UTC)),
            ("America/St_Johns", datetime(2026, 12, 4, 11, 30, tzinfo=UTC)),
        ],
    )
    def test_offsets_of_thirty_and_forty_five_minutes(self, zone, first):
        slots = list(slots_of_day(date(2026, 12, 4), read_hours("08:00-10:00"), 60, ZoneInfo(zone)))
        hour = timedelta(hours=1)
        assert slots == [(first, first + hour), (first + hour, first + 2 * hour)]

    def test_over_midnight(self):
        assert local(date(2026, 12, 4), "22:00-02:00", 120, "Europe/London") == ["22:00+0000-00:00", "00:00+0000-02:00"]

    def test_over_midnight_into_the_doubled_hour_leaves_the_next_day_alone(self):
        night = list(slots_of_day(date(2027, 10, 30), read_hours("22:00-01:30"), 30, ZoneInfo("Europe/London")))
        morning = list(slots_of_day(date(2027, 10, 31), read_hours("01:30-03:00"), 30, ZoneInfo("Europe/London")))
        assert night[-1][1] == morning[0][0] == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)

    def test_a_rest_of_the_hours_that_is_too_short_stays_free(self):
        assert local(date(2026, 12, 4), "08:00-10:30", 60, "UTC") == ["08:00+0000-09:00", "09:00+0000-10:00"]

    def test_a_gap(self):
        assert local(date(2026, 12, 4), "08:00-11:00,11:00-12:00", 60, "UTC", gap=30) == [
            "08:00+0000-09:00",
            "09:30+0000-10:30",
            "11:00+0000-12:00",
        ]

    def test_a_gap_elapses_for_real_across_a_change_of_the_clocks(self):
        # By the clock there are 75 minutes between 00:50 and 02:05, but only 15 of them pass.
        assert local(date(2027, 3, 28), "00:25-04:00", 15, "Europe/London", gap=10) == [
            "00:25+0000-00:40",
            "00:50+0000-02:05",
            "02:30+0100-02:45",
            "02:55+0100-03:10",
            "03:20+0100-03:35",
            "03:45+0100-04:00",
        ]


class TestHours:
    def test_several_are_sorted(self):
        assert read_hours("13:00-17:00, 8:00-12:00") == [Hours(480, 720), Hours(780, 1020)]

    def test_over_midnight_and_a_whole_day(self):
        assert read_hours("22:00-02:00") == [Hours(1320, 1560)]
        assert read_hours("00:00-24:00") == [Hours(0, 1440)]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "'' is not like 08:00-12:00."),
            ("8-12", "'8-12' is not like 08:00-12:00."),
            ("08:00-12:00,", "'' is not like 08:00-12:00."),
            ("08:00-12:61", "'08:00-12:61' holds a time that no clock shows."),
            ("24:00-25:00", "'24:00-25:00' holds a time that no clock shows."),
            ("08:00-24:30", "'08:00-24:30' holds a time that no clock shows."),
            ("08:00-08:00", "'08:00-08:00' is no time at all."),
            ("08:00-12:00,11:00-13:00", "'08:00-12:00,11:00-13:00': the hours overlap."),
            ("01:00-03:00,22:00-02:00", "'01:00-03:00,22:00-02:00': the hours overlap."),
        ],
    )
    def test_refused(self, text, fault):
        with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
            read_hours(text)


class TestWeekdays:
    @pytest.mark.parametrize(
        ("text", "days"),
        [
            ("mon-fri", {0, 1, 2, 3, 4}),
            ("sat", {5}),
            ("Mon, wed-fri", {0, 2, 3, 4}),
            ("fri-mon", {4, 5, 6, 0}),
            ("mon-sun", {0, 1, 2, 3, 4, 5, 6}),
        ],
    )
    def test_works(self, text, days):
        assert read_weekdays(text) == days

    @pytest.mark.parametrize("text", ["", "monday", "mon-", "-fri", "mon-fri-sun", "1-5"])
    def test_refused(self, text):
        with pytest.raises(ValueError, match="is not like mon or mon-fri"):
            read_weekdays(text)


class TestDiary:
    @pytest.mark.parametrize(
        ("start", "end", "meets"),
        [
            (0, 10, None),
            (0, 11, (10, 20)),
            (10, 20, (10, 20)),
            (12, 13, (10, 20)),
            (20, 30, None),
            (5, 31, (30, 90)),
            (60, 70, (30, 90)),  # though a shorter period began later
            (90, 95, None),
        ],
    )
    def test_touching_is_no_clash(self, start, end, meets):
        def at(minute):
            return FROM + minute * MINUTE

        diary = Diary([(at(30), at(90)), (at(10), at(20)), (at(40), at(50))])
        assert diary.clash(at(start), at(end)) == (meets and (at(meets[0]), at(meets[1])))

    def test_an_empty_one(self):
        assert Diary([]).clash(FROM, UNTIL) is None
