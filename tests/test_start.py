"""What an operator sets: a wrong value stops the start with one line that names the variable."""

import os
import subprocess
import sys

import pytest

from tests.environment import ROOT


def start(*command, **environment):
    return subprocess.run(
        [sys.executable, *(command or ("manage.py", "check"))],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_defaults_are_good():
    assert start().returncode == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEY", "", "is not set."),
        ("DEBUG", "maybe", "must be on or off."),
        ("DATABASE_URL", "mysql://u:p@h/d", "must be postgres://user:password@host:port/name or sqlite:///path."),
        ("DATABASE_URL", "nonsense", "must be postgres://user:password@host:port/name or sqlite:///path."),
        ("DATABASE_URL", "postgres://u:p@h/d?pgbouncer=maybe", "must have pgbouncer=true and pool=true (or a number"),
        ("DATABASE_URL", "postgres://u:p@h/d?pgbouncer=true&pool=true", "cannot have both pgbouncer and pool."),
        (
            "DATABASE_URL",
            "postgres://u:p@h/d?pgbouncer=true&options=-c%20lock_timeout%3D1",
            "cannot have both pgbouncer and options.",
        ),
        (
            "DATABASE_URL",
            "postgres://u:p@h/d?pgbouncer=true&prepare_threshold=5",
            "cannot have both pgbouncer and prepare_threshold.",
        ),
        ("DATABASE_URL", "postgres://u:p@h/d?pool=many", "must have pgbouncer=true and pool=true (or a number"),
        ("DATABASE_URL", "postgres://u:p@h/d?pgbounce=true", "has an option that PostgreSQL does not know: invalid"),
        ("DATABASE_URL", "postgres://u:p@h:5432,g/d", "must give each of its hosts a port, or none of them."),
        (
            "DATABASE_URL",
            "postgres://u:p@h,g/d?target_session_attrs=any",
            "has several hosts, so target_session_attrs must be read-write or primary.",
        ),
        ("DATABASE_URL", "sqlite:////tmp/never?pgbouncer=true", "cannot have pgbouncer with SQLite."),
        ("DATABASE_REPLICA_URL", "nonsense", "must be postgres://user:password@host:port/name."),
        ("DATABASE_REPLICA_URL", "sqlite:////tmp/never", "needs PostgreSQL, in DATABASE_URL too."),
        ("CSRF_TRUSTED_ORIGINS", "bookjob.example.org", "must be origins with their scheme"),
        ("BOOKJOB_HTTPS", "perhaps", "must be on or off."),
        ("BOOKJOB_JWT_KEYS", "k1:short", "has a secret of less than 32 bytes under the kid 'k1'."),
        ("BOOKJOB_JWT_KEYS", "no-colon", "must be kid:secret pairs separated by spaces, each kid once."),
        (
            "BOOKJOB_JWT_KEYS",
            f"a:{'x' * 32} a:{'y' * 32}",
            "must be kid:secret pairs separated by spaces, each kid once.",
        ),
        ("BOOKJOB_TOKEN_MINUTES", "0", "must be a number of minutes, 1 to 525600."),
        ("BOOKJOB_TOKEN_LEEWAY_SECONDS", "-1", "must be a number of seconds, 0 to 600."),
        ("BOOKJOB_TRUST_UPSTREAM", "on", "is on, but BOOKJOB_TRUSTED_NETWORKS does not say whom to trust."),
        ("BOOKJOB_TRUSTED_NETWORKS", "10.1.0.0/99", "must be networks such as 10.1.0.0/16, separated by spaces."),
        ("BOOKJOB_PROXIES", "nginx", "must be networks such as 127.0.0.0/8, separated by spaces."),
        ("BOOKJOB_DOCUMENTED_STATUSES_ONLY", "2", "must be on or off."),
        ("BOOKJOB_FOLLOWUP_POLICY", "double", "must be single, multiple or move."),
        ("BOOKJOB_ORDER_PREFIX", "x" * 21, "must be a text of at most 20 characters."),
        ("BOOKJOB_PART_ORDER_PREFIX", "a\tb", "must be a text of at most 20 characters."),
        ("BOOKJOB_HORIZON_DAYS", "0", "must be a number of days, 1 to 3660."),
        ("BOOKJOB_NOTICE_MINUTES", "soon", "must be a number of minutes, 0 to 525600."),
        ("BOOKJOB_MAX_OFFERS", "1e3", "must be a number, 1 to 1000."),
        ("BOOKJOB_SLOT_POINTER", "Visit/Period", "must be a JSON Pointer such as /Visit/Period."),
        ("BOOKJOB_SLOT_POINTER", "/Visit~2", "must be a JSON Pointer such as /Visit/Period."),
        ("BOOKJOB_DRAIN_SECONDS", "301", "must be a number of seconds, 0 to 300."),
        ("BOOKJOB_METRICS_TOKEN", "short", "must be a random text of at least 16 characters without spaces."),
        ("BOOKJOB_SESSION_HOURS", "0", "must be a number of hours, 1 to 720."),
        ("BOOKJOB_SESSION_IDLE_MINUTES", "1", "must be a number of minutes, 5 to 43200."),
        ("BOOKJOB_CALLER_LIMIT", "10/s", "must be a number, 0 (off) to 10000000."),
        ("BOOKJOB_ADDRESS_LIMIT", "-1", "must be a number, 0 (off) to 10000000."),
        ("BOOKJOB_MAX_BODY_BYTES", "1MiB", "must be a number of bytes, 1024 to 67108864."),
    ],
)
def test_a_wrong_value_stops_the_start(name, value, said):
    ended = start(**{name: value})
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"bookjob does not start: {name} {said}")
    assert "x" * 32 not in line  # a secret


def test_gunicorn_ends_with_the_same_line():
    ended = start("-m", "gunicorn", "bookjob_site.wsgi", BOOKJOB_MAX_OFFERS="0", PORT="0")
    assert ended.returncode != 0
    assert "bookjob does not start: BOOKJOB_MAX_OFFERS must be a number, 1 to 1000." in ended.stderr.splitlines()
    assert "Traceback" not in ended.stderr


def test_check_deploy_has_nothing_to_say_about_a_public_site():
    public = {
        "ALLOWED_HOSTS": "bookjob.example.org",
        "BOOKJOB_HTTPS": "",
        "SECRET_KEY": "a-long-random-text-0123456789-abcdefghijklmnopqrstuvwxyz-ABCD",
    }
    ended = start("manage.py", "check", "--deploy", "--fail-level", "WARNING", **public)
    assert (ended.returncode, ended.stdout) == (0, "System check identified no issues (0 silenced).\n"), ended.stderr


def test_no_migration_is_missing():
    assert start("manage.py", "makemigrations", "--check", "--dry-run").returncode == 0


def test_every_setting_is_in_the_example_and_in_the_readme():
    import re

    settings = (ROOT / "bookjob_site" / "settings.py").read_text()
    read = set(re.findall(r'(?:read\(\s*|environ\.get\()"([A-Z_]+)"', settings))
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    readme = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "README.md").read_text()))
    assert read == example
    assert read <= readme
