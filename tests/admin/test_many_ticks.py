"""As many rows as a list shows can be ticked, one by one: the list and the page of an export take them all."""

import pytest
from django.conf import settings

from bookings.admin import lists
from bookings.admin.orders import export_page, exports
from tests.support import desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticked():
    """More than there are bookings: those that are gone meanwhile are left out."""
    order = desk.book(desk.slot_in())
    return [order.pk, *range(order.pk + 1, order.pk + lists.ROWS_OF_ALL)]


@pytest.mark.parametrize("kind", export_page.KINDS)
def test_an_export_of_all_that_a_list_shows(kind, ticked):
    supervisor = desk.person("supervisor")
    page = supervisor.post(desk.LIST, {"action": kind, "_selected_action": ticked})
    assert page.status_code == 200
    assert page.content.decode().count('name="_selected_action"') == len(ticked) == 2_000
    asked = {"action": kind, "_selected_action": ticked, "do": "export", "columns": list(exports.COLUMNS)}
    file = supervisor.post(desk.LIST, asked | {"select_across": "0", "csrfmiddlewaretoken": "x", "index": "0"})
    assert file.status_code == 200
    content = b"".join(file.streaming_content)
    if kind == "csv":
        assert len(content.decode("utf-8-sig").splitlines()) == 2


def test_an_action_asks_about_those_that_are_there(ticked):
    answer = desk.person("supervisor").post(desk.LIST, {"action": "review", "_selected_action": ticked}, follow=True)
    assert [row.pk for row in answer.context["rows"]] == ticked[:1]


def test_fewer_fields_would_refuse_them(ticked, settings):
    """Django's own number."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
    answer = desk.person("supervisor").post(desk.LIST, {"action": "csv", "_selected_action": ticked})
    assert answer.status_code == 400


def test_the_number_follows_from_what_a_list_shows():
    assert lists.ROWS_OF_ALL + len(exports.COLUMNS) + 20 <= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS <= 10_000
