"""What was refused over the API, as dispatch reads it."""

import pytest

from bookings import offers
from bookings.models import Refusal
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

REFUSALS = "/admin/bookings/refusal/"


def refused(order, area="NOWHERE", **properties):
    body = helpers.booking(Location={"LocationNum": "L", "ServiceAreaID": area}, **properties)
    assert helpers.post(order, body).status_code in (404, 409)
    return Refusal.objects.get(original_order=order)


def shown(client, **query):
    return [refusal.original_order for refusal in client.get(REFUSALS, query).context["cl"].result_list]


def test_it_keeps_what_was_refused():
    desk.slot_in()
    refusal = refused("Wo-1", "LEEDS", OrderType="REPAIR", Account={"AccountNum": "C-1", "Name": "Zoë"})
    assert '"Zo' in refusal.body
    assert (refusal.visit_start, refusal.visit_end) == (helpers.START, helpers.END)
    assert (refusal.area.code, refusal.order_type, refusal.error) == ("LEEDS", "REPAIR", "slot_not_found")


@pytest.mark.parametrize(
    "named",
    [
        {"TimeConstraints": [], "Period": {"Start": "2026-12-04T13:00:00Z", "End": "2026-12-04T15:00:00Z"}},
        {
            "TimeConstraints": [],
            "PlannedStartDate": "2026-12-04T13:00:00Z",
            "PlannedEndDate": "2026-12-04T15:00:00Z",
        },
        "ID",
    ],
)
def test_it_keeps_the_period_wherever_it_was_named(named):
    slot = helpers.make_slot(capacity=1, booked=1)
    if named == "ID":
        named = {"TimeConstraints": [{"ID": offers.offer_id(slot.area_id, slot.start, slot.end)}]}
    with helpers.clock_stands_at():
        helpers.post("WO-1", helpers.booking(**named))
    refusal = Refusal.objects.get()
    assert (refusal.visit_start, refusal.visit_end) == (helpers.START, helpers.END)


def test_it_is_found_whatever_the_case():
    refused("Wo-Lost")
    refused("WO-2")
    viewer = desk.person("viewer")
    for typed in ("wo-lost", "WO-LOST", "ost"):
        assert shown(viewer, q=typed) == ["Wo-Lost"], typed


def test_one_without_an_area_is_seen_by_all_who_are_restricted():
    slot = desk.slot_in()
    desk.slot_in("BOSTON", "America/New_York")
    refused("WO-1")
    refused("WO-2", "LEEDS")
    refused("WO-3", "BOSTON")
    restricted = desk.person("dispatcher", slot.area)
    assert shown(restricted) == ["WO-2", "WO-1"]
    assert restricted.get(f"{REFUSALS}{Refusal.objects.get(original_order='WO-1').pk}/change/").status_code == 200
    assert restricted.get(f"{REFUSALS}{Refusal.objects.get(original_order='WO-3').pk}/change/").status_code == 302


def test_its_page_shows_the_request_and_leads_to_order_and_area():
    desk.slot_in()
    refusal = refused("WO-1&2", "LEEDS", OrderType="REPAIR", Account={"AccountNum": "C-1", "Name": "Ruth <Okafor>"})
    viewer = desk.person("viewer")
    page = desk.text_of(viewer.get(f"{REFUSALS}{refusal.pk}/change/"))
    for text in (
        "Ruth &lt;Okafor&gt;",
        "REPAIR",
        "?view=all&amp;q=WO-1%262",
        "Its slots of that day",
        refusal.request_id,
    ):
        assert text in page, text
    listed = desk.text_of(viewer.get(REFUSALS))
    assert "?view=all&amp;q=WO-1%262" in listed
    assert "?area=LEEDS" in listed


def test_one_of_an_earlier_release_opens():
    refusal = refused("WO-1")
    Refusal.objects.update(body="", visit_start=None, visit_end=None, order_type="")
    page = desk.text_of(desk.person("viewer").get(f"{REFUSALS}{refusal.pk}/change/"))
    assert "An earlier release did not keep what was asked for." in page
