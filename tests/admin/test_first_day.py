"""The check list of the first day: each step ticks itself, and the list is gone once all were ticked."""

from unittest import mock

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import clock
from bookings.admin.records import area_files
from bookings.models import AppointmentSlot, Counter, EmptySearch, PostcodePrefix, Receiver, Schedule
from bookings.services import first_day
from bookings.services.first_day import Step
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

HIDE = "/admin/first-day/hide/"


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def archive(monkeypatch):
    """What PostgreSQL says of its archive; on SQLite there is nothing to ask."""
    said = {"known": {}}
    monkeypatch.setattr(first_day, "_backup", lambda: said["known"])
    return said


def shown(client):
    return client.get("/admin/").context["board"].get("first_day")


def done():
    return {step for step, is_done in first_day.steps().items() if is_done}


def connect(**more):
    return Receiver.objects.create(name="SM", kind="servicemobility", url="https://x", connected_at=clock.now(), **more)


def test_each_step_ticks_itself(archive, django_user_model):
    django_user_model.objects.create_superuser("chief")
    steps = [
        (Step.AREAS, lambda: helpers.make_area("LEEDS")),
        (Step.POSTCODES, lambda: PostcodePrefix.objects.create(area=helpers.make_area("LEEDS"), prefix="LS")),
        (Step.SLOTS, lambda: desk.slot_in()),
        (Step.SCHEDULE, lambda: Schedule.objects.create(area=helpers.make_area("LEEDS"), rules="x")),
        (Step.PEOPLE, lambda: desk.person("viewer")),
        (Step.CONNECTED, lambda: EmptySearch.objects.create(day="2026-12-01", reason="full", number=1)),
        (Step.DELIVERY, lambda: connect(answered_at=clock.now())),
        (Step.BACKUP, lambda: archive.update(known={Step.BACKUP: True})),
    ]
    archive["known"] = {Step.BACKUP: False}
    assert list(first_day.steps()) == [step for step, _ in steps] == list(Step)
    for number, (step, act) in enumerate(steps):
        assert done() == {before for before, _ in steps[:number]}
        act()
        assert step in done()
    assert done() == set(Step)


def test_what_is_tried_in_a_practice_area_ticks_nothing(archive):
    helpers.make_area("LEEDS", is_practice=True)
    place = desk.slot_in()
    PostcodePrefix.objects.create(area=place.area, prefix="LS")
    Schedule.objects.create(area=place.area, rules="x")
    desk.book(place)
    assert done() == set()


def test_other_ways_to_the_same(archive):
    """A planning system has no schedule; areas that are found by their codes have no postcodes."""
    place = desk.slot_in(source=AppointmentSlot.Source.IMPORT)
    assert {Step.SLOTS, Step.SCHEDULE} <= done()
    desk.book(place)
    assert {Step.POSTCODES, Step.CONNECTED} <= done()
    connect()
    assert Step.DELIVERY not in done()  # it has taken no call yet


def test_a_search_that_found_something_is_counted_where_metrics_are(archive, settings):
    settings.BOOKJOB_METRICS_TOKEN = "t" * 32
    rates = [mock.Mock(requests=1)]
    with mock.patch("bookings.services.proof.rates", return_value=rates):
        assert Step.CONNECTED in done()
    rates[0].requests = 0
    with mock.patch("bookings.services.proof.rates", return_value=rates):
        assert Step.CONNECTED not in done()


def test_once_all_are_ticked_the_list_is_gone_for_good(supervisor, archive):
    place = desk.slot_in(source=AppointmentSlot.Source.IMPORT)
    desk.book(place)
    titles = {step["title"]: step for step in shown(supervisor)}
    assert [title for title, step in titles.items() if not step["is_done"]] == [
        "Delivery of bookings to ServiceMobility"
    ]
    assert titles["Delivery of bookings to ServiceMobility"]["link"] == "/admin/bookings/receiver/"
    receiver = connect(answered_at=clock.now())
    assert not shown(supervisor)
    assert Counter.objects.filter(name=first_day.OVER).count() == 1
    # Whatever happens later.
    receiver.delete()
    assert not shown(supervisor)


def test_what_it_costs(supervisor, archive):
    """One look at a primary key once it is over, and nothing for those whose matter it is not."""
    viewer = desk.person("viewer")
    helpers.make_area("LEEDS")

    def statements(client):
        client.get("/admin/")
        with CaptureQueriesContext(connection) as found:
            client.get("/admin/")
        return len(found), [one["sql"] for one in found if first_day.OVER in one["sql"]]

    open_number, _ = statements(supervisor)
    for _ in range(3):
        first_day.end()
    number, own = statements(supervisor)
    assert len(own) == 1
    assert open_number - number <= 11
    plain, own = statements(viewer)
    assert own == []
    with mock.patch("bookings.admin.overview.first_day.on_board", return_value={}):
        assert statements(supervisor)[0] == number - 1
        assert statements(viewer)[0] == plain


def test_who_sees_it_and_who_hides_it(supervisor, client, django_user_model, archive):
    leeds = helpers.make_area("LEEDS")
    for other in (desk.person("viewer"), desk.person("dispatcher"), desk.person("supervisor", leeds)):
        assert not shown(other)
    assert "Hide this list" not in desk.text_of(supervisor.get("/admin/"))
    assert supervisor.post(HIDE).status_code == 403
    assert shown(supervisor)
    client.force_login(django_user_model.objects.create_superuser("chief"))
    assert "Hide this list for good" in desk.text_of(client.get("/admin/"))
    assert client.get(HIDE).status_code == 405
    assert shown(client)
    assert client.post(HIDE, follow=True).status_code == 200
    assert not shown(client)
    assert not shown(supervisor)


def test_each_line_leads_to_a_page_that_opens(client, django_user_model, supervisor):
    client.force_login(django_user_model.objects.create_superuser("chief"))
    for person in (client, supervisor):
        for step in shown(person):
            if step["link"]:
                assert person.get(step["link"]).status_code == 200, step
    # Supervisors may make no users.
    (people,) = [step for step in shown(supervisor) if step["title"] == "A user with a role"]
    assert people["link"] == ""


# Without this one there is no list at all.
@pytest.mark.parametrize("lost", [one for one in area_files.NEEDED if one != "bookings.change_servicearea"])
def test_a_line_without_a_permission_for_its_page_has_no_link(supervisor, lost):
    """Some permissions for areas, and not all that a file needs."""
    Group.objects.get(name="supervisor").permissions.remove(Permission.objects.get(codename=lost.partition(".")[2]))
    for step in shown(supervisor):
        if step["link"]:
            assert supervisor.get(step["link"]).status_code == 200, step


def test_what_is_shown_of_the_archive_of_postgresql(monkeypatch):
    """The statement is asked of the server, with each answer that a server can give."""
    if connection.vendor != "postgresql":
        assert first_day._backup() == {}
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW archive_mode")
        is_on = cursor.fetchone()[0] != "off"
        cursor.execute("SELECT archived_count > 0 FROM pg_stat_archiver")
        was_archived = cursor.fetchone()[0]
    assert first_day._backup() == ({Step.BACKUP: was_archived} if is_on else {})
    statement = first_day.ARCHIVE
    for mode, archived, said in (
        ("off", "NULL", {}),
        ("on", "NULL", {Step.BACKUP: False}),
        ("always", "now()", {Step.BACKUP: True}),
    ):
        asked = statement.replace("current_setting('archive_mode')", f"'{mode}'")
        asked = asked.replace("pg_stat_archiver", f"(SELECT {archived}::timestamptz AS last_archived_time) AS archiver")
        assert f"'{mode}'" in asked
        assert "AS archiver" in asked
        monkeypatch.setattr(first_day, "ARCHIVE", asked)
        assert first_day._backup() == said
