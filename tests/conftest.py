"""`service`: the product as it is shipped, gunicorn with its workers over a database of its own."""

import contextlib
import fcntl
import gc
import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import hypothesis
import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.backends.signals import connection_created
from django.middleware import csrf
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from bookings.access import tokens
from bookings.services import empty_searches
from bookings.supply import turns
from bookjob_site import wsgi
from tests import run
from tests.support import helpers, postgres, published, warm
from tests.support.environment import ROOT, of_release

SERVER = os.environ["DATABASE_URL"]  # of PostgreSQL, or empty

# Properties try the same examples in each run, so that a red run speaks of the change; in the long forms others. How
# long one takes says what else the machine does.
PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", derandomize=True, database=None, **PATIENT)
hypothesis.settings.register_profile("others", **PATIENT)
hypothesis.settings.load_profile("others" if "TORTURE_OPERATIONS" in os.environ else "same")

# Cheap: no test is about how long it takes to guess a password. loaded.py does the same for services.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Files whose tests say nothing of a database, though they start a service: `make test` runs them on SQLite alone, or
# beside PostgreSQL alone, so that both runs take as long. What has no database at all is found by itself.
ONCE = {"test_clients", "test_cluster_files", "test_container", "test_demo", "test_deploy", "test_elsewhere",
        "test_first_run", "test_install", "test_private_names", "test_readme", "test_run", "test_slow_callers",
        "test_start"}  # fmt: skip
ONCE_ON_POSTGRESQL = {"test_alerts", "test_body_shapes", "test_check_contract", "test_dependencies", "test_layers"}
# Files about pages, texts, headers and processes, which ask the database nothing that others do not ask it on both:
# on PostgreSQL alone, as in production. Not those that try odd values, of which each database refuses others.
# `python -m tests.run --both` has them, and all others, on both.
PRODUCTION = {"test_admin_blackouts", "test_admin_board", "test_admin_error_pages",
              "test_admin_kept_forms", "test_admin_log_in", "test_admin_pages", "test_admin_refusals",
              "test_admin_rows", "test_admin_work_order_page", "test_ask_the_rules", "test_board_needs",
              "test_capacity", "test_commands", "test_day_to_print", "test_delivery", "test_doctor_cluster",
              "test_doctor_settings", "test_drain", "test_errors_everywhere", "test_every_address", "test_explaining",
              "test_failing_well", "test_first_day", "test_gunicorn", "test_imports", "test_key_rotation",
              "test_limits", "test_log_in", "test_logs", "test_news", "test_odd_answers", "test_receiver_forms",
              "test_receivers_that_go", "test_release", "test_review_queue", "test_saved_views",
              "test_schedule_import", "test_schedule_plans", "test_schedule_saves", "test_schema",
              "test_second_chance", "test_security", "test_servicemobility", "test_tokens", "test_webhooks",
              "test_workers"}  # fmt: skip
OTHERS = ONCE | ONCE_ON_POSTGRESQL | PRODUCTION  # than those of `make check`
# Files that wait for processes of their own rather than compute, or take five seconds and more: not for `make check`.
SLOW = {"test_admin_odd_keys", "test_body_shapes", "test_calendars", "test_commands_end", "test_daily_sums",
        "test_database_shapes", "test_dependencies", "test_failing_well", "test_faults", "test_histories",
        "test_install", "test_load_demo", "test_load_generator", "test_log_in", "test_logs", "test_push",
        "test_race_for_moves", "test_race_for_places", "test_race_for_proposals", "test_release", "test_reports",
        "test_schedules_are_bounded", "test_security", "test_seed_anything", "test_squashed_migrations",
        "test_state_machine", "test_upgrades", "test_warm", "test_what_persons_write"}  # fmt: skip


def names(files: set[str], path: Path) -> bool:
    """Whether a file is one of these. Those of the browser are slow, and the same pages are asked for without it."""
    return path.stem in files or (files is not ONCE_ON_POSTGRESQL and path.stem.endswith("browser"))


def pytest_configure(config):
    config.addinivalue_line("markers", "once: does not depend on the database, and runs on SQLite")
    config.addinivalue_line("markers", "once_on_postgresql: does not depend on it either, and runs beside PostgreSQL")
    config.addinivalue_line("markers", "slow: starts a service, or makes up its input; not for `make check`")


def runs_elsewhere(path: Path, wanted: str) -> bool:
    """Whether all tests of a file are run beside the other database."""
    terms = wanted.split(" and ")
    if "not once_on_postgresql" in terms and path.stem in PRODUCTION:
        return True
    return "not once" in terms and names(ONCE, path) and "django_db" not in path.read_text("utf-8")


def pytest_ignore_collect(collection_path, config):
    """What is not wanted is not even loaded: to look which tests there are takes a quarter of `make check`."""
    wanted = config.option.markexpr
    if collection_path.is_dir():
        return None
    if runs_elsewhere(collection_path, wanted) and collection_path.name not in " ".join(config.args):
        return True
    if wanted == run.QUICK and (collection_path.parent.name == "admin" or names(OTHERS, collection_path)):
        return True  # each page takes a twentieth of a second, and there are hundreds
    return True if "not slow" in wanted and names(SLOW, collection_path) else None


# The fixtures, and the names of modules, by which a test gets at a database.
FIXTURES, NAMES = {"db", "transactional_db", "template_database"}, {"SERVER", "connection", "postgres"}


def may_use_a_database(item) -> bool:
    by_name = NAMES & vars(item.module).keys()
    return bool(item.get_closest_marker("django_db") or FIXTURES & {*item.fixturenames} or by_name)


def where(item) -> str:
    """The marker of a test that runs once, or an empty text."""
    if item.path.stem in PRODUCTION:
        return "once_on_postgresql"
    runs_a_service = "template_database" in item.fixturenames
    ours = item.path.stem == "test_check_contract" and runs_a_service  # the kit against this service
    for marker, files in (("once", ONCE), ("once_on_postgresql", ONCE_ON_POSTGRESQL)):
        if names(files, item.path) and not item.get_closest_marker("django_db") and not ours:
            return marker
    return "" if may_use_a_database(item) else "once"


def pytest_collection_modifyitems(items):
    for item in items:
        runs_a_service = "template_database" in item.fixturenames
        if not item.get_closest_marker("once") and (marker := where(item)):
            item.add_marker(marker)
        makes_up_its_input = getattr(item.function, "is_hypothesis_test", False)
        if runs_a_service or names(SLOW, item.path) or makes_up_its_input:
            item.add_marker("slow")
    # First what takes long, so that no process is left with it alone at the end; last, as pytest-django has it, what
    # ends in empty tables: after it none of the migrations' rows are there.
    items.sort(key=lambda item: (empties_the_tables(item), not item.get_closest_marker("slow")))


def pytest_collection():
    """The collector of garbage would go through five thousand tests, all of which stay."""
    gc.disable()


def pytest_collection_finish():
    """What is loaded by now stays: no collection of garbage looks at all of it again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def empties_the_tables(item) -> bool:
    marker = item.get_closest_marker("django_db")
    return bool(marker and marker.kwargs.get("transaction")) or "transactional_db" in item.fixturenames


class Database:
    """A migrated database that no other test uses."""

    def __init__(self, template: "Database | None", folder: Path, server: str = SERVER, there: str = "") -> None:
        """A copy of the template, or an empty one; or the one that is `there` under this name."""
        self.server = server
        self.name = there or f"bookjob_{uuid.uuid4().hex[:12]}"
        if self.server:
            self.url = f"{self.server.rpartition('/')[0]}/{self.name}"
        else:
            self.file = folder / f"{self.name}.sqlite3"
            self.url = f"sqlite:///{self.file}"
        if not there:
            self.fill(template)

    def fill(self, template: "Database | None") -> None:
        """Make it a copy of the template, or empty. Services that run on it stay, and find what is there then."""
        if self.server:
            suffix = f" TEMPLATE {template.name}" if template else ""
            self.drop()
            with psycopg.connect(self.server, autocommit=True) as connection:
                # Else each page goes by the log, which takes a tenth of a second.
                by_file = " STRATEGY FILE_COPY" if template and connection.info.server_version >= 150_000 else ""
                connection.execute(f"CREATE DATABASE {self.name}{suffix}{by_file}")
        elif template:
            # Not the file alone: a process of Python 3.13 that ends may leave its last pages in the log beside it.
            with (
                contextlib.closing(sqlite3.connect(template.file)) as source,
                contextlib.closing(sqlite3.connect(self.file, timeout=60)) as copy,
            ):
                source.backup(copy)

    def execute(self, sql: str, *values) -> list[tuple]:
        """Run a statement with %s for the values; commits."""
        if self.server:
            with psycopg.connect(self.url) as connection:
                cursor = connection.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(sqlite3.connect(self.file, timeout=60)) as connection, connection:
            return connection.execute(sql.replace("%s", "?"), values).fetchall()

    @contextlib.contextmanager
    def away(self):
        """The database cannot be reached, and who was connected is cut off. (PostgreSQL only.)"""
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS false")
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(cut, [self.name])
            try:
                yield
            finally:
                connection.execute(f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS true")

    def drop(self) -> None:
        if self.server:
            with psycopg.connect(self.server, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


def manage(database: Database, *arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"DATABASE_URL": database.url} | environment
    if folder == ROOT:
        return warm.run("manage.py", *arguments, environment=environment)
    return subprocess.run(  # another release
        [sys.executable, "manage.py", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


class Service:
    """A running service. `token` is good for its API. It is there once `up` answers 200."""

    def __init__(
        self, database: Database, log: Path, app: str, folder: Path = ROOT, up: str = "/readyz", **environment: str
    ) -> None:
        self.up = up
        self.database, self.log, self.environment = database, log, environment
        self.port = int(environment.get("PORT") or postgres.free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        environment = of_release(folder) | {"DATABASE_URL": database.url, "PORT": str(self.port)} | environment
        if folder == ROOT:
            self.process = warm.start("-m", "gunicorn", app, environment=environment, streams={1: log, 2: log})
        else:  # another release
            with log.open("wb") as output:
                command = [sys.executable, "-m", "gunicorn", app]
                self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        try:
            self._wait_until_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.token = helpers.tokens.issue_token("tech.jones")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 120  # on a machine that is busy; a service that fails to start ends at once
        while not self._is_ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)  # the only way to wait for another process's port

    def _is_ready(self) -> bool:
        try:
            return helpers.request(self.port, "GET", self.up).status == 200
        except OSError:
            return False

    def request(self, method: str, path: str, body=b"", **headers: str) -> helpers.Answer:
        headers = {"x-access-token": self.token, "Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return helpers.request(self.port, method, path, body, headers)

    def book(self, order: str, body) -> helpers.Answer:
        return self.request("POST", helpers.path_of(order), body if isinstance(body, str | bytes) else json.dumps(body))

    def manage(self, *arguments: str) -> subprocess.CompletedProcess:
        return manage(self.database, *arguments, **self.environment)

    def make_slot(self, capacity: int, start=None, worker="") -> dict:
        """A slot in LEEDS; returns the body of a booking that takes it."""
        start = start or helpers.tomorrow()
        self.database.execute(
            "INSERT INTO bookings_servicearea (code, name, time_zone) VALUES ('LEEDS', 'Leeds', 'Europe/London')"
            " ON CONFLICT DO NOTHING"
        )
        self.database.execute(
            'INSERT INTO bookings_appointmentslot (area_id, start, "end", order_type, worker, capacity, booked,'
            " is_open)"
            " SELECT id, %s, %s, '', %s, %s, 0, %s FROM bookings_servicearea WHERE code = 'LEEDS'",
            *(self.instant(start), self.instant(start + (helpers.END - helpers.START)), worker, capacity, True),
        )
        return helpers.booking(start, start + (helpers.END - helpers.START))

    def instant(self, moment):
        return moment if SERVER else moment.strftime("%Y-%m-%d %H:%M:%S")

    @contextlib.contextmanager
    def locked(self):
        """Hold what a booking has to lock: all slots, or SQLite's one lock."""
        if SERVER:
            with psycopg.connect(self.database.url) as connection:
                connection.execute("SELECT 1 FROM bookings_appointmentslot FOR UPDATE")
                yield
                connection.rollback()
        else:
            with contextlib.closing(sqlite3.connect(self.database.file, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self):
        """Be the one writer of slots: turns.only_writer, or SQLite's one lock."""
        if SERVER:
            with psycopg.connect(self.database.url) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [turns.WRITER_LOCK])
                yield
        else:
            with self.locked():
                yield

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(120)  # longer than gunicorn gives requests that are under way (graceful_timeout)


class ApiCall(ClientHandler):
    """What the tests' client calls for a path of the API: what gunicorn would call."""

    def __init__(self, environ: dict) -> None:
        super().__init__()
        self.get_response = wsgi.handler_for(environ).get_response

    def load_middleware(self) -> None:
        """That handler has its own."""


call_pages, load_middleware = ClientHandler.__call__, ClientHandler.load_middleware
SETTINGS = django_settings._wrapped
PAGES = ClientHandler()


def load_once(handler: ClientHandler) -> None:
    """Middleware is loaded once for all clients, as in a process that serves: WhiteNoise looks for every static file.

    A test that overrides settings gets its own, since middleware reads them while it is loaded.
    """
    if django_settings._wrapped is not SETTINGS:
        load_middleware(handler)
        return
    if PAGES._middleware_chain is None:
        load_middleware(PAGES)
    handler._middleware_chain = PAGES._middleware_chain


# A word that a page must not hold does not come by chance out of its token.
csrf._get_new_csrf_string = lambda: "x" * csrf.CSRF_SECRET_LENGTH

ClientHandler.load_middleware = load_once
ClientHandler.__call__ = lambda handler, environ: call_pages(
    ApiCall(environ) if environ["PATH_INFO"].startswith("/api/") else handler, environ
)


@pytest.fixture(autouse=True)
def every_answer_is_as_published(monkeypatch):
    """What the API answers to a test is what openapi.yaml promises of it."""
    send = Client.request

    def request(self, **environ):
        answer = send(self, **environ)
        if not answer.streaming:
            published.check(
                answer.request["REQUEST_METHOD"], answer.request["PATH_INFO"], answer.status_code, answer.content
            )
        return answer

    monkeypatch.setattr(Client, "request", request)


@pytest.fixture(autouse=True)
def the_day_stays_for_a_test():
    """Also where it begins before midnight; the next one has a day of its own, for a run lasts."""
    helpers.TODAY = timezone.now()


is_out = tokens._Users.is_out


@pytest.fixture(autouse=True)
def no_empty_search_is_left_of_another_test(monkeypatch):
    """Nor is one written by chance, because some seconds are over; tests of that say when it is due."""
    empty_searches._counted.clear()
    monkeypatch.setattr(empty_searches, "EVERY", 3_600)
    monkeypatch.setattr(empty_searches, "_written_at", time.monotonic())


@pytest.fixture(autouse=True)
def every_user_of_a_token_is_there(monkeypatch):
    """No test waits for a statement about the user; `test_keys.py` looks at those that are switched off."""
    monkeypatch.setattr(tokens._Users, "is_out", lambda *arguments: False)


@pytest.fixture(scope="session")
def scene_database(template_database, tmp_path_factory):
    """With two areas, three people and a few bookings."""
    database = Database(template_database, tmp_path_factory.mktemp("scene"))
    environment = os.environ | {"DATABASE_URL": database.url}
    done = warm.run("-m", "tests.support.scene", "--bookings", "20", environment=environment)
    assert done.returncode == 0, done.stderr
    yield database
    database.drop()


FIGURES: list[str] = []
TEMPLATES: set[str] = set()  # of processes that have ended


@pytest.fixture
def figures():
    """A function that takes a line to be printed at the end of the run."""
    return FIGURES.append


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes: the first one prints
        session.config.workeroutput["figures"] = FIGURES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    output = getattr(node, "workeroutput", {})
    FIGURES.extend(output.get("figures", []))
    TEMPLATES.update(filter(None, [output.get("template")]))


def pytest_terminal_summary(terminalreporter):
    for line in FIGURES:
        terminalreporter.write_line(line)


def pytest_unconfigure():
    for name in TEMPLATES if SERVER else ():
        Database(None, Path(), there=name).drop()


@pytest.fixture
def plan_of(db):
    """A function that gives the database's plan of a statement of sql.py, made with fresh statistics."""

    def plan(statement) -> str:
        text, values = statement
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute(f"{explain} {text}", values)
            return "\n".join(str(row[-1]) for row in cursor.fetchall())

    return plan


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix(request):
    """A name for each process of xdist. SQLite's are in memory; pytest-django sees that of Django's own alone."""
    process = getattr(request.config, "workerinput", {}).get("workerid")
    if SERVER and process:
        default = django_settings.DATABASES["default"]
        default.setdefault("TEST", {})["NAME"] = f"test_{default['NAME']}_{process}"


@pytest.fixture(scope="session")
def template_database(request, tmp_path_factory):
    """A migrated database. Of the processes of xdist the first that wants one makes it for all."""
    folder = tmp_path_factory.getbasetemp()
    output = getattr(request.config, "workeroutput", None)
    if output is not None:
        folder = folder.parent
    note = folder / "template"
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        database = Database(None, folder, there=note.read_text() if note.exists() else "")
        if not note.exists():
            done = manage(database, "migrate", "--verbosity", "0")
            assert done.returncode == 0, done.stderr
            note.write_text(database.name)
    yield database
    if output is None:
        database.drop()
    else:
        output["template"] = database.name


@pytest.fixture(scope="session")
def migrated_server(tmp_path_factory):
    """The files of a PostgreSQL server with a migrated database, and its name: for tests with servers of their own."""
    folder, names = tmp_path_factory.mktemp("migrated"), []

    def migrate(url: str) -> None:
        database = Database(None, folder, url)
        done = manage(database, "migrate", "--verbosity", "0")
        assert done.returncode == 0, done.stderr
        names.append(database.name)

    with postgres.files(migrate) as files:
        yield files, *names


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, request):
    """The processes of xdist begin with a copy of that one, too: to migrate takes five seconds of the processor.

    Not those of `make check`, where no test needs the template: they migrate beside each other.
    """
    if not hasattr(request.config, "workerinput") or "not slow" in request.config.option.markexpr:
        return
    template = request.getfixturevalue("template_database")
    if SERVER:
        django_settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = template.name
        return

    def fill(connection, **_):
        if connection.is_in_memory_db():
            connection_created.disconnect(fill)
            with contextlib.closing(sqlite3.connect(template.file)) as source:
                source.backup(connection.connection)

    connection_created.connect(fill, weak=False)


@pytest.fixture
def empty_database(template_database, tmp_path):
    database = Database(template_database, tmp_path)
    yield database
    database.drop()


@pytest.fixture
def start_service(empty_database, tmp_path):
    """Start the service, with variables of the environment and another WSGI application where a test needs them."""
    services = []

    def start(app: str = "bookjob_site.wsgi", **environment: str) -> Service:
        log = tmp_path / f"gunicorn-{len(services)}.log"
        services.append(Service(empty_database, log, app, **environment))
        return services[-1]

    yield start
    for service in services:
        service.stop()


@pytest.fixture
def service(start_service):
    return start_service()
