"""The settings with django-migration-linter's command, which is of no use to those who run the service."""

from bookjob_site.settings import *  # noqa: F403
from bookjob_site.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]
