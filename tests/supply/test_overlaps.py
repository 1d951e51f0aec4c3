"""Where postcodes of two areas overlap: against the search itself, over random beginnings and countries."""

import random

import pytest

from bookings import offers, wire
from bookings.models import PostcodePrefix, ServiceArea
from bookings.supply import overlaps
from bookings.supply.from_systems import area_rows, area_upserts
from tests.support import helpers

pytestmark = pytest.mark.django_db


def hold(area, *postcodes):
    place = helpers.make_area(area)
    for postcode in postcodes:
        country, _, prefix = postcode.rpartition(" ")
        PostcodePrefix.objects.create(area=place, country=country, prefix=prefix)


def found():
    names = dict(ServiceArea.objects.values_list("pk", "code"))
    return [overlap.says(names.__getitem__) for overlap in overlaps.report(overlaps.stored()).first]


def area_of(prefix, country):
    address = {"Zip": prefix} | ({"Country": country} if country else {})
    area = offers.find_area(wire.Search.model_validate({"Location": {"Address": address}}))
    return area.code if area else None


def test_the_longer_one_has_it():
    hold("LEEDS", "GB LS", "GB LS12")
    hold("CITY", "GB LS1")
    hold("BOSTON", "US 02")
    assert found() == [
        "GB LS1 of CITY lies within GB LS of LEEDS: CITY has it.",
        "GB LS12 of LEEDS lies within GB LS1 of CITY: LEEDS has it.",
    ]


def test_other_countries_come_last_and_meet_where_the_country_is_missing():
    hold("BERLIN", "DE 10", "DE 7")
    hold("NEWYORK", "US 100", "US 7")
    hold("PARIS", "76")
    assert found() == [
        "76 of PARIS lies within DE 7 of BERLIN: PARIS has it.",
        "76 of PARIS lies within US 7 of NEWYORK: PARIS has it.",
        "US 100 of NEWYORK lies within DE 10 of BERLIN: NEWYORK has it, where the country is missing.",
        "US 7 of NEWYORK is DE 7 of BERLIN, too: neither has it where the country is missing.",
    ]


def test_what_it_says_is_what_the_search_finds():
    draw = random.Random(20)
    names = ["A", "B", "C"]
    for name in names:
        helpers.make_area(name)
    areas = {area.code: area for area in ServiceArea.objects.all()}
    taken = {(draw.choice(["", "GB", "DE"]), draw.choice("12") + "".join(draw.choices("12", k=draw.randrange(4))))
             for _ in range(60)}  # fmt: skip
    for country, prefix in sorted(taken):
        PostcodePrefix.objects.create(area=areas[draw.choice(names)], country=country, prefix=prefix)
    told = overlaps.report(overlaps.stored())
    codes = {area.pk: area.code for area in areas.values()}
    held = {(one.country, one.prefix): one.area for one in overlaps.stored()}
    told_inner = {overlap.inner for overlap in told.first} | {overlap.outer for overlap in told.first}
    assert told.number == len(told.first) > 20
    for overlap in told.first:
        inner = overlap.inner
        if overlap.is_of_one_country and inner.country:
            assert area_of(inner.prefix, inner.country) == codes[inner.area], overlap
        elif len({area for (_, prefix), area in held.items() if prefix == inner.prefix}) == 1:
            assert area_of(inner.prefix, "") == codes[inner.area], overlap
        else:
            assert area_of(inner.prefix, "") is None, overlap
    # Whatever is not told of has one area, however it is asked.
    for (country, prefix), area in held.items():
        if overlaps.Held(country, prefix, area) not in told_inner:
            assert {area_of(prefix, country), area_of(prefix, "")} == {codes[area]}


def test_those_that_a_file_would_make():
    hold("LEEDS", "GB LS")
    hold("YORK", "GB YO", "GB LS2")
    text = "area,name,time_zone,postcodes\nCITY,City,Europe/London,GB LS1\nYORK,,,GB YO\n"
    targets, refused = area_upserts.plan_areas(area_rows.read_file(text, 9))
    held, new = overlaps.planned(targets)
    assert refused == []
    assert new == {overlaps.Held("GB", "LS1", "CITY")}
    (overlap,) = overlaps.report(held).first
    assert (
        overlap.says(str)
        == f"GB LS1 of CITY lies within GB LS of {ServiceArea.objects.get(code='LEEDS').pk}: CITY has it."
    )


def test_no_more_are_kept_than_are_shown(monkeypatch):
    monkeypatch.setattr(overlaps, "SHOWN", 3)
    hold("LEEDS", "L")
    hold("CITY", *(f"L{number}" for number in range(9)))
    told = overlaps.report(overlaps.stored())
    assert (told.number, told.counted, len(told.first)) == (9, "9", 3)
    monkeypatch.setattr(overlaps, "COUNTED", 7)
    told = overlaps.report(overlaps.stored())
    assert (told.counted, len(told.first)) == ("more than 7", 3)


@pytest.mark.parametrize("meant", ["A", "B", "AB", "X", ""])
def test_only_pairs_that_are_told_of_are_made(meant, monkeypatch):
    """Of a thousand countries for each beginning of one area; all pairs would be millions."""
    made, overlap = [], overlaps.Overlap
    monkeypatch.setattr(overlaps, "COUNTED", 50)
    monkeypatch.setattr(overlaps, "Overlap", lambda *two: made.append(two) or overlap(*two))
    held = [overlaps.Held(f"{area}{number}", "Q" * length, area)
            for area in "AB" for number in range(1_000) for length in (1, 2)]  # fmt: skip
    held.append(overlaps.Held("", "R", "X"))
    told = overlaps.report(held, lambda one: one.area in meant)
    assert len(made) == told.number == (51 if {"A", "B"}.intersection(meant) else 0)


def test_those_that_are_meant_are_those_of_all_with_one_that_is():
    draw = random.Random(21)
    held = {overlaps.Held(draw.choice(["", "GB", "DE"]), "".join(draw.choices("12", k=draw.randrange(1, 5))),
                          draw.choice("ABC")) for _ in range(60)}  # fmt: skip
    every = overlaps.report(held)
    pairs = {frozenset(pair) for pair in every.first}
    assert every.number == len(pairs) == len({
        frozenset((one, other)) for one in held for other in held
        if one.area != other.area and one.prefix.startswith(other.prefix)
    })  # fmt: skip
    for area in "ABC":
        told = overlaps.report(held, lambda one, area=area: one.area == area).first
        assert told == [pair for pair in every.first if area in (pair.inner.area, pair.outer.area)]
