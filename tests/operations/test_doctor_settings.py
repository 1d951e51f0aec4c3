"""What an expert would find in the settings, on the disk, in delivery and in the supply of slots."""

import secrets
import shutil
from datetime import timedelta
from ipaddress import ip_network
from types import SimpleNamespace

import pytest

from bookings import clock
from bookings.models import ApiKey, AppointmentSlot, Receiver, Schedule
from bookings.operations.doctor import machine
from tests.admin.test_delivery import connect, deliver
from tests.operations.test_doctor import ask, far_slot, sound_installation  # noqa: F401  fixtures
from tests.support import desk
from tests.support.helpers import make_area, make_slot, tomorrow

pytestmark = pytest.mark.django_db

RANDOM = secrets.token_hex(32)
SERVED = {"BOOKJOB_HTTPS": True, "ALLOWED_HOSTS": ["bookjob.example.org"]}
# Served as docs/operations.md says: nothing is found.
WELL_SERVED = SERVED | {
    "BOOKJOB_METRICS_TOKEN": "a-random-text-of-the-tests",
    "BOOKJOB_PROXIES": [ip_network("10.0.5.0/24")],
    "CSRF_TRUSTED_ORIGINS": ["https://bookjob.example.org"],
}


@pytest.mark.parametrize(
    ("changed", "status", "begins"),
    [
        ({"DEBUG": True}, 2, "urgent: DEBUG is on, and bookjob.example.org is served"),
        ({"BOOKJOB_HTTPS": False}, 1, "BOOKJOB_HTTPS is off, and bookjob.example.org is served"),
        ({"CSRF_TRUSTED_ORIGINS": ["http://b.example.org"]}, 1, "CSRF_TRUSTED_ORIGINS has http://b.example.org"),
        ({"BOOKJOB_METRICS_TOKEN": ""}, 1, "BOOKJOB_METRICS_TOKEN is empty"),
        ({"BOOKJOB_CALLER_LIMIT": 300, "BOOKJOB_ADDRESS_LIMIT": 200}, 1, "BOOKJOB_ADDRESS_LIMIT is smaller"),
        ({"BOOKJOB_DEFAULT_AREA": "NOWHERE"}, 2, "urgent: BOOKJOB_DEFAULT_AREA is 'NOWHERE'."),
        ({"BOOKJOB_JWT_KEYS": {}}, 2, "urgent: BOOKJOB_JWT_KEYS is empty"),
        ({"BOOKJOB_JWT_KEYS": {"k": "changeme" * 4}}, 2, "urgent: The key k in BOOKJOB_JWT_KEYS can be guessed."),
        ({"BOOKJOB_JWT_KEYS": {k: RANDOM + k for k in "abc"}}, 1, "BOOKJOB_JWT_KEYS has 3 keys (a, b, c)."),
        ({"BOOKJOB_JWT_KEYS": {"k": RANDOM}, "SECRET_KEY": RANDOM}, 2, "urgent: SECRET_KEY is also a key"),
        (
            {"BOOKJOB_JWT_KEYS": {"k": RANDOM}, "BOOKJOB_METRICS_TOKEN": RANDOM},
            2, "urgent: BOOKJOB_METRICS_TOKEN is also a key",
        ),
        ({"BOOKJOB_PROXIES": []}, 1, "BOOKJOB_PROXIES is empty: all callers count as the proxy in front, and limits"),
        (
            {"BOOKJOB_PROXIES": [], "BOOKJOB_TRUST_UPSTREAM": True},
            2, "urgent: BOOKJOB_PROXIES is empty: all callers count as the proxy in front, and BOOKJOB_TRUSTED",
        ),
        ({"BOOKJOB_PROXIES": [ip_network("64.0.0.0/8")]}, 2, "urgent: BOOKJOB_PROXIES has 64.0.0.0/8, which is"),
        (
            {"BOOKJOB_TRUST_UPSTREAM": True, "BOOKJOB_TRUSTED_NETWORKS": [ip_network("2600::/16")]},
            2, "urgent: BOOKJOB_TRUSTED_NETWORKS has 2600::/16",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_works_against_another(settings, changed, status, begins):
    for name, value in (WELL_SERVED | changed).items():
        setattr(settings, name, value)
    found = ask()
    assert (found[0], [line[: len(begins)] for line in found[1]]) == (status, [begins])


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"BOOKJOB_CALLER_LIMIT": 300, "BOOKJOB_ADDRESS_LIMIT": 0},
        {"BOOKJOB_JWT_KEYS": {"new": RANDOM, "old": RANDOM[::-1]}},
        {
            "BOOKJOB_JWT_KEYS": {},
            "BOOKJOB_TRUST_UPSTREAM": True,
            "BOOKJOB_TRUSTED_NETWORKS": [ip_network("10.0.0.0/8")],
        },
        {"BOOKJOB_TRUST_UPSTREAM": True, "BOOKJOB_TRUSTED_NETWORKS": [ip_network("64.1.2.0/24")]},
    ],
)
def test_settings_that_fit(settings, changed):
    for name, value in (WELL_SERVED | changed).items():
        setattr(settings, name, value)
    assert ask() == (0, [])


class TestKeysOfSystems:
    def key(self, *, made_days_ago=0, **columns):
        now = clock.now()
        return ApiKey.objects.create(
            name="erp", beginning="bj_", digest="d", made_at=now - timedelta(days=made_days_ago), **columns
        )

    def test_one_that_runs_out(self):
        ends = clock.now() + timedelta(days=13)
        key = self.key(expires_at=ends)
        assert ask() == (1, [f"The API key erp runs out on {ends:%Y-%m-%d}. Make another one: make_key."])
        ApiKey.objects.filter(pk=key.pk).update(expires_at=clock.now() + timedelta(days=15))
        assert ask() == (0, [])

    def test_one_that_is_not_used(self):
        key = self.key(made_days_ago=200)
        assert ask() == (1, ["The API key erp was not used for 180 days. Revoke it: revoke_key erp."])
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=clock.now() - timedelta(days=1))
        assert ask() == (0, [])
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=None, revoked_at=clock.now())
        assert ask() == (0, [])


@pytest.mark.parametrize(
    ("mebibytes", "status", "begins"), [(200, 2, "urgent: "), (900, 1, ""), (2000, 0, None)]
)  # fmt: skip
def test_room_on_the_disk(settings, monkeypatch, mebibytes, status, begins):
    monkeypatch.setattr(machine, "LITTLE_ROOM", 1024 * machine.MEBIBYTE)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=mebibytes * machine.MEBIBYTE))
    says = f"{begins}{settings.VAR_DIR} has {mebibytes} MiB left. Make room: docs/slots.md, Removing what is old."
    assert ask() == (status, [says] if status else [])


class TestDelivery:
    @pytest.fixture
    def receiver(self):
        receiver = connect()
        Receiver.objects.update(lease_until=clock.now() + timedelta(hours=1))
        return receiver

    def test_one_that_is_led_and_in_step(self, receiver):
        deliver(receiver, desk.book(desk.slot_in(days=14)))
        assert ask() == (0, [])

    def test_one_that_is_not_led(self, receiver):
        Receiver.objects.update(lease_until=clock.now() - timedelta(hours=1))
        assert ask() == (2, ["urgent: No process delivers to ServiceMobility. Start manage.py deliver"
                             " (deploy/bookjob-deliver.service)."])  # fmt: skip
        Receiver.objects.update(is_on=False)
        assert ask() == (0, [])

    @pytest.mark.parametrize(("hours", "status"), [(3, 0), (5, 1)])
    def test_one_that_is_paused(self, receiver, hours, status):
        Receiver.objects.update(
            lease_until=None, paused_at=clock.now() - timedelta(hours=hours), paused_reason="their release"
        )
        found = ask()
        assert (found[0], len(found[1])) == (status, status)
        assert all(": their release. Resume it on the desk." in line for line in found[1])

    @pytest.mark.parametrize(("minutes", "status"), [(4, 0), (6, 2)])
    def test_one_in_trouble(self, receiver, minutes, status):
        since = clock.now() - timedelta(minutes=minutes)
        Receiver.objects.update(trouble="It answers 503.", trouble_since=since, probe_at=clock.now())
        said = f"urgent: ServiceMobility has taken nothing since {since:%Y-%m-%d %H:%M} UTC: It answers 503."
        assert ask() == (status, [said] if status else [])

    @pytest.mark.parametrize(("minutes", "status"), [(4, 0), (6, 2)])
    def test_bookings_that_wait(self, receiver, minutes, status):
        wanted = clock.now() - timedelta(minutes=minutes)
        deliver(receiver, desk.book(desk.slot_in(days=14)), due_at=clock.now(), wanted_at=wanted)
        said = "urgent: Bookings that wait for ServiceMobility: 1, the oldest for 6 minutes."
        assert ask() == (status, [said] if status else [])

    def test_bookings_that_need_a_person(self, receiver):
        deliver(receiver, desk.book(desk.slot_in(days=14)), needs_person="It is closed there.")
        assert ask() == (2, ["urgent: Bookings that ServiceMobility refuses: 1. The desk shows why; then press Send"
                             " again there."])  # fmt: skip


class TestSlotsThatEndSoon:
    def ends_in(self, **left):
        return make_slot(start=clock.now() + timedelta(**left))

    @pytest.mark.parametrize(("left", "status"), [({"days": 8}, 0), ({"days": 6}, 1), ({"hours": -1}, 2)])
    def test_the_last_slot(self, left, status):
        last = self.ends_in(**left)
        self.ends_in(days=-3)
        remedy = "Make more: a schedule, seed_slots, import_slots."
        status_now, lines = ask()
        assert status_now == status
        assert lines == [
            [],
            [f"Area LEEDS has its last open slot on {last.start:%Y-%m-%d}. {remedy}"],
            [f"urgent: Area LEEDS has no open slot any more. {remedy}"],
        ][status]  # fmt: skip

    def test_the_day_is_that_of_the_area(self):
        make_area("AUCKLAND", "Pacific/Auckland")
        make_slot("AUCKLAND", tomorrow(20))
        _, (line,) = ask()
        assert f"on {tomorrow().date() + timedelta(days=1)}." in line

    def test_a_closed_one_is_none(self):
        self.ends_in(days=2)
        self.ends_in(days=30)
        assert ask() == (0, [])
        AppointmentSlot.objects.filter(start__gt=clock.now() + timedelta(days=9)).update(
            is_open=False, closed_reason="x"
        )
        assert ask()[0] == 1

    def test_a_practice_area_is_no_matter(self):
        make_area("LEEDS", is_practice=True)
        self.ends_in(days=6)
        assert ask() == (0, [])

    def test_an_area_without_any_and_one_that_was_given_up(self):
        make_area("YORK")
        self.ends_in(days=-61)
        assert ask() == (0, [])


class TestSchedulesThatStandStill:
    @pytest.mark.parametrize(
        ("hours", "is_active", "status"),
        [(35, True, 0), (37, True, 1), (None, True, 1), (37, False, 0), (None, False, 0)],
    )
    def test_one_that_was_not_extended(self, hours, is_active, status):
        at = clock.now() - timedelta(hours=hours) if hours else None
        Schedule.objects.create(area=make_area(), rules="", is_active=is_active, extended_at=at)
        said = "The schedule of area LEEDS was not extended for a day. Does its timer run? extend_schedules says why."
        assert ask() == (status, [said] if status else [])
