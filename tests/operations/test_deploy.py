"""The examples in deploy/ and what docs/operations.md says of them: numbers that are so, files that work.

What needs nginx, systemd or promtool runs where the program is at hand.
"""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import jwt
import pytest
import yaml
from django.test import Client

from bookings.access import tokens
from bookings.api import bulk
from bookings.api.urls import urlpatterns
from bookjob_site import environment
from tests.conftest import SERVER
from tests.operations.test_faults import UNAVAILABLE
from tests.operations.test_metrics import TOKEN, wait_for
from tests.support import warm
from tests.support.environment import ROOT
from tests.support.helpers import path_of
from tests.support.postgres import free_port

DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
NGINX = (DEPLOY / "nginx.conf").read_text()
# Metrics of Prometheus, node_exporter and blackbox_exporter.
EXPORTER = {"up", "node_systemd_unit_state", "node_systemd_timer_last_trigger_seconds", "node_filesystem_avail_bytes",
            "node_filesystem_size_bytes", "probe_ssl_earliest_cert_expiry"}  # fmt: skip


def section(title: str) -> str:
    """What stands under a heading of the page."""
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def needs(program: str):
    return pytest.mark.skipif(not shutil.which(program), reason=f"there is no {program} on this machine")


# --- Time limits ---------------------------------------------------------------------------------------------


def options(url: str) -> dict:
    """What the service tells its database driver."""
    code = "import json; from bookjob_site import settings; print(json.dumps(settings.DATABASES['default']['OPTIONS']))"
    environment = os.environ | {"DATABASE_URL": url}
    return json.loads(warm.run("-c", code, environment=environment).stdout)


def real_limits() -> dict[str, float]:
    """Seconds by the name of their setting, out of settings.py, gunicorn.conf.py and nginx.conf."""
    postgresql = options("postgres://user:password@127.0.0.1/name")
    given = re.findall(r"-c (\w+)=(\d+)", postgresql["options"])
    print_config = ("-m", "gunicorn", "bookjob_site.wsgi", "--print-config")
    printed = warm.run(*print_config, environment=os.environ).stdout
    gunicorn = dict(line.split(" = ", 1) for line in re.sub(r" +", " ", printed).splitlines() if " = " in line)
    nginx = dict(re.findall(r"^ {4}(\w+_timeout) (\d+)s;", NGINX, re.MULTILINE))
    return {
        **{name: int(value) / 1000 for name, value in given},
        "tcp_user_timeout": postgresql["tcp_user_timeout"] / 1000,
        "connect_timeout": postgresql["connect_timeout"],
        **{name: int(gunicorn[name]) for name in ("timeout", "graceful_timeout", "keepalive")},
        **{name: int(value) for name, value in nginx.items()},
    }


def test_the_table_of_time_limits_says_what_is_set_and_each_waits_for_the_next():
    rows = re.findall(r"^\|.*\| (\d+) s \| `(\w+)` \|$", section("Time limits that fit together"), re.MULTILINE)
    assert len(rows) == 8
    real = real_limits()
    assert {name: int(seconds) for seconds, name in rows} == {name: real[name] for _, name in rows}
    seconds = [int(seconds) for seconds, _ in rows]
    assert seconds == sorted(seconds, reverse=True)
    text = section("Time limits that fit together")
    assert f"SQLite's callers wait {options('')['timeout']} s" in text
    assert (
        f"idle connections to gunicorn after {real['keepalive_timeout']} s, gunicorn after {real['keepalive']} s"
        in (" ".join(text.split()))
    )
    assert real["keepalive_timeout"] < real["keepalive"]
    unit = (DEPLOY / "bookjob.service").read_text()
    with pytest.raises(ValueError, match="301"):
        environment.BY_NAME["BOOKJOB_DRAIN_SECONDS"].convert("301")
    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > 300 + real["graceful_timeout"]
    assert "KillMode=mixed" in unit  # SIGTERM to each worker at once would be no drain
    compose = (ROOT / "compose.yaml").read_text()
    assert f"stop_grace_period: {re.search(r'TimeoutStopSec=(.*)', unit)[1]}s" in compose
    assert f"systemd waits {re.search(r'TimeoutStopSec=(.*)', unit)[1]} s" in text


@pytest.mark.parametrize("command", ["extend_schedules", "update_numbers"])
@pytest.mark.parametrize("name", ["compose.yaml", "compose.cluster.yaml"])
def test_containers_run_what_has_a_timer(command, name):
    services = yaml.safe_load((ROOT / name).read_text())["services"]
    (found,) = [service for service in services.values() if command in str(service.get("command"))]
    assert found["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert found.get("networks") == services["migrate"].get("networks")
    units = {path.stem for path in DEPLOY.glob("*.service") if f"manage.py {command}" in path.read_text()}
    assert len(units) == 1
    assert (DEPLOY / f"{units.pop()}.timer").exists()


@pytest.mark.parametrize("ends_with", [0, 1])
@pytest.mark.parametrize("name", ["compose.yaml", "compose.cluster.yaml"])
def test_containers_try_again_soon_what_failed(name, ends_with, tmp_path):
    """However often a loop runs what it runs."""
    for program, does in (("python", f"exit {ends_with}"), ("sleep", f"echo $1 >{tmp_path}/slept; kill $PPID")):
        (tmp_path / program).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / program).chmod(0o755)
    services = yaml.safe_load((ROOT / name).read_text())["services"].values()
    loops = [service["command"] for service in services if "sleep" in str(service.get("command"))]
    assert len(loops) == 2
    for loop in loops:
        subprocess.run(loop, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
        slept = int((tmp_path / "slept").read_text())
        assert slept == 300 if ends_with else slept >= 3600


def test_nginx_takes_what_the_service_would_answer_itself(settings):
    assert int(re.search(r"client_max_body_size (\d+)m", NGINX)[1]) * 1024 * 1024 > settings.BOOKJOB_MAX_BODY_BYTES
    assert int(re.search(r"large_client_header_buffers \d (\d+)k", NGINX)[1]) * 1024 > tokens.MAX_TOKEN_LENGTH


def test_nginx_takes_many_rows_at_their_address_alone():
    larger = re.findall(r"location ~ (\S+) \{[^}]*client_max_body_size (\d+)m;", NGINX)
    assert len(larger) == len(re.findall("client_max_body_size", NGINX)) - 1  # that of all others
    ((address, size),) = larger
    assert int(size) * 1024 * 1024 > bulk.MAX_NDJSON
    routes = [re.sub("<[^>]+>", "x", pattern.pattern._route) for pattern in urlpatterns]
    assert [route for route in routes if re.search(address, f"/api/v1/{route}")] == ["slots"]


# --- Alerts and metrics --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_metric_is_explained_and_every_alert_has_its_metrics_and_its_remedy(settings):
    settings.BOOKJOB_METRICS_TOKEN = TOKEN
    page = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    there = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    explained = {name for row in re.findall(r"^\| (`bookjob.*?) \|", section("Metrics"), re.MULTILINE)
                 for name in re.findall(r"`(\w+)`", row)}  # fmt: skip
    explained -= {"bookjob_replica_follows"}  # tests/operations/test_database_shapes.py has a replica
    if not SERVER:
        explained -= {"bookjob_lock_waiters", "bookjob_lock_wait_seconds"}
    assert there == explained

    for alert in ALERTS:
        names = set(re.findall(r"\b(?:bookjob_|node_|probe_|up\b)\w*", alert["expr"]))
        series = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} - {
            "bookjob_lock_wait_seconds",
            "bookjob_replica_follows",
        }
        assert names, alert
        assert series <= there | EXPORTER, alert
    assert [alert["alert"] for alert in ALERTS] == re.findall(r"^### (.*)", section("Alerts"), re.MULTILINE)


@needs("promtool")
def test_the_alert_rules_are_what_prometheus_reads():
    checked = subprocess.run(["promtool", "check", "rules", DEPLOY / "alerts.yml"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.django_db
@needs("promtool")
def test_the_page_is_what_prometheus_reads(settings):
    settings.BOOKJOB_METRICS_TOKEN = TOKEN
    page = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


# --- systemd -------------------------------------------------------------------------------------------------


@needs("systemd-analyze")
def test_the_units_are_what_systemd_reads(tmp_path):
    for unit in DEPLOY.glob("bookjob*"):
        # What is not installed here must at least be somewhere.
        text = unit.read_text().replace("/opt/bookjob/.venv/bin/", f"{Path(sys.executable).parent}/")
        (tmp_path / unit.name).write_text(text)
    units = sorted(tmp_path.iterdir())
    assert {unit.suffix for unit in units} == {".service", ".socket", ".timer"}
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    mine = [line for line in checked.stderr.splitlines() if "bookjob" in line]
    assert (checked.returncode, mine) == (0, []), checked.stderr


def test_the_units_run_commands_that_there_are():
    for unit in DEPLOY.glob("*.service"):
        (command,) = re.findall(r"^ExecStart=(.*)", unit.read_text(), re.MULTILINE)
        if named := re.search(r"manage\.py (\w+)", command):
            assert (ROOT / "bookings" / "management" / "commands" / f"{named[1]}.py").exists()
        else:
            assert command.endswith("/python -m bookjob_site.serve")


# --- nginx ---------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(tmp_path):
    """A function that starts nginx with deploy/nginx.conf in front of a service; gives the port that speaks TLS."""
    processes = []

    def start(upstream: str, **others: str) -> int:
        plain, port = free_port(), free_port()
        folder = tmp_path / f"nginx-{len(processes)}"
        folder.mkdir()
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
             "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        replaced = NGINX
        for ours, here in {
            "unix:/run/bookjob.sock": upstream,
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/bookjob.pem": str(certificate),
            "/etc/ssl/private/bookjob.key": str(key),
            "/var/log/nginx/": f"{folder}/",
            "bookjob.example.org": "localhost",
            **others,
        }.items():
            assert ours in replaced
            replaced = replaced.replace(ours, here)
        (folder / "bookjob.conf").write_text(replaced)
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(
            f"{'user root;' if os.geteuid() == 0 else ''} daemon off; events {{}}"
            f" pid {folder}/pid; error_log {folder}/error.log;"
            f" http {{ {temporary} include {folder}/bookjob.conf; }}"
        )
        command = ["nginx", "-p", folder, "-c", configuration]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert (tested.returncode, "warn" in tested.stderr) == (0, False), tested.stderr
        processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return port

    yield start
    for process in processes:
        process.terminate()
        process.wait(60)


@needs("nginx")
def test_a_booking_through_nginx(start_service, proxy):
    service = start_service(
        BOOKJOB_HTTPS="on", ALLOWED_HOSTS="localhost", BOOKJOB_PROXIES="127.0.0.0/8", BOOKJOB_METRICS_TOKEN=TOKEN
    )
    url = f"https://localhost:{proxy(f'127.0.0.1:{service.port}')}"
    trusting = ssl._create_unverified_context()

    def call(path, body=None, **headers):
        data = json.dumps(body).encode() if body else None
        headers = {"x-access-token": service.token, "Content-Type": "application/json"} | headers
        request = urllib.request.Request(url + path, data, headers)
        try:
            with urllib.request.urlopen(request, context=trusting, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    wait_for(lambda: call("/livez"))
    body = service.make_slot(capacity=9)
    # Numbers with a slash, dots and letters keep their percent signs on the way.
    for order in ("WO-1", "WO 100/236", "../..", "Ü-1"):
        status, answer = call(path_of(order), body)
        assert (status, call(path_of(order), body)) == (200, (200, answer)), (order, answer)
    orders = service.database.execute("SELECT original_order FROM bookings_workorder")
    assert {order for (order,) in orders} == {"WO-1", "WO 100/236", "../..", "Ü-1"}
    # What is too large is refused by the service, in ServiceMobility's form.
    status, answer = call(path_of("WO-2"), body | {"Notes": "x" * 1024 * 1024})
    assert (status, json.loads(answer)["code"]) == (413, 413)
    status, answer = call(path_of("WO-2"), body, **{"x-access-token": "x" * 9000})
    assert (status, json.loads(answer)["code"]) == (401, 401)
    # The admin knows that it is behind TLS: no redirect to itself.
    status, answer = call("/admin/login/")
    assert (status, b"<form" in answer) == (200, True)
    status, answer = call("/metrics", Authorization=f"Bearer {TOKEN}")
    assert (status, b"bookjob_database_up 1.0" in answer) == (200, True)
    # When no service is there, callers are told to repeat, in ServiceMobility's form too.
    service.stop()
    status, answer = call(path_of("WO-1"), body)
    assert (status, json.loads(answer)) == (503, UNAVAILABLE)


def test_install_upgrade_and_the_way_back_run_the_same_commands_as_the_same_users():
    """Libraries belong to root, so that the service cannot change them; what touches data runs as the service."""
    blocks = {title: re.findall(r"^ *```sh\n(.*?)```", section(title), re.MULTILINE | re.DOTALL)
              for title in ("Install", "Upgrade without down time")}  # fmt: skip
    commands = [line.strip() for texts in blocks.values() for text in texts for line in text.splitlines()]
    for command in commands:
        if "manage.py" in command:
            assert command.startswith("runuser -u bookjob -- "), command
        if "pip install" in command:
            assert command == ".venv/bin/pip install --require-hashes -r requirements.lock"
    back = blocks["Upgrade without down time"][-1].splitlines()
    forward = [line.strip() for line in blocks["Upgrade without down time"][0].splitlines() if line.strip()]
    assert forward[1:] == back[1:3]
    assert back[-1] == "systemctl restart bookjob.service"


@needs("nginx")
def test_what_nginx_answers_itself_has_the_form_of_service_mobility(start_service, proxy):
    service = start_service(BOOKJOB_HTTPS="on", ALLOWED_HOSTS="localhost")
    upstream = f"127.0.0.1:{service.port}"
    port = proxy(upstream, **{"allow 127.0.0.1;": ""})

    def answers(path="/api/v1/appointments/search", raw=b"", port=port, **headers) -> tuple[int, str, str]:
        """Status, word and what it is written in."""
        with ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", port), 30)) as one:
            if raw:
                one.sendall(raw)
            else:
                lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
                one.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
            answer = http.client.HTTPResponse(one)
            answer.begin()
            text = json.loads(answer.read())
            assert text["code"] == answer.status
            assert text["detail"].keys() == {"message", "params", "dataPath"}
            if answer.status in (429, 503):
                assert int(answer.headers["Retry-After"]) > 0
            return answer.status, text["detail"]["params"]["error"], answer.headers["Content-Type"]

    json_type = "application/json"
    wait_for(lambda: answers(Content_Length="0"))
    assert answers(raw=b"nonsense\r\n\r\n") == (400, "invalid_request", json_type)
    assert answers(raw=b"GET / HTTP/1.1\r\n\r\n") == (400, "invalid_request", json_type)  # no Host
    assert answers(Content_Length=str(3 * 1024 * 1024)) == (413, "too_large", json_type)
    assert answers(path=f"/{'x' * 40_000}") == (414, "too_large", json_type)
    for inside in ("/livez", "/readyz", "/metrics"):
        assert answers(inside, Content_Length="0") == (404, "not_found", json_type)
    narrow = proxy(upstream, **{"rate=200r/s": "rate=1r/m", "burst=400 nodelay": "burst=1 nodelay"})
    wait_for(lambda: answers(port=narrow, Content_Length="0"))
    assert (429, "throttled", json_type) in [answers(port=narrow, Content_Length="0") for _ in range(3)]
    # What the service says passes as it is.
    assert answers(Content_Length="0", x_access_token="none")[:2] == (401, "invalid_logon")
    service.stop()  # 502 for nginx, which is 503 for callers: again in a moment
    assert answers(Content_Length="0") == (503, "unavailable", json_type)
    hole = socket.create_server(("127.0.0.1", 0))  # takes the call and never answers: 504
    slow = proxy(f"127.0.0.1:{hole.getsockname()[1]}", **{"proxy_read_timeout 60s": "proxy_read_timeout 1s"})
    with hole:
        wait_for(lambda: answers(port=slow, Content_Length="0"))
        assert answers(port=slow, Content_Length="0") == (503, "unavailable", json_type)


@needs("nginx")
def test_no_process_of_the_machine_can_forge_an_address_through_the_socket(start_service, proxy, tmp_path):
    trusting = {
        "BOOKJOB_HTTPS": "off",
        "ALLOWED_HOSTS": "localhost 127.0.0.1",
        "BOOKJOB_PROXIES": "127.0.0.1/32",
        "BOOKJOB_TRUST_UPSTREAM": "on",
        "BOOKJOB_TRUSTED_NETWORKS": "192.0.2.0/24",
    }
    with_a_port = start_service(**trusting)
    path = f"{tmp_path}/http.sock"
    own = {"DATABASE_URL": with_a_port.database.url, "GUNICORN_CMD_ARGS": f"--bind=unix:{path}"}
    behind = warm.start("-m", "gunicorn", "bookjob_site.wsgi", environment=os.environ | own | trusting, streams={})
    try:
        url = f"https://localhost:{proxy(f'unix:{path}')}"
        unsigned = jwt.encode({"exp": 4_000_000_000}, "x" * 32, algorithm="HS256")
        headers = {"x-access-token": unsigned, "Content-Type": "application/json", "X-Forwarded-For": "192.0.2.7"}

        def search(base: str) -> int:
            request = urllib.request.Request(f"{base}/api/v1/appointments/search", b'{"TimeConstraints": []}', headers)
            try:
                with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=30) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                with error:
                    return error.code

        def is_up() -> bool:
            return search(url) != 503

        wait_for(is_up)
        assert search(url) == 401
        # The control: with a port on loopback the same claim is believed.
        assert search(with_a_port.url.replace("https", "http")) == 200
    finally:
        behind.terminate()
        behind.wait(30)
