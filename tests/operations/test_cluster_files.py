"""The files of a cluster fit together, say what docs/databases.md says, and are read by what they are for.

tests/operations/test_cluster.py runs them under faults.
"""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bookings.operations.doctor import cluster
from bookjob_site.environment.declarations import KNOWN
from tests.operations.test_deploy import NGINX, needs
from tests.support import haproxy
from tests.support.environment import ROOT

FOLDER = ROOT / "deploy" / "cluster"
PATRONI = yaml.safe_load((FOLDER / "patroni.yml").read_text())
COMPOSE = yaml.safe_load((ROOT / "compose.cluster.yaml").read_text())
HAPROXY = haproxy.SHIPPED.read_text()
PAGE = (ROOT / "docs" / "databases.md").read_text()


def addresses(text: str, last: str) -> set[str]:
    return set(re.findall(rf"10\.0\.0\.{last}\b", text))


def test_the_page_names_every_file():
    for file in FOLDER.iterdir():
        assert f"(../deploy/cluster/{file.name})" in PAGE, file.name


def test_the_page_says_what_decides_whether_a_booking_is_lost():
    rules = PATRONI["bootstrap"]["dcs"]
    said = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
    assert said.keys() >= {"synchronous_mode", "synchronous_mode_strict", "primary_start_timeout", "failsafe_mode"}
    assert said == {name: str(rules[name]).lower() for name in said}
    # As Patroni itself demands: the lock outlives a round and two tries.
    assert rules["loop_wait"] + 2 * rules["retry_timeout"] <= rules["ttl"]


def test_a_silent_host_is_known_to_be_silent_before_patroni_asks_it():
    """Else the election waits two seconds for it."""
    said = (FOLDER / "members.cfg").read_text()
    (times,) = re.findall(r"^    default-server check inter (\d+)s fall (\d+) rise 1 ", said, re.MULTILINE)
    (patience,) = re.findall(r"^    timeout check (\d+)s$", said, re.MULTILINE)
    every, fall, most = *map(int, times), int(patience)
    assert every * fall + most * fall < PATRONI["bootstrap"]["dcs"]["ttl"] - PATRONI["bootstrap"]["dcs"]["loop_wait"]
    assert most >= 2  # Patroni's own patience


def test_each_patroni_is_reached_by_the_others_through_their_own_haproxy():
    said = (FOLDER / "members.cfg").read_text()
    places = re.findall(r"^listen (\w+)\n    bind (\S+)\n    server (\w+) (\S+)$", said, re.MULTILINE)
    assert places == [
        (f"db{number}", f"127.0.0.1{number}:8008", f"db{number}", f"10.0.0.1{number}:8008") for number in (1, 2, 3)
    ]
    assert (PATRONI["restapi"]["connect_address"], PATRONI["restapi"]["listen"]) == (places[0][1], places[0][3])


def test_the_release_that_is_pinned_is_the_one_that_doctor_names():
    pinned = re.search(r"^patroni\[etcd3\]==(\S+)", (FOLDER / "requirements.txt").read_text(), re.MULTILINE)[1]
    assert pinned == cluster.TESTED
    assert tuple(map(int, pinned.split("."))) >= cluster.SAFE


def test_no_secret_is_in_the_files():
    said = dict(re.findall(r"^(PATRONI_\w+)=(.*)$", (FOLDER / "patroni.env").read_text(), re.MULTILINE))
    assert {name for name, text in said.items() if text} == {"PATRONI_RESTAPI_USERNAME"}
    assert "password" not in (FOLDER / "patroni.yml").read_text().lower().replace("passwords are not in here", "")


# --- What is sent twice --------------------------------------------------------------------------------------


def backends() -> dict[str, str]:
    return dict(re.findall(r"^backend (\w+)\n((?:    .*\n|\n)*)", HAPROXY, re.MULTILINE))


def test_haproxy_sends_a_followup_to_the_next_machine_and_nothing_else():
    assert re.findall(r"^    retry-on (.*)$", HAPROXY.split("backend ")[0], re.MULTILINE) == ["conn-failure"]
    again = {name for name, text in backends().items() if "retry-on" in text}
    assert (again, set(backends())) == ({"followups"}, {"followups", "machines", "supply"})
    assert re.findall(r"use_backend followups if (.*)", HAPROXY) == ["{ path_end /followup /followup/ }"]


def test_nginx_sends_a_followup_to_the_next_machine_and_nothing_else():
    places = re.findall(r"^    location (.*?) \{\n(.*?)^    \}", NGINX, re.MULTILINE | re.DOTALL)
    assert [place for place, text in places if "non_idempotent" in text] == ["~ /followup/?$"]
    assert "proxy_next_upstream" not in NGINX.split("location ~ /followup")[0]


@pytest.mark.skipif(not haproxy.find(), reason="there is no HAProxy")
def test_haproxy_reads_its_files(tmp_path):
    certificate = tmp_path / "bookjob.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", tmp_path / "key.pem", "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_text(certificate.read_text() + (tmp_path / "key.pem").read_text())
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.replace("/etc/haproxy/bookjob.pem", str(certificate)))
    for file in (tmp_path / "haproxy.cfg", FOLDER / "primary.cfg", FOLDER / "members.cfg"):
        checked = subprocess.run([haproxy.find(), "-c", "-f", file], capture_output=True, text=True)
        assert (checked.returncode, "WARNING" in checked.stderr) == (0, False), checked.stderr


def test_a_switchover_behind_pgbouncer_waits_for_no_next_try():
    """The limits of the tests under faults are too wide to notice what each of these costs."""
    said = (FOLDER / "primary.cfg").read_text()
    assert re.findall(r"^    retries (\d+)$", said, re.MULTILINE) == ["0"]
    (checks,) = re.findall(r"^    default-server (.*)$", said, re.MULTILINE)
    assert {"inter 1s", "fastinter 500ms", "downinter 500ms"} <= set(re.findall(r"\w*inter \w+", checks))
    pooler = configparser.ConfigParser(comment_prefixes=(";",))
    pooler.read(FOLDER / "pgbouncer.ini")
    assert pooler.getfloat("pgbouncer", "server_login_retry") <= 0.5


@needs("systemd-analyze")
def test_the_unit_is_what_systemd_reads(tmp_path):
    unit = tmp_path / "patroni.service"
    unit.write_text((FOLDER / "patroni.service").read_text().replace("/opt/patroni/bin/patroni", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert [line for line in checked.stderr.splitlines() if "patroni.service" in line] == []


@needs("keepalived")
def test_keepalived_reads_its_file_and_runs_its_script(tmp_path):
    def complaints(text: str) -> str:
        (tmp_path / "keepalived.conf").write_text(text)
        command = ["keepalived", f"--config-test={tmp_path / 'said'}", "-f", tmp_path / "keepalived.conf"]
        # In a group of its own: it ends the whole group.
        checked = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
        return checked.stdout + checked.stderr + (tmp_path / "said").read_text()

    shipped = (FOLDER / "keepalived.conf").read_text()
    assert complaints(shipped) == ""
    assert "Unknown keyword" in complaints(shipped.replace("advert_int", "advert_in"))
    unsafe = re.sub(r"global_defs \{.*?\n\}\n", "", shipped, flags=re.DOTALL)
    assert "SECURITY VIOLATION" in complaints(unsafe)


# --- compose.cluster.yaml ------------------------------------------------------------------------------------


def read_by_specification(file: Path) -> Result:
    """By the schema of Compose's specification, which check-jsonschema brings. No container engine is needed."""
    import check_jsonschema  # takes a second, and not each process of pytest comes here

    return CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", "vendor.compose-spec", str(file)])


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cluster.yaml"])
def test_compose_is_what_its_specification_takes(name, tmp_path):
    checked = read_by_specification(ROOT / name)
    assert checked.exit_code == 0, checked.output
    misspelt = tmp_path / name
    misspelt.write_text((ROOT / name).read_text().replace("restart: ", "restarts: ", 1))
    assert "'restarts' was unexpected" in read_by_specification(misspelt).output


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cluster.yaml"])
def test_compose_names_nothing_that_it_does_not_have(name):
    """The specification's schema does not look at names."""
    said = yaml.safe_load((ROOT / name).read_text())
    for service in said["services"].values():
        assert set(service.get("depends_on", ())) <= said["services"].keys()
        assert set(service.get("networks", ())) <= said.get("networks", {}).keys()
        assert set(service.get("secrets", ())) <= said.get("secrets", {}).keys()
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {volume for volume in volumes if not volume.startswith(".")} <= said.get("volumes", {}).keys()
        for file in [service.get("build", "")] + [volume for volume in volumes if volume.startswith("./deploy")]:
            assert (ROOT / file).exists()


def test_compose_has_the_addresses_of_the_files():
    of_service = {name: str(service.get("networks", {})) for name, service in COMPOSE["services"].items()}
    for number in (1, 2, 3):
        assert addresses(of_service[f"db{number}"], f"1{number}")
        assert addresses(of_service[f"etcd{number}"], f"2{number}")
    primary = (FOLDER / "primary.cfg").read_text()
    assert addresses(primary, r"1\d") == {f"10.0.0.1{number}" for number in (1, 2, 3)}
    assert addresses(str(PATRONI["etcd3"]), r"2\d") == addresses((FOLDER / "etcd.yml").read_text(), r"2\d")
    assert addresses(HAPROXY, r"3\d") == {"10.0.0.31", "10.0.0.32"}
    assert addresses(of_service["app1"] + of_service["app2"], r"3\d") == {"10.0.0.31", "10.0.0.32"}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_compose_says_what_differs_between_the_hosts(number):
    """What patroni.yml marks with an arrow is what the environment of a container says otherwise."""
    said = COMPOSE["services"][f"db{number}"]["environment"]
    marked = re.findall(r"^ *(\w+): .*# <-", (FOLDER / "patroni.yml").read_text(), re.MULTILINE)
    names = {"name": "PATRONI_NAME", "listen": "_LISTEN", "connect_address": "_CONNECT_ADDRESS"}
    assert len(said) == len(marked)
    assert all(any(variable.endswith(names[name]) for variable in said) for name in marked)
    assert {value for value in said.values() if value.startswith("10.")} == {
        f"10.0.0.1{number}:8008",
        f"10.0.0.1{number}:5432",
    }


def test_compose_gives_the_service_settings_that_there_are_and_no_right_too_many():
    for name in ("migrate", "app1", "app2"):
        service = COMPOSE["services"][name]
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
        assert set(service["environment"]) - {"WEB_CONCURRENCY"} <= KNOWN
        files = {value.removeprefix("/run/secrets/") for key, value in service["environment"].items() if "_FILE" in key}
        assert files == set(service["secrets"]) == set(COMPOSE["secrets"])


def test_the_folder_of_the_data_is_made_by_those_who_close_it_to_others():
    """A standby keeps the rights of one that is there, and PostgreSQL refuses one that others may read."""
    folder = Path(PATRONI["postgresql"]["data_dir"])
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert str(folder) not in dockerfile
    assert re.search(rf"chown -R postgres:postgres .*{folder.parent}$", dockerfile, re.MULTILINE)
    for number in (1, 2, 3):
        assert COMPOSE["services"][f"db{number}"]["volumes"] == [f"db{number}:{folder.parent}"]


def test_the_page_makes_every_secret_that_compose_wants(tmp_path):
    (commands,) = re.findall(r"```sh\n(install -d -m 700 secrets.*?)```", PAGE, re.DOTALL)
    made = commands.partition("cp .env.example")[0]
    subprocess.run(["bash", "-ec", made], cwd=tmp_path, check=True, capture_output=True)
    wanted = [secret["file"] for secret in COMPOSE["secrets"].values()]
    wanted += ["secrets/patroni.env", "secrets/bookjob.pem"]
    for file in wanted:
        assert (tmp_path / file).read_text().strip(), file
    filled = re.findall(r"^(PATRONI_\w+)=\S+$", (tmp_path / "secrets" / "patroni.env").read_text(), re.MULTILINE)
    named = re.findall(r"^(PATRONI_\w+)=", (FOLDER / "patroni.env").read_text(), re.MULTILINE)
    assert sorted(filled) == sorted(named)
