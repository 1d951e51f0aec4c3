"""Every page of the admin opens, finds, and refuses what must not be done by hand."""

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from bookings.models import AppointmentSlot, EmptySearch, PostcodePrefix, ServiceArea, WorkOrder
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief(client):
    """A user who may do everything that can be done."""
    user = User.objects.create_superuser("chief", "chief@example.org", "a-long-password")
    client.force_login(user)
    return user


@pytest.fixture
def work_order(chief):
    slot = helpers.make_slot(start=helpers.tomorrow())
    when = helpers.booking(slot.start, slot.end)["TimeConstraints"]
    body = helpers.sample("book_full.json") | {"TimeConstraints": when, "OriginalOrderNum": "WO-4711"}
    return helpers.make_booking("WO-4711", body)


def test_every_list_opens(client, work_order):
    models = ("servicearea", "appointmentslot", "blackout", "workorder", "refusal", "worker", "emptysearch")
    for model in (*[f"bookings_{model}" for model in models], "auth_user", "auth_group"):
        answer = client.get(reverse(f"admin:{model}_changelist"))
        assert answer.status_code == 200
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_list_of_fields_is_in_rows_of_the_desk(client, chief):
    """Cards on a phone, each with its headings; a field that is true or false is a word."""
    page = client.get(reverse("admin:auth_user_changelist")).content.decode()
    assert '<td class="field-is_staff" data-label="staff status">yes</td>' in page
    assert page.count('class="data-row desk-tr"') == 1
    EmptySearch.objects.create(day=helpers.tomorrow().date(), area=None, order_type="FIX", reason="nothing", number=3)
    assert 'class="data-row desk-tr"' in client.get(reverse("admin:bookings_emptysearch_changelist")).content.decode()


@pytest.mark.parametrize(
    ("model", "found", "term"),
    [
        ("bookings_servicearea", "Leeds", "LEEDS"),
        ("bookings_workorder", "WO-4711", "WO-4711"),
        ("auth_user", "chief@example.org", "chief"),
        ("auth_group", "night shift", "night"),
    ],
)
def test_every_list_can_be_searched(client, work_order, model, found, term):
    Group.objects.create(name="night shift")
    address = reverse(f"admin:{model}_changelist")
    assert found in client.get(address, {"q": term}).content.decode()
    assert list(client.get(address, {"q": "nothing-like-it"}).context["cl"].result_list) == []


def test_every_page_of_one_object_opens(client, work_order):
    group = Group.objects.create(name="night shift")
    for model, key in (
        ("bookings_servicearea", work_order.slot.area_id),
        ("bookings_appointmentslot", work_order.slot_id),
        ("bookings_workorder", work_order.pk),
        ("auth_user", User.objects.get().pk),
        ("auth_group", group.pk),
    ):
        assert client.get(reverse(f"admin:{model}_change", args=[key])).status_code == 200


def test_the_pages_that_add_something_open(client, chief):
    models = ("servicearea", "appointmentslot", "blackout", "worker")
    for model in (*[f"bookings_{model}" for model in models], "auth_user", "auth_group"):
        answer = client.get(reverse(f"admin:{model}_add"))
        assert answer.status_code == 200
        # No page of the desk may be framed, and newer releases of the theme would open these links in a frame.
        assert "related-widget-wrapper-link" not in answer.content.decode()


def test_an_area_is_made_with_its_postcodes(client, chief):
    answer = client.post(
        reverse("admin:bookings_servicearea_add"),
        {
            "code": "YORK",
            "name": "York",
            "time_zone": "Europe/London",
            "safety_percent": "100",
            "codes-TOTAL_FORMS": "0",
            "codes-INITIAL_FORMS": "0",
            "postcode_prefixes-TOTAL_FORMS": "1",
            "postcode_prefixes-INITIAL_FORMS": "0",
            "postcode_prefixes-0-country": "gb",
            "postcode_prefixes-0-prefix": "yo 1",
        },
    )
    assert answer.status_code == 302
    prefix = PostcodePrefix.objects.get()
    assert (prefix.area.code, prefix.country, prefix.prefix) == ("YORK", "GB", "YO1")


def test_an_area_in_no_time_zone_is_refused(client, chief):
    answer = client.post(
        reverse("admin:bookings_servicearea_add"),
        {
            "code": "YORK",
            "name": "York",
            "time_zone": "Europe/Yorkshire",
            "safety_percent": "100",
            "codes-TOTAL_FORMS": "0",
            "codes-INITIAL_FORMS": "0",
            "postcode_prefixes-TOTAL_FORMS": "0",
            "postcode_prefixes-INITIAL_FORMS": "0",
        },
    )
    assert "is not an IANA time zone" in answer.content.decode()
    assert not ServiceArea.objects.exists()


def test_the_work_order_shows_what_came(client, work_order):
    page = client.get(reverse("admin:bookings_workorder_change", args=[work_order.pk])).content.decode()
    assert "<details" in page
    assert "&quot;OriginalOrderNum&quot;" in page
    for part in work_order.required_parts.all():
        assert part.prod_num in page
    for part_order in work_order.part_orders.all():
        assert part_order.part_order_num in page
    assert "tech.jones" in page


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_nobody_adds_changes_or_deletes_a_work_order_by_hand(client, work_order, page):
    address = reverse(f"admin:bookings_workorder_{page}", args=[] if page == "add" else [work_order.pk])
    before = WorkOrder.objects.values().get()
    assert client.post(address, {"order_num": "FORGED", "post": "yes"}).status_code == 403
    assert WorkOrder.objects.values().get() == before


def test_no_bulk_action_deletes_work_orders_or_slots(client, work_order):
    for model, key in (("workorder", work_order.pk), ("appointmentslot", work_order.slot_id)):
        client.post(
            reverse(f"admin:bookings_{model}_changelist"),
            {"action": "delete_selected", "_selected_action": [key], "post": "yes"},
        )
    assert WorkOrder.objects.count() == 1
    assert AppointmentSlot.objects.count() == 1


@pytest.mark.parametrize(
    ("address", "marked"),
    [
        ("", "Board"),
        ("bookings/appointmentslot/", "Slots"),
        ("bookings/appointmentslot/days/", "Slots"),
        ("bookings/appointmentslot/planner/?span=week", "Planner"),
        ("bookings/appointmentslot/rules/", "Ask the rules"),
        ("bookings/blackout/", "Blackouts"),
        ("bookings/blackout/add/", "Blackouts"),
        ("bookings/blackout/clear/", "Ill or snow"),
        ("bookings/workorder/?view=all", "Work orders"),
        ("bookings/emptysearch/", "Empty searches"),
        ("help/", "Help"),
        ("password_change/", ""),
    ],
)
def test_one_entry_of_the_menu_is_marked(address, marked):
    answer = desk.person("supervisor").get(f"/admin/{address}")
    assert answer.status_code == 200
    groups = answer.context["sidebar_navigation"]
    found = [item["title"] for group in groups for item in group["items"] if item["active"]]
    assert found == [marked] * bool(marked)
