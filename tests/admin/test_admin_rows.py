"""The rows of the desk's lists (bookings/admin/table.py): all columns, links and boxes, and not much around them."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from bookings.admin.desk import DeskAdmin
from bookings.models import WorkOrder
from tests.support import helpers

pytestmark = pytest.mark.django_db

LISTS = {"appointmentslot": {}, "workorder": {"view": "all"}, "refusal": {}}
# Unfold's own rows took three to seven thousand.
MOST_BYTES = 2_500
MOST_OF_A_PAGE = 120_000


@pytest.fixture
def chief(client):
    client.force_login(User.objects.create_superuser("chief", "chief@example.org", "a-long-password"))
    return client


@pytest.fixture
def three_of_each(chief):
    """Three slots, a booking in each, and three refusals."""
    for hour in (8, 10, 12):
        slot = helpers.make_slot(start=helpers.tomorrow(hour), capacity=1)
        body = helpers.booking(slot.start, slot.end, Account={"AccountNum": "C-1", "Name": '<b id="x">Müller & "Co"'})
        helpers.make_booking(f"WO-{hour}", body)
        assert helpers.post(f"WO-late-{hour}", body).status_code == 409
    return chief


def rows_of(page: str) -> list[str]:
    return re.findall(r"<tbody.*?</tbody>", page, re.DOTALL)


@pytest.mark.parametrize("model", LISTS)
def test_each_row_has_all_columns_by_their_headings(three_of_each, model):
    answer = three_of_each.get(reverse(f"admin:bookings_{model}_changelist"), LISTS[model])
    changelist, rows = answer.context["cl"], rows_of(answer.content.decode())
    headings = [str(heading["text"]) for heading in changelist.headings]
    assert len(rows) == 3
    for row in rows:
        cells = re.findall(r'<(td|th) class="([^"]*)" data-label="([^"]*)"', row)
        has_boxes = changelist.list_display[0] == "action_checkbox"
        assert [unescape(label) for _, _, label in cells][has_boxes:] == headings[has_boxes:]
        assert [tag for tag, _, _ in cells].count("th") == 1, "the column that names the row"


@pytest.mark.parametrize("model", LISTS)
def test_a_row_is_light(three_of_each, model):
    page = three_of_each.get(reverse(f"admin:bookings_{model}_changelist"), LISTS[model]).content.decode()
    rows = [len(row.encode()) for row in rows_of(page)]
    assert max(rows) < MOST_BYTES
    around = len(page.encode()) - sum(rows)
    assert around + DeskAdmin.list_per_page * max(rows) < MOST_OF_A_PAGE


def test_templates_lose_their_indentation_and_a_body_keeps_its_own(three_of_each):
    page = three_of_each.get(reverse("admin:bookings_workorder_changelist"), LISTS["workorder"]).content.decode()
    assert not re.findall(r"^[ \t]+</?(?:nav|h2|a)\b.*", page, re.MULTILINE)
    slot = helpers.make_slot(start=helpers.tomorrow(14), capacity=1)
    work_order = helpers.make_booking("WO-9", helpers.booking(slot.start, slot.end))
    page = three_of_each.get(reverse("admin:bookings_workorder_change", args=[work_order.pk])).content.decode()
    assert '\n  "Account": {' in unescape(page), "the body, two blanks a level"


def test_a_row_leads_to_its_page_and_back_to_the_list_as_it_was_filtered(three_of_each):
    page = three_of_each.get(reverse("admin:bookings_workorder_changelist"), {"view": "all"}).content.decode()
    links = [re.search(r'<th[^>]*><a href="([^"]*)"', row)[1] for row in rows_of(page)]
    boxes = [re.search(r'name="_selected_action" value="(\d+)"', row)[1] for row in rows_of(page)]
    assert [int(key) for key in boxes] == list(WorkOrder.objects.order_by("-pk").values_list("pk", flat=True))
    for key, link in zip(boxes, links, strict=True):
        address = unescape(link)
        assert address == f"/admin/bookings/workorder/{key}/change/?_changelist_filters=view%3Dall"
        assert three_of_each.get(address).status_code == 200


def test_what_a_customer_wrote_is_no_html(three_of_each):
    page = three_of_each.get(reverse("admin:bookings_workorder_changelist"), {"view": "all"}).content.decode()
    assert '<b id="x">' not in page
    assert page.count("&lt;b id=&quot;x&quot;&gt;Müller &amp; &quot;Co&quot;") == 3


def test_a_list_without_columns_of_its_own_names_its_rows(chief):
    (first, *_) = rows_of(chief.get(reverse("admin:auth_group_changelist")).content.decode())
    assert re.search(
        r'<th class="field-__str__"[^>]*><a href="/admin/auth/group/\d+/change/">dispatcher</a></th>', first
    )
