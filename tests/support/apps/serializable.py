"""The service with the isolation that the database has by default. Only for tests, and only for PostgreSQL."""

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.conf import settings

from bookjob_site.databases import TIME_LIMITS

settings.DATABASES["default"]["OPTIONS"]["options"] = TIME_LIMITS
