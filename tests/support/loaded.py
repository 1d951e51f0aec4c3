"""What a process of warm.py has loaded: Django, all models, delivery, views, pages of the admin, and the schema.

Not gunicorn, which reads the environment while it is loaded.
"""

import gc
import os

import django
from django.apps import apps
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import BaseCommand

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
    django.setup()

from django.urls import get_resolver

from bookings.api import schema
from bookings.delivery import worker  # noqa: F401
from bookings.telemetry.shared import SharedMemory

get_resolver().url_patterns  # noqa: B018  views, forms and pages are loaded with them
schema.published()  # says nothing of the environment

# No test is about how long it takes to guess a password, or guesses one: to hash it takes a quarter of a second.
PBKDF2PasswordHasher.iterations = 1_000

SHARED = [found for found in gc.get_objects() if type(found) is SharedMemory]


def share_nothing() -> None:
    """Workers share what was made before they were forked; two services do not."""
    for memory in SHARED:
        memory.__init__(len(memory.memory))


def check_nothing() -> None:
    """Each command begins with Django's checks of the code, which take longer than most commands and say the same.

    `check` and `migrate` ask for theirs by themselves, and have them.
    """
    BaseCommand.requires_system_checks = []
