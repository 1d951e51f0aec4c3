"""What is used of other libraries beyond their documentation, each with the release that it was read against.

A failure here names one file to read after an upgrade; then write the new version or sum below. gunicorn's names are in
bookjob_site/worker/names.py (test_gunicorn.py).
"""

import hashlib
import inspect
from importlib.metadata import version
from pathlib import Path

import psycopg
import pydantic_core
import pytest
import unfold
import urllib3.connection
from django.db.backends.postgresql import base

from tests.support.environment import ROOT

READ = [
    ("psycopg", "3.3.9", "bookjob_site/postgresql/base.py", "connection.wait", "Connection.wait"),
    ("Django", "5.2.19", "bookjob_site/postgresql/base.py", "_configure_connection", "how connections are set up"),
    ("urllib3", "2.8.0", "bookings/delivery/calls.py", "_new_conn", "HTTPConnection._new_conn"),
    ("pydantic_core", "2.50.4", "bookings/wire/incoming.py", "_use_prebuilt", "SchemaValidator's _use_prebuilt"),
]
# The theme's templates that ours stand in for, as they were when ours were written.
TEMPLATES = {
    "admin/actions.html": "b5332aace8e69192",
    "admin/index.html": "9fdb849b7da18ccd",
    "admin/login.html": "13deb7765ce36659",
    "unfold/helpers/empty_results.html": "5f4727a37a99da76",
    "unfold/helpers/navigation_user.html": "4c9ba58b3f215326",
    "unfold/helpers/theme_switch.html": "c8e659df65f5aa78",
    "unfold/helpers/userlinks.html": "b493fa5ca3595d28",
    "unfold/helpers/welcomemsg.html": "e8eab02522ba2319",
}


@pytest.mark.parametrize(("library", "read", "file", "name", "look_at"), READ, ids=[row[3] for row in READ])
def test_the_release_that_is_installed_was_read(library, read, file, name, look_at):
    assert name in (ROOT / file).read_text()
    assert version(library) == read, f"{library} {version(library)}: read {look_at} again beside {file}"


def test_psycopg_waits_with_a_timeout():
    parameters = inspect.signature(psycopg.Connection.wait).parameters
    assert [*parameters] == ["self", "gen", "interval", "timeout"]


def test_django_configures_each_new_connection():
    assert [*inspect.signature(base.DatabaseWrapper._configure_connection).parameters] == ["self", "connection"]
    for way in (base.DatabaseWrapper.pool.fget, base.DatabaseWrapper.init_connection_state):
        assert "_configure_connection" in way.__code__.co_names


def test_urllib3_connects_in_one_place():
    assert "_new_conn" in urllib3.connection.HTTPConnection.connect.__code__.co_names
    assert "_new_conn" in urllib3.connection.HTTPSConnection.connect.__code__.co_names


def test_pydantic_can_do_without_what_is_prebuilt():
    schema = pydantic_core.core_schema.str_schema()
    assert pydantic_core.SchemaValidator(schema, _use_prebuilt=False).validate_python("a") == "a"


def replaced() -> dict[str, Path]:
    """The theme's templates that the service has under the same name."""
    theme = Path(unfold.__file__).parent / "templates"
    ours = (file.relative_to(ROOT / "templates") for file in (ROOT / "templates").rglob("*.html"))
    return {str(name): theme / name for name in ours if (theme / name).exists()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_of_the_theme_is_as_it_was(name):
    found = hashlib.sha256(replaced()[name].read_bytes()).hexdigest()[:16]
    assert found == TEMPLATES[name], (
        f"django-unfold {version('django-unfold')}: compare its {name} with templates/{name}"
    )


def test_each_template_that_stands_in_for_one_is_known():
    assert replaced().keys() == TEMPLATES.keys()
