"""A key that is restricted to areas reads the same of an area that it may not see and of one that is not there."""

import json

import pytest

from bookings import offers
from bookings.models import AppointmentSlot, PostcodePrefix, ServiceArea
from tests.support.helpers import END, START, booking, clock_stands_at, make_area, make_booking, make_slot, path_of
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

LOCATIONS = [
    {"ServiceAreaID": "HULL"},
    {"ServiceAreaID": "hull "},
    {"Address": {"Zip": "HU1 2AB"}},
    {"Address": {"Zip": "HU1 2AB", "Country": "GB"}},
    {"Address": {"Zip": "10115"}},
    {"LocationNum": "L-1"},
    {"LocationNum": "L-9"},
]


@pytest.fixture(autouse=True)
def clock():
    with clock_stands_at() as clock:
        yield clock


def fill() -> AppointmentSlot:
    """An area with codes, postcodes that stand alone, postcodes in two countries, and a customer."""
    hull = make_area("HULL")
    for country, prefix in (("GB", "HU"), ("DE", "101"), ("FR", "10115")):
        PostcodePrefix.objects.create(area=hull, country=country, prefix=prefix)
    slot = make_slot("HULL", capacity=3)
    make_booking("WO-before", booking(Location={"LocationNum": "L-1", "ServiceAreaID": "HULL"}))
    return slot


def told(key, location, number=0, **more) -> list:
    """What search, booking and explain answer."""
    wanted = {"Location": location} | more
    search = call("POST", "/api/v1/appointments/search", wanted, key=key)
    explained = call("POST", "/api/v1/appointments/explain", wanted, key=key)
    booked = call("POST", path_of(f"WO-{number}"), booking(Account={"AccountNum": "C-9"}, **wanted), key=key)
    return [(answer.status_code, json.loads(answer.content)) for answer in (search, booked, explained)]


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_hidden_area_is_as_one_that_is_not_there(location):
    make_slot()
    key = make_key(areas=[make_area()])
    without = told(key, location)
    fill()
    assert told(key, location) == without
    # The three say it in the same words.
    (_, found), (status, booked), (_, explained) = without
    assert status == 404
    assert found["StatusMsg"] == booked["detail"]["message"] == explained["Message"] != ""
    assert (found["TimeConstraints"], explained["Slots"], explained["ServiceAreaID"]) == ([], [], "")
    # A key of all areas sees it.
    assert told(make_key(name="all"), location) != without or location == {"LocationNum": "L-9"}


def test_the_id_of_an_offer_of_a_hidden_area():
    make_slot()
    key, slot = make_key(areas=[make_area()]), fill()
    last = ServiceArea.objects.latest("pk").pk
    ids = [offers.offer_id(area_id, slot.start, slot.end) for area_id in (slot.area_id, last + 1)]
    period = {"Start": START.isoformat(), "End": END.isoformat()}
    hidden, unknown = (told(key, {}, TimeConstraints=[{"ID": one, "Period": period}]) for one in ids)
    assert hidden == unknown


def test_countries_are_named_where_all_of_them_may_be_seen():
    leeds, hull = make_area(), make_area("HULL")
    for country, area in (("GB", leeds), ("DE", hull)):
        PostcodePrefix.objects.create(area=area, country=country, prefix="101")
    both, one = make_key(name="both", areas=[leeds, hull]), make_key(name="one", areas=[leeds])
    location = {"Address": {"Zip": "10115"}}
    told_both, told_one = (told(key, location)[0][1]["StatusMsg"] for key in (both, one))
    assert told_both == "Postcode 10115 is served in several countries: DE, GB. Add the country."
    assert told_one == "No service area takes care of this place."
