"""The page on operations, run as the users that it names: install, upgrade, backup, restore, the way back."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.operations.test_deploy import section
from tests.support.environment import HALF_COMPILED, KEY, ROOT
from tests.support.postgres import free_port

SCRIPT = ROOT / "tests" / "support" / "as_on_the_page.sh"
IN_THE_SERVICE = ["bookings", "bookjob_site", "conformance", "templates", "docs", "deploy"]
# What says that the service serves, run by its own Python: its process is the one to stop.
READY = """
import json, os, subprocess, sys, time, urllib.request
for _ in range(1_800):  # the machine may be busy
    try:
        with urllib.request.urlopen("http://127.0.0.1:{port}/readyz", timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"
            break
    except OSError:
        time.sleep(0.1)  # the only way to wait for another process
else:
    sys.exit("it does not serve")
for line in subprocess.check_output(["ps", "-axo", "pid=,ppid=,user=,args="], text=True).splitlines():
    pid, parent, user, arguments = line.split(None, 3)
    if "gunicorn" in arguments and user == "bookjob":
        open({pid!r}, "w").write(pid)
        break
else:
    sys.exit("it does not serve as bookjob")
"""


def blocks(title: str) -> list[str]:
    return re.findall(r"^ *```sh\n(.*?)```", section(title), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the commands of the page, one file a step, and the code."""
    tmp_path = tmp_path_factory.mktemp("work")
    code = tmp_path / "code"
    for name in IN_THE_SERVICE:
        # Compiled as it is, or each command would compile it again.
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns(HALF_COMPILED))
    for name in ("manage.py", "gunicorn.conf.py", "pyproject.toml", ".env.example", "requirements.lock"):
        shutil.copy(ROOT / name, code / name)
    (install,) = blocks("Install")
    new_code, migrate, index, back = blocks("Upgrade without down time")
    _, _, copy, copy_back, check, _, pass_over, new_epoch = blocks("Backup and restore")
    first, dotenv, rest = install.partition("install -g bookjob -m 640 .env.example .env")
    database = "sqlite:////opt/bookjob/var/bookjob.sqlite3"
    steps = {
        "install_first": first + dotenv + rest.partition("\n")[0],
        "install": rest.partition("\n")[2],
        "upgrade": new_code.replace("<release>", "release"),
        # PostgreSQL's options are not SQLite's.
        "migrate": re.sub(r'DATABASE_URL="[^"]*"', f"DATABASE_URL={database}", migrate),
        "index": index,
        "backup": copy,
        "restore": copy_back,
        "check": check,
        "pass": pass_over,
        "epoch": new_epoch,
        "back": back.replace("<the release before>", "before"),
    }
    for name, text in steps.items():
        (tmp_path / name).write_text("\n".join(line.strip() for line in text.splitlines()) + "\n")
    port = free_port()
    (tmp_path / "settings").write_text(
        f"SECRET_KEY={KEY}{KEY}\nALLOWED_HOSTS=localhost 127.0.0.1\nBOOKJOB_JWT_KEYS=first:{KEY}\nPORT={port}\n"
    )
    (tmp_path / "ready.py").write_text(READY.format(port=port, pid=str(tmp_path / "pid")))
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and str(folder) not in ("/", "/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    return tmp_path


@pytest.fixture(scope="module")
def libraries(work) -> Path:
    """Those of requirements.lock, as pip would install them. With the tests' own each command takes a fifth longer."""
    folder = work / "libraries"
    folder.mkdir()
    for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        with contextlib.suppress(metadata.PackageNotFoundError):  # it is for another system
            files = metadata.files(name)
            for top in {file.parts[0] for file in files} - {".."}:
                with contextlib.suppress(FileExistsError):  # the compiled files of all that are no folders
                    (folder / top).symlink_to(metadata.distribution(name).locate_file(top))
    return folder


@pytest.fixture(scope="module")
def ended(work, libraries) -> subprocess.CompletedProcess:
    """All steps of the page once, with the control of the restore among them."""
    if os.geteuid() or not all(map(shutil.which, ("unshare", "useradd", "runuser"))):
        pytest.skip("other users and name spaces of its own take root on Linux")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets root make no name spaces")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "bash", SCRIPT, work, sys.executable, libraries,
         sys.base_prefix],
        env=kept | {"RESTORED_URL": "sqlite:////opt/bookjob/var/restored.sqlite3"},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip


def test_every_step_works_for_the_user_that_it_names(ended):
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    said = ended.stdout
    # Only root can change the code, and nothing of the service's is root's.
    assert said[said.index("--- owners") :] == "--- owners\n--- end\n", said


def test_the_test_above_would_notice_a_step_of_another_user(ended):
    """What the page said once: a copy that root makes cannot be written to by the service."""
    assert "--- restore by root\n--- pass\n--- ended with 1\n--- restore\n" in ended.stdout
    assert "readonly database" in ended.stderr
