"""The service, but an answer of the database may take ten minutes; with FORGET no host counts as silent. For tests."""

import os

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from django.conf import settings

from bookjob_site.postgresql import hosts

settings.DATABASES["default"]["LONGEST_WAIT"] = 600
if os.environ.get("FORGET"):
    hosts.remember = lambda place, asked: None
