"""Staff log in to the admin, and stay in for as long as they may."""

from datetime import UTC, datetime
from unittest import mock

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from bookings.models import LogInRecord
from tests.support.helpers import clock_stands_at

pytestmark = pytest.mark.django_db

WRONG = "Please enter the correct username and password"


@pytest.fixture(autouse=True)
def dispatcher():
    return User.objects.create_user("dispatcher", password="right", is_staff=True)


class Clock:
    """In seconds; the test sets it."""

    now = 1_800_000_000.0

    def time(self):
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def clock():
    clock = Clock()
    with clock_stands_at() as stopped:
        stopped.now = clock.time
        yield clock


@pytest.fixture
def still():
    """The clock of the log-in stands, so that no wait passes by itself."""
    with clock_stands_at(timezone.now()):
        yield


def attempt(username="dispatcher", password="right", address="192.0.2.1", client=None):
    return (client or Client()).post(
        "/admin/login/?next=/admin/", {"username": username, "password": password}, REMOTE_ADDR=address
    )


def is_in(client):
    return client.get("/admin/").status_code == 200


class TestTheWayIn:
    def test_it_works(self):
        client = Client()
        assert attempt(client=client).status_code == 302
        assert is_in(client)

    @pytest.mark.parametrize(
        ("username", "password"),
        [("dispatcher", "wrong"), ("stranger", "right"), ("tech.jones", "right"), ("gone", "right")],
    )
    def test_the_same_answer_whatever_is_wrong(self, username, password):
        technician = User.objects.create_user("tech.jones", password="right")
        technician.user_permissions.add(Permission.objects.get(codename="log_in_to_api"))
        User.objects.create_user("gone", password="right", is_staff=True, is_active=False)
        with mock.patch("django.contrib.auth.hashers.MD5PasswordHasher.encode", return_value="md5$a$b") as encode:
            answer = attempt(username, password if password == "right" else "wrong")
        assert encode.call_count == 1
        assert answer.status_code == 200
        assert WRONG in answer.content.decode()

    def test_an_api_user_with_the_right_password_hears_the_same(self):
        User.objects.create_user("tech.jones", password="right")
        assert WRONG in attempt("tech.jones").content.decode()

    @pytest.mark.parametrize("given", [{"username": ""}, {"password": ""}])
    def test_an_empty_field(self, given):
        assert "This field is required." in attempt(**given).content.decode()


class TestGuessing:
    def test_is_slowed_down_like_the_apis(self, still):
        for _ in range(5):
            assert WRONG in attempt(password="wrong").content.decode()
        answer = attempt()
        assert "There were too many attempts. Try again in 1 seconds." in answer.content.decode()
        assert "_auth_user_id" not in answer.wsgi_request.session

    def test_after_the_wait_the_right_password_is_taken(self, still):
        from datetime import timedelta

        for _ in range(6):
            attempt(password="wrong")
        later = timezone.now() + timedelta(seconds=40)
        with clock_stands_at(later):
            assert attempt().status_code == 302

    def test_both_doors_count_together(self, still):
        body = '{"username": "dispatcher", "password": "wrong"}'
        for _ in range(5):
            Client().post("/api/v1/auth/token", body, content_type="application/json", REMOTE_ADDR="192.0.2.1")
        assert "too many attempts" in attempt().content.decode()
        assert LogInRecord.objects.count() == 3

    def test_elsewhere_somebody_else_is_not_held_up(self, still):
        for _ in range(8):
            attempt(password="wrong")
        User.objects.create_user("other", password="right", is_staff=True)
        assert attempt("other").status_code == 302


class TestASession:
    def test_gets_a_new_key_at_the_log_in(self):
        client = Client()
        attempt(client=client)
        first = client.cookies["sessionid"].value
        assert len(first) == 32  # of 36 characters: 165 bits
        attempt(client=client)
        assert client.cookies["sessionid"].value != first
        assert not Session.objects.filter(session_key=first).exists()

    def test_a_key_that_somebody_else_chose_is_not_taken(self):
        client = Client()
        client.cookies["sessionid"] = "chosenbyanattacker0123456789abcd"
        attempt(client=client)
        assert client.cookies["sessionid"].value != "chosenbyanattacker0123456789abcd"

    def test_ends_after_a_while_without_a_request(self, clock):
        client = Client()
        attempt(client=client)
        for _ in range(4):
            clock.now += 119 * 60
            assert is_in(client)
        clock.now += 122 * 60
        assert not is_in(client)
        assert Session.objects.count() == 0

    def test_ends_some_hours_after_the_log_in_whatever_is_done(self, clock):
        client = Client()
        attempt(client=client)
        assert is_in(client)
        for _ in range(12):
            clock.now += 59 * 60
            assert is_in(client)
        clock.now += 13 * 60
        assert not is_in(client)

    def test_both_are_settings(self, clock, settings):
        settings.BOOKJOB_SESSION_IDLE_MINUTES = 5
        client = Client()
        attempt(client=client)
        assert is_in(client)
        clock.now += 6 * 60
        assert not is_in(client)

    def test_a_new_log_in_begins_anew(self, clock):
        client = Client()
        attempt(client=client)
        assert is_in(client)
        clock.now += 24 * 3600
        assert not is_in(client)
        attempt(client=client)
        assert is_in(client)

    def test_a_busy_page_does_not_write_with_every_request(self, clock, django_assert_num_queries):
        client = Client()
        attempt(client=client)
        is_in(client)
        with mock.patch("django.contrib.sessions.backends.db.SessionStore.save") as save:
            is_in(client)
            assert not save.called
            clock.now += 61
            is_in(client)
            assert save.called

    def test_ends_with_the_log_out(self):
        client = Client()
        attempt(client=client)
        kept = client.cookies["sessionid"].value
        client.post("/admin/logout/")
        thief = Client()
        thief.cookies["sessionid"] = kept
        assert not is_in(thief)

    def test_the_others_end_when_the_password_is_changed(self):
        here, elsewhere = Client(), Client()
        attempt(client=here)
        attempt(client=elsewhere)
        new = "a-quite-long-passphrase"
        form = {"old_password": "right", "new_password1": new, "new_password2": new}
        assert here.post("/admin/password_change/", form).status_code == 302
        assert is_in(here)
        assert not is_in(elsewhere)

    def test_a_new_password_needs_the_old_one(self):
        client = Client()
        attempt(client=client)
        new = "a-quite-long-passphrase"
        form = {"old_password": "guess", "new_password1": new, "new_password2": new}
        assert client.post("/admin/password_change/", form).status_code == 200
        assert User.objects.get().check_password("right")

    def test_a_password_that_a_chief_sets_ends_them_all(self, dispatcher):
        client, chief = Client(), Client()
        attempt(client=client)
        chief.force_login(User.objects.create_superuser("chief"))
        new = "a-quite-long-passphrase"
        form = {"password1": new, "password2": new, "usable_password": "true"}
        assert chief.post(f"/admin/auth/user/{dispatcher.pk}/password/", form).status_code == 302
        assert not is_in(client)

    def test_ends_when_the_user_is_made_inactive_or_no_staff(self, dispatcher):
        for field in ("is_active", "is_staff"):
            User.objects.update(is_active=True, is_staff=True)
            client = Client()
            attempt(client=client)
            assert is_in(client)
            User.objects.update(**{field: False})
            assert not is_in(client)

    def test_a_form_from_elsewhere_does_nothing(self):
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.get())
        assert client.post("/admin/logout/").status_code == 403
        assert is_in(client)
