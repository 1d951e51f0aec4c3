"""One booking after another: review and next, skip, back to the list with its filters."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import services
from bookings.admin.orders import review_queue
from bookings.models import WorkOrder
from tests.support import desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def dispatcher():
    return desk.person("dispatcher")


@pytest.fixture
def four():
    """By the visit: WO-3, WO-1, WO-2, and WO-4 in another area."""
    rows = [desk.book(desk.slot_in(days=days), f"WO-{number}") for number, days in ((1, 2), (2, 3), (3, 1))]
    return [*rows, desk.book(desk.slot_in("BOSTON", "America/New_York", days=2, hour=18), "WO-4")]


def opened(client, address):
    """The page of a booking: its order, and where its buttons lead."""
    answer = client.get(address)
    page = answer.content.decode()
    links = {
        text: unescape(link)
        for link, text in re.findall(r'<a href="([^"]*)" class="desk-button"[^>]*>([\w ]+)</a>', page)
    }
    back = re.search(r'name="back" value="([^"]*)"', page)
    return answer.context["row"].original_order, links | {"next": unescape(back[1])}, page


def first_of(client, **query):
    """The address of the first row, as the list has it."""
    page = client.get(desk.LIST, query).content.decode()
    return unescape(re.search(r'<th class="field-number.*?href="([^"]*)"', page, re.S)[1])


def review_and_next(client, row, links):
    return client.post(
        f"{desk.LIST}act/review/", {"chosen": desk.chosen(row), "do": "perform", "back": links["next"]}, follow=True
    )


def test_the_whole_queue_in_the_order_of_the_list(dispatcher, four):
    address, seen = first_of(dispatcher), []
    for _ in four:
        order, links, page = opened(dispatcher, address)
        seen.append(order)
        assert f"{4 - len(seen)} more to review" in page
        answer = review_and_next(dispatcher, WorkOrder.objects.get(original_order=order), links)
        assert desk.said(answer) == ["1 reviewed."]
        address = links["next"]
    assert seen == ["WO-3", "WO-1", "WO-4", "WO-2"]
    assert address == desk.LIST
    assert not WorkOrder.objects.needing_attention().exists()


def test_a_page_reads_no_list(dispatcher, four):
    """Only which booking is next, which was before, and how many are left, up to a bound."""
    address = first_of(dispatcher)
    dispatcher.get(address)
    with CaptureQueriesContext(connection) as found:
        dispatcher.get(address)
    asked = [query["sql"] for query in found if '"reviewed_at" IS NULL' in query["sql"]]
    assert len(asked) == 3
    assert sum(f"LIMIT {review_queue.MOST_LEFT}" in text for text in asked) == 1
    assert sum(text.endswith("LIMIT 1") for text in asked) == 2


def test_it_stays_within_the_filters_of_the_list(dispatcher, four):
    order, links, _ = opened(dispatcher, first_of(dispatcher, view="attention", area="LEEDS", q=""))
    assert order == "WO-3"
    seen = [order]
    while "/change/" in links["Skip"]:
        order, links, _ = opened(dispatcher, links["Skip"])
        seen.append(order)
    assert seen == ["WO-3", "WO-1", "WO-2"]
    assert links["Back to the list"].startswith(f"{desk.LIST}?")
    rows = dispatcher.get(links["Back to the list"]).context["cl"].result_list
    assert [row.original_order for row in rows] == ["WO-3", "WO-1", "WO-2"]
    # Nothing was reviewed by looking at it.
    assert WorkOrder.objects.needing_attention().count() == 4


def test_the_newest_first_where_the_list_has_it_so(dispatcher, four):
    order, links, _ = opened(dispatcher, first_of(dispatcher, view="all"))
    seen = [order]
    while "/change/" in links["Skip"]:
        order, links, _ = opened(dispatcher, links["Skip"])
        seen.append(order)
    assert seen == ["WO-4", "WO-3", "WO-2", "WO-1"]
    assert opened(dispatcher, links["Previous"])[0] == "WO-2"


def test_what_another_person_reviewed_meanwhile_is_left_out(dispatcher, four):
    address = first_of(dispatcher)
    services.review(work_order=four[0], by="ann")
    assert opened(dispatcher, opened(dispatcher, address)[1]["Skip"])[0] == "WO-4"
    # A booking that is reviewed already has a next one, too, and no button to review it.
    _, links, page = opened(dispatcher, f"{desk.LIST}{four[0].pk}/change/")
    assert opened(dispatcher, links["Next"])[0] == "WO-4"
    assert "Review and next" not in page


def test_only_what_a_person_may_see_and_do(four):
    viewer = desk.person("viewer", four[0].area)
    order, links, page = opened(viewer, first_of(viewer))
    assert "Review and next" not in page
    assert (order, opened(viewer, links["Next"])[0]) == ("WO-3", "WO-1")
    assert "2 more to review" in page


def test_no_more_are_counted_as_left_than_a_page_may_read(dispatcher, four, monkeypatch):
    def left(row):
        return opened(dispatcher, f"{desk.LIST}{row.pk}/change/")[2]

    assert "3 more to review" in left(four[0])
    monkeypatch.setattr(review_queue, "MOST_LEFT", 2)
    assert "2+ more to review" in left(four[0])


@pytest.mark.parametrize("filters", ["nothing=1", "%00", "p=x&o=99", "view=all&p=7&all="])
def test_odd_filters_are_answered_all_the_same(dispatcher, four, filters):
    answer = dispatcher.get(f"{desk.LIST}{four[0].pk}/change/", {"_changelist_filters": filters})
    assert answer.status_code == 200
    assert "more to review" in answer.content.decode()


def undo_link(answer):
    return unescape(re.search(r'href="([^"]*act/unreview[^"]*)"', answer.content.decode())[1])


def test_a_review_is_undone_from_its_message(dispatcher, four):
    row = four[0]
    link = undo_link(desk.perform(dispatcher, "review", row, note="Looks right"))
    row.refresh_from_db()
    assert row.reviewed_at
    assert "It waits to be reviewed again." in desk.text_of(dispatcher.get(link))
    row.refresh_from_db()
    assert row.reviewed_at  # asked, not done
    versions = desk.chosen(row)
    assert desk.said(desk.perform(dispatcher, "unreview", versions=versions)) == ["1 waiting to be reviewed again."]
    row.refresh_from_db()
    assert (row.reviewed_at, row.reviewed_by, row.status) == (None, "", "booked")
    assert row in WorkOrder.objects.needing_attention()
    assert list(row.history.values_list("event", "by"))[1:] == [
        ("reviewed", dispatcher.user.username),
        ("unreviewed", dispatcher.user.username),
    ]
    # A second click, and one that comes after another person's change.
    (said,) = desk.said(desk.perform(dispatcher, "unreview", versions=versions))
    assert said.endswith("The second click changed nothing.")
    services.review(work_order=row, by="ann")
    (said,) = desk.said(desk.perform(desk.person("dispatcher"), "unreview", versions=versions))
    assert "was changed meanwhile (reviewed by ann, " in said
    row.refresh_from_db()
    assert row.reviewed_by == "ann"


def test_reviews_of_many_are_undone_together(dispatcher, four):
    link = undo_link(desk.perform(dispatcher, "review", *four))
    query = dict(re.findall(r"[?&](\w+)=([^&]*)", link))
    desk.perform(dispatcher, "unreview", versions=query["chosen"].replace("+", " ").replace("%3A", ":"))
    assert WorkOrder.objects.needing_attention().count() == 4


def test_what_was_not_reviewed_cannot_be_undone(dispatcher, four):
    page = desk.text_of(dispatcher.get(f"{desk.LIST}{four[0].pk}/change/"))
    assert "act/unreview" not in page
    assert desk.perform(dispatcher, "unreview", four[0]).context is not None
    assert not four[0].history.filter(event="unreviewed").exists()
    services.review(work_order=four[0], by="ann")
    assert "act/unreview" in dispatcher.get(f"{desk.LIST}{four[0].pk}/change/").content.decode()
    assert desk.perform(desk.person("viewer"), "unreview", four[0]).status_code == 403
