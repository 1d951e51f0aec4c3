"""What is used of other libraries beyond their documentation, each with the release that it was read against.

A failure here names one file to read after an upgrade; then write the new version or sum below. gunicorn's names are in
bookjob_site/worker/names.py (test_gunicorn.py).
"""

import ast
import hashlib
import inspect
import re
from importlib.metadata import version
from pathlib import Path

import psycopg
import pydantic_core
import pytest
import unfold
import urllib3.connection
from django.db.backends.postgresql import base
from django.middleware import csrf
from django.test import RequestFactory

from tests.support.environment import ROOT

READ = [
    ("psycopg", "3.3.9", "bookjob_site/postgresql/base.py", "connection.wait", "Connection.wait"),
    ("Django", "5.2.19", "bookjob_site/postgresql/base.py", "_configure_connection", "how connections are set up"),
    ("Django", "5.2.19", "bookings/db/online.py", "_constraint_names", "BaseDatabaseSchemaEditor._constraint_names"),
    ("Django", "5.2.19", "bookings/db/online.py", "_create_index_sql", "BaseDatabaseSchemaEditor._create_index_sql"),
    ("Django", "5.2.19", "bookings/admin/desk.py", "_get_obj_does_not_exist_redirect", "ModelAdmin's redirect"),
    ("Django", "5.2.19", "bookings/admin/lists.py", "result_headers", "admin_list.result_headers"),
    ("Django", "5.2.19", "tests/conftest.py", "_get_new_csrf_string", "csrf.get_token and what it calls"),
    ("Django", "5.2.19", "bookings/operations/requests.py", "_store", "ResponseHeaders._store"),
    ("djangorestframework", "3.18.3", "bookings/api/calendars.py", "_request", "Request._request"),
    ("urllib3", "2.8.0", "bookings/delivery/calls.py", "_new_conn", "HTTPConnection._new_conn"),
    ("pydantic_core", "2.50.4", "bookings/wire/incoming.py", "_use_prebuilt", "SchemaValidator's _use_prebuilt"),
]
# Documented, though they begin with a line.
DOCUMENTED = {"_asdict", "_default_manager", "_exit", "_fields", "_make", "_meta", "_replace", "_state"}
# The theme's templates that ours stand in for, as they were when ours were written: in its last release for Python
# 3.11, and in the one for newer Pythons (requirements.txt). What ours lean on is in both.
THEMES = ("0.91.0", "0.110.0")
TEMPLATES = {
    "admin/actions.html": ("b5332aace8e69192", "4cb3331602a67fa1"),
    "admin/change_list_results.html": ("1a2a072727ae72f9", "26fc8ca89818d58f"),
    "admin/index.html": ("9fdb849b7da18ccd", "dd345254af4ffc9a"),
    "admin/login.html": ("13deb7765ce36659", "13deb7765ce36659"),
    "admin/nav_sidebar.html": ("d61d8a2fd3fe3115", "9ded21d2f1036a58"),
    "unfold/helpers/change_list_actions.html": ("ac1d59b3ae5d7b49", "8405ac4a025a00c9"),
    "unfold/helpers/navigation_header.html": ("35139b9d94580be9", "ebf1a6c9aa1994aa"),
    "unfold/helpers/navigation_user.html": ("4c9ba58b3f215326", "df49db2d72d7e8f2"),
    "unfold/helpers/theme_switch.html": ("c8e659df65f5aa78", "34db9918846bc787"),
    "unfold/helpers/userlinks.html": ("b493fa5ca3595d28", "9a2aeacfb3ec59a8"),
    "unfold/helpers/welcomemsg.html": ("e8eab02522ba2319", "91ac76169f4c93b5"),
}
# Classes that scripts look for, and styles do not.
HOOKS = {"action-counter", "action-toggle", "all", "changelist-form-container", "clear", "module", "question",
         "result-list", "result-list-wrapper"}  # fmt: skip
OWN = ("capacity", "desk", "numbers", "paper", "planner")


@pytest.mark.parametrize(("library", "read", "file", "name", "look_at"), READ, ids=[row[3] for row in READ])
def test_the_release_that_is_installed_was_read(library, read, file, name, look_at):
    assert name in (ROOT / file).read_text()
    assert version(library) == read, f"{library} {version(library)}: read {look_at} again beside {file}"


def private_names(source: str) -> tuple[set[str], set[str]]:
    """Those that a file uses, and those that it makes itself."""
    used, made = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            (made if isinstance(node.ctx, ast.Store) else used).add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and not calls_its_parent(node)):
            made.add(node.name)
        elif isinstance(node, ast.keyword) and node.arg:
            used.add(node.arg)
        elif isinstance(node, ast.ImportFrom):
            used |= {name.name for name in node.names}
    return {name for name in used if re.match(r"_[^_]", name)}, made


def calls_its_parent(function: ast.FunctionDef) -> bool:
    return f"super().{function.name}(" in ast.unparse(function)


def test_each_private_name_of_a_library_is_listed():
    used, made = set(), set()
    for file in [*(ROOT / "bookings").rglob("*.py"), *(ROOT / "bookjob_site").rglob("*.py")]:
        if "migrations" not in file.parts:
            names = private_names(file.read_text())
            used, made = used | names[0], made | names[1]
    of_gunicorn = set(re.findall(r"\b_[a-z]\w+", (ROOT / "bookjob_site/worker/names.py").read_text()))
    listed = {row[3] for row in READ} | of_gunicorn
    assert used - made - DOCUMENTED - listed == set()
    assert private_names("class A(B):\n def _x(self): super()._x()\n def _y(self): self._y") == (
        {"_x", "_y"},
        {"A", "_y"},
    )


def test_psycopg_waits_with_a_timeout():
    parameters = inspect.signature(psycopg.Connection.wait).parameters
    assert [*parameters] == ["self", "gen", "interval", "timeout"]


def test_django_configures_each_new_connection():
    assert [*inspect.signature(base.DatabaseWrapper._configure_connection).parameters] == ["self", "connection"]
    for way in (base.DatabaseWrapper.pool.fget, base.DatabaseWrapper.init_connection_state):
        assert "_configure_connection" in way.__code__.co_names


def test_django_draws_each_token_of_a_form_in_one_place():
    assert csrf.get_token(RequestFactory().get("/")) == "x" * csrf.CSRF_SECRET_LENGTH + "U" * csrf.CSRF_SECRET_LENGTH


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
    known = dict(zip(THEMES, TEMPLATES[name], strict=True))
    release = version("django-unfold")
    assert found == known.get(release), f"django-unfold {release}: compare its {name} with templates/{name}"


def test_each_template_that_stands_in_for_one_is_known():
    assert replaced().keys() == TEMPLATES.keys()


def test_each_release_of_the_theme_that_is_installed_was_read():
    chosen = re.findall(r"^django-unfold==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert tuple(chosen) == THEMES


def classes_in(page: str) -> set[str]:
    page = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", page)
    bound = " ".join(re.findall(r'x-bind:class="([^"]*)"', page))
    said = re.findall(r'(?<![-:\w])class="([^"]*)"', page)
    said += [text for text in re.findall(r"'([^']*)'", bound) if " " in text]  # one word is a value
    return {name for text in said for name in text.split()}


def styled_by(file: Path) -> set[str]:
    return {re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"\.((?:\\.|[\w-])+)", file.read_text())}


def test_each_class_of_the_theme_in_a_template_is_in_its_style():
    """Its style has the classes that its own templates use, and no others."""
    styled = styled_by(Path(unfold.__file__).parent / "static/unfold/css/styles.css")
    assert {"hidden", "hover:bg-base-100", "min-h-[64px]"} <= styled
    styled = styled.union(*map(styled_by, (ROOT / "bookings/static/bookings").glob("*.css")))
    missing = {}
    for file in (ROOT / "templates").rglob("*.html"):
        used = {name for name in classes_in(file.read_text()) if name.split("-")[0] not in OWN}
        if left := used - HOOKS - styled:
            missing[file.name] = left
    assert missing == {}
