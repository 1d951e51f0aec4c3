"""The plans of a schedule as fields: what they say is the text, and the text is what they show."""

import re
import tomllib
from html import unescape

import pytest
from django.urls import reverse

from bookings.models import Schedule
from bookings.supply.from_plans import schedules
from tests.supply.test_schedules import NOW, PLAN, running, shown
from tests.support import desk
from tests.support.helpers import clock_stands_at, make_area

pytestmark = pytest.mark.django_db

SECOND = (
    '[[slots]]\nfrom = 2026-12-01\ndays = 30\nlength = 45\ngap = 15\ncapacity = 2\norder_type = ["REPAIR"]\n'
    'workers = ["anna", "bob"]\nevery_weeks = 2\nmonth_days = "1-7,last"\nholidays = "GB-ENG"\nweekdays = "mon-fri"\n'
    'hours = { mon-thu = "13:00-15:00,16:00-18:00", fri = "13:00-14:00" }\n'
    'exceptions = { 2026-12-24 = "08:00-09:00", 2026-12-25 = "closed" }\n'
)


@pytest.fixture(autouse=True)
def _now():
    with clock_stands_at(NOW):
        yield


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def schedule():
    return running(rules=PLAN + "\n" + SECOND, days_ahead=30)


def address(page: str, schedule: Schedule) -> str:
    return reverse(f"admin:bookings_schedule_{page}", args=[schedule.pk])


def fields(page) -> dict[str, str]:
    """What a browser would send of a page, as it is shown."""
    form = page.context["form"]
    found = {name: form[name].value() for name in form.fields}
    for plan in getattr(form, "plans", ()):
        found |= {plan.add_prefix(name): plan[name].value() for name in plan.fields}
    found["form-TOTAL_FORMS"] = form.plans.total_form_count()
    found["form-INITIAL_FORMS"] = form.plans.initial_form_count()
    return {name: str(value) for name, value in found.items() if value not in (None, False)}


def hidden(page) -> dict[str, str]:
    body = page.content.decode().partition('<form method="post" action="/admin/bookings/schedule/')[2]
    return {
        name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body)
    }


def test_what_the_fields_show_makes_the_same_slots(supervisor, schedule):
    before = shown()
    page = supervisor.get(address("plans", schedule))
    assert "2026-12-24 08:00-09:00; 2026-12-25 closed" in page.content.decode()
    asked = supervisor.post(address("plans", schedule), fields(page))
    assert asked.context["lines"] == [f"LEEDS: 0 slots created, {len(before)} kept, 0 skipped, 0 closed."]
    supervisor.post(address("edit", schedule), hidden(asked) | {"do": "perform"})
    schedule.refresh_from_db()
    assert (schedule.version, shown()) == (2, before)
    first, second = tomllib.loads(schedule.rules)["slots"]
    assert first == tomllib.loads(PLAN)["slots"][0]
    assert (second["hours"], second["length"]) == ("mon-thu 13:00-15:00,16:00-18:00; fri 13:00-14:00", 45)
    assert second["until"].isoformat() == "2026-12-30"
    # Once more: they are what the fields say.
    page = supervisor.get(address("plans", schedule))
    supervisor.post(address("edit", schedule), hidden(supervisor.post(address("plans", schedule), fields(page))))
    assert hidden(supervisor.post(address("plans", schedule), fields(page)))["rules"] == schedule.rules


def test_a_plan_is_changed_added_and_left_out(supervisor, schedule):
    sent = fields(supervisor.get(address("plans", schedule)))
    more = supervisor.post(address("plans", schedule), sent | {"do": "another"})
    assert (more.status_code, Schedule.objects.get().version) == (200, 1)
    assert more.content.decode().count("<legend>Plan ") == 3
    sent = fields(more) | {"form-0-length": "60", "form-1-DELETE": "on"}
    sent |= {"form-2-first": "2026-12-01", "form-2-hours": "sat 08:00-09:00", "form-2-length": "30"}
    asked = supervisor.post(address("plans", schedule), sent)
    saved = supervisor.post(address("edit", schedule), hidden(asked) | {"do": "perform"}, follow=True)
    assert desk.said(saved) == [asked.context["lines"][-1]]
    first, second = tomllib.loads(Schedule.objects.get().rules)["slots"]
    assert (first["length"], second["hours"]) == (60, "sat 08:00-09:00")


def test_something_is_changed_again_after_the_look(supervisor, schedule):
    sent = fields(supervisor.get(address("plans", schedule))) | {"form-0-length": "30", "days_ahead": "12"}
    asked = supervisor.post(address("plans", schedule), sent)
    again = supervisor.post(address("edit", schedule), hidden(asked) | {"do": "edit"})
    assert fields(again) | {"form-0-length": "30", "days_ahead": "12"} == fields(again)
    assert again.content.decode().count("<legend>Plan ") == 2
    assert Schedule.objects.get().version == 1


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"form-1-hours": "8-12"}, "hours", "Hours '8-12' is not like 08:00-12:00."),
        ({"form-1-length": "99999"}, "length", "less than or equal to 1440."),
        ({"form-1-workers": "anna,,bob"}, "workers", "holds an empty name"),
        ({"form-1-until": "2026-11-01"}, "until", "Last day 2026-11-01 is before First day "),
        ({"form-1-first": "never"}, "first", "Enter a valid date."),
        ({"form-0-workers": "anna", "form-1-month_days": "", "form-1-every_weeks": "", "form-1-weekdays": "",
          "form-1-hours": "08:00-10:00", "form-1-exceptions": ""}, "hours", ": see plan 1."),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_at_its_field(supervisor, schedule, changed, field, message):
    sent = fields(supervisor.get(address("plans", schedule))) | changed
    page = supervisor.post(address("plans", schedule), sent)
    form = page.context["form"]
    assert message in " ".join(form.plans.forms[1].errors[field])
    assert not form.plans.forms[0].errors
    assert form.non_field_errors()
    assert Schedule.objects.get().version == 1


@pytest.mark.parametrize("missing", ["form-TOTAL_FORMS", "seen_version", "days_ahead", ""])
def test_a_form_that_is_not_whole_saves_nothing(supervisor, schedule, missing):
    sent = {
        name: value for name, value in fields(supervisor.get(address("plans", schedule))).items() if name != missing
    }
    assert supervisor.post(address("plans", schedule), {}).context["form"].errors
    for more in ({}, {"do": "another"}, {"form-0-DELETE": "on", "form-1-DELETE": "on"}):
        page = supervisor.post(address("plans", schedule), sent | more)
        assert page.status_code == 200
    assert "A schedule has a plan at least" in page.content.decode() or missing == "form-TOTAL_FORMS"
    assert Schedule.objects.get().version == 1


@pytest.mark.parametrize("rules", ["wrong", PLAN + 'workers = ["Anna, the first", "bob"]\n', PLAN + "tea = 5\n"])
def test_what_fields_cannot_say_is_changed_as_text(supervisor, rules):
    schedule = running(days_ahead=30)
    Schedule.objects.update(rules=rules)
    page = supervisor.get(address("plans", schedule), follow=True)
    assert desk.said(page) == ["These rules say more than the fields can. Change them as text."]
    assert page.redirect_chain[0][0] == address("edit", schedule)


def test_the_last_change_is_undone_by_one_button(supervisor):
    schedule, before = running(days_ahead=30), shown()
    page = reverse("admin:bookings_schedule_change", args=[schedule.pk])
    assert "Undo the last change" not in supervisor.get(page).content.decode()
    schedule.rules = PLAN.replace("08:00", "09:00")
    schedules.save(schedule, by="sue")
    schedules.extend(schedule, by="sue")
    assert shown() != before
    asked = supervisor.post(address("edit", schedule), hidden(supervisor.get(page)))
    supervisor.post(address("edit", schedule), hidden_of_save(asked) | {"do": "perform"})
    assert (shown(), Schedule.objects.get().rules) == (before, PLAN)
    assert "Undo the last change" not in desk.person("viewer").get(page).content.decode()


def hidden_of_save(page) -> dict[str, str]:
    form = page.context["form"]
    return {name: form[name].value() for name in form.fields}


def test_others_change_nothing(schedule):
    for person, status in ((desk.person("dispatcher"), 403), (desk.person("supervisor", make_area("YORK")), 404)):
        assert person.get(address("plans", schedule)).status_code == status
        assert person.post(address("plans", schedule), {"do": "another"}).status_code == status


def test_each_page_says_of_which_area_it_is(supervisor, schedule):
    """In its heading. The way to the list alone would be the same for each area."""
    there = address("plans", schedule)
    asked = supervisor.post(there, fields(supervisor.get(there)))
    for page in (supervisor.get(there), supervisor.get(address("edit", schedule)), asked):
        heading = page.content.decode().partition("<h1")[2].partition("</h1>")[0]
        assert page.context["title"] in heading
        assert "the schedule of Leeds" in heading
