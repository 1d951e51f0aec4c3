"""The settings with django-migration-linter's command, which nobody needs who runs the service."""

from bookjob_site.settings import *  # noqa: F403
from bookjob_site.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]
