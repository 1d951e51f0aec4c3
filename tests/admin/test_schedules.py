"""Schedules on the desk: looked at by all, made and changed by supervisors, who see first what would change."""

import html
import io
import re
from unittest import mock

import pytest
from django.core.management import call_command
from django.urls import reverse

from bookings.admin import handbook
from bookings.admin.supply.schedule_forms import NO_AREA
from bookings.models import AppointmentSlot, Schedule
from bookings.supply.from_plans import schedules
from tests.supply.test_schedules import FIRST, LATER, NOW, PLAN, running, shown
from tests.support import desk
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking

pytestmark = pytest.mark.django_db

ADD = "/admin/bookings/schedule/add/"


@pytest.fixture(autouse=True)
def _now():
    with clock_stands_at(NOW):
        yield


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def schedule():
    return running()


def edit(schedule) -> str:
    return reverse("admin:bookings_schedule_edit", args=[schedule.pk])


def form(schedule, rules=LATER, **more) -> dict:
    given = {"rules": rules, "days_ahead": 3, "is_active": "yes", "seen_version": schedule.version}
    return given | more


def dry_run() -> list[str]:
    out = io.StringIO()
    call_command("extend_schedules", "--dry-run", stdout=out)
    return out.getvalue().splitlines()[:-1]


def test_one_is_made(supervisor):
    area = make_area()
    page = supervisor.get(ADD).content.decode()
    assert f'value="{FIRST}"' in page
    given = {"area": area.pk, "rules": PLAN, "days_ahead": 3, "is_active": "yes"}
    asked = supervisor.post(ADD, given)
    assert asked.context["lines"] == ["LEEDS: 8 slots created, 0 kept, 0 skipped, 0 closed."]
    assert not Schedule.objects.exists()
    assert shown() == []
    done = supervisor.post(ADD, given | {"do": "perform"}, follow=True)
    assert desk.said(done) == asked.context["lines"]
    assert len(shown()) == 8
    listed = supervisor.get("/admin/bookings/schedule/").content.decode()
    assert "Leeds" in listed
    # The area has one now.
    left = supervisor.get(ADD).content.decode()
    assert f'<option value="{area.pk}"' not in left
    assert NO_AREA in left
    make_area("YORK")
    assert NO_AREA not in supervisor.get(ADD).content.decode()


def test_what_a_plan_needs_is_not_called_optional(supervisor):
    form = supervisor.get(ADD).context["form"]
    needed = {field.name for field in form.visible_fields() if field.field.required}
    assert needed == {"area", "first", "hours", "length", "days_ahead", "is_active"}
    # The browser would not send a text alone.
    assert " required" not in str(form["hours"])


def test_one_is_made_of_fields(supervisor):
    area = make_area()
    given = {"area": area.pk, "days_ahead": 3, "is_active": "yes", "first": "2026-12-02", "length": "60", "gap": "30"}
    given |= {"hours": "wed-thu 08:00-10:00,13:00-14:00", "capacity": "3", "workers": "anna, bob"}
    given |= {"exceptions": "2026-12-03 closed", "order_type": "", "holidays": "GB-ENG"}
    asked = supervisor.post(ADD, given)
    assert asked.context["lines"] == ["LEEDS: 4 slots created, 0 kept, 0 skipped, 0 closed."]
    supervisor.post(ADD, given | {"do": "perform"})
    assert [(start.hour, worker, capacity) for _, start, _, worker, capacity in shown()] == [
        (8, "anna", 3), (8, "bob", 3), (13, "anna", 3), (13, "bob", 3)
    ]  # fmt: skip
    # From then on it is changed as text.
    rules = Schedule.objects.get().rules
    assert rules.startswith('[[slots]]\nfrom = 2026-12-02\nhours = "wed-thu 08:00-10:00,13:00-14:00"\nlength = 60\n')
    assert "anna, bob" in supervisor.get(edit(Schedule.objects.get())).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("hours", "8-12", "Hours '8-12' is not like 08:00-12:00."),
        ("hours", "", "This field is required."),
        ("first", "", "This field is required."),
        ("length", "", "This field is required."),
        ("length", "0", "greater than or equal to 1."),
        ("length", "1441", "less than or equal to 1440."),
        ("gap", "1441", "less than or equal to 1440."),
        ("capacity", "0", "greater than or equal to 1."),
        ("capacity", "10001", "less than or equal to 10000."),
        ("every_weeks", "0", "greater than or equal to 1."),
        ("every_weeks", "53", "less than or equal to 52."),
        ("workers", "anna,,bob", "Workers 'anna,,bob' holds an empty name"),
        ("order_type", "A,,B", "Order type 'A,,B' holds an empty name"),
        ("month_days", "0", "Month days '0' is no day of a month"),
        ("weekdays", "moon", "Weekdays "),
        ("until", "2026-11-30", "Last day 2026-11-30 is before First day 2026-12-01."),
        ("holidays", "XX", "Holidays 'XX': no public holidays are known"),
        ("exceptions", "2026-12-24", "Exceptions "),
        ("exceptions", "2026-12-24 closed; 2026-12-24 closed", "Exceptions names 2026-12-24 twice."),
        ("rules", "wrong", "line 1:"),
    ],
)
def test_a_field_that_is_wrong_says_so_itself(supervisor, field, value, message):
    given = {"area": make_area().pk, "days_ahead": 3, "is_active": "yes", "first": "2026-12-01", "length": "60"}
    page = supervisor.post(ADD, given | {"hours": "08:00-10:00", field: value, "do": "perform"})
    said = " ".join(page.context["form"].errors[field])
    assert message in said
    assert ("line" in said) is (field == "rules")
    assert not Schedule.objects.exists()


def test_the_way_to_how_templates_are_written(supervisor, schedule):
    for page in (ADD, edit(schedule), "/admin/bookings/schedule/import/"):
        links = re.findall(r'href="(/admin/help/slots.md)#([\w-]+)"', supervisor.get(page).content.decode())
        ((address, anchor),) = links
        assert f'id="{anchor}"' in supervisor.get(address).content.decode()
    with mock.patch.object(handbook, "pages", return_value={}):
        assert "docs/slots.md" in supervisor.get(ADD).content.decode()


def test_what_changes_is_said_as_the_dry_run_says_it(supervisor, schedule):
    slot = AppointmentSlot.objects.order_by("start").first()
    make_booking("WO-1", booking(slot.start, slot.end))
    before = shown()
    asked = supervisor.post(edit(schedule), form(schedule))
    assert shown() == before
    supervisor.post(edit(schedule), form(schedule, do="edit"))
    schedule.refresh_from_db()
    assert schedule.rules == PLAN
    # Saved, and not followed yet.
    schedule.rules = LATER
    schedules.save(schedule, by="sue")
    assert dry_run() == asked.context["lines"]
    assert [line for line in dry_run() if line.startswith("FU-")]
    done = supervisor.post(edit(schedule), form(schedule, do="perform"), follow=True)
    (said,) = (line for line in desk.said(done) if "1 booking no longer fits" in line)
    (link,) = re.findall('href="([^"]*)"', said)
    listed = supervisor.get(html.unescape(link)).context["cl"].result_list
    assert [line.split()[0] for line in asked.context["lines"] if line.startswith("FU-")] == [
        order.order_num for order in listed
    ]


def test_rules_that_cannot_be_followed_come_back_with_the_line(supervisor, schedule):
    page = supervisor.post(edit(schedule), form(schedule, PLAN + "month_days = 40\n", do="perform"))
    assert "line 5: month_days" in page.content.decode().replace("&#x27;", "'")
    schedule.refresh_from_db()
    assert schedule.version == 1


def test_what_another_person_saved_is_not_overwritten(supervisor, schedule):
    supervisor.post(edit(schedule), form(schedule, do="perform"), follow=True)
    late = supervisor.post(edit(schedule), form(schedule, PLAN, do="perform"), follow=True)
    assert "was saved meanwhile" in desk.said(late)[0]
    # There it is looked at.
    assert late.request["PATH_INFO"] == f"/admin/bookings/schedule/{schedule.pk}/change/"
    assert Schedule.objects.get().rules == LATER
    missing = form(Schedule.objects.get(), PLAN, do="perform", seen_version="")
    assert "was saved meanwhile" in desk.said(supervisor.post(edit(schedule), missing, follow=True))[0]


def test_former_rules_are_put_back(supervisor, schedule):
    before = shown()
    supervisor.post(edit(schedule), form(schedule, do="perform"))
    assert shown() != before
    page = supervisor.get(reverse("admin:bookings_schedule_change", args=[schedule.pk])).content.decode()
    assert page.count("Put back") == 1
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.partition("Version 1,")[2]))
    fields["rules"] = fields["rules"].replace("&quot;", '"')
    asked = supervisor.post(edit(schedule), fields)
    assert "opened again" in asked.context["lines"][0]
    supervisor.post(edit(schedule), fields | {"do": "perform"})
    assert shown() == before


def test_one_that_is_switched_off_keeps_its_slots(supervisor, schedule):
    before = shown()
    done = supervisor.post(edit(schedule), form(schedule, is_active="no", do="perform"), follow=True)
    assert desk.said(done) == ["LEEDS: the schedule is not active. No slot is made or closed."]
    assert shown() == before


def test_rules_that_cannot_be_followed_any_more_are_switched_off(supervisor, schedule):
    Schedule.objects.update(rules="wrong")
    asked = supervisor.post(edit(schedule), form(schedule, "wrong", is_active="no"))
    assert asked.context["lines"] == ["LEEDS: the schedule is not active. No slot is made or closed."]
    supervisor.post(edit(schedule), form(schedule, "wrong", is_active="no", do="perform"))
    assert not Schedule.objects.get().is_active


@pytest.mark.parametrize("role", ["viewer", "dispatcher"])
def test_others_look(schedule, role):
    person = desk.person(role)
    page = reverse("admin:bookings_schedule_change", args=[schedule.pk])
    assert "Put back" not in person.get(page).content.decode()
    assert person.get(edit(schedule)).status_code == 403
    assert person.post(edit(schedule), form(schedule, do="perform")).status_code == 403
    assert person.get(ADD).status_code == 403
    assert Schedule.objects.get().rules == PLAN


def test_a_person_of_other_areas_sees_none(schedule):
    person = desk.person("supervisor", make_area("YORK"))
    assert person.get(edit(schedule)).status_code == 404
    assert person.post(edit(schedule), form(schedule, do="perform")).status_code == 404
    page = person.get("/admin/bookings/schedule/").content.decode()
    assert "Leeds" not in page
    given = {"area": schedule.area_id, "rules": PLAN, "days_ahead": 3, "is_active": "yes", "do": "perform"}
    assert "Select a valid choice" in person.post(ADD, given).content.decode()


def test_no_key_but_a_number(supervisor):
    for key in ("x", "9" * 30, "77"):
        assert supervisor.get(f"/admin/bookings/schedule/{key}/edit/").status_code == 404


def test_the_board_says_which_areas_end(supervisor, schedule):
    def tile():
        return {tile["title"]: tile for tile in supervisor.get("/admin/").context["board"]["tiles"]}.get(
            "Areas whose slots end"
        )

    assert tile()["count"] == "1"
    assert tile()["is_urgent"]
    behind = supervisor.get(tile()["link"])
    assert behind.context["cl"].result_count == 1
    schedule.days_ahead = 30
    schedules.save(schedule, by="sue")
    schedules.extend(schedule, by="sue")
    assert tile() is None
    assert supervisor.get("/admin/bookings/servicearea/?slots=end").context["cl"].result_count == 0
