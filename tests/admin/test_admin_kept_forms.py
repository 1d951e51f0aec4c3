"""What a user typed comes back after the log-in, and nothing is done with it until they send it again."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from bookings.access import kept
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

PASSWORD = "right-and-long"


@pytest.fixture(autouse=True)
def chief():
    return User.objects.create_superuser("chief", password=PASSWORD)


@pytest.fixture
def slot():
    return desk.slot_in()


def hidden(answer) -> str:
    found = re.search(r'name="kept" value="([^"]*)" form="login-form"', answer.content.decode())
    return found[1] if found else ""


def log_in(client, answer, password=PASSWORD):
    """Fill in the log-in page that an answer is; the answer is the page that comes after it."""
    address = re.search(r'<form action="([^"]+)" method="post" id="login-form"', answer.content.decode())[1]
    data = {"username": "chief", "password": password, "kept": hidden(answer)}
    return client.post(address.replace("&amp;", "&"), data, follow=True)


def rows():
    models = (WorkOrder, AppointmentSlot, Blackout, HistoryEntry, ServiceArea)
    return [list(model.objects.order_by("pk").values()) for model in models]


# By what the message calls it.
FORMS = {
    "note": ("workorder/act/note/", {"note": "Rings back & <again>"}),
    "reason": ("workorder/act/cancel/", {"reason": "Other", "more": "Rings back & <again>"}),
    "slot": ("appointmentslot/add/", {"day": "2100-01-01", "begins": "08:00", "ends": "09:00", "capacity": "3"}),
    "blackout": (
        "blackout/add/",
        {"day": "2100-01-01", "until": "2100-01-02", "reason": "Rings back & <again>"},
    ),
    "service area": (
        "servicearea/add/",
        {
            "code": "YORK",
            "name": "Rings back & <again>",
            "time_zone": "Europe/London",
            "safety_percent": "100",
            "codes-TOTAL_FORMS": "0",
            "codes-INITIAL_FORMS": "0",
            "postcode_prefixes-TOTAL_FORMS": "1",
            "postcode_prefixes-INITIAL_FORMS": "0",
            "postcode_prefixes-0-prefix": "yo 1",
        },
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_comes_back_after_the_log_in(slot, name):
    path, typed = FORMS[name]
    work_order = desk.book(slot)
    data = {"chosen": desk.chosen(work_order), "area": slot.area_id, "do": "perform", **typed}
    before, client = rows(), Client()
    asked = client.post(f"/admin/bookings/{path}", data)
    assert "What you typed is kept" in asked.content.decode()
    # A wrong password first: it is still there.
    asked = log_in(client, asked, "wrong")
    page = log_in(client, asked)
    assert page.request["PATH_INFO"] == f"/admin/bookings/{path}"
    form = page.context["adminform"].form if "adminform" in page.context else page.context["form"]
    for field, value in typed.items():
        if not field.startswith(("postcode", "codes")):
            assert str(form[field].value()) == value, field
    if name == "service area":
        assert 'value="yo 1"' in page.content.decode()
    told = f"You were logged out before this was saved. Here is your {name} again."
    assert [str(message) for message in page.context["messages"]] == [told]
    assert rows() == before
    # It comes once. Sent again, it is done.
    assert told not in client.get(f"/admin/bookings/{path}", follow=True).content.decode()
    client.post(f"/admin/bookings/{path}", data)
    assert rows() != before


def test_a_session_that_ended_by_itself(slot, settings):
    client, work_order = Client(), desk.book(slot)
    client.login(username="chief", password=PASSWORD)
    client.get("/admin/")
    later = timezone.now() + timedelta(hours=settings.BOOKJOB_SESSION_HOURS, minutes=1)
    with helpers.clock_stands_at(later):
        asked = client.post(
            "/admin/bookings/workorder/act/note/", {"chosen": desk.chosen(work_order), "note": "Hello", "do": "perform"}
        )
        page = log_in(client, asked)
    assert page.context["form"]["note"].value() == "Hello"
    assert list(work_order.history.values_list("event", flat=True)) == ["booked"]


def test_another_token_loses_nothing_either(slot):
    client, work_order = Client(enforce_csrf_checks=True), desk.book(slot)
    client.login(username="chief", password=PASSWORD)
    data = {"chosen": desk.chosen(work_order), "note": "Hello", "do": "perform", "csrfmiddlewaretoken": "x" * 64}
    page = client.post("/admin/bookings/workorder/act/note/", data, follow=True)
    assert page.context["form"]["note"].value() == "Hello"
    assert [str(message) for message in page.context["messages"]] == [
        "You have logged in since this page was opened. Nothing was changed yet: send it again.",
        "You logged in again before this was saved. Here is your note again.",
    ]
    assert list(work_order.history.values_list("event", flat=True)) == ["booked"]
    # Of another site nothing is kept.
    answer = client.post("/admin/bookings/workorder/act/note/", data, HTTP_ORIGIN="https://evil.example")
    assert answer.status_code == 403
    assert kept.SESSION_KEY not in client.session


def test_a_log_in_with_an_old_token_asks_again_and_keeps_the_form(slot):
    client, work_order = Client(enforce_csrf_checks=True), desk.book(slot)
    data = {"chosen": desk.chosen(work_order), "note": "Hello", "do": "perform"}
    asked = client.post("/admin/bookings/workorder/act/note/", data)
    again = log_in(client, asked)  # without the token
    assert "open for too long" in again.content.decode()
    assert hidden(again) == hidden(asked) != ""


def test_passwords_are_not_kept_and_nothing_is_written_for_strangers():
    before = User.objects.values()
    asked = Client().post("/admin/auth/user/add/", {"username": "x", "password1": "secret", "usable_password": "true"})
    path, body = kept.signing.loads(hidden(asked), salt=kept.SALT)
    assert (path, body) == ("/admin/auth/user/add/", "username=x")
    assert list(User.objects.values()) == list(before)
    from django.contrib.sessions.models import Session

    assert not Session.objects.exists()


def test_what_is_too_long_is_said_to_be_lost():
    asked = Client().post("/admin/bookings/blackout/add/", {"reason": "x" * (kept.LONGEST + 1)})
    assert "too long to be kept" in asked.content.decode()
    assert hidden(asked) == ""


def test_what_is_not_ours_is_not_taken(slot):
    client = Client()
    data = {"username": "chief", "password": PASSWORD, "kept": "made-up"}
    assert client.post("/admin/login/?next=/admin/", data).status_code == 302
    assert kept.SESSION_KEY not in client.session
