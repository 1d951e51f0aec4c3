"""Templates become schedules on the desk, and schedules a template."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from bookings.models import Schedule
from bookings.supply.from_plans import schedules
from tests.supply.test_schedules import LATER, NOW, PLAN, running, shown
from tests.support import desk
from tests.support.helpers import clock_stands_at, make_area

pytestmark = pytest.mark.django_db

LIST, IMPORT, FILE = (f"/admin/bookings/schedule/{page}" for page in ("", "import/", "file/"))


@pytest.fixture(autouse=True)
def _now():
    with clock_stands_at(NOW):
        yield


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


def of(code: str, plan: str = PLAN, days: int = 3) -> str:
    return f'{plan}area = "{code}"\ndays_ahead = {days}\n'


def look(person, text):
    return person.post(IMPORT, {"do": "look", "text": text})


def perform(person, asked, text):
    sent = {"do": "perform", "text": text, "seen": asked.context["preview"].digest}
    return person.post(IMPORT, sent, follow=True)


def test_what_is_exported_is_imported_without_a_change(supervisor):
    running("LEEDS"), running("YORK", LATER)
    before = list(Schedule.objects.values("area", "rules", "days_ahead", "version"))
    exported = supervisor.get(FILE)
    assert exported["Content-Disposition"] == 'attachment; filename="schedules.toml"'
    asked = supervisor.post(IMPORT, {"do": "look", "file": SimpleUploadedFile("schedules.toml", exported.content)})
    assert (asked.context["preview"].changes, asked.context["preview"].kept) == ([], 2)
    assert list(Schedule.objects.values("area", "rules", "days_ahead", "version")) == before


def test_what_changes_is_shown_before_it_is_written(supervisor):
    running("LEEDS"), make_area("YORK")
    text, before = of("LEEDS", LATER) + of("YORK", days=5), shown()
    asked = look(supervisor, text)
    leeds, york = asked.context["preview"].changes
    assert (leeds.code, leeds.is_new, york.code, york.is_new) == ("LEEDS", False, "YORK", True)
    assert leeds.lines[0].startswith("Its rules of version 1 are replaced")
    assert leeds.warnings == ["4 of 8 free slots are closed: more than a tenth."]
    assert york.lines[0] == "Always 5 days ahead."
    assert (shown(), Schedule.objects.count()) == (before, 1)
    done = perform(supervisor, asked, text)
    assert desk.said(done) == ["1 schedule made, 1 changed, 0 as they were."]
    assert [(row.area.code, row.version, row.days_ahead) for row in Schedule.objects.order_by("area__code")] == [
        ("LEEDS", 2, 3),
        ("YORK", 1, 5),
    ]
    assert look(supervisor, text).context["preview"].kept == 2


def test_what_another_person_changed_meanwhile_is_looked_at_again(supervisor):
    schedule = running()
    asked = look(supervisor, of("LEEDS", LATER))
    schedules.save(schedule, by="tom")
    assert "Nothing was written" in desk.said(perform(supervisor, asked, of("LEEDS", LATER)))[0]
    assert Schedule.objects.get().rules == PLAN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (of("HULL"), "There is no area &#x27;HULL&#x27;. Make it first. It may also be one that you may not see"),
        (of("LEEDS") + "month_days = 40", "month_days"),
        ("[[slots", "line 1"),
        ("area,from\nLEEDS,2026-12-01", "hours"),
        (of("LEEDS") + 'name = "X"\ntime_zone = "Europe/Rome"', "is in Europe/London"),
        (of("BATH") + 'name = "Bath"\ntime_zone = "Europe/London"', "make it first"),
        (of("LEEDS").replace("length = 120", "length = 1").replace("12:00", "23:59")
         + "until = 2036-11-01\nworkers = \"" + ",".join(map(str, range(20))) + '"', "are the most here"),
    ],
)  # fmt: skip
def test_what_is_refused(supervisor, text, message):
    make_area()
    page = look(supervisor, text)
    assert message.lower() in page.content.decode().lower()
    assert "Nothing is written yet" in page.content.decode()
    assert 'value="perform"' not in page.content.decode()
    assert not Schedule.objects.exists()


def test_areas_are_those_that_a_person_may_see(supervisor):
    running("LEEDS")
    person = desk.person("supervisor", make_area("YORK"))
    assert "There is no area" in look(person, of("LEEDS", LATER)).content.decode()
    assert person.get(FILE).content == b""
    assert [change.code for change in look(person, of("YORK")).context["preview"].changes] == ["YORK"]


def test_too_many_areas_for_one_page(supervisor, monkeypatch):
    monkeypatch.setattr("bookings.admin.supply.schedule_import.MOST", 1)
    make_area("LEEDS"), make_area("YORK")
    page = look(supervisor, of("LEEDS") + of("YORK"))
    assert "more than 1 areas. Send it in parts" in page.content.decode()


@pytest.mark.parametrize("role", ["viewer", "dispatcher"])
def test_others_export_alone(role):
    running()
    person = desk.person(role)
    listed = person.get(LIST).content.decode()
    assert (FILE in listed, IMPORT in listed) == (True, False)
    assert 'area = "LEEDS"' in person.get(FILE).content.decode()
    assert look(person, of("LEEDS", LATER)).status_code == 403
