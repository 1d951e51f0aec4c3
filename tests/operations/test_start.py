"""What an operator sets: each wrong value stops the start with a line that says what was read and what would be right."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from bookings.models import ServiceArea
from bookjob_site.environment import declarations
from tests.support import warm
from tests.support.environment import HALF_COMPILED, KEY, OLD_KEY, ROOT
from tests.support.postgres import free_port

PG = "postgres://u:hush-hush@h/d"
URL = "postgres://user:password@host:port/name or sqlite:///path"
MAIL = {"BOOKJOB_MAIL_URL": "smtp://mail.example.org", "BOOKJOB_MAIL_TO": "sue@example.org"}
BOTH = {"BOOKJOB_TRUST_UPSTREAM": "on", "BOOKJOB_TRUSTED_NETWORKS": "10.0.0.0/8"}


def start(*command, **environment):
    if not command:  # test_warm.py shows that it ends alike
        return warm.run("-c", "from bookjob_site import settings", environment=os.environ | environment)
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_defaults_are_good():
    assert warm.run("manage.py", "check", environment=os.environ).returncode == 0


# (settings, the name that the line begins with, what it says)
# ruff: noqa: E501  a row a line
WRONG = [
    ({"SECRET_KEY": ""}, "SECRET_KEY", "is not set. It must be a long random text"),
    ({"DEBUG": "maybe"}, "DEBUG", "is 'maybe'. It must be on or off. Otherwise callers could see"),
    ({"PORT": "http"}, "PORT", "is 'http'. It must be a port, 1 to 65535."),
    ({"PORT": "70000"}, "PORT", "is '70000'. It must be a port, 1 to 65535."),
    ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY", "is '0'. It must be a number of workers, 1 to 256. Otherwise no worker"),
    ({"WEB_CONCURRENCY": "two"}, "WEB_CONCURRENCY", "is 'two'. It must be a number of workers, 1 to 256."),
    ({"WEB_CONCURRENCY": "-1"}, "WEB_CONCURRENCY", "is '-1'. It must be a number of workers, 1 to 256."),
    ({"BOOKJOB_DRAIN_SECONDS": "301"}, "BOOKJOB_DRAIN_SECONDS", "is '301'. It must be a number of seconds, 0 to 300."),
    ({"STATIC_ROOT": "/proc/never"}, "STATIC_ROOT", "is '/proc/never': No such file or directory. It must be a folder"),
    ({"STATIC_ROOT": "/etc/hosts"}, "STATIC_ROOT", "is '/etc/hosts': File exists. It must be a folder"),
    # --- the database ---
    ({"DATABASE_URL": "mysql://u:hush-hush@h/d"}, "DATABASE_URL", f"is 'mysql://u:***@h/d'. It must be {URL}."),
    ({"DATABASE_URL": "nonsense"}, "DATABASE_URL", f"is 'nonsense'. It must be {URL}."),
    ({"DATABASE_URL": "postgres://u:hush-hush@h"}, "DATABASE_URL", "names the database ''. It must be one with the name"),
    ({"DATABASE_URL": "postgres://u:hush-hush@h/"}, "DATABASE_URL", "names the database ''. It must be one with the name"),
    ({"DATABASE_URL": f"{PG}/e"}, "DATABASE_URL", "names the database 'd/e'. It must be one with the name"),
    ({"DATABASE_URL": "postgres://u:p@%2Frun%2Fpg/d"}, "DATABASE_URL", "names the host '%2Frun%2Fpg'. It must be a host"),
    ({"DATABASE_URL": "postgres://u:hush-hush@h:port/d"}, "DATABASE_URL", "is 'postgres://u:***@h:port/d'. It must be"),
    ({"DATABASE_URL": "postgres://u:hush-hush"}, "DATABASE_URL", "is 'postgres://u:***'. It must be"),
    ({"DATABASE_URL": "postgres://u:hu\nsh:hush-hush@h:port/d"}, "DATABASE_URL", "is 'postgres://u:***@h:port/d'. It must be"),
    ({"DATABASE_URL": "postgres://u:12/hush-hush@h/d"}, "DATABASE_URL", "names the database 'h/d'. It must be one with the name"),
    ({"DATABASE_URL": "postgres://u:p@h:99999/d"}, "DATABASE_URL", "is 'postgres://u:***@h:99999/d'. It must be"),
    ({"DATABASE_URL": f"{PG}?sslmode=sure"}, "DATABASE_URL", 'has an option that PostgreSQL does not know (invalid sslmode value: "sure")'),
    ({"DATABASE_URL": f"{PG}?connect_timeout=soon"}, "DATABASE_URL", "has connect_timeout=soon. It must be connect_timeout= a number, 1 to 25."),
    ({"DATABASE_URL": f"{PG}?connect_timeout=0"}, "DATABASE_URL", "has connect_timeout=0. It must be"),
    ({"DATABASE_URL": f"{PG}?tcp_user_timeout=10s"}, "DATABASE_URL", "has tcp_user_timeout=10s. It must be"),
    ({"DATABASE_URL": f"{PG}?keepalives_idle=x"}, "DATABASE_URL", "has keepalives_idle=x. It must be"),
    ({"DATABASE_URL": f"{PG}?isolation_level=high"}, "DATABASE_URL", "has isolation_level=high. It must be"),
    ({"DATABASE_URL": f"{PG}?sslrootcert=/nowhere.pem"}, "DATABASE_URL", "has sslrootcert=/nowhere.pem. It must be a file that this user may read."),
    ({"DATABASE_URL": f"{PG}?gssencmode=x"}, "DATABASE_URL", "has an option that PostgreSQL does not know (invalid gssencmode"),
    ({"DATABASE_URL": f"{PG}?channel_binding=x"}, "DATABASE_URL", "has an option that PostgreSQL does not know (invalid channel_binding"),
    ({"DATABASE_URL": f"{PG}?target_session_attrs=x"}, "DATABASE_URL", "has an option that PostgreSQL does not know (invalid target_s"),
    ({"DATABASE_URL": f"{PG}?pgbounce=true"}, "DATABASE_URL", "has an option that PostgreSQL does not know (invalid connection option"),
    ({"DATABASE_URL": f"{PG}?pgbouncer=maybe"}, "DATABASE_URL", "has pgbouncer=maybe. It must be pgbouncer= true or false."),
    ({"DATABASE_URL": f"{PG}?pool=many"}, "DATABASE_URL", "has pool=many. It must be pool= true or a number of connections"),
    ({"DATABASE_URL": f"{PG}?pgbouncer=true&pool=true"}, "DATABASE_URL", "has both pgbouncer and pool."),
    ({"DATABASE_URL": f"{PG}?pgbouncer=true&options=-c%20a%3D1"}, "DATABASE_URL", "has both pgbouncer and options."),
    ({"DATABASE_URL": f"{PG}?pgbouncer=true&prepare_threshold=5"}, "DATABASE_URL", "has both pgbouncer and prepare_threshold."),
    ({"DATABASE_URL": "postgres://u:p@h:5432,g/d"}, "DATABASE_URL", "has 2 hosts and 1 ports. It must be a port for each"),
    ({"DATABASE_URL": "postgres://u:p@h,g/d?target_session_attrs=any"}, "DATABASE_URL", "has several hosts and target_session_attrs=any."),
    ({"BOOKJOB_PATRONI": "db1:8008"}, "BOOKJOB_PATRONI", "is 'db1:8008'. It must be origins"),
    ({"BOOKJOB_PATRONI": "http://u:hush-hush,x@db1:8008"}, "BOOKJOB_PATRONI", "is 'http://u:***@db1:8008'. It must be addresses such as"),
    ({"DATABASE_URL": PG, "DATABASE_REPLICA_URL": "postgres://u:p@h,g/d?target_session_attrs=primary"}, "DATABASE_REPLICA_URL", "has several hosts and target_session_attrs=primary."),
    ({"DATABASE_URL": "sqlite:////tmp/never?pgbouncer=true"}, "DATABASE_URL", "has the option pgbouncer with SQLite."),
    ({"DATABASE_URL": "sqlite:////tmp/never?timeout=soon"}, "DATABASE_URL", "has timeout=soon. It must be"),
    ({"DATABASE_URL": "sqlite:///"}, "DATABASE_URL", "names no file."),
    ({"DATABASE_URL": "sqlite:////nowhere/never"}, "DATABASE_URL", "is in the folder /nowhere. It must be in a folder that is there"),
    ({"DATABASE_URL": "sqlite:////tmp/"}, "DATABASE_URL", "names /tmp"),
    ({"DATABASE_REPLICA_URL": "nonsense"}, "DATABASE_REPLICA_URL", "is 'nonsense'. It must be postgres://"),
    ({"DATABASE_REPLICA_URL": "sqlite:////tmp/never"}, "DATABASE_REPLICA_URL", "names SQLite, or DATABASE_URL does."),
    ({"DATABASE_URL": PG, "DATABASE_REPLICA_URL": f"{PG}?sslmode=x"}, "DATABASE_REPLICA_URL", "has an option that PostgreSQL"),
    # --- hosts, origins, networks ---
    ({"ALLOWED_HOSTS": "https://bookjob.example.org"}, "ALLOWED_HOSTS", "is 'https://bookjob.example.org'. It must be host names alone"),
    ({"ALLOWED_HOSTS": "bookjob.example.org:443"}, "ALLOWED_HOSTS", "is 'bookjob.example.org:443'. It must be host names alone"),
    ({"ALLOWED_HOSTS": "bookjob.example.org/"}, "ALLOWED_HOSTS", "is 'bookjob.example.org/'. It must be host names alone"),
    ({"ALLOWED_HOSTS": "*.example.org"}, "ALLOWED_HOSTS", "is '*.example.org'. It must be host names alone"),
    ({"ALLOWED_HOSTS": "::1"}, "ALLOWED_HOSTS", "is '::1'. It must be host names alone"),
    ({"CSRF_TRUSTED_ORIGINS": "bookjob.example.org"}, "CSRF_TRUSTED_ORIGINS", "is 'bookjob.example.org'. It must be origins"),
    ({"CSRF_TRUSTED_ORIGINS": "https://a.example/admin/"}, "CSRF_TRUSTED_ORIGINS", "is 'https://a.example/admin/'. It must be"),
    ({"CSRF_TRUSTED_ORIGINS": "https://a.example/"}, "CSRF_TRUSTED_ORIGINS", "is 'https://a.example/'. It must be origins"),
    ({"BOOKJOB_HTTPS": "perhaps"}, "BOOKJOB_HTTPS", "is 'perhaps'. It must be on or off."),
    ({"BOOKJOB_PROXIES": "nginx"}, "BOOKJOB_PROXIES", "is 'nginx'. It must be networks such as 127.0.0.0/8"),
    ({"BOOKJOB_PROXIES": "0.0.0.0/0"}, "BOOKJOB_PROXIES", "is '0.0.0.0/0'. It must be networks of your own"),
    ({"BOOKJOB_TRUST_UPSTREAM": "on"}, "BOOKJOB_TRUST_UPSTREAM", "is on without BOOKJOB_TRUSTED_NETWORKS."),
    ({"BOOKJOB_TRUSTED_NETWORKS": "10.0.0.0/8"}, "BOOKJOB_TRUSTED_NETWORKS", "is set, but BOOKJOB_TRUST_UPSTREAM is off."),
    (BOTH | {"BOOKJOB_TRUSTED_NETWORKS": "10.1.0.1/16"}, "BOOKJOB_TRUSTED_NETWORKS", "is '10.1.0.1/16'. It must be networks"),
    (BOTH | {"BOOKJOB_TRUSTED_NETWORKS": "10.0.0.0/8, ::/0"}, "BOOKJOB_TRUSTED_NETWORKS", "is '10.0.0.0/8, ::/0'. It must be networks of"),
    # --- tokens ---
    ({"BOOKJOB_JWT_KEYS": "k1:short"}, "BOOKJOB_JWT_KEYS", "is set (a secret, not shown here). It must be kid:secret pairs, 32 bytes"),
    ({"BOOKJOB_JWT_KEYS": "no-colon"}, "BOOKJOB_JWT_KEYS", "is set (a secret, not shown here). It must be kid:secret pairs separated by blanks"),
    ({"BOOKJOB_JWT_KEYS": f"a:{KEY} a:{OLD_KEY}"}, "BOOKJOB_JWT_KEYS", "is set (a secret, not shown here). It must be kid:secret"),
    ({"BOOKJOB_JWT_KEYS": f"a:{KEY},b:{OLD_KEY}"}, "BOOKJOB_JWT_KEYS", "is set (a secret, not shown here). It must be kid:secret pairs separated by blanks; a comma"),
    ({"BOOKJOB_JWT_KEYS": f"a:{KEY}, b:{OLD_KEY}"}, "BOOKJOB_JWT_KEYS", "is set (a secret, not shown here). It must be kid:secret pairs separated by blanks; a comma"),
    ({"BOOKJOB_TOKEN_MINUTES": "0"}, "BOOKJOB_TOKEN_MINUTES", "is '0'. It must be a number of minutes, 1 to 525600."),
    ({"BOOKJOB_TOKEN_MINUTES": "8h"}, "BOOKJOB_TOKEN_MINUTES", "is '8h'. It must be a number of minutes, 1 to 525600."),
    ({"BOOKJOB_TOKEN_LEEWAY_SECONDS": "-1"}, "BOOKJOB_TOKEN_LEEWAY_SECONDS", "is '-1'. It must be a number of seconds"),
    # --- bookings ---
    ({"BOOKJOB_DOCUMENTED_STATUSES_ONLY": "2"}, "BOOKJOB_DOCUMENTED_STATUSES_ONLY", "is '2'. It must be on or off."),
    ({"BOOKJOB_LOG_ADDRESSES": "plain"}, "BOOKJOB_LOG_ADDRESSES", "is 'plain'. It must be on or off."),
    ({"BOOKJOB_FOLLOWUP_POLICY": "double"}, "BOOKJOB_FOLLOWUP_POLICY", "is 'double'. It must be single, multiple or move."),
    ({"BOOKJOB_ORDER_PREFIX": "x" * 21}, "BOOKJOB_ORDER_PREFIX", f"is {'x' * 21!r}. It must be a text of at most 20"),
    ({"BOOKJOB_PART_ORDER_PREFIX": "a\tb"}, "BOOKJOB_PART_ORDER_PREFIX", "is 'a\\tb'. It must be a text of at most 20"),
    ({"BOOKJOB_PART_ORDER_PREFIX": "FU-"}, "BOOKJOB_PART_ORDER_PREFIX", "is 'FU-', and BOOKJOB_ORDER_PREFIX 'FU-'."),
    ({"BOOKJOB_PART_ORDER_PREFIX": "FU-9"}, "BOOKJOB_PART_ORDER_PREFIX", "is 'FU-9', and BOOKJOB_ORDER_PREFIX 'FU-'."),
    ({"BOOKJOB_HORIZON_DAYS": "0"}, "BOOKJOB_HORIZON_DAYS", "is '0'. It must be a number of days, 1 to 3660."),
    ({"BOOKJOB_NOTICE_MINUTES": "soon"}, "BOOKJOB_NOTICE_MINUTES", "is 'soon'. It must be a number of minutes"),
    ({"BOOKJOB_NOTICE_MINUTES": "30240"}, "BOOKJOB_NOTICE_MINUTES", "is 30240 minutes, and BOOKJOB_HORIZON_DAYS 21 days."),
    ({"BOOKJOB_SLOT_POINTER": "Visit/Period"}, "BOOKJOB_SLOT_POINTER", "is 'Visit/Period'. It must be a JSON Pointer"),
    ({"BOOKJOB_SLOT_POINTER": "/Visit~2"}, "BOOKJOB_SLOT_POINTER", "is '/Visit~2'. It must be a JSON Pointer"),
    ({"BOOKJOB_DEFAULT_AREA": "x" * 101}, "BOOKJOB_DEFAULT_AREA", f"is {'x' * 101!r}. It must be the code of a service area."),
    ({"BOOKJOB_MAX_OFFERS": "1e3"}, "BOOKJOB_MAX_OFFERS", "is '1e3'. It must be a number, 1 to 1000."),
    ({"BOOKJOB_UNAVAILABLE_TYPES": "N,X"}, "BOOKJOB_UNAVAILABLE_TYPES", "is 'N,X'. It must be codes separated by blanks alone."),
    ({"BOOKJOB_UNAVAILABLE_TYPES": "N X", "BOOKJOB_OFFER_TYPE": "X"}, "BOOKJOB_OFFER_TYPE", "is 'X', one of BOOKJOB_UNAVAILABLE"),
    # --- desk, HTTP ---
    ({"BOOKJOB_CANCEL_REASONS": ";"}, "BOOKJOB_CANCEL_REASONS", "is ';'. It must be different reasons"),
    ({"BOOKJOB_CANCEL_REASONS": "a; a"}, "BOOKJOB_CANCEL_REASONS", "is 'a; a'. It must be different reasons"),
    ({"BOOKJOB_MAIL_URL": "mail.example.org"}, "BOOKJOB_MAIL_URL", "is 'mail.example.org'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtps://u:hush-hush@"}, "BOOKJOB_MAIL_URL", "is 'smtps://u:***@'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtps://u@mail"}, "BOOKJOB_MAIL_URL", "is 'smtps://u@mail'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtp://mail:port"}, "BOOKJOB_MAIL_URL", "is 'smtp://mail:***'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtp://u:hush-hush"}, "BOOKJOB_MAIL_URL", "is 'smtp://u:***'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtp+starttls://u:hush-hush/"}, "BOOKJOB_MAIL_URL", "is 'smtp+starttls://u:***'. It must be"),
    ({"BOOKJOB_MAIL_URL": "u:hush-hush"}, "BOOKJOB_MAIL_URL", "is 'u:***'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtp://a@b.example:hush-hush@mail"}, "BOOKJOB_MAIL_URL", "is 'smtp://a@b.example:***@mail'. It must be"),
    (MAIL | {"BOOKJOB_MAIL_TO": "smtps://u:hush-hush,x@mail"}, "BOOKJOB_MAIL_TO", "is 'smtps://u:***@mail'. It must be addresses separated"),
    ({"BOOKJOB_MAIL_URL": "smtp://mail/?tls=on"}, "BOOKJOB_MAIL_URL", "is 'smtp://mail/?tls=on'. It must be smtp://host:port,"),
    ({"BOOKJOB_MAIL_URL": "smtp://u:hush-hush@mail"}, "BOOKJOB_MAIL_URL", "is 'smtp://u:***@mail'. It must be smtp+starttls:// or"),
    ({"BOOKJOB_MAIL_URL": "smtps://u:h%C3%BCsh@mail"}, "BOOKJOB_MAIL_URL", "is 'smtps://u:***@mail'. It must be a user and a"),
    ({"BOOKJOB_MAIL_URL": "smtp://mail"}, "BOOKJOB_MAIL_URL", "is set without BOOKJOB_MAIL_TO. It must be empty, or"),
    (MAIL | {"BOOKJOB_MAIL_TO": "a@b.example, sue"}, "BOOKJOB_MAIL_TO", "is 'a@b.example, sue'. It must be addresses such"),
    ({"BOOKJOB_MAIL_TO": "a@b.example"}, "BOOKJOB_MAIL_TO", "is set, but BOOKJOB_MAIL_URL is not. It must be empty, or"),
    (MAIL | {"BOOKJOB_MAIL_FROM": "a@b.example c@d.example"}, "BOOKJOB_MAIL_FROM", "is 'a@b.example c@d.example'. It must be one"),
    ({"BOOKJOB_MAIL_FROM": "a@b.example"}, "BOOKJOB_MAIL_FROM", "is set, but BOOKJOB_MAIL_URL is not. It must be empty, or"),
    ({"BOOKJOB_METRICS_TOKEN": "short"}, "BOOKJOB_METRICS_TOKEN", "is set (a secret, not shown here). It must be a random text"),
    ({"BOOKJOB_SESSION_HOURS": "0"}, "BOOKJOB_SESSION_HOURS", "is '0'. It must be a number of hours, 1 to 720."),
    ({"BOOKJOB_SESSION_IDLE_MINUTES": "1"}, "BOOKJOB_SESSION_IDLE_MINUTES", "is '1'. It must be a number of minutes, 5 to"),
    ({"BOOKJOB_CALLER_LIMIT": "10/s"}, "BOOKJOB_CALLER_LIMIT", "is '10/s'. It must be a number, 0 (off) to 10000000."),
    ({"BOOKJOB_ADDRESS_LIMIT": "-1"}, "BOOKJOB_ADDRESS_LIMIT", "is '-1'. It must be a number, 0 (off) to 10000000."),
    ({"BOOKJOB_MAX_BODY_BYTES": "1MiB"}, "BOOKJOB_MAX_BODY_BYTES", "is '1MiB'. It must be a number of bytes"),
    ({"BOOKJOB_PURGE_PERSONAL_DATA": "some"}, "BOOKJOB_PURGE_PERSONAL_DATA", "is 'some'. It must be on or off."),
    # --- names ---
    ({"BOOKJOB_MAX_OFERS": "9"}, "BOOKJOB_MAX_OFERS", "is no setting. It must be BOOKJOB_MAX_OFFERS, if that is what is meant."),
    ({"bookjob_horizon_days": "9"}, "bookjob_horizon_days", "is no setting. It must be BOOKJOB_HORIZON_DAYS, if"),
    ({"BOOK_JOB_HTTPS": "on"}, "BOOK_JOB_HTTPS", "is no setting. It must be BOOKJOB_HTTPS, if"),
    ({"FORWARDED_ALLOW_IPS": "proxy"}, "FORWARDED_ALLOW_IPS", "is 'proxy'. It must be addresses or networks"),
    ({"GUNICORN_CMD_ARGS": "--workers two"}, "GUNICORN_CMD_ARGS", "is '--workers two': argument -w/--workers: invalid int value: 'two'. It must be arguments"),
    ({"GUNICORN_CMD_ARGS": "--wokers 2"}, "GUNICORN_CMD_ARGS", "is '--wokers 2': unrecognized arguments: --wokers. It must be arguments"),
    ({"GUNICORN_CMD_ARGS": "--statsd-host x:y"}, "GUNICORN_CMD_ARGS", "is '--statsd-host x:y': Value must be"),
    ({"GUNICORN_CMD_ARGS": "--bind 'x"}, "GUNICORN_CMD_ARGS", "is \"--bind 'x\": No closing quotation. It must be"),
    ({"BOOKJOB_QQ": ""}, "BOOKJOB_QQ", "is no setting. It must be one of the names in .env.example."),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "name", "said"), WRONG, ids=[f"{name}-{n}" for n, (_, name, _) in enumerate(WRONG)])
def test_a_wrong_value_stops_the_start(wrong, name, said):
    ended = start(**{"DATABASE_URL": ""} | wrong)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"bookjob does not start: {name} {said}")
    assert " Otherwise " in line
    for secret in (KEY, OLD_KEY, "hush-hush"):
        assert secret not in line


def test_the_table_has_every_setting():
    """STATIC_ROOT and those of which no text can be wrong have their place in it too."""
    assert declarations.BY_NAME.keys() - {name for _, name, _ in WRONG} == set()


@pytest.mark.parametrize(
    "right",
    [
        {"ALLOWED_HOSTS": "a.example, .b.example [::1],127.0.0.1"},
        {"ALLOWED_HOSTS": "*"},
        {"CSRF_TRUSTED_ORIGINS": "https://a.example,https://*.b.example:8443 http://[::1]:8000"},
        BOTH | {"BOOKJOB_TRUSTED_NETWORKS": "10.0.0.0/8,fd00::/8 192.0.2.7"},
        {"BOOKJOB_JWT_KEYS": f"a:{KEY},with,commas/+= b:{OLD_KEY}"},
        {"BOOKJOB_UNAVAILABLE_TYPES": "N X", "BOOKJOB_OFFER_TYPE": "Y"},
        {"BOOKJOB_SLOT_POINTER": "/FlexAttrs/visit~1slot/0"},
        {"DATABASE_URL": f"{PG}?sslmode=verify-full&sslrootcert=system&connect_timeout=3&prepare_threshold=3"},
        {"DATABASE_URL": "postgres://u@/d?host=/run/postgresql", "DATABASE_REPLICA_URL": PG},
        {"DATABASE_URL": "postgres://u:p@h:1,g:2/d?pool=true&sslmode=require"},
        {"DATABASE_URL": f"{PG}?pgbouncer=true"},
        {"SECRET_KEY_FILE": "/run/secrets/secret_key"},
        MAIL | {"BOOKJOB_MAIL_URL": "smtp+starttls://bookjob%40a.example:p%3Aw@mail.a.example:2525"},
        MAIL
        | {
            "BOOKJOB_MAIL_URL": "smtp://u:p@[::1]",
            "BOOKJOB_MAIL_TO": "a@b.example,c+d@e.example",
            "BOOKJOB_MAIL_FROM": "f@g",
        },
        {"GUNICORN_CMD_ARGS": "--workers 3 --bind=unix:/run/bookjob.sock", "FORWARDED_ALLOW_IPS": "10.0.0.1, fd00::/8"},
        {"GUNICORN_CMD_ARGS": "--config deploy/other.py", "FORWARDED_ALLOW_IPS": "*"},
    ],
    ids=str,
)
def test_what_is_right_starts(right):
    ended = start(**right)
    assert (ended.returncode, ended.stderr) == (0, "")


# A process that has loaded our settings loads those of the copy, as if it had been started there.
IN_THE_COPY = """
import os, sys
for name in [name for name in sys.modules if name.split(".")[0] == "bookjob_site"]:
    del sys.modules[name]
sys.path.insert(0, {folder!r})
os.chdir({folder!r})
os.environ.clear()
os.environ.update({environment!r})
from bookjob_site import settings
assert settings.__file__.startswith({folder!r})
print(settings.{print_out})
"""


@pytest.fixture
def copy(tmp_path):
    """A function that writes `.env` beside a copy of the settings and loads them."""
    left_out = shutil.ignore_patterns(HALF_COMPILED)
    shutil.copytree(ROOT / "bookjob_site", tmp_path / "bookjob_site", ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)  # the version

    def load(text: str, print_out: str = "SECRET_KEY", **environment):
        (tmp_path / ".env").write_bytes(text.encode("latin-1"))
        kept = {name: value for name, value in os.environ.items() if value and not name.startswith("BOOKJOB_")}
        kept = {
            name: value for name, value in kept.items() if name not in ("SECRET_KEY", "DATABASE_URL", "STATIC_ROOT")
        }
        code = IN_THE_COPY.format(folder=str(tmp_path), environment=kept | environment, print_out=print_out)
        return warm.run("-c", code, environment=os.environ)

    return load


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("BOOKJOB_MAX_OFFERS = 5", ".env, line 2, BOOKJOB_MAX_OFFERS is no setting as it stands. It must be BOOKJOB_MAX_OFFERS=value"),
        ("BOOKJOB_MAX_OFFERS= 5", ".env, line 2, BOOKJOB_MAX_OFFERS is no setting as it stands."),
        ("BOOKJOB_MAX_OFFERS =5", ".env, line 2, BOOKJOB_MAX_OFFERS is no setting as it stands."),
        ("BOOKJOB_MAX_OFFERS: 5", ".env, line 2, BOOKJOB_MAX_OFFERS is no setting as it stands."),
        ("BOOKJOB_MAX_OFFERS", ".env, line 2, BOOKJOB_MAX_OFFERS is no setting as it stands."),
        ("BOOKJOB_MAX_OFFERS=5 # five", ".env, line 2, BOOKJOB_MAX_OFFERS has a comment or a lone quote in its value."),
        ("BOOKJOB_MAX_OFFERS=# five", ".env, line 2, BOOKJOB_MAX_OFFERS has a comment or a lone quote in its value."),
        ('BOOKJOB_ORDER_PREFIX="A-', ".env, line 2, BOOKJOB_ORDER_PREFIX has a comment or a lone quote in its value."),
        ("BOOKJOB_MAX_OFERS=5", "BOOKJOB_MAX_OFERS is no setting. It must be BOOKJOB_MAX_OFFERS, if"),
        ("DATABSE_URL=sqlite:///x", ".env, line 2, DATABSE_URL is no setting. It must be DATABASE_URL, if"),
        ("SECRET_KEY=again", ".env, line 2, SECRET_KEY stands there a second time."),
        ("BOOKJOB_ORDER_PREFIX=\xe9", "cannot be read: is no UTF-8. It must be a text file"),
    ],
)  # fmt: skip
def test_a_line_of_the_file_that_would_be_read_otherwise_stops_the_start(copy, line, said):
    ended = copy(f"SECRET_KEY=kept-for-itself\n{line}\n")
    assert ended.returncode == 1
    first = ended.stderr.splitlines()[0]
    assert said in first
    assert first.startswith("bookjob does not start: ")
    assert "kept-for-itself" not in ended.stderr


def test_the_file_as_it_may_be_written(copy):
    text = '# a comment\n\n  export SECRET_KEY=\'a # b\'\r\nBOOKJOB_ORDER_PREFIX="\\"#-"\nTZ=UTC\nBOOKJOB_MAX_OFFERS=\n'
    ended = copy(text, "SECRET_KEY, settings.BOOKJOB_ORDER_PREFIX, settings.BOOKJOB_MAX_OFFERS")
    assert (ended.returncode, ended.stdout) == (0, 'a # b "#- 50\n'), ended.stderr
    # The environment counts more.
    assert copy(text, SECRET_KEY="of the environment").stdout == "of the environment\n"


def test_the_example_itself_can_be_read(copy):
    ended = copy((ROOT / ".env.example").read_text().encode().decode("latin-1"), SECRET_KEY="x")
    assert (ended.returncode, ended.stdout) == (0, "x\n"), ended.stderr


@pytest.mark.parametrize("command", ["bookjob_site.serve", "bookjob_site.demo"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WEB_CONCURRENCY", "two"),
        ("PORT", "two"),
        ("FORWARDED_ALLOW_IPS", "two"),
        ("GUNICORN_CMD_ARGS", "--workers two"),
    ],
)
def test_what_gunicorn_reads_itself_ends_in_one_line_too(command, name, text):
    ended = start("-m", command, **{name: text})
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"bookjob does not start: {name} is {text!r}")


STARTS = {
    "deploy/bookjob.service": r"^ExecStart=\S+python -m bookjob_site\.serve$",
    "Dockerfile": r'^CMD \["python", "-m", "bookjob_site\.serve"\]$',
    "Makefile": r"\(BIN\)/python -m bookjob_site\.demo$",
    "README.md": r"^\S+python -m bookjob_site\.demo\b",
    "docs/operations.md": r"`python -m bookjob_site\.serve`",
}


@pytest.mark.parametrize("path", STARTS)
def test_each_published_start_is_one_that_ends_in_a_line(path):
    """gunicorn reads WEB_CONCURRENCY when it is imported, before it looks for a file of ours."""
    assert re.search(STARTS[path], (ROOT / path).read_text(), re.MULTILINE)


def test_gunicorn_alone_is_published_nowhere():
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *(path for path in ROOT.glob("deploy/**/*") if path.is_file()),
        *ROOT.glob("compose*.yaml"),
    ]
    pages += [ROOT / "Dockerfile", ROOT / "Makefile", ROOT / ".ci/run"]
    alone = re.compile(r"(?:bin/|-m |exec |^|`)gunicorn (?:-|bookjob_site)", re.MULTILINE)
    assert [path.name for path in pages if alone.search(path.read_text())] == []
    for start in (".venv/bin/gunicorn bookjob_site.wsgi", "python -m gunicorn -w 2", "gunicorn bookjob_site.wsgi"):
        assert alone.search(start)


def test_all_wrong_values_are_told_at_once():
    wrong = {"DEBUG": "maybe", "DATABASE_URL": f"{PG}?sslmode=sure&connect_timeout=soon", "BOOKJOB_MAX_OFERS": "1",
             "WEB_CONCURRENCY": "0", "BOOKJOB_PART_ORDER_PREFIX": "FU-"}  # fmt: skip
    for command in (["manage.py", "check"], ["-m", "bookjob_site.serve"], ["-m", "gunicorn", "bookjob_site.wsgi"]):
        ended = start(*command, PORT=str(free_port()), **wrong)
        assert ended.returncode != 0
        assert "Traceback" not in ended.stderr
        told = re.findall(r"^bookjob does not start: (\w+)", ended.stderr, re.MULTILINE)
        assert sorted(told) == sorted([*wrong, "DATABASE_URL"])


# --- What can only be seen in the database ---------------------------------------------------------------------


@pytest.mark.django_db
def test_a_default_area_that_does_not_exist(settings, client):
    from io import StringIO

    from django.core.management import CommandError, call_command

    settings.BOOKJOB_DEFAULT_AREA = "LEEDS"
    sentence = "BOOKJOB_DEFAULT_AREA is 'LEEDS'. It must be the code of a service area that exists."
    with pytest.raises(CommandError, match=re.escape(sentence)):
        call_command("check", databases=["default"])
    call_command("check", stdout=StringIO())  # which looks at no database
    call_command("migrate", verbosity=0)  # an upgrade goes on: one area is no reason to stay behind
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["warnings"] == [f"{sentence} Otherwise requests without an area find nothing."]

    ServiceArea.objects.create(code="LEEDS", name="Leeds", time_zone="Europe/London")
    call_command("check", databases=["default"], stdout=StringIO())
    assert "warnings" not in client.get("/readyz").json()


def test_check_deploy_has_nothing_to_say_about_a_public_site():
    public = {
        "ALLOWED_HOSTS": "bookjob.example.org",
        "BOOKJOB_HTTPS": "",
        "SECRET_KEY": "a-long-random-text-0123456789-abcdefghijklmnopqrstuvwxyz-ABCD",
    }
    check = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    ended = warm.run(*check, environment=os.environ | public)
    assert (ended.returncode, ended.stdout) == (0, "System check identified no issues (0 silenced).\n"), ended.stderr


def test_no_migration_is_missing():
    ended = warm.run("manage.py", "makemigrations", "--check", "--dry-run", environment=os.environ)
    assert (ended.returncode, ended.stdout) == (0, "No changes detected\n")
