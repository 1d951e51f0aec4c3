"""Saved views: a page's filters under a name, a person's own or shared, and never more than the person may see."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings.admin import saved_views
from bookings.models import EmptySearch, SavedView
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

PAGES = list(saved_views.PAGES)


def address(name="workorder"):
    return reverse("views", args=[name])


def save(client, name, query="", page="workorder", **more):
    return client.post(address(page), {"do": "save", "name": name, "query": query} | more)


def change(client, view, do="change", page="workorder", **more):
    return client.post(address(page), {"do": do, "view": view.pk, "name": view.name} | more, follow=True)


def listed(client, page="workorder"):
    return [name for _, name, _ in client.get(saved_views.PAGES[page].address).context["saved_views"]]


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.mark.parametrize("page", PAGES)
def test_each_page_keeps_what_it_is_asked(supervisor, page):
    helpers.make_area("LEEDS")
    helpers.make_area("YORK")
    there = saved_views.PAGES[page].address
    asked = f"{there}?area=LEEDS&area=YORK&day=2026-12-04&q=M%C3%BCller&p=3&empty="
    shown = supervisor.get(asked)
    if shown.status_code == 302:  # a list does not know every filter
        shown = supervisor.get(there)
    form = supervisor.get(shown.context["save_view"]).context["form"]
    query = form["query"].value() or "area=LEEDS&area=YORK"
    answer = save(supervisor, "Two areas", query, page)
    assert answer.status_code == 302
    assert answer.url == f"{there}?{query}"
    ((link, name, sharing),) = supervisor.get(there).context["saved_views"]
    assert (link, name, sharing) == (answer.url, "Two areas", "")
    assert "q=" not in link
    assert "p=3" not in link
    assert supervisor.get(link).status_code in (200, 302)
    assert 'class="desk-views"' in supervisor.get(there).content.decode()


def test_each_list_with_filters_has_views(supervisor):
    lists = {
        model._meta.model_name
        for model, its_admin in admin.site._registry.items()
        if its_admin.list_filter and model._meta.app_label == "bookings"
    }
    assert len(lists) >= 8
    assert lists <= set(PAGES)
    helpers.make_area("LEEDS")
    for name in lists:
        assert 'class="desk-views"' in supervisor.get(saved_views.PAGES[name].address).content.decode()


def test_the_list_of_the_view_is_the_list_of_its_filters(supervisor):
    ours = desk.book(desk.slot_in("LEEDS"), "WO-1")
    desk.book(desk.slot_in("YORK"), "WO-2")
    answer = save(supervisor, "Leeds", "view=all&area=LEEDS")
    assert [order.pk for order in supervisor.get(answer.url).context["cl"].result_list] == [ours.pk]


def test_a_filter_that_came_as_plain_bytes_is_saved_as_it_was_read(supervisor):
    page = supervisor.get(f"{desk.LIST}?view=all&worker=J\u00f6rg", QUERY_STRING="view=all&worker=J\u00c3\u00b6rg")
    query = supervisor.get(page.context["save_view"]).context["form"]["query"].value()
    assert query == "view=all&worker=J%C3%B6rg"


def test_own_ones_are_seen_by_one_and_shared_ones_by_all(supervisor):
    dispatcher, viewer = desk.person("dispatcher"), desk.person("viewer")
    save(dispatcher, "Mine", "view=all")
    save(supervisor, "Ours", "view=closed", is_shared="on")
    assert listed(dispatcher) == ["Mine", "Ours"]
    assert listed(supervisor) == listed(viewer) == ["Ours"]
    assert listed(dispatcher, "refusal") == []
    whose = f"shared by {supervisor.user.username}"
    for client, sharing in ((supervisor, "shared"), (viewer, whose)):
        for page in (client.get(saved_views.PAGES["workorder"].address), client.get(address())):
            assert sharing in page.content.decode()
            assert (whose in page.content.decode()) == (sharing == whose)


def test_one_s_own_are_there_however_many_are_shared(monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 2)
    for role in range(3):
        other = desk.person("supervisor")
        for name in "ab":
            save(other, f"{name}{role}", is_shared="on")
    mine = desk.person("dispatcher")
    for name in ("x", "y"):
        save(mine, name)
    assert listed(mine) == ["x", "y", "a0", "a1"]


def test_who_may_share_rename_and_delete(supervisor):
    dispatcher = desk.person("dispatcher")
    save(dispatcher, "Mine", "view=all", is_shared="on")
    mine = SavedView.objects.get()
    assert not mine.is_shared
    assert "shared</label>" not in dispatcher.get(address()).content.decode()
    save(supervisor, "Ours", "view=closed", is_shared="on")
    ours = SavedView.objects.get(name="Ours")
    for other in (dispatcher, desk.person("supervisor")):
        for do in ("change", "delete"):
            assert change(other, ours, do, name="Theirs", sure="yes").status_code == 403
    for do in ("change", "delete", "unshare"):
        assert change(supervisor, mine, do, name="Theirs", sure="yes").status_code == 404
    assert desk.said(change(dispatcher, mine, name="My own")) == ["The view My own was changed."]
    assert desk.said(change(supervisor, ours, name="All", is_shared="on"))[-1] == "The view All was changed."
    assert sorted(SavedView.objects.values_list("name", "is_shared")) == [("All", True), ("My own", False)]


def test_a_question_comes_before_a_view_is_deleted(supervisor):
    save(supervisor, "Ours <b>{}", "view=closed", is_shared="on")
    view = SavedView.objects.get()
    page = change(supervisor, view, "delete")
    assert "Delete the view Ours &lt;b&gt;{}?" in page.content.decode()
    assert "This cannot be undone." in desk.text_of(page)
    assert SavedView.objects.count() == 1
    assert desk.said(change(supervisor, view, "delete", sure="yes")) == ["The view Ours &lt;b&gt;{} was deleted."]
    assert not SavedView.objects.exists()


def test_who_takes_what_another_one_shares_from_the_others(supervisor):
    leeds = helpers.make_area("LEEDS")
    save(supervisor, "Ours", "view=closed", is_shared="on")
    ours = SavedView.objects.get()
    # Neither one who may not share, nor one of a few areas; its owner has a tick for it.
    for client in (desk.person("dispatcher"), desk.person("supervisor", leeds), supervisor):
        assert "Stop sharing" not in client.get(address()).content.decode()
        assert change(client, ours, "unshare", sure="yes").status_code == 403
    other = desk.person("supervisor")
    assert "Stop sharing" in other.get(address()).content.decode()
    assert "Stop sharing the view Ours?" in change(other, ours, "unshare").content.decode()
    assert SavedView.objects.get().is_shared
    assert desk.said(change(other, ours, "unshare", sure="yes")) == ["The view Ours is no longer shared."]
    assert (listed(other), listed(supervisor)) == ([], ["Ours"])


def test_a_name_that_is_there_gets_the_new_filters(supervisor):
    for query in ("view=all", "view=closed"):
        save(supervisor, "One", query)
    save(supervisor, "Two", "view=all")
    assert sorted(SavedView.objects.values_list("name", "query")) == [("One", "view=closed"), ("Two", "view=all")]
    answer = change(supervisor, SavedView.objects.get(name="Two"), name="One")
    assert desk.said(answer)[-1] == "There is a view One already."
    assert SavedView.objects.filter(name="Two").exists()


def test_no_view_names_an_area_that_is_not_seen(supervisor):
    leeds, york = helpers.make_area("LEEDS"), helpers.make_area("YORK")
    desk.book(desk.slot_in("YORK"), "WO-1")
    for name, query in (("Leeds", "area=LEEDS"), ("York", "area=LEEDS&area=YORK"), ("All", "view=all")):
        save(supervisor, name, query, is_shared="on")
    for area, seen in ((leeds, ["All", "Leeds"]), (york, ["All"])):
        restricted = desk.person("dispatcher", area)
        assert listed(restricted) == seen
        page = restricted.get(address()).content.decode()
        assert ("York" in page) == ("York" in seen)
    restricted = desk.person("dispatcher", leeds)
    # What is typed into the address shows no more, either.
    assert desk.numbers(restricted, view="all", area="YORK") == []


def test_views_of_areas_that_are_not_seen_leave_no_gap(supervisor, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 2)
    leeds = helpers.make_area("LEEDS")
    helpers.make_area("YORK")
    for number in range(3):
        other = desk.person("supervisor")
        for name in "ab":
            save(other, f"{name}{number}", "area=YORK", is_shared="on")
    save(supervisor, "z", "area=LEEDS", is_shared="on")
    restricted = desk.person("dispatcher", leeds)
    assert listed(restricted) == ["z"]
    save(restricted, "mine", "area=YORK")
    assert listed(restricted) == ["mine", "z"]


def test_what_is_looked_at_for_a_restricted_person_is_bounded(supervisor, monkeypatch):
    """Their own are there however many are shared."""
    monkeypatch.setattr(saved_views, "MOST", 1)
    monkeypatch.setattr(saved_views, "LOOKED_AT", 3)
    leeds = helpers.make_area("LEEDS")
    for number in range(9):
        SavedView.objects.create(
            owner=supervisor.user,
            page="workorder",
            name=f"v{number}",
            query="area=YORK" if number < 3 else "",
            is_shared=True,
        )
    restricted = desk.person("dispatcher", leeds)
    save(restricted, "mine")
    assert listed(restricted) == ["mine"]
    monkeypatch.setattr(saved_views, "LOOKED_AT", 4)
    assert listed(restricted) == ["mine", "v3"]


def test_a_view_of_the_last_days_goes_on(supervisor):
    """Of each area by its own clock, and of none by that of UTC."""
    areas = [helpers.make_area("AUCKLAND", "Pacific/Auckland"), helpers.make_area("LIMA", "America/Lima"), None]
    page, first = saved_views.PAGES["emptysearch"].address, date(2026, 12, 4)
    for area in areas:
        for number in range(40):
            EmptySearch.objects.create(day=first + timedelta(days=number), area=area, reason="full", number=1)
    choices = {"today": 1, "week": 7, "month": 30}
    for name in choices:
        shown = supervisor.get(f"{page}?searched={name}")
        query = supervisor.get(shown.context["save_view"]).context["form"]["query"].value()
        assert query == f"searched={name}"

    def earliest(name):
        client = desk.person("supervisor")  # who logged in at this moment
        rows = client.get(f"{page}?searched={name}&all=").context["cl"].result_list
        days = {}
        for row in rows:
            days.setdefault(row.area and row.area.code, []).append(row.day)
        return [min(days[area and area.code]) for area in areas]

    for later in (0, 5):
        now = datetime(2027, 1, 5, 1, tzinfo=UTC) + timedelta(days=later)  # in Lima it is the day before
        day = now.date()
        with helpers.clock_stands_at(now):
            for name, number in choices.items():
                since = day - timedelta(days=number - 1)
                assert earliest(name) == [since, since - timedelta(days=1), since]
        with helpers.clock_stands_at(now.replace(hour=14)):  # in Auckland it is the next one
            assert earliest("week") == [day - timedelta(days=5), day - timedelta(days=6), day - timedelta(days=6)]
    answer = supervisor.get(f"{page}?searched=soon")
    assert answer.context["cl"].result_count == 0
    assert "Nothing fits. Remove a filter." in answer.content.decode()


@pytest.mark.parametrize("query", ["view=all&worker=a%00b", "view=all&a%00b=1", "%00=%00&view=all"])
def test_no_view_holds_what_no_address_may(supervisor, query):
    assert save(supervisor, "x", query).url.endswith("/workorder/?view=all")
    # Nor one that an earlier release saved.
    SavedView.objects.update(query=query)
    ((link, _, _),) = supervisor.get(desk.LIST).context["saved_views"]
    assert supervisor.get(link).status_code == 200


@pytest.mark.parametrize(
    ("name", "query", "field"),
    [
        ("", "", "name"),
        ("x" * 61, "", "name"),
        ("a\nb", "", "name"),
        ("a\x00", "", "name"),
        ("x", "a=" + "b" * 2000, "query"),
        # As it is kept, each is six characters.
        ("x", "worker=" + "ü" * 1_900, "query"),
    ],
)
def test_what_cannot_be_saved(supervisor, name, query, field):
    answer = save(supervisor, name, query)
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    told = "These filters are longer than 2,000 characters. Take some of them away."
    assert (told in answer.content.decode()) == (field == "query")
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("query", ["%ff%00", "javascript:alert(1)", "//evil.example/", "a=1&a=2&&=&x", "a=%ED%A0%BD"])
def test_odd_filters_lead_nowhere_else(supervisor, query):
    answer = save(supervisor, "Odd", query)
    if answer.status_code == 302:
        assert answer.url.startswith("/admin/bookings/workorder/?")
        page = supervisor.get("/admin/bookings/workorder/").content.decode()
        assert 'href="/admin/bookings/workorder/?' in page
        assert supervisor.get(answer.url).status_code in (200, 302)
    else:
        assert answer.status_code == 200


def test_what_is_left_out_counts_for_nothing(supervisor):
    answer = save(supervisor, "x", f"view=all&q={'b' * 3_000}")
    assert answer.url.endswith("/workorder/?view=all")
    # Nor does it hinder a new name.
    answer = change(supervisor, SavedView.objects.get(), name="y", query="a=" + "b" * 3_000)
    assert desk.said(answer)[-1] == "The view y was changed."


def test_no_more_than_fifty(supervisor, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 2)
    for name in "abc":
        answer = save(supervisor, name)
    assert answer.context["form"].errors == {"name": ["You have 2 views here. Delete one first."]}
    assert save(supervisor, "b", "view=all").status_code == 302


def test_one_statement_whatever_their_number(supervisor):
    counts = []
    for many in (1, 1, 30):
        for number in range(many):
            save(supervisor, f"View {number}", "area=LEEDS", is_shared="on")
        with CaptureQueriesContext(connection) as found:
            listed(supervisor)
        counts.append(len(found))
        assert sum("bookings_savedview" in one["sql"] for one in found) == 1
    assert counts[1] == counts[2]


def test_without_a_role_a_page_or_a_log_in(client, django_user_model):
    assert client.get(address()).status_code == 302
    user = django_user_model.objects.create(username="new", is_staff=True)
    client.force_login(user)
    for page in PAGES:
        assert client.get(address(page)).status_code == 403
        assert save(client, "x", page=page).status_code == 403
    assert desk.person("viewer").get("/admin/views/nothing/").status_code == 404
    view = SavedView.objects.create(owner=user, page="workorder", name="x", query="")
    assert change(desk.person("viewer"), view, "delete").status_code == 404
    assert desk.person("viewer").post(address(), {"do": "delete", "view": "9" * 30}).status_code == 404


def test_they_go_with_their_person(supervisor):
    save(supervisor, "Mine", "view=all")
    supervisor.user.delete()
    assert not SavedView.objects.exists()
