"""Clients that are generated from openapi.yaml, in Python and TypeScript, are used against a running service.

What is generated is thrown away; clients/ has the two programs that use it, and the versions of npm's packages.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from tests.support.helpers import tomorrow

PROGRAMS = Path(__file__).parent / "clients"
PASSWORD = "correct-horse-battery"


def run(*command, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def use(service, *program, folder: Path, **environment: str) -> None:
    """A log-in, a search, a booking, one that is refused, and the feed: by a client that knows only the schema."""
    first, second = tomorrow(), tomorrow() + timedelta(days=1)
    service.make_slot(capacity=1, start=first)
    service.make_slot(capacity=1, start=second)
    make_user = (
        "from django.contrib.auth.models import Permission, User;"
        f"user = User.objects.create_user('reader', password='{PASSWORD}');"
        "user.user_permissions.set(Permission.objects.filter("
        "codename__in=['log_in_to_api', 'read_workorder_by_api']))"
    )
    made = service.manage("shell", "-c", make_user)
    assert made.returncode == 0, made.stderr
    told = json.loads(run(*program, service.url, "WO 1/2", "reader", PASSWORD, folder=folder, **environment))
    ((number, order),) = service.database.execute("SELECT order_num, original_order FROM bookings_workorder")
    assert order == "WO 1/2"
    assert told["booked"] == number
    assert told["refused"][:2] == ["slot_unavailable", "full"]
    assert told["refused"][2].startswith(f"{second:%Y-%m-%dT%H:%M:%S}")
    ((read, status, when),) = told["feed"]
    assert (read, status) == (number, "booked")
    assert f"{first:%Y}" in when
    assert told["rest"] == [[], False]


def test_python(service, tmp_path):
    tool = "openapi_python_client"
    # It formats with ruff, which stands beside the interpreter.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    target = ["--path", str(ROOT / "openapi.yaml"), "--output-path", "bookjob_client", "--meta", "none"]
    run(sys.executable, "-m", tool, "generate", "--fail-on-warning", *target, folder=tmp_path, PATH=path)
    assert (tmp_path / "bookjob_client" / "api" / "workorders" / "read_work_orders.py").exists()
    use(service, sys.executable, str(PROGRAMS / "use.py"), folder=tmp_path, PYTHONPATH=str(tmp_path))


@pytest.fixture(scope="session")
def npm():
    """The folder of npm's packages, which are fetched once, and again when others are locked."""
    if not shutil.which("npm"):
        pytest.skip("no npm to be had: the TypeScript client is not tried")
    folder = ROOT / "var" / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    locked, fetched_as = (PROGRAMS / "package-lock.json").read_text(), folder / "fetched-as.json"
    there = folder / "node_modules"
    if there.exists() and fetched_as.exists() and fetched_as.read_text() == locked:
        return there
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROGRAMS / name, folder)
    fetched = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"], cwd=folder, capture_output=True, text=True
    )
    if fetched.returncode and any(word in fetched.stderr for word in ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN")):
        pytest.skip("npm's registry cannot be reached: the TypeScript client is not tried")
    assert fetched.returncode == 0, fetched.stderr
    fetched_as.write_text(locked)
    return there


def test_typescript(service, tmp_path, npm):
    (tmp_path / "node_modules").symlink_to(npm)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(PROGRAMS / "use.ts", tmp_path)
    run("node_modules/.bin/openapi-typescript", str(ROOT / "openapi.yaml"), "-o", "schema.ts", folder=tmp_path)
    # What others declare in their *.d.ts is not checked, for which the compiler would take twice as long.
    options = ["--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom"]
    run(
        "node_modules/.bin/tsc",
        *options,
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "use.ts",
        folder=tmp_path,
    )
    use(service, "node", "use.js", folder=tmp_path)
