"""The service, but it gives up on a silent database after a second; with PATIENT it never does. Only for tests."""

import os

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.conf import settings

from bookjob_site.postgresql.base import DatabaseWrapper

settings.DATABASES["default"]["LONGEST_WAIT"] = 1
DatabaseWrapper.gives_up = not os.environ.get("PATIENT")
