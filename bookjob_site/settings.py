"""The list of what Django gets. environment/ reads and refuses the values, databases.py the URLs."""

from pathlib import Path

from bookjob_site import databases, environment
from bookjob_site.desk_theme import UNFOLD  # noqa: F401  the theme reads it
from bookjob_site.environment import BASE_DIR, LOCAL_HOSTS, Network, value
from bookjob_site.version import VERSION

VAR_DIR = environment.VAR_DIR
DATABASES = databases.configured()
environment.stop_if_refused()

# --- Django ----------------------------------------------------------------------------------------------

DEBUG: bool = value("DEBUG")
SECRET_KEY: str = value("SECRET_KEY") or "only-for-debugging"  # without DEBUG the start has ended above
ALLOWED_HOSTS: list[str] = value("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS: list[str] = value("CSRF_TRUSTED_ORIGINS")

# Served under a public name, the site is behind a proxy that speaks TLS; on this machine alone, it is not.
_https: bool | None = value("BOOKJOB_HTTPS")
BOOKJOB_HTTPS: bool = not set(ALLOWED_HOSTS) <= set(LOCAL_HOSTS) if _https is None else _https
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
BOOKJOB_SESSION_HOURS: int = value("BOOKJOB_SESSION_HOURS")
BOOKJOB_SESSION_IDLE_MINUTES: int = value("BOOKJOB_SESSION_IDLE_MINUTES")
SESSION_COOKIE_AGE = BOOKJOB_SESSION_HOURS * 3600  # for the rows; the cookie goes with the browser
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_FAILURE_VIEW = "bookings.admin.error_page.csrf_failure"
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
    "bookings.operations.requests.HeadersMiddleware",
    "bookings.operations.health.HealthMiddleware",  # so early that it answers whatever the Host header says
    "bookings.operations.requests.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bookings.api.errors.NulMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "bookings.access.sessions.SessionLifeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# The API has no sessions, forms, messages or files: of all these it takes only what it needs (wsgi.py).
API_MIDDLEWARE = [
    "bookings.operations.requests.ApiHeadersMiddleware",
    "bookings.operations.requests.RequestMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "bookjob_site.urls"
WSGI_APPLICATION = "bookjob_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [("django.template.loaders.cached.Loader", ["bookjob_site.templates.Loader"])],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bookjob_site.version.in_pages",
            ],
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
# Without this list each page of the desk looks up the names of a hundred languages, and none can be chosen.
LANGUAGES = [("en-gb", "English")]
TIME_ZONE = "UTC"  # instants are stored and compared in UTC; people read them in the zone of their area
USE_TZ = True
# A list shows 2,000 rows at most (bookings/admin/lists.py), and sends a field for each that is ticked.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_500
FILE_UPLOAD_HANDLERS = ["bookjob_site.uploads.SmallFiles"]
STATIC_URL = "/static/"
STATIC_ROOT: Path = value("STATIC_ROOT")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
STATICFILES_FINDERS = ["bookjob_site.static_files.Finder"]
# Without `collectstatic` the files come straight from the packages, so that the admin is never without its style.
WHITENOISE_USE_FINDERS = not any(STATIC_ROOT.iterdir())

# --- bookjob (environment/ says what each means) --------------------------------------------------------

BOOKJOB_VERSION = VERSION
BOOKJOB_DRAIN_SECONDS: int = value("BOOKJOB_DRAIN_SECONDS")
BOOKJOB_JWT_KEYS: dict[str, str] = value("BOOKJOB_JWT_KEYS")
BOOKJOB_PATRONI: list[str] | None = value("BOOKJOB_PATRONI")
BOOKJOB_TOKEN_MINUTES: int = value("BOOKJOB_TOKEN_MINUTES")
BOOKJOB_TOKEN_LEEWAY_SECONDS: int = value("BOOKJOB_TOKEN_LEEWAY_SECONDS")
BOOKJOB_TRUST_UPSTREAM: bool = value("BOOKJOB_TRUST_UPSTREAM")
BOOKJOB_TRUSTED_NETWORKS: list[Network] = value("BOOKJOB_TRUSTED_NETWORKS")
BOOKJOB_PROXIES: list[Network] = value("BOOKJOB_PROXIES")
BOOKJOB_FOLLOWUP_POLICY: str = value("BOOKJOB_FOLLOWUP_POLICY")
BOOKJOB_ORDER_PREFIX: str = value("BOOKJOB_ORDER_PREFIX")
BOOKJOB_PART_ORDER_PREFIX: str = value("BOOKJOB_PART_ORDER_PREFIX")
BOOKJOB_NOTICE_MINUTES: int = value("BOOKJOB_NOTICE_MINUTES")
BOOKJOB_HORIZON_DAYS: int = value("BOOKJOB_HORIZON_DAYS")
BOOKJOB_SLOT_POINTER: str = value("BOOKJOB_SLOT_POINTER")
BOOKJOB_DEFAULT_AREA: str = value("BOOKJOB_DEFAULT_AREA")
BOOKJOB_CANCEL_REASONS: list[str] = value("BOOKJOB_CANCEL_REASONS")
BOOKJOB_MAX_OFFERS: int = value("BOOKJOB_MAX_OFFERS")
BOOKJOB_UNAVAILABLE_TYPES: list[str] = value("BOOKJOB_UNAVAILABLE_TYPES")
BOOKJOB_OFFER_TYPE: str = value("BOOKJOB_OFFER_TYPE")
BOOKJOB_PURGE_PERSONAL_DATA: bool = value("BOOKJOB_PURGE_PERSONAL_DATA")
BOOKJOB_METRICS_TOKEN: str = value("BOOKJOB_METRICS_TOKEN")
BOOKJOB_DOCUMENTED_STATUSES_ONLY: bool = value("BOOKJOB_DOCUMENTED_STATUSES_ONLY")
BOOKJOB_MAX_BODY_BYTES: int = value("BOOKJOB_MAX_BODY_BYTES")
BOOKJOB_LOG_ADDRESSES: bool = value("BOOKJOB_LOG_ADDRESSES")
BOOKJOB_CALLER_LIMIT: int = value("BOOKJOB_CALLER_LIMIT")
BOOKJOB_ADDRESS_LIMIT: int = value("BOOKJOB_ADDRESS_LIMIT")

# --- Mail ------------------------------------------------------------------------------------------------

BOOKJOB_MAIL_TO: list[str] = value("BOOKJOB_MAIL_TO")
EMAIL_TIMEOUT = 20  # seconds
if _mail := value("BOOKJOB_MAIL_URL"):
    EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp+starttls", _mail.scheme == "smtps"
    DEFAULT_FROM_EMAIL = value("BOOKJOB_MAIL_FROM") or BOOKJOB_MAIL_TO[0]

# --- API and admin ---------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["bookings.api.authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["bookings.api.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["bookings.api.authentication.RequestLimit"],
    "DEFAULT_PARSER_CLASSES": ["bookings.api.serializers.BodyParser"],
    "DEFAULT_RENDERER_CLASSES": ["bookings.api.serializers.AnswerRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "bookings.api.serializers.JSONWhateverIsAccepted",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # as api/urls.py has it
    "EXCEPTION_HANDLER": "bookings.api.errors.handler",
    "UNAUTHENTICATED_USER": None,
    "ALLOWED_VERSIONS": ["1"],  # of the schema: no caller writes into it
}
OPENAPI_FILE = BASE_DIR / "openapi.yaml"  # what is published: `make openapi.yaml` draws it
SPECTACULAR_SETTINGS = {
    "TITLE": "bookjob",
    "DESCRIPTION": "The back end for ServiceMobility's appointment search, follow-up booking and log-in.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": ["bookings.api.schema.finish"],
    "SERVERS": [{"url": "/", "description": "The service that this document came from."}],
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "bookings.telemetry.logs.JSONFormatter"}},
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
