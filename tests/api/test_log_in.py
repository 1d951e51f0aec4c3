"""A technician logs in (contract, section 3): a user name and a password become a token."""

import json
import time
from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from bookings.access import log_in, tokens
from bookings.models import LogInRecord
from bookings.telemetry.shared import Buckets
from tests.support.helpers import at_once, booking, clock_stands_at, error, make_slot, post

pytestmark = pytest.mark.django_db

REFUSED = error(401, "invalid_logon", "Your log-in has expired or is not valid. Log in again.")


@pytest.fixture(autouse=True)
def technician(django_user_model):
    user = django_user_model.objects.create_user(
        "tech.jones", "t.jones@example.org", "right", first_name="T.", last_name="Jones"
    )
    user.user_permissions.add(Permission.objects.get(codename="log_in_to_api"))
    return user


@pytest.fixture(autouse=True)
def fresh_buckets():
    with mock.patch("bookings.access.admission.buckets", Buckets()):
        yield


@pytest.fixture
def technician_of():
    """A function that makes the technician in the database of a running service."""

    def make(service):
        code = (
            "from django.contrib.auth.models import Permission, User\n"
            "user = User.objects.create_user('tech.jones', password='right')\n"
            "user.user_permissions.add(Permission.objects.get(codename='log_in_to_api'))"
        )
        done = service.manage("shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stderr

    return make


def attempt(username="tech.jones", password="right", address="192.0.2.1", **extra):
    body = json.dumps({"username": username, "password": password})
    return Client().post("/api/v1/auth/token", body, content_type="application/json", REMOTE_ADDR=address, **extra)


class Clock:
    def __init__(self):
        self.now = timezone.now()


@pytest.fixture
def clock():
    clock = Clock()
    with mock.patch("bookings.clock.now", side_effect=lambda: clock.now):
        yield clock


class TestItWorks:
    def test_the_statements(self, django_assert_num_queries):
        """The records in a transaction of their own, the user, two of permissions, and what was found out."""
        attempt()
        with mock.patch("bookings.access.admission.buckets", Buckets()), django_assert_num_queries(10):
            attempt()

    def test_it_works(self):
        answer = attempt()
        assert answer.status_code == 200
        assert list(answer.json()) == ["token"]
        token = answer.json()["token"]
        claims = tokens.read_token(token)
        assert claims.pop("exp") - claims.pop("iat") == 480 * 60
        assert claims.pop("uid")
        assert claims == {"sub": "tech.jones", "iss": "bookjob", "name": "T. Jones", "email": "t.jones@example.org"}
        make_slot()
        with clock_stands_at():
            assert post("WO-1", booking(), token=token).status_code == 200

    def test_no_token_is_needed_and_a_bad_one_does_not_matter(self):
        assert attempt(headers={"x-access-token": "expired"}).status_code == 200

    @pytest.mark.parametrize("spelling", [" tech.jones ", "\ttech.jones", "ｔｅｃｈ.jones"])
    def test_a_user_name_is_read_as_the_desk_reads_it(self, spelling):
        assert attempt(spelling).status_code == 200


class TestRefused:
    @pytest.mark.parametrize(
        ("username", "password"), [("tech.jones", "wrong"), ("stranger", "right"), ("TECH.JONES", "right")]
    )
    def test_wrong_credentials(self, username, password):
        answer = attempt(username, password)
        assert (answer.status_code, answer.json()) == (401, REFUSED)

    def test_an_inactive_user(self, technician):
        technician.is_active = False
        technician.save()
        assert attempt().json() == REFUSED

    def test_staff_of_the_admin_are_not_users_of_the_api(self, django_user_model):
        django_user_model.objects.create_user("dispatcher", password="right", is_staff=True)
        assert attempt("dispatcher").json() == REFUSED

    def test_every_refusal_hashes_one_password(self, django_user_model):
        """The same work for each is what makes the same time."""
        django_user_model.objects.create_user("gone", password="right", is_active=False)
        for username, password in (("tech.jones", "wrong"), ("stranger", "right"), ("gone", "right")):
            with mock.patch("django.contrib.auth.hashers.MD5PasswordHasher.encode", return_value="md5$a$b") as encode:
                assert attempt(username, password).status_code == 401
            assert encode.call_count == 1, username

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"username": "a", "password": 7}, "/password"),
            ({"username": ["a"], "password": "b"}, "/username"),
        ],
    )
    def test_a_bad_body(self, body, path):
        answer = Client().post("/api/v1/auth/token", json.dumps(body), content_type="application/json")
        assert (answer.status_code, answer.json()["detail"]["dataPath"]) == (400, path)

    @pytest.mark.parametrize("documented_only", [False, True])
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"username": "a"},
            {"username": "a", "password": ""},
            {"username": "", "password": "b"},
            {"username": None, "password": "b"},
            {"username": "  ", "password": "b"},
            {"username": "x" * 151, "password": "b"},
            {"username": "\ufdfa" * 10_000, "password": "b" * 10_000},
        ],
    )
    def test_an_empty_or_missing_name_or_password_is_a_wrong_log_in(self, body, documented_only, settings):
        settings.BOOKJOB_DOCUMENTED_STATUSES_ONLY = documented_only
        answer = Client().post("/api/v1/auth/token", json.dumps(body), content_type="application/json")
        assert (answer.status_code, answer.json()["detail"]["params"]) == (401, {"error": "invalid_logon"})

    def test_other_methods(self):
        assert Client().get("/api/v1/auth/token").status_code == 405

    def test_without_a_key_nobody_is_told_details(self, settings):
        settings.BOOKJOB_JWT_KEYS = {}
        answer = attempt()
        assert answer.status_code == 500
        assert "JWT_" not in answer.content.decode()


class TestGuessingIsSlowedDown:
    def fail(self, times, **where):
        return [attempt(**({"password": "wrong"} | where)).status_code for _ in range(times)]

    def test_for_a_user_name_from_an_address(self, clock):
        assert self.fail(5) == [401] * 5
        answer = attempt()
        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        assert answer.json() == error(
            429, "throttled", "There were too many requests. Try again in 1 seconds.", seconds=1
        )
        for wait in (1, 2, 4, 8, 16, 30, 30):
            clock.now += timedelta(seconds=wait)
            assert self.fail(2) == [401, 429]
        clock.now += timedelta(seconds=30)
        assert attempt().status_code == 200  # never for good
        assert attempt().status_code == 200

    def test_without_telling_whether_the_name_exists(self, clock):
        known = [self.fail(7, username="tech.jones")]
        assert [self.fail(7, username="stranger", address="192.0.2.9")] == known

    def test_for_a_user_name_from_many_addresses(self, clock):
        for number in range(20):
            self.fail(1, address=f"198.51.100.{number}")
        assert self.fail(1, address="198.51.100.99") == [429]

    def test_a_stranger_elsewhere_does_not_lock_a_technician_out(self, clock):
        assert attempt(address="192.0.2.1").status_code == 200
        for number in range(30):
            self.fail(1, address=f"198.51.100.{number}")
        assert attempt(address="198.51.100.99").status_code == 429
        assert attempt(address="192.0.2.1").status_code == 200

    def test_for_an_address_with_many_names(self, clock):
        statuses = [attempt(f"stranger-{number}", "wrong").status_code for number in range(100)]
        assert statuses == [401] * 100
        assert attempt("tech.other").status_code == 429
        assert attempt("tech.other", address="192.0.2.2").status_code == 401

    def test_a_success_begins_anew(self, clock):
        self.fail(4)
        assert attempt().status_code == 200
        assert self.fail(5) == [401] * 5

    def test_after_a_while_it_is_forgotten(self, clock):
        self.fail(5)
        clock.now += timedelta(minutes=15, seconds=1)
        assert self.fail(5) == [401] * 5

    def test_a_clock_that_was_set_back_keeps_nobody_out(self, clock):
        assert self.fail(6) == [401] * 5 + [429]
        clock.now -= timedelta(days=1)
        assert attempt().status_code == 200
        assert self.fail(6) == [401] * 5 + [429]

    def test_nobody_can_read_names_or_addresses_out_of_the_records(self):
        self.fail(1)
        for record in LogInRecord.objects.all():
            assert len(record.key) == 64

    def test_behind_a_proxy_the_address_is_the_callers(self, settings, clock):
        import ipaddress

        settings.BOOKJOB_PROXIES = [ipaddress.ip_network("127.0.0.0/8")]
        where = {"address": "127.0.0.1", "headers": {"X-Forwarded-For": "203.0.113.7, 192.0.2.1"}}
        assert self.fail(6, **where) == [401] * 5 + [429]
        assert self.fail(1, address="192.0.2.1") == [429]  # the proxy's word was believed, the caller's was not
        assert self.fail(1, address="203.0.113.7") == [401]

    def test_a_known_name_waits_for_its_own_failures_alone(self, clock):
        """One address is ServiceMobility's, and all technicians'."""
        assert attempt().status_code == 200
        for number in range(100):
            assert attempt(f"stranger-{number}", "wrong").status_code == 401
        assert attempt("tech.other").status_code == 429
        assert [attempt().status_code for _ in range(25)] == [200] * 25
        # Without telling which names are known here, and after the same work.
        with mock.patch("django.contrib.auth.hashers.MD5PasswordHasher.encode", return_value="md5$a$b") as encode:
            answers = [attempt(name, "wrong") for name in ("tech.jones", "tech.other")]
        assert encode.call_count == 2
        assert [answer.status_code for answer in answers] == [429, 429]
        assert answers[0].json() == answers[1].json()
        # Its own failures it does wait for.
        assert self.fail(6, password="wrong again") == [429] * 6
        assert attempt().status_code == 429

    def test_an_address_that_waits_does_not_make_the_service_hash_for_ever(self, clock, monkeypatch):
        monkeypatch.setattr("bookings.clock.ticks", lambda: 1000.0)
        for number in range(100):
            attempt(f"stranger-{number}", "wrong")
        with mock.patch("django.contrib.auth.hashers.MD5PasswordHasher.encode", return_value="md5$a$b") as encode:
            for number in range(100):
                assert attempt(f"other-{number}", "wrong").status_code == 429
        assert encode.call_count == log_in.DECOYS

    def test_right_log_ins_of_one_name_at_once_are_all_right(self, start_service, technician_of):
        service = start_service("tests.support.apps.thorough")
        technician_of(service)
        right = json.dumps({"username": "tech.jones", "password": "right"})
        for _ in range(2):  # unknown at first, then known
            answers = at_once([lambda: service.request("POST", "/api/v1/auth/token", right)] * 10)
            assert [answer.status for answer in answers] == [200] * 10

    def test_the_test_above_would_notice_when_each_counts_as_a_guess(self, start_service, technician_of):
        service = start_service("tests.support.apps.suspicious")
        technician_of(service)
        right = json.dumps({"username": "tech.jones", "password": "right"})

        def one_waits():
            answers = at_once([lambda: service.request("POST", "/api/v1/auth/token", right)] * 20)
            return 429 in {answer.status for answer in answers}

        # More than are free have to be counted before the first of them is let in.
        assert any(one_waits() for _ in range(20))

    def test_many_guesses_at_once_do_not_slip_through_together(self, start_service):
        """Over HTTP to gunicorn; what is free for one after the other is free for all together."""
        service = start_service("tests.support.apps.thorough")
        began = time.monotonic()
        guesses = [json.dumps({"username": "tech.jones", "password": f"wrong-{number}"}) for number in range(16)]
        answers = at_once([lambda text=text: service.request("POST", "/api/v1/auth/token", text) for text in guesses])
        seconds = int(time.monotonic() - began)
        statuses = [answer.status for answer in answers]
        assert 429 in statuses
        assert set(statuses) <= {401, 429}
        # One more after waits of 1, 2, 4 … seconds, where the machine is that slow.
        assert statuses.count(401) <= 5 + (seconds + 1).bit_length()
