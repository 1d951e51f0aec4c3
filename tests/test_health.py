"""/livez and /readyz, without a token and whatever the Host header says."""

import pytest
import tzdata
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

ZONES = {"time_zones": tzdata.IANA_VERSION}


def test_livez_asks_no_database():
    # Without the mark of pytest-django, touching the database would fail here.
    answer = Client().get("/livez", headers={"Host": "anybody.example"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz():
    answer = Client().get("/readyz", headers={"Host": "anybody.example"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"} | ZONES)


@pytest.mark.django_db
def test_readyz_when_a_migration_is_missing():
    MigrationRecorder(connection).migration_qs.filter(app="bookings").last().delete()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "migrations missing"} | ZONES)


def test_readyz_without_the_database(settings, monkeypatch):
    def away(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("django.db.migrations.recorder.MigrationRecorder.applied_migrations", away)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "database not reached"} | ZONES)
