"""What the Dockerfile and compose.yaml are made of, tried without a container engine."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bookings.access import tokens
from tests.conftest import Service, manage
from tests.operations.test_deploy import needs, section
from tests.operations.test_metrics import wait_for
from tests.operations.test_upgrades import LAST, PREVIOUS
from tests.support import helpers
from tests.support.environment import HALF_COMPILED, KEY, ROOT
from tests.support.postgres import free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)$", DOCKERFILE, re.MULTILINE)


def copied() -> list[str]:
    """What the image takes from here."""
    lines = [shlex.split(line) for line in instructions("COPY") if not line.startswith("--from")]
    return [source for *sources, _ in lines for source in sources]


def test_it_copies_what_there_is_and_nothing_else_gets_near_it():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(kept) == sorted(copied())
    for source in copied():
        assert (
            subprocess.run(["git", "ls-files", "--error-unmatch", source], cwd=ROOT, capture_output=True).returncode
            == 0
        )
    assert "\n*\n" in (ROOT / ".dockerignore").read_text()


def test_its_python_is_the_one_that_the_code_is_checked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    versions = {re.match(r"python:([\d.]+)-slim-\w+( AS \w+)?$", image)[1] for image in instructions("FROM")}
    assert versions == {project["tool"]["mypy"]["python_version"]}


def test_it_is_nobody_and_hears_signals():
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    for name in ("ENTRYPOINT", "CMD"):  # as lists: no shell stands between
        (line,) = instructions(name)
        assert json.loads(line)


@needs("hadolint")
def test_hadolint_has_nothing_to_say():
    linted = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")


# --- What runs inside ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The folder /app of the image, made as the Dockerfile makes it, that cannot be written to."""
    app = tmp_path_factory.mktemp("image") / "app"
    app.mkdir(parents=True)
    for source in copied():
        if (ROOT / source).is_dir():
            left_out = shutil.ignore_patterns(HALF_COMPILED)
            shutil.copytree(ROOT / source, app / source, ignore=left_out)  # compiled as it is
        else:
            (app / source).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, app / source)
    commands = re.search(r"^RUN (mkdir.*)$", DOCKERFILE, re.MULTILINE)[1]
    commands = commands.replace("/venv/bin/python", sys.executable).replace("/app", str(app))
    without = {name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "BOOKJOB_JWT_KEYS")}
    subprocess.run(["bash", "-ec", commands], cwd=app, env=without, check=True, capture_output=True)
    subprocess.run(["chmod", "-R", "a-w", app], check=True)
    yield app
    subprocess.run(["chmod", "-R", "u+w", app], check=True)


def without_rights() -> list[str]:
    """Before a command: it may do no more than anybody. (The Python of the tests may be root's: it stays root.)"""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv on this machine")
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def container(image, empty_database, tmp_path):
    """A function that starts a command by the entry point, as in the container: secrets in files, /tmp to write to."""
    processes = []
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for name, value in {
        "database_url": empty_database.url,
        "secret_key": "a-secret-key-in-a-file",
        "jwt_keys": f"current:{KEY}",
    }.items():
        (temporary / name).write_text(f"{value}\n")

    def start(*command: str, **more) -> subprocess.Popen:
        (point,) = json.loads(instructions("ENTRYPOINT")[0])
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": "/",
            "TMPDIR": str(temporary),
            "STATIC_ROOT": str(image / "static"),
            "DATABASE_URL_FILE": str(temporary / "database_url"),
            "SECRET_KEY_FILE": str(temporary / "secret_key"),
            "BOOKJOB_JWT_KEYS_FILE": str(temporary / "jwt_keys"),
            "PYTHONDONTWRITEBYTECODE": "1",
        } | more
        command = [*without_rights(), point.replace("/app", str(image)), *command]
        with (tmp_path / "container.log").open("wb") as log:
            processes.append(subprocess.Popen(command, cwd=image, env=environment, stdout=log, stderr=log))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


class Contained(Service):
    """A service that the entry point started."""

    def __init__(self, database, port):
        self.database, self.port = database, port
        self.token = tokens.issue_token("tech.jones")


def is_healthy(port: int) -> bool:
    (line,) = instructions("HEALTHCHECK")
    python, *arguments = json.loads(re.search(r"CMD (\[.*)", line)[1])
    assert python == "python"
    arguments = [argument.replace(":8000", f":{port}") for argument in arguments]
    return subprocess.run([sys.executable, *arguments], capture_output=True, timeout=60).returncode == 0


def test_the_service_runs_without_rights_where_nothing_can_be_written(container, image, empty_database, tmp_path):
    port = free_port()
    command = json.loads(instructions("CMD")[0])
    assert not is_healthy(port)
    process = container(*command, GUNICORN_CMD_ARGS=f"--bind=127.0.0.1:{port}", BOOKJOB_METRICS_TOKEN="x" * 20)
    # Asked by hand first: the image's own check is a Python, for each time that it is too early.
    assert wait_for(lambda: process.poll() is not None or helpers.request(port, "GET", "/readyz").status == 200)
    assert process.poll() is None, (tmp_path / "container.log").read_text()
    assert wait_for(lambda: is_healthy(port))
    service = Contained(empty_database, port)
    assert service.book("WO-1", service.make_slot(capacity=2)).status == 200
    # Its pages have their style, out of what was collected when the image was made.
    page = service.request("GET", "/admin/login/").body.decode()
    files = set(re.findall(r'(?:href|src)="(/static/[^"?]+)', page))
    assert files
    for path in files:
        assert service.request("GET", path).status == 200, path
        assert (image / path.removeprefix("/")).exists()
    # The entry point is not there any more: the signal reaches gunicorn itself, which ends well.
    assert b"gunicorn" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    assert not is_healthy(port)
    assert [
        path for path in image.rglob("*") if path.stat().st_mtime > (image / "manage.py").stat().st_mtime + 3600
    ] == []


def test_nothing_could_be_written_there(container, image):
    assert container("touch", str(image / "bookings" / "written")).wait(60) != 0


def test_the_migrations_run_in_it(container, empty_database):
    assert manage(empty_database, "migrate", "bookings", PREVIOUS).returncode == 0
    assert container(*COMPOSE["services"]["migrate"]["command"]).wait(60) == 0
    assert empty_database.execute("SELECT COUNT(*) FROM django_migrations WHERE name = %s", LAST) == [(1,)]


def test_an_unhealthy_service(start_service, empty_database):
    service = start_service()
    assert is_healthy(service.port)
    empty_database.execute("DELETE FROM django_migrations WHERE app = 'bookings'")
    assert not is_healthy(service.port)


def test_a_secret_whose_file_is_missing_stops_the_start(container):
    assert container("true", SECRET_KEY_FILE="/nothing/there").wait(60) != 0


# --- compose.yaml --------------------------------------------------------------------------------------------


def test_compose_starts_what_there_is_with_no_right_too_many():
    services = COMPOSE["services"]
    assert set(services) == {"db", "migrate", "web", "deliver", "extend", "numbers"}
    for name in ("migrate", "web", "deliver", "extend", "numbers"):
        service = services[name]
        assert service["read_only"], name
        assert (service["cap_drop"], service["tmpfs"]) == (["ALL"], ["/tmp"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        # A secret that is named is mounted, and each name is one that the entry point knows.
        files = {key: value for key, value in service["environment"].items() if key.endswith("_FILE")}
        assert {value.removeprefix("/run/secrets/") for value in files.values()} == set(service["secrets"])
        known = re.search(r"for name in (.*);", (ROOT / "deploy" / "entrypoint.sh").read_text())[1].split()
        assert {key.removesuffix("_FILE") for key in files} <= set(known)
    assert services["web"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["depends_on"]["db"]["condition"] == "service_healthy"
    used = {name for service in services.values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_every_variable_of_compose_and_of_the_entry_point_is_a_setting():
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    point = re.search(r"for name in (.*);", (ROOT / "deploy" / "entrypoint.sh").read_text())[1].split()
    assert compose - {"WEB_CONCURRENCY"} <= example  # that one is gunicorn's
    assert set(point) <= example


@pytest.mark.parametrize("file", ["compose.yaml", "compose.cluster.yaml"])
def test_an_empty_line_of_env_does_not_take_the_place_of_what_the_image_says(file):
    """`.env`, a copy of .env.example, comes into the container with all of its lines."""
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    image = dict(pair.split("=", 1) for line in instructions("ENV") for pair in shlex.split(line))
    both = {name: text for name, text in image.items() if name in example}
    assert "STATIC_ROOT" in both
    said = yaml.safe_load((ROOT / file).read_text())["x-bookjob"]["environment"]
    assert {name: said.get(name) for name in both} == both


def test_the_page_makes_every_secret_that_compose_wants(tmp_path):
    (commands,) = re.findall(r"```sh\n(.*?)```", section("Containers"), re.DOTALL)
    made = commands.partition("cp .env.example")[0]
    subprocess.run(["bash", "-ec", made], cwd=tmp_path, check=True)
    for secret in COMPOSE["secrets"].values():
        assert (tmp_path / secret["file"]).read_text().strip()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
