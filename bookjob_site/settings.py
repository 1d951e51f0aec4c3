"""All settings, from the environment (or `.env`); `.env.example` lists every variable with its default.

A value that cannot be right stops the start with one line that names the variable. Nothing is guessed and
nothing is ignored. After `make run` the generated secrets of the demo stand in `var/secrets.env`, which
counts less than `.env`, which counts less than the environment itself.
"""

import ipaddress
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import environ
import psycopg
from django.templatetags.static import static
from django.urls import reverse_lazy

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

for env_file in (BASE_DIR / ".env", VAR_DIR / "secrets.env"):
    if env_file.exists():
        environ.Env.read_env(env_file)

T = TypeVar("T")


def refuse(name: str, problem: str) -> NoReturn:
    """End the process before it serves anything, with one line instead of a traceback."""
    raise SystemExit(f"bookjob does not start: {name} {problem}")


def read(name: str, default: T, convert: Callable[[str], T], expected: str) -> T:
    """The variable as `convert` makes it; unset or empty means `default`."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        return convert(text)
    except (ValueError, KeyError):
        refuse(name, f"must be {expected}.")


def switch(text: str) -> bool:
    return {
        "on": True,
        "true": True,
        "1": True,
        "yes": True,
        "off": False,
        "false": False,
        "0": False,
        "no": False,
    }[text.lower()]


def whole(least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return convert


def one_of(*choices: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        return {choice: choice for choice in choices}[text]

    return convert


def short_text(text: str) -> str:
    if len(text) > 20 or not text.isprintable():
        raise ValueError(text)
    return text


# --- Django ----------------------------------------------------------------------------------------------

DEBUG = read("DEBUG", False, switch, "on or off")
SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    if not DEBUG:
        refuse(
            "SECRET_KEY",
            "is not set. Set it to a long random text, or run `make run` for a demo with its own.",
        )
    SECRET_KEY = "only-for-debugging"  # noqa: S105  DEBUG is never on where anything matters

LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = read(
    "ALLOWED_HOSTS",
    LOCAL_HOSTS,
    lambda text: text.replace(",", " ").split(),
    "host names",
)
CSRF_TRUSTED_ORIGINS: list[str] = read(
    "CSRF_TRUSTED_ORIGINS", [], lambda text: text.replace(",", " ").split(), "origins"
)
for origin in CSRF_TRUSTED_ORIGINS:
    if not origin.startswith(("https://", "http://")):
        refuse(
            "CSRF_TRUSTED_ORIGINS",
            f"must be origins with their scheme, such as https://{origin}.",
        )

# Served under a public name, the site is behind a proxy that speaks TLS; on this machine alone, it is not.
BOOKJOB_HTTPS = read("BOOKJOB_HTTPS", not set(ALLOWED_HOSTS) <= set(LOCAL_HOSTS), switch, "on or off")
if BOOKJOB_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # A POST with a token in it gains nothing from a redirect: the token has travelled already.
    SECURE_REDIRECT_EXEMPT = [r"^api/"]
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # With this beginning of the name, browsers take the cookies from this host alone, and only over https.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
BOOKJOB_SESSION_HOURS = read("BOOKJOB_SESSION_HOURS", 12, whole(1, 720), "a number of hours, 1 to 720")
BOOKJOB_SESSION_IDLE_MINUTES = read(
    "BOOKJOB_SESSION_IDLE_MINUTES", 120, whole(5, 43_200), "a number of minutes, 5 to 43200"
)
SESSION_COOKIE_AGE = BOOKJOB_SESSION_HOURS * 3600  # for the rows; the cookie goes with the browser
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "bookings",
]
MIDDLEWARE = [
    "bookings.headers.HeadersMiddleware",
    "bookings.health.HealthMiddleware",  # so early that it answers whatever the Host header says
    "bookings.origin.OriginMiddleware",
    "bookings.request_log.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bookings.errors.NulMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "bookings.sessions.SessionLifeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# The API has no sessions, forms, messages or files: of all these it takes only what it needs (wsgi.py).
API_MIDDLEWARE = [
    "bookings.headers.HeadersMiddleware",
    "bookings.origin.OriginMiddleware",
    "bookings.request_log.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "bookjob_site.urls"
WSGI_APPLICATION = "bookjob_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"  # instants are stored and compared in UTC; people read them in the zone of their area
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = read("STATIC_ROOT", VAR_DIR / "static", Path, "a folder")
VAR_DIR.mkdir(mode=0o700, exist_ok=True)  # secrets, and with SQLite every customer's address
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Without `collectstatic` the files come straight from the packages, so that the admin is never without its style.
WHITENOISE_USE_FINDERS = not any(STATIC_ROOT.iterdir())

# --- Database --------------------------------------------------------------------------------------------


# How long PostgreSQL itself lets a session wait: shorter than the server's patience with a request, so that a caller
# hears "try again" and not nothing.
TIME_LIMITS = "-c lock_timeout=8000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=20000"
# What Django and not the driver understands of the options in a URL.
DJANGO_OPTIONS = {"pool", "isolation_level", "assume_role", "server_side_binding", "prepare_threshold"}


def database(text: str) -> dict[str, Any]:
    if not text.startswith(("postgres://", "postgresql://", "sqlite:///")):
        raise ValueError(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # django-environ only warns of a URL that it cannot read
        try:
            return {"OPTIONS": {}, **environ.Env.db_url_config(text)}
        except UserWarning:
            raise ValueError(text) from None


def connections_in_pool(text: str) -> int:
    """`true` means four a worker, half of its threads; 0 is no pool."""
    return whole(0, 100)(text) if text.isdecimal() else 4 * switch(text)


def prepare_postgresql(name: str, found: dict[str, Any]) -> None:
    """Complete what the URL in the variable `name` says of a PostgreSQL; docs/databases.md has it for people."""
    found["ENGINE"] = "bookjob_site.postgresql"  # Django's own, with an end to waiting
    options = found["OPTIONS"]
    try:
        through_pgbouncer = switch(str(options.pop("pgbouncer", "off")))
        pool = connections_in_pool(str(options.pop("pool", "off")))
    except (KeyError, ValueError):
        refuse(name, "must have pgbouncer=true and pool=true (or a number of connections) or neither.")
    if through_pgbouncer:
        # One server connection serves many sessions in turn: nothing may be kept in it beyond a transaction.
        for option in ({"options", "prepare_threshold"} & options.keys()) | ({"pool"} if pool else set()):
            refuse(name, f"cannot have both pgbouncer and {option}.")
        options["prepare_threshold"] = None
        found["DISABLE_SERVER_SIDE_CURSORS"] = True
        found["LIMITS_BY_ROLE"] = True  # bookings/health.py looks whether the role has them
    # What booking and search send again and again is planned once for each connection (sql.py).
    options.setdefault("prepare_threshold", 5)
    options.setdefault("connect_timeout", 5)
    # A host that vanished without a word is given up after as long, not after the quarter of an hour that TCP takes.
    for option, value in {
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
    }.items():
        options.setdefault(option, value)
    if not through_pgbouncer:
        options.setdefault("options", TIME_LIMITS)
    # Longer than PostgreSQL's own limits: whoever is not answered by then is talking to nobody.
    found["LONGEST_WAIT"] = 18
    # A connection is looked at before a request uses it: after a restart of the database nobody gets an error.
    found["CONN_HEALTH_CHECKS"] = True
    if pool:
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": 8}
    else:
        found["CONN_MAX_AGE"] = None  # one connection a thread, kept
    hosts, ports = str(found["HOST"]).split(","), str(found["PORT"]).split(",")
    if len(hosts) > 1:
        if len(ports) not in (len(hosts), int(ports == [""])):
            refuse(name, "must give each of its hosts a port, or none of them.")
        # Of a primary and its replica, whichever takes bookings right now.
        if options.setdefault("target_session_attrs", "read-write") not in ("read-write", "primary"):
            refuse(name, "has several hosts, so target_session_attrs must be read-write or primary.")
    try:
        psycopg.conninfo.make_conninfo(**{key: value for key, value in options.items() if key not in DJANGO_OPTIONS})
    except psycopg.Error as fault:
        refuse(name, f"has an option that PostgreSQL does not know: {str(fault).strip()}")


default_database: dict[str, Any] = read(
    "DATABASE_URL",
    {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "bookjob.sqlite3"), "OPTIONS": {}},
    database,
    "postgres://user:password@host:port/name or sqlite:///path",
)
DATABASES = {"default": default_database}
database_options = default_database["OPTIONS"]
if default_database["ENGINE"] == "django.db.backends.sqlite3":
    for option in {"pool", "pgbouncer"} & database_options.keys():
        refuse("DATABASE_URL", f"cannot have {option} with SQLite.")
    # A transaction that reads and then writes takes the lock at once: waiting works, upgrading does not.
    database_options["transaction_mode"] = "IMMEDIATE"
    # FULL: what was answered with 200 survives a power cut; WAL's usual NORMAL may lose the last commits.
    # legacy_alter_table: a migration changes a table by putting a new one in its place; the triggers of the history,
    # which name that table, are not looked at while it is missing (tests/test_upgrades.py).
    # wal_autocheckpoint: a booking writes some sixty pages, and each checkpoint makes its caller wait (16 MB).
    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA legacy_alter_table=ON"
    database_options["init_command"] = f"{pragmas}; PRAGMA wal_autocheckpoint=4000;"
    database_options.setdefault("timeout", 20)  # seconds that a caller waits for the one writer
    default_database["CONN_MAX_AGE"] = None  # one connection a thread, kept
else:
    prepare_postgresql("DATABASE_URL", default_database)

no_database: dict[str, Any] = {}
replica = read("DATABASE_REPLICA_URL", no_database, database, "postgres://user:password@host:port/name")
if replica:
    if "sqlite" in replica["ENGINE"] + default_database["ENGINE"]:
        refuse("DATABASE_REPLICA_URL", "needs PostgreSQL, in DATABASE_URL too.")
    # The primary is asked where the replica is away: nobody waits long for it.
    replica["OPTIONS"].setdefault("connect_timeout", 2)
    if "pgbouncer" not in replica["OPTIONS"]:
        replica["OPTIONS"].setdefault("options", "-c statement_timeout=2000 -c default_transaction_read_only=on")
    prepare_postgresql("DATABASE_REPLICA_URL", replica)
    replica |= {"LONGEST_WAIT": 3, "CONN_HEALTH_CHECKS": False, "TEST": {"MIRROR": "default"}}
    DATABASES["replica"] = replica

# --- bookjob (the names are documented in README.md) -----------------------------------------------------


def jwt_keys(text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for entry in text.split():
        kid, colon, secret = entry.partition(":")
        if not (kid and colon) or kid in keys:
            refuse(
                "BOOKJOB_JWT_KEYS",
                "must be kid:secret pairs separated by spaces, each kid once.",
            )
        if len(secret.encode()) < 32:
            refuse(
                "BOOKJOB_JWT_KEYS",
                f"has a secret of less than 32 bytes under the kid {kid!r}.",
            )
        keys[kid] = secret
    return keys


def networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(entry) for entry in text.replace(",", " ").split()]


BOOKJOB_JWT_KEYS: dict[str, str] = read("BOOKJOB_JWT_KEYS", {}, jwt_keys, "kid:secret pairs separated by spaces")
BOOKJOB_TOKEN_MINUTES = read("BOOKJOB_TOKEN_MINUTES", 480, whole(1, 525_600), "a number of minutes, 1 to 525600")
BOOKJOB_TOKEN_LEEWAY_SECONDS = read("BOOKJOB_TOKEN_LEEWAY_SECONDS", 30, whole(0, 600), "a number of seconds, 0 to 600")
BOOKJOB_TRUST_UPSTREAM = read("BOOKJOB_TRUST_UPSTREAM", False, switch, "on or off")
no_networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
BOOKJOB_TRUSTED_NETWORKS = read(
    "BOOKJOB_TRUSTED_NETWORKS",
    no_networks,
    networks,
    "networks such as 10.1.0.0/16, separated by spaces",
)
if BOOKJOB_TRUST_UPSTREAM and not BOOKJOB_TRUSTED_NETWORKS:
    refuse(
        "BOOKJOB_TRUST_UPSTREAM",
        "is on, but BOOKJOB_TRUSTED_NETWORKS does not say whom to trust.",
    )
BOOKJOB_PROXIES = read("BOOKJOB_PROXIES", no_networks, networks, "networks such as 127.0.0.0/8, separated by spaces")
BOOKJOB_DOCUMENTED_STATUSES_ONLY = read("BOOKJOB_DOCUMENTED_STATUSES_ONLY", False, switch, "on or off")
BOOKJOB_FOLLOWUP_POLICY = read(
    "BOOKJOB_FOLLOWUP_POLICY",
    "single",
    one_of("single", "multiple", "move"),
    "single, multiple or move",
)
BOOKJOB_ORDER_PREFIX = read("BOOKJOB_ORDER_PREFIX", "FU-", short_text, "a text of at most 20 characters")
BOOKJOB_PART_ORDER_PREFIX = read("BOOKJOB_PART_ORDER_PREFIX", "PO-", short_text, "a text of at most 20 characters")
BOOKJOB_HORIZON_DAYS = read("BOOKJOB_HORIZON_DAYS", 21, whole(1, 3660), "a number of days, 1 to 3660")
BOOKJOB_NOTICE_MINUTES = read("BOOKJOB_NOTICE_MINUTES", 120, whole(0, 525_600), "a number of minutes, 0 to 525600")
BOOKJOB_MAX_OFFERS = read("BOOKJOB_MAX_OFFERS", 50, whole(1, 1000), "a number, 1 to 1000")
BOOKJOB_DEFAULT_AREA = read("BOOKJOB_DEFAULT_AREA", "", str, "the code of a service area")
BOOKJOB_UNAVAILABLE_TYPES: list[str] = read("BOOKJOB_UNAVAILABLE_TYPES", [], str.split, "codes separated by spaces")
BOOKJOB_OFFER_TYPE = read("BOOKJOB_OFFER_TYPE", "", str, "a code")


def json_pointer(text: str) -> str:
    """RFC 6901: each step begins with a slash; a tilde stands only before 0 or 1."""
    if not text.startswith("/") or re.search("~(?![01])", text):
        raise ValueError(text)
    return text


# Where a booking says its slot, if not where ServiceMobility is expected to (contract, section 5).
BOOKJOB_SLOT_POINTER = read("BOOKJOB_SLOT_POINTER", "", json_pointer, "a JSON Pointer such as /Visit/Period")
# How long /readyz says 503 before the service stops, so that load balancers look elsewhere first.
BOOKJOB_DRAIN_SECONDS = read("BOOKJOB_DRAIN_SECONDS", 0, whole(0, 300), "a number of seconds, 0 to 300")
# What `purge` does beside removing slots: names, addresses and bodies of old work orders go, for good.
BOOKJOB_PURGE_PERSONAL_DATA = read("BOOKJOB_PURGE_PERSONAL_DATA", False, switch, "on or off")
BOOKJOB_MAX_BODY_BYTES = read(
    "BOOKJOB_MAX_BODY_BYTES",
    1024 * 1024,
    whole(1024, 64 * 1024 * 1024),
    "a number of bytes, 1024 to 67108864",
)
# Requests a minute to each endpoint. A technician's phone sends a few an hour, but all of them may share a name, and
# ServiceMobility's address; a phone or a script that runs wild sends hundreds a second.
BOOKJOB_CALLER_LIMIT = read("BOOKJOB_CALLER_LIMIT", 300, whole(0, 10_000_000), "a number, 0 (off) to 10000000")
BOOKJOB_ADDRESS_LIMIT = read("BOOKJOB_ADDRESS_LIMIT", 3000, whole(0, 10_000_000), "a number, 0 (off) to 10000000")


def metrics_token(text: str) -> str:
    if len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


# Empty: /metrics does not exist, and nothing is counted.
BOOKJOB_METRICS_TOKEN = read(
    "BOOKJOB_METRICS_TOKEN", "", metrics_token, "a random text of at least 16 characters without spaces"
)


def reasons(text: str) -> list[str]:
    found = [reason.strip() for reason in text.split(";") if reason.strip()]
    if not found or any(len(reason) > 100 for reason in found):
        raise ValueError(text)
    return found


BOOKJOB_CANCEL_REASONS = read(
    "BOOKJOB_CANCEL_REASONS",
    [
        "Customer cancelled",
        "Customer not reachable",
        "Parts not available",
        "Worker not available",
        "Booked by mistake",
        "Other",
    ],
    reasons,
    "reasons of at most 100 characters, separated by semicolons",
)

# --- API and admin ---------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["bookings.authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["bookings.authentication.RequestLimit"],
    "DEFAULT_PARSER_CLASSES": ["bookings.bodies.BodyParser"],
    "DEFAULT_RENDERER_CLASSES": ["bookings.bodies.AnswerRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "bookings.bodies.JSONWhateverIsAccepted",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "bookings.errors.handler",
    "UNAUTHENTICATED_USER": None,
    "ALLOWED_VERSIONS": ["1"],  # of the schema: no caller writes into it
}
SPECTACULAR_SETTINGS = {
    "TITLE": "bookjob",
    "DESCRIPTION": "The back end for ServiceMobility's appointment search, follow-up booking and log-in.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [],
}
UNFOLD = {
    "SITE_TITLE": "bookjob",
    "SITE_HEADER": "bookjob",
    "SITE_SYMBOL": "event_available",
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "bookings.sessions.LogInForm"},
    "DASHBOARD_CALLBACK": "bookings.board.dashboard",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("bookings/favicon.svg")}],
    "STYLES": [lambda request: static("bookings/desk.css")],
    "SIDEBAR": {
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Dispatch",
                "items": [
                    {"title": "Board", "icon": "dashboard", "link": reverse_lazy("admin:index")},
                    {
                        "title": "Work orders",
                        "icon": "assignment",
                        "link": reverse_lazy("admin:bookings_workorder_changelist"),
                        "permission": lambda request: request.user.has_perm("bookings.view_workorder"),
                    },
                    {
                        "title": "Slots",
                        "icon": "calendar_month",
                        "link": reverse_lazy("admin:bookings_appointmentslot_changelist"),
                        "permission": lambda request: request.user.has_perm("bookings.view_appointmentslot"),
                    },
                    {
                        "title": "Blackouts",
                        "icon": "event_busy",
                        "link": reverse_lazy("admin:bookings_blackout_changelist"),
                        "permission": lambda request: request.user.has_perm("bookings.view_blackout"),
                    },
                    {
                        "title": "Refusals",
                        "icon": "block",
                        "link": reverse_lazy("admin:bookings_refusal_changelist"),
                        "permission": lambda request: request.user.has_perm("bookings.view_refusal"),
                    },
                    {
                        "title": "Areas",
                        "icon": "map",
                        "link": reverse_lazy("admin:bookings_servicearea_changelist"),
                        "permission": lambda request: request.user.has_perm("bookings.view_servicearea"),
                    },
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    {
                        "title": "Users",
                        "icon": "person",
                        "link": reverse_lazy("admin:auth_user_changelist"),
                        "permission": lambda request: request.user.has_perm("auth.view_user"),
                    },
                    {
                        "title": "Roles",
                        "icon": "group",
                        "link": reverse_lazy("admin:auth_group_changelist"),
                        "permission": lambda request: request.user.has_perm("auth.view_group"),
                    },
                ],
            },
        ],
    },
    # Blues that are read on white and on black alike (4.5:1 at least with the text that stands on them).
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254)",
            "100": "oklch(93% .032 255)",
            "200": "oklch(88% .059 254)",
            "300": "oklch(81% .105 252)",
            "400": "oklch(76% .12 252)",
            "500": "oklch(70% .14 254)",
            "600": "oklch(50% .19 259)",
            "700": "oklch(45% .19 261)",
            "800": "oklch(40% .17 264)",
            "900": "oklch(36% .14 265)",
            "950": "oklch(28% .09 267)",
        },
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "bookings.logs.JSONFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        # It would name the path, which holds an order number: bookings.request and errors.py say what happened.
        "django.request": {"handlers": ["nowhere"], "propagate": False},
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
    },
}
