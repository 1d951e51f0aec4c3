"""The product's settings, set back to what Django's own template and Django REST framework begin with."""

from bookjob_site.settings import *  # noqa: F403
from bookjob_site.settings import DATABASES

ROOT_URLCONF = "bench.rival_drf"
WSGI_APPLICATION = "bench.rival_drf.application"
MIDDLEWARE = [
    "bookings.operations.requests.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
DATABASES["default"]["OPTIONS"].pop("prepare_threshold", None)
